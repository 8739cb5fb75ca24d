"""One picture of any size as a square of RGB, by Pillow, which is imported when needed."""

import io
import math
import re

import numpy as np

from keras_twist.data.errors import DataError, first_line
from keras_twist.data.pictures import import_pillow, to_rgb

# By content, whatever the name says; JPEG includes those with a second picture that cameras write.
_FORMATS = ("JPEG", "PNG", "WEBP")
_ORIENTATION = 0x0112
# A JPEG is decoded at no less than this many times the final size, so that the filter, and not the
# decoder's coarse scaling, decides how the result looks.
_DRAFT_MARGIN = 2
# A progressive JPEG sends the whole picture in about ten. One of some bytes more makes the decoder
# go through all pixels again, so that a small file could keep it busy for hours.
_MAX_SCANS = 100
# What begins a segment with a length behind it, or ends the picture (d9): within a scan, 0xff is
# followed by 0 or by one of the marks d0 to d7.
_JPEG_SEGMENT = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)


def decode_square(contents, size, max_pixels=2**27, cut=False):
    """Decodes a picture and stretches it to a square, smoothing what shrinks (bicubic).

    Grey-scale, palette, CMYK and 16-bit pictures become RGB, an alpha channel is dropped, the
    first picture of an animation is taken, and the camera's orientation (EXIF) is applied.

    Args:
        contents: `bytes` of a JPEG, PNG or WebP file.
        size: Side of the square in pixels.
        max_pixels: Most pixels that a picture may have; it is refused before it is decoded.
            Defaults to 2 ** 27.
        cut: Whether the largest square in the middle is taken instead, and not stretched. Defaults
            to False.

    Returns:
        `(pixels, aspect)`: uint8 array of shape (size, size, 3), and the width of the picture
        over its height as a float.

    Raises:
        DataError: The picture is empty, truncated, damaged, too large or of another format; the
            message does not name it.

    Example:
        ```python
        pixels, aspect = decode_square(Path("dog.jpg").read_bytes(), 160)
        ```
    """
    image = import_pillow()
    if not contents:
        raise DataError("the file is empty")
    try:
        with image.open(io.BytesIO(contents), formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise DataError(
                    f"it has {width} x {height} pixels, more than max_pixels={max_pixels}"
                )
            if (scans := _scans(contents)) > _MAX_SCANS:
                raise DataError(f"it has {scans} scans, and no picture needs {_MAX_SCANS}")
            shown = (min(width, height),) * 2 if cut else (width, height)
            shrink = _DRAFT_MARGIN * size / min(shown)
            if shrink < 1:
                picture.draft(None, (math.ceil(width * shrink), math.ceil(height * shrink)))
            orientation = _orientation(picture)
            rgb = to_rgb(picture)
    except (DataError, MemoryError):
        raise
    except image.DecompressionBombError as error:
        raise DataError(
            "it has more pixels than Pillow opens (twice PIL.Image.MAX_IMAGE_PIXELS)"
        ) from error
    except image.UnidentifiedImageError as error:
        raise DataError("it is no JPEG, PNG or WebP") from error
    except Exception as error:  # Pillow raises its own kinds, SyntaxError among them.
        raise DataError(f"truncated or damaged: {first_line(error)}") from error
    across, down = rgb.width / width, rgb.height / height  # less than 1 after `draft`
    left, top = (width - shown[0]) / 2, (height - shown[1]) / 2
    box = (left * across, top * down, (left + shown[0]) * across, (top + shown[1]) * down)
    square = rgb.resize((size, size), image.Resampling.BICUBIC, box)
    aspect = width / height
    if orientation:
        # Of a square in the middle, turning it now gives the same as turning it before.
        square = square.transpose(_turns(image)[orientation])
        aspect = 1 / aspect if orientation >= 5 else aspect
    return np.asarray(square), aspect


def decode_view(contents, size, stored_size, zoom, max_pixels=2**27):
    """Decodes a picture as validation shows it: the square in the middle of what training stores.

    It is cut from the stretched square as `ops.geometry.crop_resize` cuts training's, bilinear, so
    that both are equally sharp.

    Args:
        contents: As in `decode_square`.
        size: Side of the result in pixels.
        stored_size: Side of the square that it is cut from.
        zoom: Number >= 1: the picture's shorter side over the side of what is seen.
        max_pixels: As in `decode_square`. Defaults to 2 ** 27.

    Returns:
        `(pixels, aspect)`, and raises, as `decode_square`.

    Example:
        ```python
        pixels, aspect = decode_view(Path("dog.jpg").read_bytes(), 128, 213, zoom=1.25)
        ```
    """
    square, aspect = decode_square(contents, stored_size, max_pixels)
    image = import_pillow()
    box = [float(edge) for edge in center_box(stored_size, aspect, zoom)]
    view = image.fromarray(square).transform(
        (size, size), image.Transform.EXTENT, box, image.Resampling.BILINEAR
    )
    return np.asarray(view), aspect


def center_box(side, aspect, zoom):
    """`left, top, right, bottom` of the square in the middle of a picture, after stretching.

    Args:
        side: Side of the square that the picture was stretched to.
        aspect: Its width over height before, a number or an array of them.
        zoom: Its shorter side over the side of the square.
    """
    width, height = (side * np.minimum(ratio, 1) / zoom for ratio in (1 / aspect, aspect))
    return (side - width) / 2, (side - height) / 2, (side + width) / 2, (side + height) / 2


def is_picture(start):
    """Returns whether a file that starts with these bytes claims to be a JPEG, PNG or WebP."""
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return webp or start.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))


def _scans(contents):
    """Scans of a JPEG; 0 for other formats.

    What lies behind the picture's end, where phones put a film, and inside other segments, where
    cameras put small pictures, is no scan of it.
    """
    if not contents.startswith(b"\xff\xd8\xff"):
        return 0
    scans, place = 0, 2
    while (found := _JPEG_SEGMENT.search(contents, place)) and found[1] != b"\xd9":
        scans += found[1] == b"\xda"
        length = int.from_bytes(contents[found.end() : found.end() + 2], "big")
        place = found.end() + max(length, 2)
    return scans


def _orientation(picture):
    """2 to 8, or 0 where nothing has to be turned; damaged EXIF data says nothing."""
    try:
        value = picture.getexif().get(_ORIENTATION)
    except Exception:  # What Pillow raises on such data is not documented.
        return 0
    return value if value in range(2, 9) else 0


def _turns(image):
    names = "FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_270 TRANSVERSE ROTATE_90"
    return {number: image.Transpose[name] for number, name in enumerate(names.split(), start=2)}
