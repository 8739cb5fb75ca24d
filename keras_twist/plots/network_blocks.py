"""A network as a few blocks, from the names and the connections of its layers."""

import collections
import dataclasses
import re

import keras

from keras_twist.layers import TwistLayer

# The networks of `models.residual` name their layers so; all others go by their convolutions.
_PREFIX = re.compile(r"(stem|stage\d+_block\d+)_")
_PLAIN = (keras.layers.Activation, keras.layers.ReLU, keras.layers.ZeroPadding2D)


@dataclasses.dataclass
class Block:
    """Layers that are drawn as one box.

    Attributes:
        name: What the layers' names begin with, or the name of the first.
        layers: In the model's order.
    """

    name: str
    layers: list

    @property
    def stage(self):
        """Name of the stage that the block is part of, or None."""
        return self.name.partition("_")[0] if self.name.startswith("stage") else None

    @property
    def parameters(self):
        """Number of all weights, trained or not."""
        return sum(layer.count_params() for layer in self.layers)

    @property
    def shape(self):
        """Shape of the result without the batch, as in "16 x 16 x 128"."""
        sizes = self.layers[-1].output.shape[1:]
        return " x ".join("?" if size is None else str(size) for size in sizes)

    @property
    def content(self):
        """What it computes with, as in "2 Conv2D 3x3, MaxPooling2D"."""
        kinds = [layer for layer in self.layers if _is_main(layer) or _is_pool(layer)]
        counts = collections.Counter(map(_kind, kinds or self.layers[:1]))
        return ", ".join(name if n == 1 else f"{n} {name}" for name, n in counts.items())


def network_blocks(model):
    """Groups the layers of a model into blocks, and finds the connections that skip some.

    Args:
        model: A functional or Sequential `keras.Model` that is built, every layer of it used once.

    Returns:
        List of `Block`, in the model's order without its inputs; and list of pairs of positions
        `(source, target)`: the result of block `source` is added at the end of block `target`.
        -1 is the model's input.

    Raises:
        ValueError: if the model is not such a one.

    Example:
        >>> blocks, skips = network_blocks(keras_twist.models.DavidNet(width=4))
        >>> [block.name for block in blocks]
        ['Conv1', 'Conv2', 'Conv3', 'Conv4', 'Conv5', 'Conv6', 'Conv7', 'Conv8', 'dense']
        >>> skips
        [(1, 3), (5, 7)]
    """
    try:
        made_by = {
            id(tensor): layer
            for layer in model.layers
            for tensor in keras.tree.flatten(layer.output)
        }
        added = {
            layer.name: [made_by[id(tensor)] for tensor in keras.tree.flatten(layer.input)]
            for layer in model.layers
            if isinstance(layer, keras.layers.Add)
        }
    except (AttributeError, KeyError, ValueError) as error:
        raise ValueError(
            "`model` must be a functional or Sequential model that is built, uses every layer once "
            f"and adds up what layers put out. Received: model={model!r}"
        ) from error
    blocks, place = [], {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            place[id(layer)] = -1
            continue
        prefix = _PREFIX.match(layer.name)
        name = prefix[1] if prefix else layer.name
        starts = not blocks or (name != blocks[-1].name if prefix else _is_main(layer))
        if starts:
            blocks.append(Block(name, []))
        blocks[-1].layers.append(layer)
        place[id(layer)] = len(blocks) - 1
    skips = []
    for name, layers in added.items():
        target = place[id(model.get_layer(name))]
        sources = [place[id(layer)] for layer in layers]
        # A shortcut that is projected lies within its block, and leads around the rest of it.
        skips.append((min(*sources, target - 1), target))
    return blocks, skips


def _kind(layer):
    """Name of a layer's class, and the size of its kernel."""
    size = getattr(layer, "kernel_size", (3, 3) if isinstance(layer, TwistLayer) else ())
    return " ".join(filter(None, [type(layer).__name__, "x".join(map(str, size))]))


def _is_pool(layer):
    name = type(layer).__name__
    return "Pool" in name and not name.startswith("Global")


def _is_main(layer):
    """Whether a layer is named in the diagram: it has a kernel, or is more than bookkeeping."""
    if isinstance(layer, (keras.layers.BatchNormalization, *_PLAIN)):
        return False
    return any(len(variable.shape) > 1 for variable in layer.weights)
