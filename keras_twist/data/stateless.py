"""Random numbers that a seed alone decides, and compiled functions: by TensorFlow or by JAX.

Nothing else in `data` knows which of the two makes a batch, but for how batches follow each other:
in tf.data, or one call of a compiled function after the other. Numbers differ between the two,
distributions do not.
"""

import keras
import numpy as np


def on_jax():
    """Whether Keras computes with JAX."""
    return keras.backend.backend() == "jax"


def seed_of(seed, step):
    """The seed of a step: an int64 tensor of shape (2,), or a key of JAX.

    Args:
        seed: Integer.
        step: Integer or integer tensor.
    """
    if on_jax():
        import jax

        key, seed = jax.random.key(int(seed) % 2**32), int(seed) // 2**32
        if seed:  # Of a seed, JAX takes 32 bits.
            key = jax.random.fold_in(key, _word(seed))
        return jax.random.fold_in(key, _word(step))
    import tensorflow as tf

    return tf.stack([np.int64(seed), step])


def fold_in(seed, number):
    """Another seed for each integer.

    Args:
        seed: What `seed_of` or this returned, or two integers.
        number: Integer, also negative.
    """
    if on_jax():
        import jax

        return jax.random.fold_in(_key(seed), _word(number))
    import tensorflow as tf

    return tf.random.experimental.stateless_fold_in(seed, number)


def uniform(seed, shape, low, high, dtype):
    """Uniform numbers in `[low, high)`, which must be as many as the type holds, int32 or float32.

    Args:
        seed: As for `fold_in`.
        shape: Tuple, whose entries may be tensors on TensorFlow.
        low: Number.
        high: Number.
        dtype: `"int32"` or `"float32"`.
    """
    if on_jax():
        import jax

        if dtype == "int32":
            return jax.random.randint(_key(seed), shape, low, high, dtype)
        return jax.random.uniform(_key(seed), shape, dtype, low, high)
    import tensorflow as tf

    return tf.random.stateless_uniform(shape, seed, low, high, dtype=dtype, alg="philox")


def gamma(seed, shape, alpha):
    """Float32 Gamma variates of scale 1; see `uniform`."""
    if on_jax():
        import jax

        return jax.random.gamma(_key(seed), alpha, shape, "float32")
    import tensorflow as tf

    return tf.random.stateless_gamma(shape, seed, alpha=alpha)


def gather(array, indices):
    """Rows of an array; indices are taken to be in range."""
    if on_jax():
        import jax

        return jax.numpy.take(array, indices, axis=0, mode="clip")
    import tensorflow as tf

    return tf.gather(array, indices)


def placed(array, device):
    """A copy of an array, as a tensor on a device.

    Args:
        array: NumPy array.
        device: As TensorFlow names it. JAX takes the device that it computes on.
    """
    if on_jax():
        import jax

        return jax.numpy.array(array)  # A copy also where a device shares the host's memory.
    import tensorflow as tf

    with tf.device(device):
        return tf.constant(array)


def compiled(function):
    """The function, compiled by XLA; on TensorFlow, draw outside of it.

    XLA's generators give other numbers for the same seed than TensorFlow's, and it lacks some.
    """
    if on_jax():
        import jax

        return jax.jit(function)
    import tensorflow as tf

    # Without AutoGraph, which would wrap the errors of operations into pages of its own.
    return tf.function(function, jit_compile=True, autograph=False)


def shuffled(count, seed, epoch):
    """The order of an epoch on the host, int32 of shape `(count,)`; for JAX.

    By NumPy, because sorting on the device takes longer than a step, and a look at what it sorted
    would wait for the steps before.
    """
    order = np.random.default_rng([int(seed) % 2**64, epoch]).permutation(count)
    return order.astype("int32")


def _key(seed):
    """A key of JAX, also from two integers."""
    import jax

    if isinstance(seed, jax.Array) and jax.numpy.issubdtype(seed.dtype, jax.dtypes.prng_key):
        return seed
    first, second = (int(number) for number in seed)
    return seed_of(first, second)


def _word(number):
    """An integer as 32 bits, which is what JAX folds in."""
    return number % 2**32 if isinstance(number, int) else number
