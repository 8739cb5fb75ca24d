"""PNG and JPEG pictures of a known size, decoded by Pillow, which is imported when needed."""

import contextlib
import io
import stat
import struct
import warnings

import numpy as np

from keras_twist.data.errors import DataError, first_line, shown

# A 32 x 32 picture has 3 kB uncompressed; the rest is room for metadata.
_MAX_PICTURE_BYTES = 2**20
_PNG_HEADER = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def read_sheet(contents, rows, where):
    """Decodes a PNG with one 32 x 32 image, row by row, in each of its own rows.

    Args:
        contents: `bytes` of the PNG, 1024 pixels wide.
        rows: Its height in pixels, which is the number of images.
        where: What to call it in an error message.

    Returns:
        uint8 array of shape (rows, 32, 32, 3), 0 to 255.

    Raises:
        DataError: It is no PNG of that size, or truncated or damaged; or Pillow is missing.

    Example:
        ```python
        images = read_sheet(Path("test_batch.png").read_bytes(), 10_000, "test_batch.png")
        ```
    """
    # The size is read from the header itself: a sheet is large, and rightly so, but Pillow could
    # tell a right one from a bomb only by its global limit, which is not ours to change.
    is_png = contents.startswith(_PNG_HEADER) and len(contents) >= 24
    size = struct.unpack(">2I", contents[16:24]) if is_png else None
    if size != (1024, rows):
        raise DataError(f"{where} is no PNG of 1024 x {rows} pixels.")
    image = import_pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", image.DecompressionBombWarning)
            with image.open(io.BytesIO(contents), formats=["PNG"]) as picture:
                return np.asarray(to_rgb(picture)).reshape(rows, 32, 32, 3)
    except Exception as error:  # Pillow raises its own kinds, SyntaxError among them.
        raise DataError(f"{where} is truncated or damaged: {first_line(error)}.") from error


@contextlib.contextmanager
def open_pictures():
    """Gives a function that reads one small PNG or JPEG file of a given size.

    Returns:
        Context manager; its function takes a `pathlib.Path` and `(width, height)`, returns a uint8
        array of shape (height, width, 3), 0 to 255, and raises `DataError` for a file that is
        damaged or of another size, before decoding it.

    Raises:
        DataError: Pillow is missing.

    Example:

    ```python
    with open_pictures() as read_picture:
        pixels = read_picture(Path("train/cat/0001.png"), (32, 32))
    ```
    """
    image = import_pillow()

    def read_picture(path, size):
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_PICTURE_BYTES:
                raise ValueError(f"no file, or larger than {_MAX_PICTURE_BYTES} bytes")
            with image.open(path, formats=["PNG", "JPEG"]) as picture:
                found = picture.size
                # The size stands in the header; only a picture of the right one is decoded.
                if found == size:
                    return np.asarray(to_rgb(picture))
        except Exception as error:  # Pillow raises its own kinds, SyntaxError among them.
            raise DataError(
                f"{shown(path)} is no readable PNG or JPEG: {first_line(error)}."
            ) from error
        raise DataError(
            f"{shown(path)} has {found[0]} x {found[1]} pixels; it must have {size[0]} x {size[1]}."
        )

    with warnings.catch_warnings():
        # A picture that claims to be enormous is refused, where Pillow may only warn.
        warnings.simplefilter("error", image.DecompressionBombWarning)
        yield read_picture


def to_rgb(picture):
    """A picture of Pillow's, of any mode, as one in RGB."""
    if picture.mode.startswith("I"):
        # Pillow would cut 16 bits off at 255, which leaves a white picture.
        grey = np.asarray(picture).astype(np.int64) >> 8
        picture = import_pillow().fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    return picture.convert("RGB")


def import_pillow():
    """Returns `PIL.Image`, or raises the `DataError` that says how to install it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            "Reading PNG or JPEG needs Pillow: pip install 'keras_twist[train]'."
        ) from error
    return Image
