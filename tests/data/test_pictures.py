"""Pictures: the right size is decoded, anything else is an error before it is decoded."""

import io
import os
import struct
import sys
import zlib

import numpy as np
import pytest

from keras_twist.data.errors import DataError
from keras_twist.data.pictures import open_pictures, read_sheet

Image = pytest.importorskip("PIL.Image")

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)


def encode(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name, contents):
    checksum = struct.pack(">I", zlib.crc32(name + contents))
    return struct.pack(">I", len(contents)) + name + contents + checksum


def bomb(width, height):
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_read_sheet():
    limit = Image.MAX_IMAGE_PIXELS
    sheet = encode(PIXELS.reshape(4, 1024, 3))
    np.testing.assert_array_equal(read_sheet(sheet, 4, "sheet"), PIXELS)
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        encode(PIXELS.reshape(4, 1024, 3), "JPEG"),
        encode(PIXELS.reshape(8, 512, 3)),
        encode(PIXELS[:2].reshape(2, 1024, 3)),
        bomb(2**31 - 1, 2**31 - 1),
        *(bomb(1024, 4)[:size] for size in (16, 20, 23)),
    ],
)
def test_refuses_another_sheet(contents):
    with pytest.raises(DataError, match="sheet is no PNG of 1024 x 4 pixels"):
        read_sheet(contents, 4, "sheet")


def test_refuses_a_damaged_sheet():
    sheet = encode(PIXELS.reshape(4, 1024, 3))
    for size in range(33, len(sheet) - 12, 101):
        with pytest.raises(DataError, match="sheet is truncated or damaged"):
            read_sheet(sheet[:size], 4, "sheet")
    with pytest.raises(DataError, match="sheet is truncated or damaged"):
        read_sheet(bomb(1024, 4), 4, "sheet")


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_read_picture(tmp_path, mode):
    picture = Image.fromarray(PIXELS[0]).convert(mode)
    picture.save(tmp_path / "one.png")
    with open_pictures() as read_picture:
        pixels = read_picture(tmp_path / "one.png", (32, 32))
    np.testing.assert_array_equal(pixels, np.asarray(picture.convert("RGB")))


def test_16_bits_of_grey_become_8(tmp_path):
    Image.fromarray(np.full((32, 32), 40_000, "uint16")).save(tmp_path / "one.png")
    with open_pictures() as read_picture:
        assert np.all(read_picture(tmp_path / "one.png", (32, 32)) == 40_000 >> 8)


def test_refuses_other_pictures(tmp_path):
    path = tmp_path / "one.png"
    with open_pictures() as read_picture:
        for contents, reason in (
            (encode(PIXELS[0][:16]), "one.png has 32 x 16 pixels; it must have 32 x 32"),
            (encode(PIXELS[0], "BMP"), "one.png is no readable PNG or JPEG"),
            (b"", "one.png is no readable PNG or JPEG"),
            (encode(PIXELS[0])[:2000], "one.png is no readable PNG or JPEG"),
            (encode(PIXELS[0], "JPEG")[:500], "one.png is no readable PNG or JPEG"),
            (encode(PIXELS[0]) + bytes(2**20), "larger than 1048576 bytes"),
            (bomb(2**31 - 1, 2**31 - 1), "one.png is no readable PNG or JPEG"),
            # Where Pillow itself would only warn, and here a warning would be an error anyway.
            (bomb(10_000, 10_000), "one.png is no readable PNG or JPEG"),
        ):
            path.write_bytes(contents)
            with pytest.raises(DataError, match=reason):
                read_picture(path, (32, 32))
        os.mkfifo(tmp_path / "pipe.png")
        for name in ("pipe.png", "missing.png"):
            with pytest.raises(DataError, match=f"{name} is no readable PNG or JPEG"):
                read_picture(tmp_path / name, (32, 32))


def test_without_pillow(monkeypatch):
    sheet = encode(PIXELS.reshape(4, 1024, 3))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match="needs Pillow: pip install 'keras_twist\\[train\\]'"):
        read_sheet(sheet, 4, "sheet")
