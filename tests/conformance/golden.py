"""Outputs of every deterministic row for fixed inputs and weights, to be the same everywhere.

`python -m tests.conformance.golden` computes them in float64 on TensorFlow and writes
`tests/golden/conformance.npz`; the tests compare float32 on the backend they run on.
"""

from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from ..tools import to_numpy
from .table import BATCH, LAYERS, MODELS, OPS
from .tools import fill, images

PATH = Path(__file__).parents[1] / "golden" / "conformance.npz"
GOLDEN = np.load(PATH, allow_pickle=False) if PATH.exists() else None


def cases():
    """Functions from a dtype to an output, by name."""
    kinds = {"layer": (LAYERS, of_layer), "model": (MODELS, of_model), "op": (OPS, of_op)}
    return {
        f"{kind}/{name}": partial(compute, row)
        for kind, (table, compute) in kinds.items()
        for name, row in table.items()
    }


def of_layer(row, dtype):
    layer, x = row.make(dtype=dtype), images(BATCH, *row.shape)
    layer.build(x.shape)
    fill(layer.weights)
    if row.draws is not None:
        return layer.apply(ops.convert_to_tensor(x, dtype), **row.draws)
    return layer(x)


def of_model(row, dtype):
    keras.config.set_dtype_policy(dtype)
    model = row.make(10, row.shape)
    fill(model.weights)
    return model(images(BATCH, *row.shape))


def of_op(row, dtype):
    rng = np.random.default_rng(0)
    arguments = [rng.uniform(0.2, 1.0, shape).astype("float32") for shape in row.shapes]
    found = row.function(*(ops.convert_to_tensor(a, dtype=dtype) for a in arguments))
    return ops.stack(found) if isinstance(found, tuple | list) else found


if __name__ == "__main__":
    np.savez_compressed(PATH, **{name: to_numpy(make("float64")) for name, make in cases().items()})
