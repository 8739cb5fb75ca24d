"""Images per second and memory of the training step, beside PyTorch's on the same machine.

    pip install torch==2.13.0                          # for this file alone
    python benchmarks/step_time.py                     # all networks; an hour on two cores
    python benchmarks/step_time.py davidnet speednet   # some of them

Each setting of each network has a process of its own, which compiles once. In every round all
settings of a network take some steps in turn, so that a slow moment of the machine hits all; a
ratio is the median over rounds. Both libraries train the same network with SGD with momentum on
the same batch again and again, Keras by `fit`, PyTorch by the usual loop with channels last and
`autocast`. Before that, the two are checked: as many parameters, and for equal weights equal
logits. Lower precision is tried where the processor has it. Writes
`benchmarks/results/step_time.json`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

RESULT = Path(__file__).parent / "results" / "step_time.json"
# Batch size, side of the images, steps in a round.
NETWORKS = {
    "davidnet": (256, 32, 4),
    "resnet9": (256, 32, 4),
    "speednet": (512, 32, 4),
    "mxresnet50": (32, 128, 2),
    "mxresnet50_twist": (32, 128, 2),
}
LIBRARIES = {"keras": ("plain", "xla"), "torch": ("eager", "compiled")}
PRECISIONS = ("float32", "bfloat16")
ROUNDS = 7
RATE, MOMENTUM = 1e-3, 0.9


def keras_network(name):
    """The network in Keras."""
    from keras_twist import models

    size = NETWORKS[name][1]
    make = {
        "davidnet": lambda: models.DavidNet(dropout=0.0, logit_scale=0.125),
        "resnet9": models.ResNet9,
        "speednet": models.SpeedNet,
        "mxresnet50": lambda: models.MXResNet50(input_shape=(size, size, 3)),
        "mxresnet50_twist": lambda: models.MXResNet50(input_shape=(size, size, 3), conv="twist"),
    }
    return make[name]()


def torch_network(name):
    """The same in PyTorch."""
    import torch_nets

    make = {
        "davidnet": lambda: torch_nets.nine_layers(pool_first=False, bias=False, factor=0.125),
        "resnet9": lambda: torch_nets.nine_layers(pool_first=True, bias=True, factor=1.0),
        "speednet": torch_nets.speednet,
        "mxresnet50": torch_nets.mxresnet50,
        "mxresnet50_twist": lambda: torch_nets.mxresnet50(twist=True),
    }
    return make[name]()


def batch_of(name):
    """Images and labels, the same in all processes."""
    batch_size, size, _ = NETWORKS[name]
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch_size, size, size, 3)).astype("float32")
    return images, rng.integers(0, 10, batch_size)


def published_conv(filters, **options):
    """A convolution with the weights of `conv="twist"`, whose twist is of a published form."""
    import keras

    from keras_twist import layers

    if filters > 32:
        return layers.TwistLayer(filters, **layers.TWIST_VARIANTS["notebook"], **options)
    return keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, **options)


def check_equal(name):
    """Give both the same weights; number of parameters and the largest difference of logits."""
    import torch
    import torch_nets

    from keras_twist import models

    ours, theirs = keras_network(name), torch_network(name)
    rng = np.random.default_rng(0)
    with torch.no_grad():  # As a trained one, that nothing be hidden by a one or a nought.
        for key, tensor in theirs.state_dict().items():
            if key.endswith(("running_mean", "bias")):
                tensor += torch.from_numpy(rng.normal(0, 0.1, tensor.shape).astype("float32"))
            elif tensor.ndim == 1:
                tensor *= torch.from_numpy(rng.uniform(0.8, 1.2, tensor.shape).astype("float32"))
    if name.startswith("mxresnet"):
        # Twists from PyTorch are taken for one of the published forms; these have ours.
        conv = published_conv if name.endswith("twist") else "conv"
        published = models.MXResNet50(input_shape=ours.input_shape[1:], conv=conv)
        models.load_torch_state_dict(published, theirs.state_dict())
        ours.set_weights(published.get_weights())
    else:
        owners = [layer for layer in ours.layers if layer.weights]
        for layer, arrays in zip(owners, torch_nets.values(theirs), strict=True):
            layer.set_weights(arrays)
    images = batch_of(name)[0][:8]
    with torch.inference_mode():
        expected = theirs.eval()(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    difference = np.abs(ours.predict(images, verbose=0) - expected).max() / np.abs(expected).max()
    counts = [sum(map(int, map(np.size, ours.get_weights())))]
    counts.append(sum(array.size for arrays in torch_nets.values(theirs) for array in arrays))
    if name.endswith("twist"):  # PyTorch trains all nine values of a kernel of which four count.
        counts[1] -= sum(
            5 * layer.twist.shape[1] * layer.twist.shape[2]
            for layer in ours.layers
            if hasattr(layer, "twist")
        )
    assert counts[0] == counts[1], counts
    assert difference < 1e-4, difference
    return {
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "parameters": counts[0],
        "logits_differ_by": float(difference),
    }


def keras_steps(name, setting, precision):
    """Function that takes so many steps in Keras."""
    import keras

    keras.config.set_dtype_policy({"bfloat16": "mixed_bfloat16"}.get(precision, precision))
    return steps_of(keras_network(name), batch_of(name), setting == "xla")


def steps_of(model, batch, xla=False):
    """Function that takes so many steps of a Keras model on a batch, again and again."""
    import keras
    import ready

    from keras_twist import optimizers

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimizers.SGD(RATE, MOMENTUM, nesterov=True)
    model.compile(optimizer, loss, jit_compile=xla)
    batches = ready.batches(batch)

    def take(steps):
        model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)

    return take


def torch_steps(name, setting, precision):
    """Function that takes so many steps in PyTorch."""
    import torch

    net = torch_network(name).to(memory_format=torch.channels_last).train()
    parameters = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, RATE, MOMENTUM, nesterov=True)
    images, labels = map(torch.from_numpy, batch_of(name))
    images = images.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    forward = torch.compile(net) if setting == "compiled" else net

    def take(steps):
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                loss = torch.nn.functional.cross_entropy(forward(images), labels)
            loss.backward()
            optimizer.step()
        return loss.item()

    return take


def work(name, library, setting, precision):
    """In a process of its own: a line of input is a number of steps, one of output the seconds."""
    make = {"keras": keras_steps, "torch": torch_steps}[library]
    take = make(name, setting, precision)
    take(2)  # compiles
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        start = time.perf_counter()
        take(int(line))
        sys.stdout.write(f"{time.perf_counter() - start}\n")
        sys.stdout.flush()
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(f"{int(peak.split()[1]) / 2**20:.3f}\n")


class Worker:
    """A process that takes steps when it is asked to."""

    def __init__(self, *case):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--work", *case],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n", case

    def seconds(self, steps):
        """How long so many steps take now."""
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        """End it; the most memory that it had, in GiB."""
        self.process.stdin.close()
        return float(self.process.stdout.readline())


def measure(name, precisions):
    """All settings of one network."""
    import summaries

    batch_size, size, steps = NETWORKS[name]
    command = [sys.executable, __file__, "--check", name]
    checked = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    cases = [
        (library, setting, precision)
        for library, settings in LIBRARIES.items()
        for setting in settings
        for precision in precisions
    ]
    workers = {" ".join(case): Worker(name, *case) for case in cases}
    speeds = {case: [] for case in workers}
    for _ in range(ROUNDS):
        for case, worker in workers.items():
            speeds[case].append(steps * batch_size / worker.seconds(steps))
    memory = {case: worker.close() for case, worker in workers.items()}
    found = {case: statistics.median(values) for case, values in speeds.items()}
    best = {
        library: max((c for c in found if c.startswith(library)), key=found.get)
        for library in LIBRARIES
    }
    return checked | {
        "batch_size": batch_size,
        "image_size": size,
        "images_per_second": found,
        "peak_memory_gib": memory,
        "best": best,
        "keras_over_torch": summaries.ratio(*(speeds[best[each]] for each in LIBRARIES)),
        "rounds": speeds,
    }


def main(names):
    """Measure, print and write the results."""
    import machine
    import results_file

    from keras_twist.recipes.runtime import BFLOAT16_CPU_FLAGS, cpu_flags

    precisions = PRECISIONS if BFLOAT16_CPU_FLAGS & cpu_flags() else PRECISIONS[:1]
    for name in names or NETWORKS:
        before = machine.describe()
        found = measure(name, precisions)
        networks = results_file.read(RESULT).get("networks", {})
        networks[name] = found | {"machine": before}
        shown = {k: v for k, v in found.items() if k != "rounds"}
        print(name, json.dumps(shown, indent=2), flush=True)
        record = {"what": __doc__.splitlines()[0], "rounds": ROUNDS, "networks": networks}
        results_file.write(RESULT, record)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(*sys.argv[2:])
    elif sys.argv[1:2] == ["--check"]:
        print(json.dumps(check_equal(sys.argv[2])))
    else:
        parser = argparse.ArgumentParser(usage="%(prog)s [NETWORK ...]")
        parser.add_argument("networks", nargs="*", help=", ".join(NETWORKS))
        chosen = parser.parse_args().networks
        if unknown := set(chosen) - set(NETWORKS):
            parser.error(
                f"there is no {', '.join(sorted(unknown))}; there are {', '.join(NETWORKS)}"
            )
        main(chosen)
