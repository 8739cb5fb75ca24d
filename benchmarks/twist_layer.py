"""Times TwistLayer and the forms of its convolution against a plain Conv2D of the same shape.

    python benchmarks/twist_layer.py                    # the layer and the forms that are quoted
    python benchmarks/twist_layer.py --forms all --xla both --output all.json

Every round runs each candidate once, so that a change of the machine's load meets all of them;
the figures are medians over the rounds. A training step is the output with the gradients of all
weights and of the input. The plain convolution is the fastest of the modes measured. The batch
is 64, or smaller where the plain convolution would exceed 2.4e9 multiply-adds.
"""

import argparse
import functools
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import machine
import numpy as np
import results_file
import tensorflow as tf

import keras_twist.layers.twist_layer as twist_layer
from keras_twist.ops.twist_forms import FORMS, twisted

RESULTS = Path(__file__).parent / "results" / "twist_layer.json"
KINDS = {"masked": {}, "unmasked": {"masked": False}}
QUOTED = ["separate", "products", "fused"]
LIMITS = {
    "masked train": 2.5,
    "unmasked train": 1.9,
    "masked forward": 2.2,
    "unmasked forward": 1.7,
}


def candidate(layer, form, inputs, cotangent, train, xla):
    """Returns a compiled function that runs `layer` with the given form."""

    # As arguments: a constant would not tell the layer that it is being traced.
    def forward(inputs):
        return layer(inputs, training=False)

    def step(inputs):
        weights = [w.value for w in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
        return outputs, tape.gradient(outputs, [inputs, *weights], output_gradients=cotangent)

    function = tf.function(step if train else forward, jit_compile=xla, autograph=False)
    # Tracing reads it, once.
    twist_layer.twisted = functools.partial(twisted, form=None if form == "layer" else form)
    try:
        function(inputs)
    finally:
        twist_layer.twisted = twisted
    return functools.partial(function, inputs)


def measure(size, channels, dtype, forms, modes, rounds, clock):
    """Returns {(name, kind, pass, mode): milliseconds} for one shape, and its batch size."""
    batch = max(1, min(64, int(2.42e9 / (9 * size * size * channels * channels))))
    policy = "float32" if dtype == "float32" else f"mixed_{dtype}"
    rng = np.random.default_rng(0)
    shape = (batch, size, size, channels)
    inputs, cotangent = (tf.constant(rng.normal(size=shape), dtype=dtype) for _ in range(2))
    functions = {}
    for mode in modes:
        for train in (False, True):
            step = "train" if train else "forward"
            plain = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False, dtype=policy)
            plain.build(shape)
            functions["plain", "", step, mode] = candidate(
                plain, None, inputs, cotangent, train, mode == "xla"
            )
            for kind, kwargs in KINDS.items():
                layer = twist_layer.TwistLayer(channels, dtype=policy, **kwargs)
                layer.build(shape)
                for form in forms:
                    if form == "fused" and kind == "masked":
                        continue
                    functions[form, kind, step, mode] = candidate(
                        layer, form, inputs, cotangent, train, mode == "xla"
                    )
    times = {key: [] for key in functions}
    for _ in range(rounds):
        for key, function in functions.items():
            start = clock()
            results = function()
            np.asarray(tf.nest.flatten(results)[-1][..., :1])  # waits for a GPU
            times[key].append(1e3 * (clock() - start))
    return {key: float(np.median(values)) for key, values in times.items()}, batch


def main():
    """Measures, prints one row per shape and writes the JSON file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 16, 8])
    parser.add_argument("--channels", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--forms", nargs="+", default=QUOTED)
    parser.add_argument("--xla", choices=["off", "on", "both"], default="off")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    changed = [name for name, value in vars(args).items() if value != parser.get_default(name)]
    if changed and args.output == RESULTS:
        parser.error(f"{RESULTS} holds the usual settings; give others another --output")
    forms = ["layer", *((*FORMS, "fused") if args.forms == ["all"] else args.forms)]
    modes = {"off": ["plain"], "on": ["xla"], "both": ["plain", "xla"]}[args.xla]
    clock = time.perf_counter if args.clock == "wall" else time.process_time

    before = machine.describe()
    rows, ratios = [], {}
    for dtype in args.dtypes:
        for size in args.sizes:
            for channels in args.channels:
                times, batch = measure(size, channels, dtype, forms, modes, args.rounds, clock)
                row = {"size": size, "channels": channels, "batch": batch, "dtype": dtype}
                for step in ("forward", "train"):
                    row[f"plain {step} ms"] = fastest = min(
                        times["plain", "", step, mode] for mode in modes
                    )
                    for (name, kind, other, mode), value in times.items():
                        if other == step and name != "plain":
                            key = f"{name} {kind} {step}" + " xla" * (mode == "xla")
                            row[key] = value / fastest
                            ratios.setdefault((dtype, key), []).append(value / fastest)
                rows.append(row)
                line = [f"{dtype} {batch}x{size}x{size}x{channels}:"]
                line += [f"{k} {v:.2f}" for k, v in row.items() if isinstance(v, float)]
                print("  ".join(line), flush=True)

    means = {}
    print("\ngeometric means over the shapes, times the fastest plain convolution")
    for dtype in args.dtypes:
        for (of, key), values in ratios.items():
            if of == dtype:
                means[f"{dtype} {key}"] = mean = float(np.exp(np.mean(np.log(values))))
                limit = LIMITS.get(key.removeprefix("layer "))
                print(f"{dtype:9} {key:32} {mean:5.2f}", f"(limit {limit})" if limit else "")
    report = {
        "command": " ".join(["python", *sys.argv]),
        "machine": before,
        "clock": args.clock,
        "rounds": args.rounds,
        "geometric_means": means,
        "shapes": rows,
    }
    results_file.write(args.output, report)
    print(f"\nwritten to {args.output}")


if __name__ == "__main__":
    main()
