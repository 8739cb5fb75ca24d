"""One picture of any format as a square of RGB: formats, colours, orientation, damage, bombs."""

import io
import math
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_twist.data.errors import DataError
from keras_twist.data.image_decode import center_box, decode_square, decode_view, is_picture
from keras_twist.ops.geometry import crop_resize

Image = pytest.importorskip("PIL.Image", reason="Pillow decodes and writes the pictures")
RNG = np.random.default_rng(0)


def smooth(height, width):
    """A picture that survives JPEG: red rises to the right, green downwards."""
    rows, columns = np.mgrid[:height, :width]
    red, green = 255 * columns / max(width - 1, 1), 255 * rows / max(height - 1, 1)
    return np.stack([red, green, np.full_like(red, 90)], -1).astype("uint8")


def encode(pixels, form="PNG", mode=None, **options):
    picture = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(buffer, form, **options)
    return buffer.getvalue()


def close(found, expected, limit):
    return np.abs(found.astype(int) - expected.astype(int)).mean() < limit


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("PNG", None, {}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("JPEG", None, {"quality": 95}),
        ("JPEG", "CMYK", {"quality": 95}),
        ("JPEG", None, {"quality": 95, "progressive": True}),
        ("MPO", None, {"quality": 95}),
        ("WEBP", None, {"lossless": True}),
        ("WEBP", "RGBA", {"lossless": True}),
    ],
)
def test_formats_and_modes(form, mode, options):
    pixels = smooth(20, 30)
    contents = encode(pixels, form, mode, **options)
    assert is_picture(contents[:16])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, aspect = decode_square(contents, 24)
    expected = np.asarray(Image.fromarray(pixels).resize((24, 24), Image.Resampling.BICUBIC))
    assert found.shape == (24, 24, 3) and found.dtype == np.uint8 and aspect == 1.5
    assert close(found, expected, 20 if mode == "P" else 5)


@pytest.mark.parametrize(
    ("form", "mode"), [("PNG", "L"), ("JPEG", "L"), ("PNG", "LA"), ("PNG", "1")]
)
def test_grey(form, mode):
    found, _ = decode_square(encode(smooth(16, 16), form, mode), 16)
    assert (found[..., 0] == found[..., 1]).all() and (found[..., 1] == found[..., 2]).all()
    assert found.std() > 10


def test_sixteen_bits_are_scaled_and_not_cut_off():
    grey = np.linspace(0, 65535, 256).astype("uint16").reshape(16, 16)
    found, _ = decode_square(encode(grey), 16)
    np.testing.assert_array_equal(found, np.repeat((grey >> 8).astype("uint8")[..., None], 3, -1))


