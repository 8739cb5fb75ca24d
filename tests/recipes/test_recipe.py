"""Recipes refuse what cannot be trained, in one line that names the field."""

import dataclasses
import json

import numpy as np
import pytest

from keras_twist.recipes import (
    CIFAR_RECIPES,
    WOOF_RECIPES,
    CIFARRecipe,
    RecipeError,
    WoofRecipe,
    run_folder,
)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "`epochs` must be at least 1. Received: epochs=0"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"learning_rate": float("nan")}, "`learning_rate`"),
        ({"momentum": 1.5}, "`momentum` must be at least 0 and at most 1"),
        ({"pct_start": 1.0}, "`pct_start`"),
        ({"cutout": 40}, "`cutout`"),
        ({"model": "vgg"}, "`model` must be one of davidnet, resnet9, speednet"),
        ({"precision": "float8"}, "`precision`"),
        ({"low_momentum": 0.8}, "`low_momentum` needs schedule='one_cycle'"),
        ({"schedule": "one_cycle"}, "`start_factor` and `end_factor`"),
        ({"schedule": "one_cycle", "low_momentum": 0.95}, "`low_momentum` must not be above"),
        ({"schedule": "flat_cosine", "learning_rate": 0}, "`learning_rate` must be positive"),
        ({"anneal_start": 1.0}, "`anneal_start` must lie in"),
        ({"kernel_rate": 0.1}, "`kernel_rate` needs optimizer='muon'"),
        ({"kernel_momentum": 0.9}, "`kernel_momentum` needs optimizer='muon'"),
        ({"optimizer": "muon", "kernel_rate": 0.0}, "`kernel_rate` must be at least 1e-06"),
        ({"name": "../x"}, "`name`"),
        ({"name": ""}, "`name`"),
        ({"name": "\x1b[31m"}, r"`name`.*'\\x1b"),
        ({"name": "a\nb"}, "`name`"),
        ({"name": ["a"]}, "`name` must be a string"),
        ({"flip": "no"}, "`flip` must be True or False. Received: flip='no'"),
        ({"epochs": 1.5}, "`epochs` must be an integer"),
        ({"epochs": True}, "`epochs` must be an integer"),
        ({"epochs": 2**70}, "`epochs` must be an integer of at most 64 bits"),
        ({"learning_rate": None}, "`learning_rate` must be a number. Received: learning_rate=None"),
        ({"activation": 3}, "`activation` must be a string or None"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(RecipeError, match=message) as caught:
        CIFARRecipe(**{"name": "test", **fields})
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_become_plain_ones(tmp_path):
    recipe = CIFARRecipe(name="test", seed=np.int64(3), learning_rate=np.float32(0.5))
    assert type(recipe.seed) is int and type(recipe.learning_rate) is float
    run_folder.write_recipe(tmp_path, recipe)
    assert run_folder.read_recipe(tmp_path) == recipe


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "davidnet"}, "`model` must be one of mxresnet18, "),
        ({"optimizer": "sophia"}, "`optimizer` must be one of ranger, adam, "),
        ({"image_size": 16}, "`image_size` must be at least 32"),
        ({"stem_strides": 3}, "`stem_strides`"),
        ({"momentum": 1.0}, "must be below 1"),
        ({"epsilon": 0.0}, "`epsilon`"),
        ({"low_momentum": 0.8, "schedule": "one_cycle"}, "`low_momentum` needs optimizer='sgd'"),
    ],
)
def test_bad_fields_of_woof_are_named(fields, message):
    one_cycle = {"start_factor": 0.1, "end_factor": 0.1}
    with pytest.raises(RecipeError, match=message) as caught:
        WoofRecipe(**{"name": "test", **one_cycle, **fields})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("recipes", [CIFAR_RECIPES, WOOF_RECIPES], ids=["cifar", "woof"])
def test_survives_its_file(recipes, tmp_path):
    for name, recipe in recipes.items():
        run_folder.write_recipe(tmp_path, recipe)
        assert run_folder.read_recipe(tmp_path) == recipe
        assert recipe.name == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not the folder of a run"),
        ("{", "damaged"),
        ("[]", "names no task of cifar, woof"),
        ('{"name": "x"}', "names no task"),
        ('{"task": ["cifar"], "name": "x"}', "names no task"),
        ('{"task": "cifar", "name": "x", "danger": 1}', "danger"),
        ('{"task": "cifar", "name": "x", "image_size": 128}', "image_size"),
        ('{"task": "cifar"}', "damaged"),
        ('{"task": "cifar", "name": "x", "epochs": "three"}', "`epochs` must be an integer"),
        ('{"task": "cifar", "name": "x", "epochs": 1e999}', "not finite"),
        ('{"task": "cifar", "name": "x", "momentum": NaN}', "not finite"),
        ('{"task": "cifar", "name": "x", "epochs": 1' + "0" * 400 + "}", "more than 64 bits"),
        ('{"task": "cifar", "name": "x", "epochs": 1' + "0" * 5000 + "}", "damaged"),
        ('{"task": "cifar", "name": "x", "flip": ' + "[" * 10**4 + "}", "damaged"),
        ('{"task": "cifar", "name": "x", "flip": ' + "[" * 30 + "]" * 30 + "}", "20 deep"),
        ('{"task": "cifar", "name": "x", "\\u001b[2J\\n": 1}', r"'\\x1b\[2J\\n'"),
        (json.dumps({"task": "cifar"} | dict.fromkeys(map(str, range(9)))), "3, 4 and 4 more"),
        ('{"task": "woof", "name": "x", "epochs": 0}', "`epochs`"),
        ('{"task": "cifar", "name": "x", "model": ["davidnet"]}', "`model`"),
    ],
)
def test_a_folder_that_is_not_a_runs_is_refused(content, message, tmp_path):
    if content is not None:
        (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(RecipeError, match=message) as caught:
        run_folder.read_recipe(tmp_path)
    assert "\n" not in str(caught.value)


def test_run_folders_never_collide(tmp_path):
    folders = {run_folder.create(tmp_path, "test") for _ in range(3)}
    assert len(folders) == 3
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        run_folder.create(tmp_path / "file", "test")


def test_json_is_readable(tmp_path):
    run_folder.write_recipe(tmp_path, CIFAR_RECIPES["quick"])
    values = json.loads((tmp_path / "recipe.json").read_text())
    assert values == {"task": "cifar", **dataclasses.asdict(CIFAR_RECIPES["quick"])}
