"""Pieces of a step that XLA compiles where TensorFlow runs the rest op by op.

On a CPU, TensorFlow's own convolutions are faster than XLA's, but every elementwise operation
between them is a pass over the memory. A function that `compiled` calls becomes one loop, and the
convolutions around it stay what they are.

The one module of `ops` that knows TensorFlow, and only when it is called.
"""

import functools
import math

import keras

__all__ = ["compiled", "fusible", "inner_products", "pull_back", "runs_on_cpu", "runs_op_by_op"]

# A tensor of so many numbers stays in the cache between two operations.
SMALLEST = 2**18


def runs_op_by_op(tensor):
    """Returns whether `tensor` belongs to TensorFlow and XLA is not compiling what uses it."""
    if keras.backend.backend() != "tensorflow":
        return False
    # The tensor's own graph is what knows: it says so while `jit_compile=True` traces. Where it
    # has no such method, the answer is the careful one.
    graph = getattr(tensor, "graph", None)
    while graph is not None:
        if not hasattr(graph, "_get_control_flow_context"):
            return False
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return False
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return True


def runs_on_cpu(tensor):
    """Returns whether `tensor` is in a graph that TensorFlow runs op by op and without a GPU."""
    if getattr(tensor, "graph", None) is None or not runs_op_by_op(tensor):
        return False
    import tensorflow as tf

    return not tf.config.get_visible_devices("GPU")


def fusible(tensor):
    """Returns whether pieces that use `tensor` are worth compiling.

    They are in the graph of a step on a CPU, for images of one size, and of so many pixels that
    passes over the memory cost more than the seconds that each compilation takes: eager code would
    compile for ever new shapes, and the kernels of a GPU need no help.
    """
    shape = tensor.shape
    if getattr(shape, "rank", 0) is None or None in shape[1:]:
        return False
    if None not in shape and math.prod(shape) < SMALLEST:
        return False
    # What is compiled has the type of its input, and integers become floats elsewhere.
    return runs_on_cpu(tensor) and tensor.dtype.is_floating


def compiled(function, *tensors, **static):
    """Returns `function(*tensors, **static)`, compiled by XLA; `static` must be hashable."""
    signature = tuple((tuple(t.shape), t.dtype) for t in tensors)
    return _compile(function, signature, **static)(*tensors)


# One function for each signature, so that layers of one shape share a program. TensorFlow's own
# cache would do, but warns of every new shape as of a mistake.
@functools.cache
def _compile(function, signature, **static):
    import tensorflow as tf

    return tf.function(functools.partial(function, **static), jit_compile=True, autograph=False)


def inner_products(a, b):
    """Returns `transpose(a) @ b` by oneDNN's product, which needs no transposed copy of `a`."""
    import tensorflow as tf

    return tf.linalg.matmul(a, b, transpose_a=True)


def pull_back(function, tensor, upstream):
    """Returns `function(tensor)` and the gradient of its sum with weights `upstream`."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = function(tensor)
    return value, tape.gradient(value, tensor, upstream)
