"""Recipes on JAX, where there may be no TensorFlow: the same as with it, or one line that says why.

What both backends do alike is tested in the other files, which run on either.
"""

import dataclasses
import json
import signal
import sys

import keras
import numpy as np
import pytest

from keras_twist.recipes import (
    CIFAR_RECIPES,
    WOOF_RECIPES,
    RecipeError,
    checkpoint,
    cifar_recipes,
    cli,
    fit,
    run_folder,
    runtime,
)
from keras_twist.recipes.memory import out_of_memory

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="of JAX alone"),
    pytest.mark.filterwarnings("ignore:.*does not hold the published CIFAR-10"),
]
# All that draws: crop, flip, erasing, cutout, mixup and dropout.
RECIPE = dataclasses.replace(
    CIFAR_RECIPES["assignment"], width=2, epochs=2, batch_size=50, cutout=4, holdout=50
)
# As many batches in an epoch, of crops, flips, erasing and mixup, for a network with twists.
WOOF = dataclasses.replace(
    WOOF_RECIPES["mxresnet50_twist"],
    model="mxresnet18",
    width=4,
    image_size=32,
    epochs=2,
    batch_size=14,
    erasing_area=0.3,
    mixup=0.2,
    holdout=10,
)


def main(*arguments):
    recipes = cifar_recipes.CIFAR_RECIPES, cifar_recipes.ABOUT
    return cli.main(*recipes, "quick", list(map(str, arguments)))


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """A Keras home of its own, so that decoded pictures do not end up in the person's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        yield


def train(recipe, data_dir, folder):
    """A run that nothing disturbs."""
    with pytest.MonkeyPatch.context() as patch:
        # Pictures take longer than the training. The package's `fit` is the function.
        patch.setattr(sys.modules["keras_twist.recipes.fit"], "save_pictures", lambda *_: None)
        return fit(recipe, data_dir=data_dir, runs=folder)


@pytest.fixture(scope="module")
def trained(tiny_tree, tmp_path_factory):
    return train(RECIPE, tiny_tree, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def trained_on_pictures(tiny_woof, tmp_path_factory):
    return train(WOOF, tiny_woof, tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize(
    ("recipe", "data", "run"),
    [(RECIPE, "tiny_tree", "trained"), (WOOF, "tiny_woof", "trained_on_pictures")],
    ids=["cifar", "woof"],
)
def test_a_resumed_run_ends_with_the_same_weights(
    recipe, data, run, request, tmp_path, monkeypatch
):
    data_dir, undisturbed = map(request.getfixturevalue, (data, run))
    hook = checkpoint.Checkpoint.on_train_batch_begin

    def stop_in_the_second_epoch(self, batch, logs=None):
        hook(self, batch, logs)
        if self.step == 6:
            signal.raise_signal(signal.SIGTERM)  # Ctrl-C may be ignored in the background.

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "on_train_batch_begin", stop_in_the_second_epoch)
        with pytest.raises(checkpoint.Interrupted) as stopped:
            fit(recipe, data_dir=data_dir, runs=tmp_path, checkpoint_minutes=1e-9)
    folder = stopped.value.folder
    assert stopped.value.step == 7 and (folder / "model.keras").exists()
    resumed = fit(resume=folder, data_dir=data_dir)
    states = (np.load(run / "checkpoint.npz") for run in (undisturbed.folder, folder))
    first, second = ({name: file[name] for name in file if name != "header"} for file in states)
    assert first.keys() == second.keys() and len(first) > 50
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    assert (resumed.accuracy, resumed.loss) == (undisturbed.accuracy, undisturbed.loss)
    assert (folder / "report.html").exists() and (folder / "predictions.npz").exists()


def test_the_run_folder_names_the_backend(trained):
    environment = json.loads((trained.folder / "environment.json").read_text())
    assert environment["backend"] == "jax" and environment["xla"] is True
    assert {"jax", "jaxlib", "keras"} <= environment["versions"].keys()
    recipe = run_folder.read_recipe(trained.folder)
    assert (recipe.feed, recipe.xla) == ("resident", "auto")
    assert recipe.precision == ("float32" if not runtime.gpu_capabilities() else recipe.precision)


def test_a_run_goes_on_with_the_backend_that_it_began_with(trained, tmp_path):
    run_folder.write_recipe(tmp_path, RECIPE)
    run_folder.write_json(tmp_path / "environment.json", {"backend": "tensorflow"})
    with pytest.raises(RecipeError, match="begun with KERAS_BACKEND=tensorflow"):
        fit(resume=tmp_path)


def test_a_dry_run_tells_what_a_training_takes(tiny_tree, tmp_path, capsys):
    options = "--width 2 --batch_size 50 --dry_run --json --runs_dir".split()
    assert main(*options, tmp_path, "--data_dir", tiny_tree) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["steps_per_epoch"] == 6 and found["xla"] is True
    assert found["images_per_second"] > 0 and found["compile_seconds"] > 0
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_classified(trained, tiny_tree, capsys):
    picture = next((tiny_tree / "test" / "cat").iterdir())
    assert main("--trained", trained.folder, "--predict", picture, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["predicted"]
    assert len(found["classes"]) == 5


def test_the_model_is_exported_for_keras(trained, tiny_tree, capsys):
    options = "--trained", trained.folder, "--data_dir", tiny_tree, "--json"
    assert main(*options, "--export", "keras") == 0
    (found,) = json.loads(capsys.readouterr().out)["exported"]
    assert found["difference"] < 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--export", "keras", "tflite"], "--export tflite needs TensorFlow to compute"),
        (["--export", "saved_model", "onnx"], "--export saved_model onnx needs TensorFlow"),
        (["--log", "tensorboard"], "--log tensorboard needs"),
        (["--strategy", "mirrored"], "Field `strategy` must be 'none' on JAX"),
        (["--xla", "off"], "Field `xla` must not be 'off' on JAX"),
    ],
)
def test_what_there_is_not_gets_one_line(arguments, message, tiny_tree, tmp_path, capsys):
    options = "--data_dir", tiny_tree, "--runs_dir", tmp_path
    assert main(*arguments, *options) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1
    assert captured.err.startswith("error: ") and message in captured.err
    assert list(tmp_path.iterdir()) == []


def test_deterministic_operations_are_those_of_the_environment(monkeypatch):
    runtime.use_deterministic_operations()  # On a CPU all are.
    monkeypatch.setattr(runtime, "gpu_capabilities", lambda: [(9, 0)])
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    with pytest.raises(RecipeError, match="XLA_FLAGS=--xla_gpu_deterministic_ops=true"):
        runtime.use_deterministic_operations()
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")
    runtime.use_deterministic_operations()


def test_an_error_of_memory_becomes_a_line_of_advice():
    with pytest.raises(RecipeError, match="^out of memory"), out_of_memory(RECIPE):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")
    with pytest.raises(RuntimeError, match="another"), out_of_memory(RECIPE):
        raise RuntimeError("another")
