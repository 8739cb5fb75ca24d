"""Weights that fastai or mxresnet trained, for the same networks here."""

import re

import keras
import numpy as np

from keras_twist.layers.simple_self_attention import SimpleSelfAttention
from keras_twist.layers.twist_layer import TWIST_VARIANTS, TwistLayer
from keras_twist.ops.twist_geometry import free_values

# Where a parameter of the reference belongs: a pattern of its name, and the layer's name here. In
# the names below, the stages of the reference count from 4, after the stem and its pooling.
_STEM = re.compile(r"(?P<number>[0-2])\.(?P<part>[01])\.(?P<rest>.+)")
_BLOCK = re.compile(r"(?P<stage>\d+)\.(?P<block>\d+)\.(?P<inside>.+)")
_INSIDE = (
    (r"(?:convpath|convs)\.(\d)\.0\.(?P<rest>.+)", "conv{0}"),
    (r"(?:convpath|convs)\.(\d)\.1\.(?P<rest>.+)", "norm{0}"),
    (r"convpath\.\d\.layers\.([12])\.0\.(?P<rest>.+)", "se_conv{1}"),
    (r"(?:convpath\.\d|sa)\.(?P<rest>gamma|conv\.weight_\w+)", "attention"),
    (r"(?:idpath\.\d|idconv)\.0\.(?P<rest>.+)", "shortcut_conv"),
    (r"(?:idpath\.\d|idconv)\.1\.(?P<rest>.+)", "shortcut_norm"),
)
_HEAD = re.compile(r"\d+\.(?P<rest>weight|bias)")


def load_torch_state_dict(model, state_dict):
    """Give a residual network of this package the weights of its PyTorch original.

    Afterwards both compute the same logits, if the model has the activation that the weights were
    trained with: they cannot tell which it was. fastai's default is ReLU, that of the networks here
    Mish. Nothing is changed unless everything fits.

    Args:
        model: An `XResNet`, `XResNeXt`, `XSEResNet`, `XSEResNeXt` or `MXResNet` of the size that
            the weights are for; with twists of the published form if they have them:
            `conv=functools.partial(TwistLayer, **TWIST_VARIANTS["notebook"])` or `"mxresnet"`.
        state_dict: Dict from PyTorch's names, such as `"4.0.convpath.0.0.weight"`, to NumPy arrays
            or to tensors that NumPy can read. `num_batches_tracked` is ignored.

    Returns:
        Nothing; the weights of `model` are set.

    Raises:
        ValueError: if the weights are not those of this network; the message names the first that
            is missing, unknown or of another shape. If a twist is of neither published form, as
            that of `conv="twist"` is, which would make another function of them.

    Example:
        ```python
        state = {name: tensor.numpy() for name, tensor in learner.model.state_dict().items()}
        model = keras_twist.models.XSEResNeXt50(activation="relu", self_attention=True)
        keras_twist.models.load_torch_state_dict(model, state)
        ```

    Reference:
        [fastai](https://docs.fast.ai/vision.models.xresnet.html),
        [mxresnet](https://github.com/lessw2020/mish). Differs from it in: a batch normalisation's
        variance is taken over as it is, though PyTorch keeps the unbiased one and Keras the biased.
    """
    found = {}
    for name, value in state_dict.items():
        if not name.endswith("num_batches_tracked"):
            layer, part = _place(name)
            found.setdefault(layer, {})[part] = (name, value)
    assignments = []
    for layer in model.layers:
        if layer.weights:
            assignments += _assignments(layer, found.pop(layer.name, {}))
    if found:
        name, _ = next(iter(next(iter(found.values())).values()))
        raise ValueError(
            "Argument `state_dict` must hold the weights of this model, which has none to match "
            f"{name!r}. Received: {len(state_dict)} weights"
        )
    for variable, value in assignments:
        variable.assign(value)


