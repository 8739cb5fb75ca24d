"""Where the time of a training step goes, operation by operation.

    python benchmarks/step_profile.py                      # all networks, five minutes
    python benchmarks/step_profile.py speednet davidnet

TensorFlow's own profiler notes when each operation begins and ends. Those of one kind are summed
over the step, and what XLA has compiled counts as one kind; two that run side by side both count,
so the sum may exceed the step. The networks and batches are those of `step_time.py`, in the
precision that is chosen for the machine. Writes `benchmarks/results/step_profile.json`, in which
the first profile of each network and precision stays, beside the last one.
"""

import argparse
import collections
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import machine
import results_file
import tensorflow as tf
from step_time import NETWORKS, keras_steps
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from keras_twist.recipes.runtime import resolve_precision

RESULT = Path(__file__).parent / "results" / "step_profile.json"
STEPS = 4
SHOWN = 12


def kind_of(event):
    """The kind of operation that an event of the profile is, or None."""
    if event == "CpuExecutable::ExecuteAsyncOnStream":
        return "XLA"
    _, colon, kind = event.rpartition(":")
    if colon and "::" not in event and not event.startswith("end: "):  # of a part of XLA's
        return kind.removeprefix("_").removeprefix("MklNative")
    return None


def profile(name, precision):
    """Milliseconds a step by kind of operation, most first, and those of the step."""
    take = keras_steps(name, "plain", precision)
    take(3)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            take(STEPS)
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    spent, begun, ended = collections.Counter(), [], []
    for plane in space.planes:
        names = {key: event.name for key, event in plane.event_metadata.items()}
        for line in plane.lines:
            if not line.name.startswith("tf_Compute"):
                continue
            for event in line.events:
                if kind := kind_of(names[event.metadata_id]):
                    spent[kind] += event.duration_ps
                    start = line.timestamp_ns * 1e-6 + event.offset_ps * 1e-9
                    begun.append(start)
                    ended.append(start + event.duration_ps * 1e-9)
    kinds = {kind: time * 1e-9 / STEPS for kind, time in spent.most_common()}
    return {"step_ms": (max(ended) - min(begun)) / STEPS, "operations_ms": kinds}


def main():
    """Profile, print a table for each network and write the results."""
    parser = argparse.ArgumentParser(usage="%(prog)s [NETWORK ...]")
    parser.add_argument("networks", nargs="*", default=[], help=", ".join(NETWORKS))
    chosen = parser.parse_args().networks or NETWORKS
    if unknown := set(chosen) - set(NETWORKS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(NETWORKS)}")
    precision = resolve_precision("auto").removeprefix("mixed_")
    record = results_file.read(RESULT)
    networks, first = record.get("networks", {}), record.get("first", {})
    for name in chosen:
        before, found = machine.describe(), profile(name, precision)
        batch_size, size, _ = NETWORKS[name]
        networks[name] = {
            "batch_size": batch_size,
            "image_size": size,
            "precision": precision,
            **found,
            "machine": before,
        }
        same = ("batch_size", "image_size", "precision")
        if name not in first or any(first[name][key] != networks[name][key] for key in same):
            first[name] = networks[name]
        record = {"what": __doc__.splitlines()[0], "steps": STEPS}
        record |= {"first": first, "networks": networks}
        results_file.write(RESULT, record)
        whole = sum(found["operations_ms"].values())
        print(f"\n{name}, {precision}, {batch_size} images: {found['step_ms']:.0f} ms a step")
        for kind, ms in list(found["operations_ms"].items())[:SHOWN]:
            print(f"{ms:10.1f} ms {100 * ms / whole:5.1f} %  {kind}")


if __name__ == "__main__":
    main()
