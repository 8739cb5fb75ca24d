"""Activation functions."""

import functools

import keras
from keras import ops

from keras_twist.ops.op_by_op import compiled, fusible, runs_op_by_op
from keras_twist.ops.precision import at_least_float32

__all__ = ["mish"]


@ops.custom_gradient
def _mish(x):
    return _mish_value(x), functools.partial(_backward, x)


@ops.custom_gradient
def mish_in_training(x):
    """Mish of a tensor that is `fusible`.

    Nothing but a step of training may call it: what has a compiled piece cannot be exported to
    ONNX, nor run where XLA is missing, and compiles anew for every size of batch.
    """
    return compiled(_mish_value, x), functools.partial(_backward, x)


# Automatic differentiation keeps the tanh beside x on TensorFlow, and more on JAX, where ReLU needs
# one tensor. Here the backward pass starts again from x alone. It uses other operations than the
# forward pass on purpose: a graph optimizer that found the same ones twice would merge them, and
# keep their results alive between the two passes.
def _backward(x, *args, upstream=None):
    if upstream is None:  # torch passes the inputs too, and names the upstream gradient
        (upstream,) = args
    if fusible(x):
        return compiled(_mish_gradient, x, upstream)
    return _mish_gradient(x, upstream)


def _mish_value(x):
    if keras.backend.backend() == "torch" or runs_op_by_op(x):
        # Few operations, since each is a pass over the memory.
        return x * ops.tanh(ops.softplus(x))
    # One pass does all of them, and exponentials are what takes time: with e = exp(x) and
    # n = e (e + 2), tanh(softplus(x)) = n / (n + 2), which is 1 from 20 on.
    exact = ops.cast(x, at_least_float32(x.dtype))
    e = ops.exp(ops.minimum(exact, 20.0))
    n = e * (e + 2.0)
    return ops.cast(exact * (n / (n + 2.0)), x.dtype)


def _mish_gradient(x, upstream):
    # With s = sigmoid(x) and u = 1 - s: tanh(softplus(x)) = s (1 + u) / (1 + u^2), and its
    # derivative is s w^2 with w = 2 u / (1 + u^2) <= 1. Nothing here can overflow.
    s = ops.sigmoid(x)
    u = 1.0 - s
    r = 1.0 / (1.0 + u * u)
    w = (u + u) * r
    return upstream * (s * ((1.0 + u) * r + x * (w * w)))


def mish(x):
    """Mish activation, `x * tanh(softplus(x))`, which keeps only `x` for the backward pass.

    It is smooth, lets small negative values through and has its minimum, about -0.309, near
    -1.19. Value and gradient are finite for every finite input in float16, bfloat16, float32 and
    float64.

    Args:
        x: tensor of any shape. Integers are made Keras's `floatx` first.

    Returns:
        A float tensor of the shape of `x` and, if that has floats, of its dtype; no smaller than
        about -0.309.

    Example:
        >>> y = keras_twist.ops.mish(np.array([-1e4, -1.0, 0.0, 1.0, 1e4], dtype="float32"))
        >>> [round(float(value), 4) for value in y]
        [-0.0, -0.3034, 0.0, 0.8651, 10000.0]

    Reference:
        - [Misra, 2019](https://arxiv.org/abs/1908.08681)

        Differs from it in: nothing but the memory that training needs. A SavedModel exported
        with it computes outputs only; ask the `.keras` file for one to train on.
    """
    if isinstance(x, keras.KerasTensor):
        # A symbolic tensor records operations; the custom gradient has none to record.
        return x * ops.tanh(ops.softplus(x))
    x = ops.convert_to_tensor(x)
    if not keras.backend.is_float_dtype(x.dtype):
        x = ops.cast(x, keras.config.floatx())
    return _mish(x)
