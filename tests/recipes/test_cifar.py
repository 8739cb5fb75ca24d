"""How a recipe becomes data, a model and an optimizer."""

import dataclasses

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_twist import data, optimizers
from keras_twist import ops as twist_ops
from keras_twist.data import CIFAR10_CLASSES
from keras_twist.layers import BatchNormAct
from keras_twist.recipes import (
    CIFAR_RECIPES,
    CIFARRecipe,
    RecipeError,
    cifar,
    cifar_networks,
    cifar_recipes,
    policies,
    task,
)

from ..tools import thoroughly


def test_every_recipe_is_explained():
    assert set(cifar_recipes.ABOUT) == set(CIFAR_RECIPES)


def test_holdout_keeps_the_test_set_away(monkeypatch, tiny_images):
    (x, y), test = tiny_images
    x, y, x_test = x[::-1], y[::-1], test[0]  # not class by class
    monkeypatch.setattr(cifar, "load_cifar10", lambda data_dir: ((x, y), test))
    whole = cifar.load(CIFARRecipe(name="test"))
    assert whole.valid_name == "test" and whole.valid[0] is x_test
    held = cifar.load(CIFARRecipe(name="test", holdout=50))
    assert held.valid_name == "held-out"
    np.testing.assert_array_equal(held.valid[0], x[250:])
    np.testing.assert_array_equal(held.train[1], y[:250])
    with pytest.raises(RecipeError, match="`holdout`"):
        cifar.load(CIFARRecipe(name="test", holdout=300))


def test_a_tree_that_comes_class_by_class_is_mixed(monkeypatch):
    labels = np.repeat(np.arange(10), 30)
    images = np.zeros((300, 32, 32, 3), "uint8") + labels[:, None, None, None].astype("uint8")
    monkeypatch.setattr(cifar, "load_cifar10", lambda data_dir: ((images, labels),) * 2)
    data = cifar.load(CIFARRecipe(name="test", holdout=90))
    for pixels, known in (data.train, data.valid):
        assert len(np.unique(known)) == 10
        np.testing.assert_array_equal(pixels[:, 0, 0, 0], known)
    both = np.concatenate([data.train[1], data.valid[1]])
    np.testing.assert_array_equal(np.bincount(both), 30)
    again = cifar.load(CIFARRecipe(name="test", holdout=90))
    np.testing.assert_array_equal(again.valid[1], data.valid[1])


@given(st.integers(1, 60), st.integers(1, 300), st.integers(1, 40))
def test_every_device_has_an_image_of_every_batch(largest, count, devices):
    if count < devices:
        recipe = CIFARRecipe("test", strategy="mirrored", replicas=devices)
        with pytest.raises(RecipeError, match="`replicas` must not be larger"):
            task.check_replicas(recipe, count)
        return
    size = task.shareable(largest, count, devices)
    assert count % size == 0 or count % size >= devices
    assert devices <= size and (size <= largest or size == count)
    if devices == 1:
        assert size == largest


def test_validation_is_shared_by_the_devices(tiny_images, monkeypatch):
    monkeypatch.setattr(cifar, "EVAL_BATCH_SIZE", 33)
    data = task.Data(*tiny_images, "test", CIFAR10_CLASSES)
    sizes = {}
    for recipe in (CIFARRecipe("one"), CIFARRecipe("two", strategy="mirrored", replicas=2)):
        batches = task.validation_batches(recipe, data)
        sizes[recipe.replicas] = [len(labels) for _, labels in batches]
    assert sizes == {None: [33, 33, 33, 1], 2: [32, 32, 32, 4]}


# On JAX, where compiling takes most of the time, test_jax.py and the script train `assignment`.
USUAL = [name for name in CIFAR_RECIPES if name not in ("fast95", "quick")]
if keras.backend.backend() == "jax":
    USUAL = ["fast"]


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="recipes train on two")
@pytest.mark.parametrize("name", thoroughly(CIFAR_RECIPES, USUAL))
def test_every_recipe_learns(name, tiny_images):
    recipe = dataclasses.replace(
        CIFAR_RECIPES[name], width=4, batch_size=50, learning_rate=0.05, precision="float32"
    )
    data = task.Data(*tiny_images, "test", CIFAR10_CLASSES)
    model = cifar.build_model(recipe, data)
    task.compile_model(model, recipe, 36, jit_compile=False)
    batches = task.training_batches(recipe, data)
    history = model.fit(batches, steps_per_epoch=6, epochs=6, shuffle=False, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] < 0.95 * losses[0]
    images, labels = next(iter(task.validation_batches(recipe, data)))
    assert images.shape == (100, 32, 32, 3) and labels.shape == (100, 10)


