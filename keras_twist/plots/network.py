"""A diagram of a network: its blocks from top to bottom, with shapes, parameters and skips."""

from keras_twist.plots.figures import BLUE, GREEN, ORANGE, PURPLE, new_figure, verbatim
from keras_twist.plots.network_blocks import network_blocks

# What a block is coloured by: the first of these that its content names.
_KINDS = {"Twist": ORANGE, "Attention": PURPLE, "Conv": BLUE, "Dense": GREEN}
_LINES = 0.36  # Inches that a line of text takes.


def plot_network(model, title=None):
    """Diagram of a network: blocks as boxes, stages as frames, skip connections as arcs.

    Each box has the block's name and its layers with kernels; beside it stand the shape of its
    result and its number of parameters. Blocks are those of `stem_...` and `stage1_block1_...`,
    as residual networks here name their layers; in other networks each layer with a kernel begins
    one.

    Args:
        model: A functional or Sequential `keras.Model` that is built, every layer of it used once.
        title: Put above the picture. Defaults to the model's name and number of parameters.

    Returns:
        A matplotlib `Figure`, as high as the network is deep.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.
        ValueError: if the model is not such a one.

    Example:
        >>> figure = plot_network(keras_twist.models.DavidNet(width=4))
        >>> figure.get_suptitle()
        'davidnet: 26,620 parameters'
    """
    blocks, skips = network_blocks(model)
    rows = len(blocks) + 1
    figure = new_figure(figsize=(7.2, 0.7 + 1.5 * _LINES * rows))
    from matplotlib.patches import FancyBboxPatch  # After what says how to get matplotlib.

    axes = figure.subplots()
    axes.set(xlim=(-0.12, 1.75), ylim=(rows - 0.45, -0.3))
    axes.set_axis_off()
    inputs = " x ".join("?" if n is None else str(n) for n in model.inputs[0].shape[1:])
    axes.text(0.5, 0, f"input {inputs}", ha="center", va="center", fontsize=9)
    _draw_stages(axes, blocks)
    for number, block in enumerate(blocks, start=1):
        axes.annotate(
            "", (0.5, number - 0.32), (0.5, number - 0.68), arrowprops={"arrowstyle": "->"}
        )
        color = next((c for kind, c in _KINDS.items() if kind in block.content), "0.5")
        box = FancyBboxPatch(
            (0, number - 0.3), 1, 0.6, "round,pad=0,rounding_size=0.06",
            facecolor=_tint(color), edgecolor=color,
        )  # fmt: skip
        axes.add_patch(box)
        # The frame around it names the stage.
        name = block.name.partition("_")[2] if block.stage else block.name
        text = verbatim(f"{name}: {block.content}")
        size = min(9, 9 * 46 / len(text))  # So many letters fit the box.
        axes.text(0.5, number, text, ha="center", va="center", fontsize=size)
        right = f"{block.shape}\n{block.parameters:,} parameters"
        axes.text(1.24, number, right, ha="left", va="center", fontsize=8)
    for source, target in skips:
        _draw_skip(axes, source + 1, target + 1)
    if title is None:
        title = f"{model.name}: {model.count_params():,} parameters"
    figure.suptitle(verbatim(title))
    return figure


def _tint(color):
    """A colour thinned with white, that hides what is behind it."""
    from matplotlib.colors import to_rgb

    return tuple(1 - 0.22 * (1 - part) for part in to_rgb(color))


def _draw_skip(axes, source, target):
    """An arc on the right, from below one block to below another, where it is added."""
    from matplotlib.patches import FancyArrowPatch

    start, end = source + 0.42, target + 0.42
    bend = 0.16
    path = _arc((0.52, start), (0.52, end), 1.04 + bend)
    axes.add_patch(FancyArrowPatch(path=path, arrowstyle="->", mutation_scale=9, color="0.35"))


def _arc(start, end, reach):
    from matplotlib.path import Path

    points = [start, (reach - 0.08, start[1]), (reach, start[1]), (reach, start[1] + 0.15)]
    points += [(reach, end[1] - 0.15), (reach, end[1]), (reach - 0.08, end[1]), end]
    codes = [Path.MOVETO, Path.LINETO, Path.CURVE3, Path.CURVE3]
    codes += [Path.LINETO, Path.CURVE3, Path.CURVE3, Path.LINETO]
    return Path(points, codes)


def _draw_stages(axes, blocks):
    from matplotlib.patches import Rectangle

    for stage in dict.fromkeys(block.stage for block in blocks if block.stage):
        rows = [number for number, block in enumerate(blocks, start=1) if block.stage == stage]
        top, height = rows[0] - 0.39, rows[-1] - rows[0] + 0.86
        frame = Rectangle((-0.09, top), 1.3, height, facecolor="0.95", edgecolor="0.7", zorder=-1)
        axes.add_patch(frame)
        axes.text(-0.07, top + height / 2, stage, rotation=90, ha="left", va="center", fontsize=9)
