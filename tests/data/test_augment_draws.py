"""The distribution of every draw, read off the images: frequency, range, independence."""

import itertools

import keras
import numpy as np
import pytest

from keras_twist import data

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="TensorFlow or JAX make the batches"
)
COUNT = 2000


def drawn(operation, shape=(9, 9, 3), seed=0):
    """The draws for one batch, by name, as the pipeline makes them."""
    record = operation._replace(apply=lambda images, **draws: draws, size=None)
    images = np.zeros((COUNT, *shape), "uint8")
    dataset = data.train_dataset(images, np.zeros(COUNT, int), COUNT, (record,), seed=seed)
    return {name: np.array(tensor) for name, tensor in next(iter(dataset))[0].items()}


def assert_uniform(values, low, high):
    """Every part of the range, and neighbours in the batch that know nothing of each other."""
    assert low <= values.min() and values.max() <= high
    scaled = (values - low) / (high - low)
    counts, _ = np.histogram(scaled, bins=10, range=(0, 1))
    assert np.abs(counts - COUNT / 10).max() < 60  # a standard deviation of 13
    assert abs(np.corrcoef(scaled[1:], scaled[:-1])[0, 1]) < 0.1


def test_rotation():
    assert_uniform(drawn(data.random_rotation(15))["degrees"], -15, 15)


def test_translation():
    draws = drawn(data.random_translation(0.25, 0.5), shape=(8, 16, 1))
    assert_uniform(draws["down"], -2, 2)
    assert_uniform(draws["right"], -8, 8)
    assert abs(np.corrcoef(draws["down"], draws["right"])[0, 1]) < 0.1


def test_blur_width_and_frequency():
    sigma = drawn(data.random_gaussian_blur((0.5, 1.5)))["sigma"]
    assert_uniform(sigma, 0.5, 1.5)
    some = drawn(data.random_gaussian_blur((0.5, 1.5), probability=0.3))["sigma"]
    assert abs((some > 0).mean() - 0.3) < 0.05  # a standard deviation of 0.01
    assert some[some > 0].min() >= 0.5


def test_color_factors():
    draws = drawn(data.random_color_jitter(0.4, 0.2, 1.5))
    assert_uniform(draws["brightness"], 0.6, 1.4)
    assert_uniform(draws["contrast"], 0.8, 1.2)
    assert_uniform(draws["saturation"], 0.0, 2.5)
    assert np.abs(np.corrcoef(list(draws.values())) - np.eye(3)).max() < 0.1


def test_resized_crop_boxes():
    scale, ratio = (0.35, 1.0), (3 / 4, 4 / 3)
    box = drawn(data.random_resized_crop(4, scale, ratio), shape=(60, 80, 3))
    assert (box["top"] >= 0).all() and (box["top"] + box["height"] <= 60).all()
    assert (box["left"] >= 0).all() and (box["left"] + box["width"] <= 80).all()
    # Boxes that fit have what was drawn, but for rounding.
    free = (box["height"] < 60) & (box["width"] < 80)
    share = (box["height"] * box["width"] / 4800)[free]
    assert free.mean() > 0.6 and 0.34 < share.min() < 0.37 and share.max() < 1
    aspect = (box["width"] / box["height"])[free]
    assert 0.73 < aspect.min() < 0.77 and 1.29 < aspect.max() < 1.36
    assert abs(np.log(aspect[share < 0.5]).mean()) < 0.03  # wide and tall alike
    place = box["top"][free] / (60 - box["height"][free])
    assert abs(place.mean() - 0.5) < 0.05 and place.min() == 0 and place.max() == 1


def test_cutout_centres():
    inside = drawn(data.random_cutout(3))
    assert np.unique(inside["top"]).tolist() == list(range(7))
    clipped = drawn(data.random_cutout(4, clip=True))
    for name in ("top", "left"):
        values, counts = np.unique(clipped[name], return_counts=True)
        assert values.tolist() == list(range(-2, 7))  # the centre is any of nine pixels
        assert counts.min() > 150  # 222 expected, a standard deviation of 14


