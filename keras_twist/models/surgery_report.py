"""What was replaced in a model, layer by layer, and what that did to its size."""

import dataclasses
import math

__all__ = ["Replacement", "SurgeryReport", "report_on"]


@dataclasses.dataclass(frozen=True)
class Replacement:
    """One convolution that `replace_convs` replaced.

    Attributes:
        name: The layer's; in a nested model it begins with that model's, as in `"backbone/conv1"`.
        kernel_size: Pair, in pixels.
        filters, groups: Numbers, as the convolution has them.
        strides: Pair, in pixels.
        before: Parameters of the convolution.
        after: Parameters of the layer in its place.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(64, 3)])
        >>> _, report = keras_twist.models.replace_convs(model, report=True)
        >>> report.replaced[0].before, report.replaced[0].after
        (1792, 2752)
    """

    name: str
    kernel_size: tuple
    filters: int
    groups: int
    strides: tuple
    before: int
    after: int


@dataclasses.dataclass(frozen=True)
class SurgeryReport:
    """What `replace_convs` did; `str()` makes a table of it.

    Attributes:
        replaced: Tuple of a `Replacement` for each layer.
        before, after: Parameters of the whole model.
        trainable_before, trainable_after: Those that train.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(64, 3)])
        >>> _, report = keras_twist.models.replace_convs(model, report=True)
        >>> report.before, report.after, len(report.replaced)
        (1792, 2752, 1)
    """

    replaced: tuple
    before: int
    after: int
    trainable_before: int
    trainable_after: int

    def __str__(self):
        rows = [("layer", "kernel", "filters", "groups", "strides", "before", "after")]
        for row in self.replaced:
            kernel, strides = ("x".join(map(str, p)) for p in (row.kernel_size, row.strides))
            counts = (f"{row.before:,}", f"{row.after:,}")
            rows.append((row.name, kernel, str(row.filters), str(row.groups), strides, *counts))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])])
            for name, *cells in rows
        ]
        layers = "1 layer" if len(self.replaced) == 1 else f"{len(self.replaced)} layers"
        lines += [
            f"{layers} replaced",
            f"parameters: {self.before:,} -> {self.after:,}",
            f"trainable:  {self.trainable_before:,} -> {self.trainable_after:,}",
        ]
        return "\n".join(lines)


def report_on(model, new_model, replaced):
    """Returns the `SurgeryReport` of a new model, for triples (name, convolution, new layer)."""
    rows = (
        Replacement(
            name,
            tuple(conv.kernel_size),
            conv.filters,
            conv.groups,
            tuple(conv.strides),
            conv.count_params(),
            new.count_params(),
        )
        for name, conv, new in replaced
    )
    counts = (model.count_params(), new_model.count_params())
    trainable = (_count(m.trainable_weights) for m in (model, new_model))
    return SurgeryReport(tuple(rows), *counts, *trainable)


def _count(weights):
    return sum(math.prod(weight.shape) for weight in weights)
