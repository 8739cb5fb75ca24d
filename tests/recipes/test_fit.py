"""`fit` from Python: precision, XLA, held-out images, and a warm-up that leaves no trace."""

import dataclasses
import logging
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_twist.callbacks.reporting import read_json_lines
from keras_twist.data import CIFAR10_CLASSES
from keras_twist.recipes import (
    CIFAR_RECIPES,
    RecipeError,
    checkpoint,
    cifar,
    fit,
    run_folder,
    task,
)
from keras_twist.recipes.preparation import prepare, warm_up
from keras_twist.recipes.trainer import Trainer

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="fit feeds by tf.data"),
    pytest.mark.filterwarnings("ignore:.*does not hold the published CIFAR-10"),
]
QUICK = dataclasses.replace(
    CIFAR_RECIPES["quick"], width=4, epochs=2, batch_size=50, precision="float32"
)


@pytest.fixture(autouse=True)
def no_pictures(request, monkeypatch):
    """Pictures take longer than these trainings, and have tests of their own."""
    if "matplotlib" not in request.node.name:
        monkeypatch.setattr(
            sys.modules["keras_twist.recipes.fit"], "save_pictures", lambda *_: None
        )


@pytest.fixture(scope="module")
def trained(tiny_tree, tmp_path_factory):
    """A finished run of QUICK."""
    return fit(QUICK, data_dir=tiny_tree, runs=tmp_path_factory.mktemp("trained"))


