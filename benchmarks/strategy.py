"""Images per second of one device, of two that share each batch, and of two processes.

    python benchmarks/strategy.py        # some minutes on two cores

The recipe `quick`, narrower, on random pixels. All three have the same cores: what two devices
bring on a machine with twice as many is not measured here, only what sharing a batch costs. Every
round runs the three in turn, each in new processes; a case is the median over rounds. Writes
`benchmarks/results/strategy.json`.
"""

import dataclasses
import json
import os
import socket
import statistics
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

RESULT = Path(__file__).parent / "results" / "strategy.json"
CASES = ("none", "mirrored", "multi_worker")
ROUNDS = 5
STEPS = 60
WIDTH, BATCH = 16, 256


def measure(case):
    """In a process of its own: print images per second."""
    import keras
    import numpy as np
    import tensorflow as tf

    from keras_twist import callbacks
    from keras_twist.data import CIFAR10_CLASSES
    from keras_twist.recipes import CIFAR_RECIPES, cifar, strategies, task
    from keras_twist.recipes.trainer import trainer_of

    tf.get_logger().setLevel("ERROR")
    recipe = dataclasses.replace(
        CIFAR_RECIPES["quick"],
        width=WIDTH,
        batch_size=BATCH,
        precision="float32",
        strategy=case,
        replicas=None if case == "none" else 2,
    )
    replicas = strategies.of(recipe)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 10_000)
    pixels = rng.integers(0, 100, (len(labels), 32, 32, 3))
    pixels[np.arange(len(labels)), :, :, labels % 3] += 15 * labels[:, None, None]
    shown = (pixels.astype("uint8"), labels), (pixels[:1], labels[:1])
    data = task.Data(*shown, "test", CIFAR10_CLASSES)
    keras.utils.set_random_seed(0)
    with replicas.scope():
        model = cifar.build_model(recipe, data)
        task.compile_model(model, recipe, 2 * STEPS, jit_compile=False)
    trainer = trainer_of(model, replicas)
    trainer.fit(task.training_batches(recipe, data), STEPS)  # compiles
    # Not around `fit`: at its end TensorFlow waits for the thread that tunes what divides batches.
    stopwatch = callbacks.Stopwatch()
    trainer.fit(task.training_batches(recipe, data, STEPS), STEPS, callbacks=[stopwatch])
    if replicas.is_chief:
        print(json.dumps(BATCH * STEPS / stopwatch.total_seconds))


def cluster(case, command):
    """What a command prints under a strategy, in as many processes as that has.

    Of two, both are on this machine, and it is the first, the chief, whose output counts.
    """
    count = 2 if case == "multi_worker" else 1
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = []
    for index in range(count):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | ({"TF_CONFIG": json.dumps(config)} if count > 1 else {})
        stdout = subprocess.DEVNULL if index else subprocess.PIPE
        processes.append(subprocess.Popen(command, env=environment, stdout=stdout))
    output = processes[0].communicate()[0]
    if processes[0].returncode:  # Others would wait for it.
        for process in processes[1:]:
            process.kill()
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit(f"{case}: processes ended with {codes}")
    return output


def main():
    """Measure, print and write the result."""
    import machine
    import results_file
    import summaries

    before, rounds = machine.describe(), []
    for _ in range(ROUNDS):
        rounds.append(
            {case: json.loads(cluster(case, [sys.executable, __file__, case])) for case in CASES}
        )
        print(json.dumps(rounds[-1]), flush=True)
    speeds = {case: statistics.median(one[case] for one in rounds) for case in CASES}
    alone = [one["none"] for one in rounds]
    ratios = {case: summaries.ratio([one[case] for one in rounds], alone) for case in CASES[1:]}
    result = {
        "what": __doc__.splitlines()[0],
        "batch_size": BATCH,
        "steps": STEPS,
        "images_per_second": speeds,
        "over_none": ratios,
        "rounds": rounds,
        "machine": before,
    }
    results_file.write(RESULT, result)
    print(json.dumps({"images_per_second": speeds, "over_none": ratios}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        main()
