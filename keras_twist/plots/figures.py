"""What all pictures share: figures without global state, and colours that everybody tells apart."""

import functools
import io

import numpy as np

# Okabe and Ito's colours, which people of every colour vision tell apart.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, YELLOW, BLACK = "#56B4E9", "#E69F00", "#000000"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, BLACK)


def new_figure(**options):
    """A figure that lays itself out, so that nothing is cut off, and that pyplot never sees.

    Args:
        **options: `figsize` and the like, for `matplotlib.figure.Figure`.

    Returns:
        A matplotlib `Figure` that a notebook shows as a picture.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.

    Example:
        >>> new_figure(figsize=(4, 3)).axes
        []
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Pictures need matplotlib: pip install 'keras_twist[plots]'."
        ) from error
    figure = Figure(layout="constrained", **options)
    # Notebooks show figures as pictures once pyplot is imported. This one they need not know.
    figure._repr_png_ = functools.partial(png, figure)
    return figure


def png(figure, **options):
    """Bytes of a figure as PNG; `options` are those of `savefig`."""
    file = io.BytesIO()
    figure.savefig(file, format="png", **options)
    return file.getvalue()


def verbatim(text):
    """Text that matplotlib writes as it is: a class may be named `cat$dog$`, which is no formula.

    Args:
        text: String, or what becomes one.

    Returns:
        A string.

    Example:
        >>> verbatim("5 $ or more")
        '5 \\\\$ or more'
    """
    return str(text).replace("$", r"\$")


def show_image(axes, image):
    """An image as it is, without ticks: grey in shades of grey, floats cut off at 0 and 1.

    Args:
        axes: Of matplotlib.
        image: Array of shape `(height, width, channels)` with 1 or 3 channels: uint8 in `[0, 255]`,
            or floats.
    """
    white = 255 if image.dtype == np.uint8 else 1
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=white)
    else:
        axes.imshow(image if white == 255 else np.clip(image, 0, 1))
    axes.set(xticks=[], yticks=[])