def test_transparency_in_a_palette_does_not_warn_the_caller():
    contents = encode(smooth(8, 8), "PNG", "P", transparency=b"\x00\x80")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert decode_square(contents, 8)[0].shape == (8, 8, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("zoom", [None, 1.5])
def test_orientation(orientation, zoom):
    """The same pixels as Pillow's own turning before anything else."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    contents = encode(smooth(24, 40), "PNG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(contents)))
    options = {"size": 16} | ({"stored_size": 20, "zoom": zoom} if zoom else {})
    decode = decode_view if zoom else decode_square
    found, aspect = decode(contents, **options)
    expected, expected_aspect = decode(encode(np.asarray(upright)), **options)
    assert aspect == expected_aspect == upright.width / upright.height
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientations_that_there_are_not(value):
    exif = Image.Exif()
    exif[0x0112] = value
    pixels = smooth(8, 8)
    np.testing.assert_array_equal(decode_square(encode(pixels, exif=exif), 8)[0], pixels)


def test_damaged_exif_is_ignored():
    pixels = smooth(16, 16)
    contents = encode(
        pixels, "JPEG", quality=95, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xffgarbage"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert close(decode_square(contents, 16)[0], pixels, 5)


def test_the_middle_is_cut():
    pixels = np.zeros((100, 300, 3), "uint8")
    pixels[10:90, 110:190] = 200  # the middle 80 x 80
    found, aspect = decode_view(encode(pixels), 40, 50, zoom=100 / 80)
    # At the border the filter looks at what is around: all is resized and then cut.
    assert np.abs(found[4:-4, 4:-4].astype(int) - 200).max() < 6 and aspect == 3
    tall, _ = decode_view(encode(pixels.transpose(1, 0, 2)), 40, 50, zoom=100 / 80)
    np.testing.assert_allclose(tall, found.transpose(1, 0, 2), atol=1)  # Pillow's rounding
    assert (decode_view(encode(pixels), 40, 50, zoom=1.0)[0] > 190).mean() < 0.7


def test_a_square_that_is_cut_keeps_its_pixels():
    pixels = RNG.integers(0, 256, (16, 40, 3)).astype("uint8")
    found, aspect = decode_square(encode(pixels), 16, cut=True)
    np.testing.assert_array_equal(found, pixels[:, 12:28])
    assert aspect == 2.5
    tall, _ = decode_square(encode(pixels.transpose(1, 0, 2)), 16, cut=True)
    np.testing.assert_array_equal(tall, found.transpose(1, 0, 2))


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(1, 3),
)
def test_a_view_is_cut_as_training_pictures_are(shape, size, stored_size, zoom):
    """Not sharper: the same pixels as by `crop_resize` of the stored square, inside its border."""
    contents = encode(RNG.integers(0, 256, (*shape, 3)).astype("uint8"))
    view, aspect = decode_view(contents, size, stored_size, zoom)
    square, _ = decode_square(contents, stored_size)
    left, top, right, bottom = (np.array([edge]) for edge in center_box(stored_size, aspect, zoom))
    box = (top, left, bottom - top, right - left)
    expected = np.asarray(crop_resize(square[None].astype("float32"), *box, size))[0]
    # In the outermost half pixels Pillow also sees the neighbours of the box.
    edge = math.ceil(0.5 * size / min(bottom - top, right - left)[0])
    inner = slice(edge, size - edge)
    assert view.shape == (size, size, 3)
    np.testing.assert_allclose(view[inner, inner], expected[inner, inner], atol=1.01)


def test_what_shrinks_is_smoothed():
    stripes = np.zeros((64, 64, 3), "uint8")
    stripes[:, ::2] = 200
    found, _ = decode_square(encode(stripes), 16)
    assert np.abs(found[:, 2:-2].astype(int) - 100).max() < 5


@settings(max_examples=30)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 20))
def test_any_size(height, width, size):
    pixels = RNG.integers(0, 256, (height, width, 3)).astype("uint8")
    found, aspect = decode_square(encode(pixels), size)
    assert found.shape == (size, size, 3) and aspect == width / height
    if height == width == size:
        np.testing.assert_array_equal(found, pixels)


def test_one_pixel():
    found, aspect = decode_view(encode(np.full((1, 1, 3), 77, "uint8")), 8, 10, zoom=1.14)
    assert (found == 77).all() and aspect == 1


def test_a_wide_jpeg_is_scaled_while_decoding(monkeypatch):
    """20,000 pixels wide; the result is that of decoding all of them."""
    contents = encode(smooth(100, 20_000), "JPEG", quality=90)
    drafted, aspect = decode_square(contents, 10)
    assert aspect == 200
    from PIL import JpegImagePlugin

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "draft", lambda *_: None)
    assert close(drafted, decode_square(contents, 10)[0], 3)


def header_only(width, height):
    """A PNG that claims a size and holds next to nothing."""
    header = b"IHDR" + struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    pieces = [b"\x89PNG\r\n\x1a\n"]
    for body in (header, b"IDAT" + zlib.compress(b"0")):
        pieces += [struct.pack(">I", len(body) - 4), body, struct.pack(">I", zlib.crc32(body))]
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "empty"),
        (b"hello, this is no picture at all", "no JPEG, PNG or WebP"),
        (encode(smooth(8, 8), "GIF"), "no JPEG, PNG or WebP"),
        (encode(RNG.integers(0, 256, (64, 64, 3)).astype("uint8"))[:900], "truncated or damaged"),
        (encode(smooth(64, 64), "JPEG")[:500], "truncated or damaged"),
        (encode(smooth(64, 64), "WEBP")[:60], "truncated or damaged|no JPEG"),
        (encode(smooth(8, 8))[:20], "truncated or damaged|no JPEG"),
        (encode(smooth(40, 40)), "40 x 40 pixels, more than max_pixels=1000"),
    ],
)
def test_bad_pictures(contents, message):
    with pytest.raises(DataError, match=message):
        decode_square(contents, 8, max_pixels=1000 if "max_pixels" in message else 10**6)


@pytest.mark.parametrize("side", [10_000, 20_000, 60_000, 2**31 - 1])
def test_bombs_are_refused_before_they_are_decoded(side):
    # Pillow itself warns of the smallest of them; `load_image_folder` silences that.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match="pixels|damaged"):
            decode_square(header_only(side, side), 8, max_pixels=2**26)


def test_a_jpeg_that_is_drawn_again_and_again_is_refused():
    contents = encode(smooth(40, 40), "JPEG", quality=90, progressive=True)
    last = contents[contents.rindex(b"\xff\xda") : -2]
    for scans in (10, 89):  # 100 in all, with the picture's own ten.
        decode_square(contents[:-2] + last * scans + contents[-2:], 8)
    with pytest.raises(DataError, match="it has 110 scans, and no picture needs 100"):
        decode_square(contents[:-2] + last * 100 + contents[-2:], 8)


@pytest.mark.parametrize("progressive", [False, True])
def test_what_lies_behind_a_jpeg_or_in_its_metadata_is_no_scan(progressive):
    """Phones put a film behind the picture, cameras small pictures before it."""
    contents = encode(smooth(40, 40), "JPEG", quality=90, progressive=progressive)
    expected, _ = decode_square(contents, 8)
    film = contents + b"\xff\xda" * 1000
    comment = b"\xff\xfe" + (2 + 2 * 1000).to_bytes(2, "big") + b"\xff\xda" * 1000
    for longer in (film, contents[:2] + comment + contents[2:]):
        np.testing.assert_array_equal(decode_square(longer, 8)[0], expected)


@settings(max_examples=150)
@given(st.data())
def test_damage_is_an_error_or_a_picture(draw):
    form = draw.draw(st.sampled_from(["PNG", "JPEG", "WEBP"]))
    contents = bytearray(encode(smooth(12, 12), form))
    for _ in range(draw.draw(st.integers(1, 3))):
        contents[draw.draw(st.integers(0, len(contents) - 1))] = draw.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pixels, aspect = decode_square(bytes(contents), 6, max_pixels=10**6)
        except DataError as error:
            assert "\n" not in str(error)
        else:
            assert pixels.shape == (6, 6, 3) and aspect > 0
