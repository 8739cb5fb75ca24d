"""What a TwistLayer has learned: its disks on the image, and the fields that turn and scale it."""

import keras
import numpy as np

from keras_twist.ops.twist_geometry import disk_mask
from keras_twist.plots.figures import BLUE, GREEN, ORANGE, PURPLE, new_figure, verbatim
from keras_twist.plots.twist_parts import twist_parts

MARKS = (BLUE, ORANGE, GREEN, PURPLE)
ARROWS = 13  # Along a side of the image, or of the disk.


def plot_twist(layer, before=None, pairs=None, title=""):
    """The disks of a TwistLayer on the image plane, its vector fields, and their parts.

    The left panel shows every filter's disk, the chosen ones in colour: the line is where the mask
    is one half, and the ring the ramp around it. Then comes a panel for each chosen pair of
    channels, as large as its disk or, without a mask, as the image: along the arrows the output
    takes the derivative of the image, so that its content flows against them; arrows are scaled to
    their panel and fade as the mask does. The last panel has the mean strength of rotation,
    dilation and shear over all pairs (root of the mean square).

    Args:
        layer: A built `TwistLayer`.
        before: What it was before training, drawn in a row above: another TwistLayer of the same
            shape, or a list of arrays as `layer.get_weights()` gives. Defaults to None.
        pairs: List of up to four `(input channel, filter)`, the channel within its group. Defaults
            to the strongest field of each of the three filters that have the strongest ones.
        title: Put above the picture. Defaults to `""`.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.
        ValueError: if `layer` is no built TwistLayer, `before` has other shapes, or there is no
            such pair.

    Example:
        >>> layer = keras_twist.layers.TwistLayer(4)
        >>> layer.build((None, 8, 8, 3))
        >>> weights = layer.get_weights()
        >>> len(plot_twist(layer, pairs=[(0, 0), (2, 3)]).axes)
        4
        >>> len(plot_twist(layer, before=weights).axes)
        10
    """
    after = twist_parts(layer)
    states = {"": after}
    if before is not None:
        other = before if isinstance(before, keras.layers.Layer) else None
        old = twist_parts(other) if other is not None else twist_parts(layer, before)
        if old.matrices.shape != after.matrices.shape:
            raise ValueError(
                "`before` must have the layer's shapes. Received: channel pairs "
                f"{old.matrices.shape[:2]}, not {after.matrices.shape[:2]}"
            )
        states = {"before": old, "after": after}
    pairs = _strongest(after) if pairs is None else _checked(pairs, after)
    columns = len(pairs) + 2
    figure = new_figure(figsize=(3 * columns, 3.2 * len(states) + 0.4))
    grid = figure.subplots(len(states), columns, squeeze=False)
    reach = np.concatenate([parts.centers for parts in states.values()])
    highest = max(_strengths(parts).max() for parts in states.values())
    for axes, (name, parts) in zip(grid, states.items(), strict=True):
        _draw_disks(axes[0], parts, layer, pairs, reach)
        axes[0].set_ylabel(f"{name.capitalize()}\nY" if name else "Y")
        for number, pair in enumerate(pairs):
            _draw_field(axes[1 + number], parts, layer, pair, MARKS[number])
        _draw_strengths(axes[-1], parts, highest)
    figure.suptitle(verbatim(title))
    figure.get_layout_engine().set(h_pad=0.1)
    return figure


def _draw_disks(axes, parts, layer, pairs, reach):
    from matplotlib.patches import Circle, Wedge

    low, high = _image_plane(axes, layer)
    # Without a mask centres lie anywhere; the image is drawn smaller then.
    low = min(low - 0.5, reach.min() - 0.1)
    high = max(high + 0.5, reach.max() + 0.1)
    axes.set(xlim=(low, high), ylim=(high, low))
    chosen = dict(zip([filter_ for _, filter_ in pairs], MARKS, strict=False))
    order = sorted(range(len(parts.centers)), key=lambda number: number in chosen)
    for number in order:
        center, color = parts.centers[number], chosen.get(number, "0.6")
        strong = number in chosen
        if parts.radii is not None:
            radius = abs(parts.radii[number])
            style = {"fill": False, "color": color, "lw": 2 if strong else 0.6}
            axes.add_patch(Circle(center, radius, **style))
            if strong:
                outer, inner = (radius * np.sqrt(1 + sign * layer.ramp) for sign in (1, -1))
                ring = Wedge(center, outer, 0, 360, width=outer - inner, color=color, alpha=0.2)
                axes.add_patch(ring)
        axes.plot(*center, "+", color=color, ms=9 if strong else 4, mew=2 if strong else 0.8)
    what = "Centres and disks" if parts.radii is not None else "Centres"
    axes.set_title(f"{what} of {len(parts.centers)} filters", fontsize=10)


