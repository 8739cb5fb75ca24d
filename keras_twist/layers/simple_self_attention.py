"""Self-attention without softmax, between channels."""

import keras
from keras import ops

from keras_twist.ops.precision import at_least_float32

__all__ = ["SimpleSelfAttention"]


@keras.saving.register_keras_serializable(package="keras_twist")
class SimpleSelfAttention(keras.layers.Layer):
    """Adds `gamma * (x x^T) (W x)` to an image x of shape (channels, pixels).

    `x x^T` compares every channel with every other over all pixels, W is a trainable matrix
    divided by its largest singular value, and the scalar gamma starts at 0: a new layer changes
    nothing. There is no softmax and no scaling by the number of pixels: what it adds grows with
    the pixels and with the cube of their values, symmetric or not, and so do its gradients. Put it
    behind a normalisation, and expect it to diverge where learning rate times pixels is large.

    The singular value comes from one power iteration per training step, kept in the
    non-trainable weights `u` and `v`. Inference uses them as they are. Before the first
    training step the estimate is a random number, which gamma = 0 hides.

    The sums over pixels are too large for float16, so that the layer computes in float32 under
    mixed precision and rounds only its result.

    Args:
        symmetric: bool, whether to use `(W + W^T) / 2` for W, after the division. Defaults to
            `False`.
        kernel_initializer: initializer of W. Defaults to `"he_normal"`.
        kernel_regularizer: optional regularizer of W. Defaults to `None`.
        kernel_constraint: optional constraint of W. Defaults to `None`.
        **kwargs: `name`, `dtype` and the like, as for every Keras layer.

    Call arguments:
        inputs: the images.
        training: bool, whether to take one step of the power iteration. Defaults to `False`.

    Input shape:
        `(batch, ..., channels)` with at least one spatial axis, which may be unknown.

    Output shape:
        The shape of the input.

    Raises:
        ValueError: if the number of channels is unknown, or the input has less than 3 axes.

    Example:
        >>> layer = keras_twist.layers.SimpleSelfAttention()
        >>> x = np.ones((2, 4, 4, 3), "float32")
        >>> bool(np.all(np.array(layer(x)) == x))
        True

    Reference:
        - [SimpleSelfAttention](https://github.com/sdoria/SimpleSelfAttention)
        - `torch.nn.utils.spectral_norm`

        Differs from it in: `symmetric=True` has an effect. The reference assigns the
        symmetrised matrix to a weight that its spectral norm overwrites before every use, so
        that its `sym=True` computes the same as `sym=False`.
    """

    def __init__(
        self,
        symmetric=False,
        kernel_initializer="he_normal",
        kernel_regularizer=None,
        kernel_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.symmetric = bool(symmetric)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.input_spec = keras.layers.InputSpec(min_ndim=3)

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels is None:
            raise ValueError(
                "The last axis of `inputs`, the channels, must have a known size. "
                f"Received: input_shape={tuple(input_shape)}."
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=3, axes={-1: channels})
        # autocast=False: a mixed policy would hand the weights over in half precision.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, channels),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            autocast=False,
        )
        self.gamma = self.add_weight(name="gamma", shape=(1,), initializer="zeros", autocast=False)
        self.u, self.v = (
            self.add_weight(
                name=name,
                shape=(channels,),
                initializer=_random_unit_vector,
                trainable=False,
                autocast=False,
                # Every replica computes the same vectors, because they depend on weights alone.
                aggregation="only_first_replica",
            )
            for name in ("u", "v")
        )

    def call(self, inputs, training=False):
        dtype = at_least_float32(self.compute_dtype)
        x = ops.cast(inputs, dtype)
        shape = ops.shape(x)
        rows = ops.reshape(x, (shape[0], -1, shape[-1]))  # (batch, pixels, channels)
        weight = self._normalized_kernel(training, dtype)
        # In rows of pixels (x x^T) W x reads rows @ (kernel @ (rows^T rows)). In this order the
        # kernel meets a channels x channels matrix instead of every pixel.
        gram = ops.matmul(ops.transpose(rows, (0, 2, 1)), rows)
        attended = ops.matmul(rows, ops.matmul(weight, gram))
        outputs = x + ops.cast(self.gamma, dtype) * ops.reshape(attended, shape)
        return ops.cast(outputs, self.compute_dtype)

    def _normalized_kernel(self, training, dtype):
        # kernel[i, o] maps channel i to channel o: the transpose of the reference's matrix.
        kernel = ops.cast(self.kernel, dtype)
        u, v = ops.cast(self.u, dtype), ops.cast(self.v, dtype)
        if training:
            constant = ops.stop_gradient(kernel)
            v = _unit(ops.matmul(constant, u))
            u = _unit(ops.matmul(v, constant))
            self.u.assign(ops.cast(u, self.u.dtype))
            self.v.assign(ops.cast(v, self.v.dtype))
        kernel = kernel / ops.sum(v * ops.matmul(kernel, u))
        return (kernel + ops.transpose(kernel)) / 2 if self.symmetric else kernel

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "symmetric": self.symmetric,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }


def _unit(vector):
    return vector / ops.maximum(ops.sqrt(ops.sum(vector * vector)), 1e-12)


def _random_unit_vector(shape, dtype=None):
    # An initializer: Keras 3.8 does not seed `keras.random` anew in `set_random_seed`.
    return _unit(keras.initializers.RandomNormal(stddev=1.0)(shape, dtype))