def _place(name):
    """The layer that a parameter belongs to, and what it is there."""
    if match := _STEM.fullmatch(name):
        kind = ("conv", "norm")[int(match["part"])]
        return f"stem_{kind}{int(match['number']) + 1}", match["rest"]
    if match := _BLOCK.fullmatch(name):
        prefix = f"stage{int(match['stage']) - 3}_block{int(match['block']) + 1}"
        for pattern, layer in _INSIDE:
            if inside := re.fullmatch(pattern, match["inside"]):
                number = next((g for g in inside.groups()[:-1] if g), "0")
                return f"{prefix}_{layer.format(int(number) + 1, number)}", inside["rest"]
    if match := _HEAD.fullmatch(name):
        return "dense", match["rest"]
    return name, ""


def _assignments(layer, found):
    """Pairs of a variable and its new value, for all variables of a layer."""
    pairs = []
    for variable, part, convert in _parts(layer):
        if part not in found:
            raise ValueError(
                f"Argument `state_dict` must hold {part!r} for the layer {layer.name!r}. "
                f"Received for it: {sorted(name for name, _ in found.values())}"
            )
        name, value = found.pop(part)
        value = convert(np.asarray(value))
        if value.shape != tuple(variable.shape):
            raise ValueError(
                f"Argument `state_dict`: {name!r} does not fit the layer {layer.name!r}, whose "
                f"{variable.name} has the shape {tuple(variable.shape)}. "
                f"Received: shape={value.shape} after the axes are reordered"
            )
        pairs.append((variable, value))
    # Kernels that the published twist overwrites with a turn of another one.
    found.pop("convy.weight", None)
    if found:
        name, _ = next(iter(found.values()))
        raise ValueError(
            f"Argument `state_dict`: the layer {layer.name!r} has no place for {name!r}."
        )
    return pairs


def _parts(layer):
    """`(variable, PyTorch's name for it, conversion)` for each variable of a layer."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return [
            (layer.gamma, "weight", _same),
            (layer.beta, "bias", _same),
            (layer.moving_mean, "running_mean", _same),
            (layer.moving_variance, "running_var", _same),
        ]
    if isinstance(layer, SimpleSelfAttention):
        return [
            (layer.kernel, "conv.weight_orig", lambda w: w[..., 0].T),
            (layer.gamma, "gamma", _same),
            (layer.u, "conv.weight_u", _same),
            (layer.v, "conv.weight_v", _same),
        ]
    if isinstance(layer, TwistLayer):
        _check_form(layer)
        twist = _kernel if layer.full_kernels else _twist_values
        parts = [(layer.kernel, "conv.weight", _kernel), (layer.twist, "convx.weight", twist)]
        if layer.twist_y is not None:
            parts.append((layer.twist_y, "convy.weight", twist))
        parts += [(layer.center_x, "center_x", _same), (layer.center_y, "center_y", _same)]
        return parts + ([(layer.radius, "radii", _same)] if layer.masked else [])
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return [(layer.kernel, "weight", lambda w: _depthwise_kernel(w, layer.depth_multiplier))]
    kernel = _kernel if isinstance(layer, keras.layers.Conv2D) else np.transpose
    bias = [] if layer.bias is None else [(layer.bias, "bias", _same)]
    return [(layer.kernel, "weight", kernel), *bias]


def _check_form(layer):
    """Raise `ValueError` unless a twist makes of its weights what the published code makes."""
    made = {name: getattr(layer, name) for name in ("origin", "field", "masked")}
    made |= {"padding": layer.padding, **({"ramp": layer.ramp} if layer.masked else {})}
    published = {"padding": "symmetric", "ramp": 0.3}
    for form in TWIST_VARIANTS.values():
        if made.items() <= (published | form).items():
            return
    raise ValueError(
        f"Argument `model`: the twist {layer.name!r} is of neither form in "
        f"`keras_twist.layers.TWIST_VARIANTS`, which PyTorch's weights are for. Received: {made}"
    )


def _same(value):
    return value


def _kernel(value):
    """(out, in, row, column) -> (row, column, in, out)."""
    return np.transpose(value, (2, 3, 1, 0)) if value.ndim == 4 else value


def _depthwise_kernel(value, multiplier):
    """(in * multiplier, 1, row, column) -> (row, column, in, multiplier)."""
    value = value.reshape(-1, multiplier, *value.shape[2:])
    return np.transpose(value, (2, 3, 0, 1))


def _twist_values(value):
    """The free values of a kernel in PyTorch's order."""
    return keras.ops.convert_to_numpy(free_values(_kernel(value)))