def test_options_reach_the_model_or_are_refused(tiny_images):
    recipe = CIFARRecipe(name="test", width=4, activation="mish", pool_first=True)
    model = cifar.build_model(recipe, task.Data(*tiny_images, "test", CIFAR10_CLASSES))
    assert model.get_layer("Bn1").activation is twist_ops.mish
    # Before any data is read.
    with pytest.raises(RecipeError, match="`dropout` means nothing to the model 'speednet'"):
        CIFARRecipe(name="test", model="speednet", dropout=0.1)
    with pytest.raises(RecipeError, match="`whitening` means nothing.*Received: whitening=False"):
        CIFARRecipe(name="test", whitening=False)
    with pytest.raises(RecipeError, match="`activation`.*Received: activation=swosh"):
        CIFARRecipe(name="test", activation="swosh")


def test_the_fast_recipes_have_airbenchs_numbers():
    """airbench sums the losses of 1024 images and divides its rates by 1024 * (1 + 1 / 0.15)."""
    scale = 1024 * (1 + 1 / (1 - 0.85))
    for name, rate, decay in (("fast95", 10.0, 0.0153), ("fast96", 9.0, 0.012)):
        recipe = CIFAR_RECIPES[name]
        assert recipe.learning_rate == pytest.approx(1024 * rate / scale, rel=1e-3)
        assert recipe.weight_decay == pytest.approx(decay / rate, rel=1e-3)


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_nesterov_is_the_optimizers(optimizer, nesterov):
    recipe = CIFARRecipe(name="test", optimizer=optimizer, nesterov=nesterov)
    assert task.of(recipe).build_optimizer(recipe, None, 0.1, 0.9, 10).nesterov is nesterov


def test_fast_has_the_numbers_of_airbench94_muon(tiny_images):
    """There, losses of 2000 images are summed and logits divided by 256, here by 9."""
    recipe = CIFAR_RECIPES["fast"]
    batch, biases, head, kernels = 2000, 0.053, 0.67, 0.24
    assert recipe.learning_rate == pytest.approx(batch * head * (9 / 256) ** 2, rel=1e-3)
    model = cifar.build_model(
        dataclasses.replace(recipe, width=4), task.Data(*tiny_images, "test", CIFAR10_CLASSES)
    )
    task.compile_model(model, recipe, 100, jit_compile=False)
    optimizer = model.optimizer
    assert isinstance(optimizer, optimizers.Muon)
    assert recipe.learning_rate * optimizer.kernel_rate == pytest.approx(kernels, rel=2e-3)
    rate = model.get_layer("norm1a").bias_rate
    assert recipe.learning_rate * rate == pytest.approx(batch * biases, rel=2e-3)
    # A share of the weight is taken off per unit of rate, which the head divides by its own.
    assert recipe.weight_decay * recipe.learning_rate == pytest.approx(batch * 2e-6, rel=1e-2)
    schedule = policies.build_schedules(recipe, 300)[0]
    np.testing.assert_allclose(
        [float(schedule(step)) / recipe.learning_rate for step in (0, 150, 299)],
        [1, 0.5, 0],
        atol=5e-3,
    )


def test_sizes_of_the_fast_networks():
    """Kernels by hand; airbench names the widths."""
    for name, widths, depth in (
        ("speednet95", (128, 384, 384), 2),
        ("speednet96", (128, 384, 512), 3),
    ):
        model, inputs = cifar_networks.MODELS[name](), 24
        for group, filters in enumerate(widths, start=1):
            for part in "abc"[:depth]:
                shape = tuple(model.get_layer(f"conv{group}{part}").kernel.shape)
                assert shape == (3, 3, inputs, filters)
                inputs = filters