def _draw_field(axes, parts, layer, pair, color):
    from matplotlib.patches import Circle
    from matplotlib.ticker import MaxNLocator

    channel, number = pair
    low, high = _image_plane(axes, layer)
    center = parts.centers[number]
    start, side = np.full(2, low), high - low
    if parts.radii is not None:  # Outside of its disk a field is zero.
        side = 2 * abs(parts.radii[number]) * np.sqrt(1 + layer.ramp)
        start = center - side / 2
        margin = np.array([-0.08, 1.08]) * side
        axes.set(xlim=start[0] + margin, ylim=start[1] + margin[::-1])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(4))
    step = side / ARROWS
    points = [first + step * (np.arange(ARROWS) + 0.5) for first in start]
    x, y = (axis.ravel() for axis in np.meshgrid(*points))
    inside = (low <= x) & (x <= high) & (low <= y) & (y <= high)
    x, y = x[inside], y[inside]
    offsets = np.stack([x, y], axis=-1) - center
    field = offsets @ parts.matrices[channel, number].T
    if parts.radii is not None:
        squared = (offsets**2).sum(axis=-1) / parts.radii[number] ** 2
        field *= keras.ops.convert_to_numpy(disk_mask(squared, layer.ramp))[..., None]
    lengths = np.hypot(*field.T)
    longest = lengths.max(initial=1e-12)
    # The longest arrow reaches one and a half cells, and where there is none there is no dot.
    scale = longest / (1.5 * step)
    there = lengths > 0.02 * longest
    axes.quiver(
        x[there], y[there], field[there, 0], field[there, 1],
        color=color, angles="xy", scale_units="xy", scale=scale, width=0.009, pivot="mid",
    )  # fmt: skip
    if parts.radii is not None:
        axes.add_patch(Circle(center, abs(parts.radii[number]), fill=False, color="0.6", lw=0.8))
    axes.plot(*center, "+", color="black", ms=9, mew=2)
    values = " ".join(
        f"{name} {value[channel, number]:+.2f}"
        for name, value in (("rot", parts.rotation), ("dil", parts.dilation))
    )
    axes.set_title(
        f"Channel {channel} in filter {number}\n{values} shear {parts.shear[channel, number]:.2f}",
        fontsize=10,
    )


def _draw_strengths(axes, parts, highest):
    strengths = _strengths(parts)
    bars = axes.bar(["rotation", "dilation", "shear"], strengths, color="0.75", edgecolor="black")
    for bar, hatch in zip(bars, ("//", "..", "xx"), strict=True):
        bar.set_hatch(hatch)
    axes.bar_label(bars, [f"{value:.3f}" for value in strengths], fontsize=9)
    axes.set_ylim(0, 1.15 * highest or 1)
    axes.set_title("Mean strength of all pairs", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _strengths(parts):
    kinds = (parts.rotation, parts.dilation, parts.shear)
    return np.array([np.sqrt(np.mean(kind**2)) for kind in kinds])


def _image_plane(axes, layer):
    """Draw the image's border with Y downwards, as coordinates and images go; its two ends."""
    low = -1.0 if layer.origin == "center" else 0.0
    high = low + 2
    axes.plot([low, high, high, low, low], [low, low, high, high, low], color="black", lw=1)
    # Centres may leave the image, and disks reach beyond it.
    axes.set(xlim=(low - 0.5, high + 0.5), ylim=(high + 0.5, low - 0.5), aspect="equal", xlabel="X")
    axes.set_xticks([low, low + 1, high])
    axes.set_yticks([low, low + 1, high])
    return low, high


def _strongest(parts):
    strength = np.hypot(np.hypot(parts.rotation, parts.dilation), parts.shear)
    filters = np.argsort(-strength.max(axis=0), kind="stable")[:3]
    return [(int(strength[:, number].argmax()), int(number)) for number in filters]


def _checked(pairs, parts):
    channels, filters = parts.matrices.shape[:2]
    pairs = [tuple(pair) for pair in pairs]
    fits = all(
        len(pair) == 2 and 0 <= pair[0] < channels and 0 <= pair[1] < filters for pair in pairs
    )
    if not fits or not 1 <= len(pairs) <= len(MARKS):
        raise ValueError(
            f"`pairs` must be one to {len(MARKS)} pairs of an input channel below {channels} and a "
            f"filter below {filters}. Received: pairs={pairs}"
        )
    return pairs