@pytest.fixture
def stopped(trained, tmp_path):
    """A copy of its folder to go on in."""
    return Path(shutil.copytree(trained.folder, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("precision", "xla", "feed"),
    [
        ("mixed_bfloat16", "off", "tf.data"),
        pytest.param("mixed_float16", "on", "tf.data", marks=pytest.mark.thorough),
        ("float32", "on", "resident"),
    ],
)
def test_trains_in_every_precision(precision, xla, feed, tiny_tree, tmp_path):
    recipe = dataclasses.replace(QUICK, precision=precision, xla=xla, feed=feed)
    result = fit(recipe, data_dir=tiny_tree, runs=tmp_path)
    assert np.isfinite(result.loss) and 0 <= result.accuracy <= result.top_k_accuracy <= 1
    assert result.model.get_layer("conv1a").compute_dtype == precision.removeprefix("mixed_")
    assert result.model.jit_compile is (xla == "on")
    assert result.seconds > 0 and result.images_per_second == pytest.approx(600 / result.seconds)
    assert keras.config.dtype_policy().name == "float32"


def test_held_out_images_stand_in_for_the_test_set(tiny_tree, tmp_path, capsys):
    recipe = dataclasses.replace(QUICK, holdout=100)
    result = fit(recipe, data_dir=tiny_tree, runs=tmp_path)
    assert result.validated_on == "held-out"
    assert result.images_per_second == pytest.approx(2 * 200 / result.seconds)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_one_seed_gives_one_result(trained, tiny_tree):
    again = fit(QUICK, data_dir=tiny_tree, runs=trained.folder.parent)
    assert again.folder != trained.folder
    for first, second in zip(*(r.model.get_weights() for r in (trained, again)), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_resident_run_ends_as_one_from_the_pipeline_also_when_resumed_within_an_epoch(
    tiny_tree, tmp_path, monkeypatch
):
    recipe = dataclasses.replace(QUICK, width=2, erasing=0.5, cutout=4, mixup=0.2, xla="off")
    expected = fit(dataclasses.replace(recipe, feed="tf.data"), data_dir=tiny_tree, runs=tmp_path)
    resident = dataclasses.replace(recipe, feed="resident")
    hook = checkpoint.Checkpoint.on_train_batch_begin

    def stop_at_the_ninth(self, batch, logs=None):
        if self.step == 8:
            self.signum = 15
        hook(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "on_train_batch_begin", stop_at_the_ninth)
        with pytest.raises(checkpoint.Interrupted) as stopped:
            fit(resident, data_dir=tiny_tree, runs=tmp_path)
    assert stopped.value.step == 9
    resumed = fit(resume=stopped.value.folder, data_dir=tiny_tree)
    assert "train_step" not in vars(resumed.model)
    for first, second in zip(*(r.model.get_weights() for r in (expected, resumed)), strict=True):
        # Rounding differs, and on one core more than on two; another batch would differ far more.
        np.testing.assert_allclose(first, second, rtol=1e-2, atol=2e-3)


def test_no_training_accuracy_of_blended_images(trained, tiny_tree, tmp_path):
    options = {"epochs": 1, "batch_size": 100, "mixup": 0.2, "flip_averaged": True}
    recipe = dataclasses.replace(QUICK, width=2, **options)
    blended = fit(recipe, data_dir=tiny_tree, runs=tmp_path)
    assert trained.flip_averaged_accuracy is None
    assert 0 <= blended.flip_averaged_accuracy <= 1
    for result, known in (trained, 2), (blended, 0):
        row = read_json_lines(result.folder / "metrics.jsonl")[0]
        assert {"loss", "val_accuracy", "val_top_k_accuracy"} <= row.keys()
        assert len({"accuracy", "top_k_accuracy"} & row.keys()) == known


def test_mixup_in_a_step_of_xla_is_refused(tiny_tree, tmp_path):
    recipe = dataclasses.replace(QUICK, feed="resident", mixup=0.2, xla="on")
    with pytest.raises(RecipeError, match="`feed`: mixup cannot be drawn.*mixup=0.2"):
        fit(recipe, data_dir=tiny_tree, runs=tmp_path)


@pytest.mark.parametrize("minutes", [-1, float("nan")])
def test_a_time_that_never_comes_is_refused(minutes, tmp_path):
    with pytest.raises(RecipeError, match="`checkpoint_minutes` must not be negative"):
        fit(QUICK, runs=tmp_path, checkpoint_minutes=minutes)


def test_the_warm_up_leaves_no_trace(tiny_images):
    recipe = dataclasses.replace(CIFAR_RECIPES["assignment"], width=4, batch_size=50)
    data = task.Data(*tiny_images, "test", CIFAR10_CLASSES)
    model = cifar.build_model(recipe, data)
    task.compile_model(model, recipe, 12, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    before = Trainer(model).read_state()
    warm_up(model, task.training_batches(recipe, data), Trainer(model))
    after = Trainer(model).read_state()
    for old, new in zip(before, after, strict=False):
        np.testing.assert_array_equal(old, new)
    assert len(after) > len(before)  # the metrics, which the first step makes
    for value in after[len(before) :]:
        assert not value.any()


def test_without_matplotlib_training_goes_on(stopped, tiny_tree, monkeypatch, caplog):
    def missing(*_, **__):
        raise ModuleNotFoundError("Pictures need matplotlib: pip install 'keras_twist[plots]'.")

    monkeypatch.setattr("keras_twist.plots.plot_history", missing)
    for left in ("model.keras", "curves.png"):
        (stopped / left).unlink()
    with caplog.at_level(logging.WARNING):
        fit(resume=stopped, data_dir=tiny_tree)
    assert "pip install 'keras_twist[plots]'" in caplog.text
    assert (stopped / "model.keras").exists() and not (stopped / "curves.png").exists()


def test_a_damaged_run_folder_is_refused(stopped, tiny_tree):
    (stopped / "checkpoint.npz").write_bytes(b"")
    with pytest.raises(RecipeError, match="no checkpoint of keras_twist"):
        fit(resume=stopped, data_dir=tiny_tree)
    (stopped / "metrics.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(RecipeError, match="metrics.jsonl is damaged: line 1 is not that of epoch"):
        fit(resume=stopped, data_dir=tiny_tree)


def test_metrics_that_miss_epochs_are_refused_and_left_alone(stopped, tiny_tree):
    """Another epoch's figures would be written as the result."""
    path, before = stopped / "metrics.jsonl", (stopped / "result.json").read_bytes()
    for lines in (1, 0):
        kept = "".join(path.read_text().splitlines(keepends=True)[:lines])
        path.write_text(kept)
        with pytest.raises(RecipeError, match=f"of the 2 epochs that are done, it has {lines}"):
            fit(resume=stopped, data_dir=tiny_tree)
        assert path.read_text() == kept and (stopped / "result.json").read_bytes() == before


def test_a_checkpoint_of_another_model_is_refused(stopped, tiny_tree):
    run_folder.write_recipe(stopped, dataclasses.replace(QUICK, width=8))
    with pytest.raises(RecipeError, match="checkpoint of another model"):
        fit(resume=stopped, data_dir=tiny_tree)


def test_other_data_than_before_are_refused(stopped, tiny_images, monkeypatch):
    (x, y), test = tiny_images
    monkeypatch.setattr(cifar, "load_cifar10", lambda data_dir: ((x[:100], y[:100]), test))
    with pytest.raises(RecipeError, match="6 batches an epoch; this data set gives 2"):
        fit(resume=stopped)
    for change in ({"train": (x, np.roll(y, 1))}, {"train": (255 - x, y)}, {"valid": (x, y)}):
        sets = {"train": (x, y), "valid": test} | change
        (name,) = change
        monkeypatch.setattr(
            cifar, "load_cifar10", lambda data_dir, s=sets: (s["train"], s["valid"])
        )
        with pytest.raises(RecipeError, match=f"begun with {name}_images=.* nothing else"):
            fit(resume=stopped)


@pytest.mark.parametrize("change", [{"seed": 7}, {"epochs": 3}, {"learning_rate": 0.01}])
def test_another_recipe_than_before_is_refused(stopped, tiny_tree, change):
    recipe = dataclasses.replace(run_folder.read_recipe(stopped), **change)
    run_folder.write_recipe(stopped, recipe)
    ((name, value),) = change.items()
    with pytest.raises(RecipeError, match=rf"begun with {name}=.*else. Received: {name}={value}"):
        fit(resume=stopped, data_dir=tiny_tree)


def test_copies_of_a_model_draw_numbers_of_their_own(stopped, tiny_tree, monkeypatch):
    class Spread(Exception):
        """The trainer was asked for it."""

    def spread(trainer):
        raise Spread

    monkeypatch.setattr(Trainer, "spread_seeds", spread)
    with pytest.raises(Spread):
        fit(resume=stopped, data_dir=tiny_tree)


def test_a_folder_in_which_somebody_trains_is_refused(stopped):
    with run_folder.claim(stopped), pytest.raises(RecipeError, match="another process is train"):
        fit(resume=stopped)


def test_what_cannot_be_trained_is_refused_before_anything_is_written(tiny_tree, tmp_path):
    with pytest.raises(RecipeError, match="`batch_size`.*300. Received: batch_size=301"):
        fit(dataclasses.replace(QUICK, batch_size=301), data_dir=tiny_tree, runs=tmp_path)
    with pytest.raises(RecipeError, match="one_cycle needs steps on both sides"):
        fit(
            dataclasses.replace(CIFAR_RECIPES["resnet9"], epochs=1, batch_size=300, width=4),
            data_dir=tiny_tree,
            runs=tmp_path,
        )
    with pytest.raises(RecipeError, match="either `recipe` or `resume`"):
        fit(QUICK, resume=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_ended_before_it_was_written_is_made_up_for(stopped, tiny_tree):
    (stopped / "environment.json").unlink()
    fit(resume=stopped, data_dir=tiny_tree)
    assert (stopped / "environment.json").exists()


def test_the_seed_decides_the_weights(tiny_tree):
    first, again, other = (
        prepare(dataclasses.replace(QUICK, seed=seed), tiny_tree)[2].get_weights()
        for seed in (1, 1, 2)
    )
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(first, other, strict=True))


class Crash(BaseException):
    """What no code of ours catches."""


def test_a_crash_within_an_epoch_loses_neither_steps_nor_seconds(
    trained, tiny_tree, tmp_path, monkeypatch
):
    hook, restore = checkpoint.Checkpoint.on_train_batch_begin, checkpoint.Checkpoint.restore
    begun = []

    def crash_at_the_ninth(self, batch, logs=None):
        hook(self, batch, logs)
        if self.step == 8:
            raise Crash

    def note(self, model):
        restore(self, model)
        begun.append(self.step)

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(checkpoint.Checkpoint, "on_train_batch_begin", crash_at_the_ninth)
        fit(QUICK, data_dir=tiny_tree, runs=tmp_path, checkpoint_minutes=0)
    monkeypatch.setattr(checkpoint.Checkpoint, "restore", note)
    (folder,) = tmp_path.iterdir()
    resumed = fit(resume=folder, data_dir=tiny_tree)
    assert begun == [8]
    for pair in zip(*(r.model.get_weights() for r in (trained, resumed)), strict=True):
        np.testing.assert_array_equal(*pair)
    rows, wanted = (read_json_lines(r.folder / "metrics.jsonl") for r in (resumed, trained))
    for one, other in zip(rows, wanted, strict=True):
        for key in one.keys() | other.keys():
            assert "second" in key or one[key] == other[key]
    assert resumed.seconds == pytest.approx(sum(row["seconds"] for row in rows))