def test_lookahead_averages_most_at_the_end(tiny_images):
    recipe = dataclasses.replace(CIFAR_RECIPES["fast95"], width=4, precision="float32")
    model = cifar.build_model(recipe, task.Data(*tiny_images, "test", CIFAR10_CLASSES))
    task.compile_model(model, recipe, 100, jit_compile=False)
    size = model.optimizer.slow_step_size
    assert [float(size(step)) for step in (0, 100)] == pytest.approx([1.0, 1 - 0.95**5])
    assert float(size(50)) == pytest.approx(1 - 0.95**5 / 8)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(model.optimizer))
    assert float(again.slow_step_size(50)) == float(size(50))


def test_weight_decay_is_coupled_and_covers_everything(tiny_images):
    """One step with a zero learning signal moves each weight by rate * decay * (1 + momentum)."""
    recipe = CIFARRecipe(name="test", width=4, weight_decay=0.1, epochs=1)
    model = cifar.build_model(recipe, task.Data(*tiny_images, "test", CIFAR10_CLASSES))
    task.compile_model(model, recipe, 10, jit_compile=False)
    before = [ops.convert_to_numpy(weight).copy() for weight in model.trainable_weights]
    zeros = [ops.zeros(weight.shape) for weight in model.trainable_weights]
    model.optimizer.apply(zeros, model.trainable_weights)
    rate = float(policies.build_schedules(recipe, 10)[0](0))
    for weight, old in zip(model.trainable_weights, before, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(weight), old * (1 - rate * 0.1 * 1.9), rtol=1e-5, atol=1e-7
        )
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="recipes train on two")
@pytest.mark.parametrize("alternating", [False, True])
def test_batches_are_what_the_recipe_says(alternating, tiny_images):
    images = task.Data(*tiny_images, "test", CIFAR10_CLASSES)
    blends = {} if data.stateless.on_jax() else {"mixup": 0.3}
    whole = CIFARRecipe(
        name="test", batch_size=50, padding=3, erasing=0.5, cutout=6, seed=7,
        alternating_flip=alternating, **blends,
    )  # fmt: skip
    bare = dataclasses.replace(whole, padding=0, flip=False, erasing=0.0, cutout=0, mixup=0.0)
    every = (
        data.random_pad_crop(3),
        data.alternating_flip() if alternating else data.random_flip(),
        data.random_erasing(0.5, value_range=(0.0, 255.0)),
        cifar.normalization(),
        data.random_cutout(6),
    )
    blend = data.mixup(0.3) if blends else None
    for recipe, augment, mix in ((whole, every, blend), (bare, (cifar.normalization(),), None)):
        wanted = data.train_dataset(*images.train, 50, augment, mix, seed=7, num_classes=10)
        found = task.training_batches(recipe, images)
        for one, other in zip(next(iter(found)), next(iter(wanted)), strict=True):
            np.testing.assert_array_equal(one, other)


def test_labels_are_smoothed_as_the_recipe_says(tiny_images):
    recipe = CIFARRecipe(name="test", model="speednet", width=4, label_smoothing=0.3)
    model = cifar.build_network(recipe)
    task.compile_model(model, recipe, 10, jit_compile=False)
    assert model.loss.label_smoothing == 0.3


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "davidnet", "dropout": 0.2},
        {
            "model": "speednet", "width": 5, "activation": "gelu", "whitening": False,
            "identity": False, "bias_rate": 3.0, "logit_scale": 0.5, "pool_first": False,
            "batch_norm_scale": True,
        },
    ],
    ids=lambda fields: fields["model"],
)  # fmt: skip
def test_every_field_reaches_the_network(fields):
    recipe = CIFARRecipe(name="test", **{"width": 4} | fields)
    found = cifar_networks.options(recipe)
    assert found.items() >= {k: v for k, v in fields.items() if k != "model"}.items()
    network = cifar.build_network(recipe)
    if recipe.dropout:
        assert network.get_layer("dropout1").rate == network.get_layer("dropout2").rate == 0.2
    if recipe.bias_rate:
        norms = [layer for layer in network.layers if isinstance(layer, BatchNormAct)]
        assert {(norm.bias_rate, norm.scale) for norm in norms} == {(3.0, True)} and len(norms) == 6
