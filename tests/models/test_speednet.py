"""SpeedNet: whitening makes patches uncorrelated, identity kernels pass the image on."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_twist.models import PartialIdentity, SpeedNet, whiten


def correlated_images():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, 34, 34, 3))
    smooth = noise[:, 1:-1, 1:-1] + noise[:, 2:, 1:-1] + noise[:, 1:-1, 2:]
    return (smooth @ rng.normal(size=(3, 3))).astype("float32")


def test_whitened_features_have_unit_covariance():
    model, images = SpeedNet(width=4), correlated_images()
    whiten(model, images, epsilon=0.0)
    features = ops.convert_to_numpy(model.get_layer("whitening")(images)).reshape(-1, 24)
    np.testing.assert_allclose(features[:, :12], -features[:, 12:], atol=1e-4)
    second_moment = features[:, :12].T @ features[:, :12] / len(features)
    np.testing.assert_allclose(second_moment, np.eye(12), atol=2e-3)


def test_whitening_is_frozen_and_its_bias_is_not():
    model = SpeedNet(width=4)
    names = [weight.path for weight in model.trainable_weights]
    assert not any("whitening/kernel" in name for name in names)
    assert any("whitening_bias" in name for name in names)


def test_partial_identity_copies_its_input():
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype("float32")
    layer = keras.layers.Conv2D(
        6, 3, padding="same", use_bias=False, kernel_initializer=PartialIdentity(seed=0)
    )
    out = ops.convert_to_numpy(layer(images))
    np.testing.assert_allclose(out[..., :4], images, atol=1e-6)
    rest = ops.convert_to_numpy(layer.kernel)[..., 4:]
    bound = 36**-0.5
    assert 0.8 * bound < np.abs(rest).max() <= bound
    assert ops.convert_to_numpy(PartialIdentity()((3, 3, 8, 5)))[1, 1].argmax(0).tolist() == list(
        range(5)
    )


def test_has_airbench94s_shapes():
    model = SpeedNet()
    shapes = [tuple(model.get_layer(f"conv{g}{h}").kernel.shape[2:]) for g in "123" for h in "ab"]
    assert shapes == [(24, 64), (64, 64), (64, 256), (256, 256), (256, 256), (256, 256)]
    assert model.get_layer("pool4").input.shape[1:3] == (3, 3)


@pytest.mark.parametrize(
    "options",
    [{}, {"depth": 3}, {"pool_first": False}, {"whitening": False}, {"multipliers": (1, 2, 3)}],
    ids=str,
)
def test_starts_as_maxima_of_the_image(options):
    """Identity kernels pass the first channels on, so that poolings are all that acts."""
    model = SpeedNet(width=24, activation="linear", batch_norm_momentum=0.9, **options)
    for layer in model.layers:
        if "conv" in layer.name:  # The filters that are drawn, away.
            kernel = ops.convert_to_numpy(layer.kernel).copy()
            kernel[..., kernel.shape[2] :] = 0
            layer.kernel.assign(kernel)
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    features = keras.Model(model.input, model.get_layer("pool4").output)(images)
    whitened = ops.convert_to_numpy(model.get_layer("whitening")(images))
    expected = whitened[:, :24, :24].max(axis=(1, 2))
    # Poolings round 31 down to 3 times 8; a normalisation with its first statistics divides by
    # the root of 1 + 1e-5, and the third convolution of a group doubles.
    expected = expected * (2**3 if options.get("depth") == 3 else 1)
    np.testing.assert_allclose(ops.convert_to_numpy(features)[:, :24], expected, 1e-3)


def test_a_group_more_halves_once_more():
    model = SpeedNet(width=4, multipliers=(1, 2, 2, 2), input_shape=(64, 49, 3))
    assert model.get_layer("pool5").input.shape[1:] == (3, 3, 8)
    with pytest.raises(ValueError, match="`input_shape`.*at least 49.*4 groups"):
        SpeedNet(multipliers=(1, 2, 2, 2))


def test_parts_can_be_left_out():
    assert SpeedNet(whitening=False, width=4).get_layer("whitening").trainable
    kernel = ops.convert_to_numpy(SpeedNet(identity=False, width=24).get_layer("conv1a").kernel)
    assert np.abs(kernel[1, 1] - np.eye(24)).max() > 0.9
    scaled, plain = SpeedNet(batch_norm_scale=True, width=4), SpeedNet(width=4)
    assert scaled.get_layer("norm1a").scale and not plain.get_layer("norm1a").scale
    assert scaled.count_params() - plain.count_params() == 2 * 4 * (1 + 4 + 4)
    pooled = SpeedNet(pool_first=False, width=4).get_layer("pool1").output
    assert pooled.shape == (None, 15, 15, 4)


def test_batch_normalisation_averages_as_told():
    model = SpeedNet(width=4, batch_norm_momentum=0.7)
    assert {model.get_layer(f"norm{g}{h}").momentum for g in "123" for h in "ab"} == {0.7}


def test_height_and_width_may_be_unknown():
    model = SpeedNet(width=8, input_shape=(None, 32, 3))
    assert model(np.zeros((1, 40, 32, 3), "float32")).shape == (1, 10)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="`input_shape`.*16, 16, 3"):
        SpeedNet(input_shape=(16, 16, 3))
    with pytest.raises(ValueError, match=r"`images`.*\(10, 32, 32, 1\)"):
        whiten(SpeedNet(width=4), np.zeros((10, 32, 32, 1)))
    with pytest.raises(ValueError, match="`depth` must be 2 or 3.*depth=4"):
        SpeedNet(depth=4)
    with pytest.raises(ValueError, match="odd sides"):
        PartialIdentity()((2, 2, 3, 3))
