"""How a recipe of ImageWoof becomes data, a model and an optimizer."""

import dataclasses
import itertools
from unittest.mock import Mock

import keras
import numpy as np
import pytest

from keras_twist import data
from keras_twist.data import IMAGENET_MEAN, IMAGENET_STD, DataError
from keras_twist.layers import SimpleSelfAttention, TwistLayer
from keras_twist.recipes import (
    WOOF_RECIPES,
    RecipeError,
    WoofRecipe,
    task,
    woof,
    woof_networks,
    woof_recipes,
)
from keras_twist.recipes.center_views import center_views

pytestmark = pytest.mark.skipif(keras.backend.backend() == "torch", reason="recipes train on two")
SMALL = {"image_size": 32, "batch_size": 16, "width": 4, "precision": "float32"}


@pytest.fixture(autouse=True)
def own_home(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))


def test_every_recipe_is_explained():
    assert set(woof_recipes.ABOUT) == set(WOOF_RECIPES)


def test_the_twist_recipe_is_the_other_with_a_twist():
    twist, plain = WOOF_RECIPES["mxresnet50_twist"], WOOF_RECIPES["mxresnet50"]
    assert dataclasses.replace(twist, name="mxresnet50", conv="conv") == plain


def test_batches_are_crops_of_the_size_asked_for(tiny_woof):
    recipe = WoofRecipe(name="test", **SMALL, erasing_area=0.3)
    data = woof.load(recipe, tiny_woof)
    assert data.train[0].shape == (80, 53, 53, 3) and data.valid[0].shape == (40, 32, 32, 3)
    assert data.valid_name == "validation"
    images, labels = next(iter(task.training_batches(recipe, data)))
    assert images.shape == (16, 32, 32, 3) and images.dtype == "float32"
    np.testing.assert_array_equal(np.sum(labels, axis=1), 1)
    images, labels = next(iter(task.validation_batches(recipe, data)))
    exact = (data.valid[0].astype("float64") - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(images, exact, atol=1e-5)


def test_held_out_pictures_are_shown_as_validation_shows_them(tiny_woof):
    recipe = WoofRecipe(name="test", **SMALL)
    whole = woof.load(recipe, tiny_woof)
    held = woof.load(dataclasses.replace(recipe, holdout=30), tiny_woof)
    assert held.valid_name == "held-out" and len(held.train[1]) == 50 == len(held.aspects)
    assert held.valid[0].shape == (30, 32, 32, 3) and held.valid[0].dtype == "uint8"
    assert len(set(held.valid[1])) > 5  # of all classes, though the pictures come class by class
    both = np.sort(np.concatenate([held.train[1], held.valid[1]]))
    np.testing.assert_array_equal(both, np.sort(whole.train[1]))
    with pytest.raises(RecipeError, match="`holdout`"):
        woof.load(dataclasses.replace(recipe, holdout=80), tiny_woof)


def test_validation_shows_what_each_fastai_showed():
    """The first resized to 32 pixels more and cut them off, the second to 0.14 times more."""
    assert WOOF_RECIPES["mxresnet50_twist"].valid_scale == (128 + 32) / 128
    assert WOOF_RECIPES["xse_resnext18"].valid_scale == 1.14


@pytest.mark.parametrize("holdout", [0, 30])
def test_validation_shows_the_middle_that_is_asked_for(tiny_woof, holdout):
    recipe = WoofRecipe(name="test", **SMALL, holdout=holdout)
    near, far = (
        woof.load(dataclasses.replace(recipe, valid_scale=scale), tiny_woof).valid[0]
        for scale in (2.0, 1.0)
    )

    def coarse(images):
        """Means of 8x8 tiles, which leave no noise."""
        n, side = images.shape[:2]
        return images.reshape(n, 8, side // 8, 8, side // 8, 3).mean(axis=(2, 4))

    apart = np.abs(coarse(far[:, 8:24, 8:24]) - coarse(near)).mean()
    assert apart < 0.3 * np.abs(coarse(far) - coarse(near)).mean()


def test_a_center_view_undoes_the_stretching():
    """A circle in a wide picture is a circle again."""
    wide = np.zeros((160, 320, 3))
    y, x = np.mgrid[:160, :320] + 0.5
    wide[(x - 160) ** 2 + (y - 80) ** 2 < 50**2] = 255
    stretched = wide[:, ::2].astype("uint8")[None]
    (view,) = center_views(stretched, np.array([2.0]), 140, zoom=1.14)
    inside = view[..., 0] > 127
    across, down = inside[70].sum(), inside[:, 70].sum()
    assert across == pytest.approx(100, abs=3) and down == pytest.approx(100, abs=3)


def test_every_model_has_its_name():
    for name, build in woof_networks.MODELS.items():
        assert build.__name__.lower() == name.replace("_", "")


def test_options_reach_the_model_or_are_refused():
    recipe = WoofRecipe(name="test", image_size=64, stem_strides=1, activation="relu", width=8)
    model = woof.build_model(recipe, None)
    assert model.get_layer("stem_norm1").output.shape[1] == 64
    assert model.get_layer("stem_norm1").activation is keras.activations.relu
    # Before any picture is read.
    with pytest.raises(RecipeError, match="`conv` means nothing to the model 'depthwise"):
        WoofRecipe(name="test", model="depthwise_xresnet", conv="twist")
    with pytest.raises(RecipeError, match="`activation`"):
        WoofRecipe(name="test", activation="swosh")


OPTIMIZERS = {
    "ranger": "Ranger", "adam": "Adam", "rms": "RMSprop", "sgd": "SGD", "radam": "RAdam",
    "lookahead": "Lookahead", "lamb": "Lamb",
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_decays_kernels_and_spares_the_rest(name):
    recipe = WoofRecipe(
        name="test", optimizer=name, image_size=32, width=4, model="xse_resnet18", weight_decay=0.5,
        precision="float32",
    )  # fmt: skip
    model = woof.build_model(recipe, None)
    task.compile_model(model, recipe, 10, jit_compile=False)
    assert type(model.optimizer).__name__ == OPTIMIZERS[name]
    before = [np.array(weight) for weight in model.trainable_weights]
    model.optimizer.build(model.trainable_variables)
    model.optimizer.apply([np.zeros(w.shape, "float32") for w in model.trainable_weights])
    spared = {id(weight) for weight in woof.undecayed(model)}
    for weight, old in zip(model.trainable_weights, before, strict=True):
        if id(weight) in spared:
            np.testing.assert_array_equal(np.array(weight), old, err_msg=weight.path)
        elif old.any():
            assert np.abs(np.array(weight)).sum() < np.abs(old).sum(), weight.path
    kinds = {weight.name for weight in woof.undecayed(model)}
    assert kinds == {"gamma", "beta", "bias"}


def test_rmsprops_epsilon_is_beside_the_root():
    """With 1e-6 under the root, a gradient of 1e-4 would move a weight by a tenth of the rate."""
    recipe = WoofRecipe(name="test", optimizer="rms", **SMALL | {"weight_decay": 0.0})
    optimizer = woof.build_optimizer(recipe, None, 1.0, 0.9, 10)
    weight = keras.Variable([0.0])
    optimizer.build([weight])
    for _ in range(1000):
        weight.assign([0.0])
        optimizer.apply([np.array([1e-4], "float32")])
    assert float(weight[0]) == pytest.approx(-1e-4 / (1e-4 + 1e-6), rel=0.01)


def test_muon_moves_convolutions_and_leaves_depthwise_kernels_to_sgd():
    recipe = WoofRecipe(
        name="test", optimizer="muon", image_size=32, width=4, model="depthwise_xresnet",
        learning_rate=0.5, weight_decay=0.5, kernel_rate=0.2, kernel_momentum=0.7, momentum=0.0,
        precision="float32", schedule="linear", pct_start=0.001, start_factor=1.0,
    )  # fmt: skip
    model = woof.build_model(recipe, None)
    task.compile_model(model, recipe, 10_000, jit_compile=False)
    optimizer = model.optimizer
    assert (optimizer.kernel_rate, optimizer.kernel_momentum) == (0.2, 0.7)
    optimizer.build(model.trainable_variables)
    before = [np.array(weight) for weight in model.trainable_weights]
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=w.shape).astype("float32") for w in model.trainable_weights]
    optimizer.apply(gradients)
    moved = set()
    for weight, old, gradient in zip(model.trainable_weights, before, gradients, strict=True):
        decay = 0.5 * old if weight.name == "kernel" else 0.0
        by_sgd = old - 0.5 * (gradient + decay)
        if not np.allclose(np.array(weight), by_sgd, atol=1e-5):
            moved.add(weight.path.rsplit("/", 2)[-2])
    convolutions = {
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
        and not isinstance(layer, keras.layers.DepthwiseConv2D)
    }
    assert moved == convolutions and len(convolutions) > 40


@pytest.mark.parametrize(("size", "groups"), [(32, 3), (64, 4), (96, 4), (97, 5), (128, 5)])
def test_speednet_halves_the_picture_down_to_three_pixels(size, groups):
    recipe = WoofRecipe(name="test", model="speednet", image_size=size, width=4, activation="relu")
    model = woof_networks.build(recipe, 10)
    side = model.get_layer(f"norm{groups}b").output.shape[1]
    assert 3 <= side <= 5
    filters = [model.get_layer(f"conv{g}b").filters for g in range(1, groups + 1)]
    assert filters == [4, 8, 16, 32, 32][:groups]
    assert model.get_layer("norm1a").activation is keras.activations.relu


def test_speednet_is_fitted_to_the_pictures_and_refuses_what_it_has_not(tiny_woof):
    recipe = WoofRecipe(name="test", model="speednet", **SMALL)
    data = woof.load(recipe, tiny_woof)
    model = woof.build_model(recipe, data)
    views = center_views(data.train[0], data.aspects, 32, 1.0)
    patches = model.get_layer("whitening")(woof.normalization()(views))
    patches = np.asarray(patches)[..., :12].reshape(-1, 12)
    np.testing.assert_allclose(patches.T @ patches / len(patches), np.eye(12), atol=0.05)
    for field, value in (("conv", "twist"), ("pool", "max"), ("stem_strides", 1)):
        with pytest.raises(RecipeError, match=f"`{field}` means nothing to the model 'speednet'"):
            dataclasses.replace(recipe, **{field: value})


def test_a_small_network_learns_a_tiny_set(tiny_woof):
    recipe = WoofRecipe(
        name="test", model="speednet", optimizer="sgd", learning_rate=0.5, momentum=0.9, **SMALL
    )
    data = woof.load(recipe, tiny_woof)
    model = woof.build_model(recipe, data)
    task.compile_model(model, recipe, 20, jit_compile=False)
    batches = itertools.islice(iter(task.training_batches(recipe, data)), 20)
    losses = [float(model.train_on_batch(*batch)[0]) for batch in batches]
    assert losses[-1] < 0.9 * losses[0]


def test_pictures_are_augmented_as_the_recipe_says(tiny_woof):
    blends = {} if data.stateless.on_jax() else {"mixup": 0.3}
    recipe = WoofRecipe(name="test", **SMALL, min_scale=0.5, erasing_area=0.3, seed=7, **blends)
    pictures = woof.load(recipe, tiny_woof)
    augment = (
        data.random_resized_crop(32, (0.5, 1.0), aspects=pictures.aspects),
        data.random_flip(),
        woof.normalization(),
        data.random_erasing(0.3, area=(0, 0.3), max_count=3, fill="normal", log_aspect=True),
    )
    mix = data.mixup(0.3) if blends else None
    wanted = data.train_dataset(*pictures.train, 16, augment, mix, seed=7, num_classes=10)
    found = task.training_batches(recipe, pictures)
    for one, other in zip(next(iter(found)), next(iter(wanted)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["ranger", "radam", "adam", "lamb", "lookahead", "sgd"])
def test_an_optimizers_numbers_are_the_recipes(name):
    numbers = {"momentum": 0.8, "beta_2": 0.97, "epsilon": 1e-4, "weight_decay": 0.0}
    recipe = WoofRecipe(name="test", optimizer=name, **numbers)
    optimizer = woof.build_optimizer(recipe, None, 0.3, 0.8, 10)
    config = getattr(optimizer, "inner_optimizer", optimizer).get_config()
    expected = {"beta_1": 0.8, "beta_2": 0.97, "epsilon": 1e-4}
    assert config.items() >= ({"momentum": 0.8} if name == "sgd" else expected).items()


def test_every_field_reaches_the_network():
    fields = {
        "conv": "twist", "self_attention": True, "symmetric": True, "pool": "max",
        "stem_strides": 1, "activation": "relu",
    }  # fmt: skip
    recipe = WoofRecipe(name="test", model="mxresnet18", **fields, width=16, image_size=32)
    assert woof_networks.options(recipe).items() >= fields.items()
    network = woof_networks.build(recipe, 10)
    (attention,) = (x for x in network.layers if isinstance(x, SimpleSelfAttention))
    assert attention.symmetric
    assert network.get_layer("stem_conv1").strides == (1, 1)
    assert isinstance(network.get_layer("stage2_block1_shortcut_pool"), keras.layers.MaxPooling2D)
    assert isinstance(network.get_layer("stage4_block1_conv1"), TwistLayer)
    assert network.get_layer("stem_norm1").activation is keras.activations.relu


@pytest.mark.parametrize("name", ["imagewoof", "imagenette"])
def test_the_data_set_is_the_recipes(name, monkeypatch):
    load = Mock(side_effect=DataError("asked for"))
    monkeypatch.setitem(woof.LOADERS, name, load)
    fields = {"image_size": 96, "valid_scale": 1.3, "on_error": "skip"}
    with pytest.raises(DataError, match="asked for"):
        woof.load(WoofRecipe(name="test", dataset=name, **fields), "pictures")
    load.assert_called_once_with("pictures", **fields)
    assert woof.LOADERS.keys() == {"imagewoof", "imagenette"}