def test_erasing_counts_aspects_and_noise():
    operation = data.random_erasing(0.5, (0.2, 0.2), (0.25, 4.0), 3, "normal", log_aspect=True)
    draws = drawn(operation, shape=(60, 60, 1))
    rectangles = (draws["height"] > 0).sum(axis=1)
    frequency = np.bincount(rectangles, minlength=4) / COUNT
    np.testing.assert_allclose(frequency, [1 / 2, 1 / 6, 1 / 6, 1 / 6], atol=0.05)
    for count in (1, 2, 3):
        area = (draws["height"] * draws["width"])[rectangles == count].sum(axis=1)
        assert 0.17 * 3600 < area.min() and area.max() <= 0.2 * 3600 + 1  # sides rounded down
    aspect = np.log((draws["height"] / np.maximum(draws["width"], 1))[rectangles == 1, 0])
    assert abs(aspect.mean()) < 0.15 and 1.2 < aspect.max() < 1.5  # log 4 = 1.39
    assert_uniform(draws["noise"], 0, 2**31 - 1)


def test_normal_noise_is_standard_normal():
    images = np.zeros((COUNT, 8, 8, 1), "float32")
    whole = {name: np.full((COUNT, 1), n) for name, n in (("top", 0), ("left", 0))}
    whole |= {name: np.full((COUNT, 1), 8) for name in ("height", "width")}
    operation = data.random_erasing(fill="normal")
    noise = np.array(operation.apply(images, **whole, noise=np.arange(COUNT)))
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
    assert abs((np.abs(noise) < 1).mean() - 0.6827) < 0.005


@pytest.mark.parametrize(("fill", "shape"), [("color", (3, 1, 1, 3)), ("value", (3, 1, 1, 1))])
def test_one_colour_or_grey_for_every_rectangle(fill, shape):
    draws = drawn(data.random_erasing(max_count=3, fill=fill))
    assert draws["noise"].shape == (COUNT, *shape)
    assert_uniform(draws["noise"].reshape(COUNT, -1)[:, 0], 0, 1)
    assert "noise" not in drawn(data.random_erasing(fill=0.5))


def test_alternating_flip_turns_every_image_every_other_epoch():
    images = np.arange(64 * 4).reshape(64, 1, 4, 1)
    options = {"augment": (data.alternating_flip(),), "seed": 5}
    dataset = data.train_dataset(images, np.arange(64), 16, **options)

    def epoch(dataset):
        flipped = np.zeros(64, bool)
        for pixels, numbers in (map(np.array, batch) for batch in dataset):
            same = (pixels == images[numbers]).all(axis=(1, 2, 3))
            np.testing.assert_array_equal(pixels[~same], images[numbers[~same]][:, :, ::-1])
            flipped[numbers] = ~same
        return flipped

    first, second, third = (epoch(dataset) for _ in range(3))
    assert 16 < first.sum() < 48  # 32 expected, a standard deviation of 4
    np.testing.assert_array_equal(second, ~first)
    np.testing.assert_array_equal(third, first)
    # The same after a resume in the second epoch, and other images for another seed.
    resumed = data.train_dataset(images, np.arange(64), 16, repeat=True, initial_step=4, **options)
    np.testing.assert_array_equal(epoch(itertools.islice(resumed, 4)), second)
    other = data.train_dataset(images, np.arange(64), 16, options["augment"], seed=6)
    assert not np.array_equal(epoch(other), first)


def test_strength_zero_changes_nothing():
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype("uint8")
    none = (
        data.random_pad_crop(0),
        data.random_rotation(0),
        data.random_translation(0, 0),
        data.random_resized_crop(scale=(1, 1), ratio=(1, 1)),
        data.random_gaussian_blur((0, 0)),
        data.random_gaussian_blur((1, 1), probability=0),
        data.random_color_jitter(0, 0, 0),
        data.random_erasing(0),
        data.random_erasing(area=(0, 0)),
    )

    def uniform(shape, low, high, dtype):
        return np.random.default_rng(0).uniform(low, high, shape).astype(dtype)

    for operation in none:
        found = operation.apply(images, **operation.draw(uniform, images.shape))
        np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(data.gaussian_blur(0)(images), images)


