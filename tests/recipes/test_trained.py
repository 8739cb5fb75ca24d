"""Models of run folders: damaged ones and those that bring code along end with one line."""

import os
import zipfile

import keras
import numpy as np
import pytest

from keras_twist.data import CIFAR10_CLASSES
from keras_twist.recipes import CIFAR_RECIPES, RecipeError, run_folder, task
from keras_twist.recipes.export import export
from keras_twist.recipes.predict import Predictor
from keras_twist.recipes.trained import load_trained


def network(*layers):
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Flatten()])


@pytest.fixture
def folder(tmp_path):
    run_folder.write_recipe(tmp_path, CIFAR_RECIPES["quick"])
    return tmp_path


def refused(folder, message):
    with pytest.raises(RecipeError, match=message) as caught:
        load_trained(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_code_in_a_model_is_refused(folder):
    trace = folder / "trace"
    network(keras.layers.Lambda(lambda x: x)).save(folder / "model.keras")
    refused(folder, "model.keras cannot be used: .*lambda")
    network(keras.layers.ReLU(name="here")).save(folder / "model.keras")
    # A class that there is, but that is no layer of Keras's.
    with zipfile.ZipFile(folder / "model.keras") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    changed = files["config.json"].replace(b'"keras.layers"', b'"os"').replace(b"ReLU", b"system")
    changed = changed.replace(b'"name": "here"', f'"command": "touch {trace}"'.encode())
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, contents in (files | {"config.json": changed}).items():
            archive.writestr(name, contents)
    refused(folder, "model.keras cannot be used: ")
    assert not trace.exists()


@pytest.mark.parametrize("damage", ["cut", "text", "pipe", "folder", "deep"])
def test_damaged_models_are_refused(damage, folder):
    path = folder / "model.keras"
    network().save(path)
    whole = path.read_bytes()
    path.unlink()
    if damage == "pipe":
        os.mkfifo(path)
    elif damage == "folder":
        path.mkdir()
    elif damage == "deep":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "[" * 10**5)
            archive.writestr("metadata.json", "{}")
            archive.writestr("model.weights.h5", b"")
    else:
        path.write_bytes(whole[:500] if damage == "cut" else b"hello")
    refused(folder, "model.keras cannot be used: ")


def test_models_of_something_else_are_refused(folder):
    inputs = keras.Input((8, 8, 3))
    for model in (
        keras.Sequential([keras.Input((8,)), keras.layers.Dense(10)]),
        keras.Sequential([keras.Input((8, 6, 3)), keras.layers.Flatten()]),
        keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(10, 1)]),
        keras.Model(inputs, [keras.layers.Flatten()(inputs)] * 2),
    ):
        model.save(folder / "model.keras")
        refused(folder, "it is no model of square pictures")


def test_another_number_of_classes_is_refused(folder):
    network(keras.layers.GlobalAveragePooling2D()).save(folder / "model.keras")
    assert load_trained(folder)[1].predict_on_batch(np.zeros((1, 8, 8, 3))).shape == (1, 3)
    with pytest.raises(RecipeError, match="its model knows 3 classes, and there are 10 names"):
        Predictor(folder)


def test_a_network_that_is_not_the_recipes_is_not_exported(folder, tiny_images):
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((32, 32, 3)), *layers])
    data = task.Data(*tiny_images, "test", CIFAR10_CLASSES)
    with pytest.raises(RecipeError, match="another network than the recipe's, speednet, has"):
        list(export(model, CIFAR_RECIPES["quick"], data, folder, ["keras"]))