def test_operations_behind_a_resized_crop_see_the_new_size():
    images = np.full((200, 24, 24, 3), 255, "uint8")
    augment = (data.random_resized_crop((8, 12)), data.random_cutout(8))
    ((found, _),) = data.train_dataset(images, np.zeros(200, int), 200, augment)
    assert found.shape == (200, 8, 12, 3)
    assert ((np.array(found) == 0).sum(axis=(1, 2, 3)) == 8 * 8 * 3).all()
    assert len({image.tobytes() for image in np.array(found)}) == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.random_rotation(-1), r"`degrees`.*\[0, 180\].*-1"),
        (lambda: data.random_rotation("15"), "`degrees`.*15"),
        (lambda: data.random_rotation(15, "wrap"), "`mode`.*wrap"),
        (lambda: data.random_translation(1.5), "`height`.*1.5"),
        (lambda: data.random_translation(0.1, -0.1), "`width`.*-0.1"),
        (lambda: data.random_resized_crop(0), "`size`.*0"),
        (lambda: data.random_resized_crop(8, scale=(0.0, 1.0)), r"`scale`.*\(0, 1\].*0.0"),
        (lambda: data.random_resized_crop(8, scale=(0.5, 2.0)), "`scale`.*2.0"),
        (lambda: data.random_resized_crop(8, ratio=(2.0, 1.0)), "`ratio`.*2.0"),
        (lambda: data.gaussian_blur(-1.0), "`sigma`.*-1.0"),
        (lambda: data.random_gaussian_blur(1.0), "`sigma`.*two numbers.*1.0"),
        (lambda: data.random_gaussian_blur(probability=1.5), "`probability`.*1.5"),
        (lambda: data.random_gaussian_blur(radius=0), "`radius`.*0"),
        (lambda: data.random_color_jitter(contrast=-0.1), "`contrast`.*-0.1"),
        (lambda: data.random_color_jitter(value_range=(1, 0)), "`value_range`"),
        (lambda: data.random_erasing(max_count=0), "`max_count`.*0"),
        (lambda: data.random_erasing(fill="noise"), "`fill`.*pixel.*noise"),
        (lambda: data.random_erasing(fill=np.nan), "`fill`.*nan"),
        (lambda: drawn(data.random_cutout(10, clip=True)), "`size`.*size=10, height=9"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (data.random_erasing(fill="normal"), "`fill`.*uint8"),
        (data.random_erasing(fill=300), r"`fill`.*\[0, 255\].*300"),
        (data.random_erasing(fill=(0.0, 1.0)), "`fill`.*one number per channel"),
        (data.random_cutout(3, value=-1.0), r"\[0, 255\].*-1.0"),
        (data.random_cutout(3, value=(1, 2)), "`fill`.*one number per channel.*channels=3"),
        (data.random_cutout(3, value=np.array([1, 2])), "`fill`.*one number per channel"),
        (data.random_cutout(3, value=np.int64(-1)), r"\[0, 255\].*-1"),
        (data.random_erasing(fill=np.full(3, 300)), r"`fill`.*\[0, 255\].*300"),
        (data.random_pad_crop(2, "constant", np.array([1, 2])), "`value`.*one number per channel"),
        (data.random_rotation(value=np.float32(999)), "`value`.*999"),
        (data.random_translation(value=np.array([1, 2])), "`value`.*one number per channel"),
        (data.random_pad_crop(2, "constant", (1, 2)), "`value`.*one number per channel"),
        (data.normalize([1, 2], [1, 2]), r"`mean`.*one number per channel.*\[1.0, 2.0\]"),
        (data.random_erasing(value_range=(0, 300)), r"`value_range`.*\[0, 255\].*uint8.*300"),
        (data.random_color_jitter(value_range=(-1, 9)), r"`value_range`.*\[0, 255\].*-1"),
        (data.random_rotation(value=999), "`value`.*999"),
        (data.gaussian_blur(4.0), "`radius`.*radius=12, height=8"),
    ],
)
def test_what_does_not_fit_the_images_is_named_before_the_first_batch(operation, message):
    images = np.zeros((4, 8, 8, 3), "uint8")
    with pytest.raises(ValueError, match=message):
        data.train_dataset(images, np.zeros(4, int), 4, (operation,))
