"""`fit` from Python: precision, XLA, held-out images, and a warm-up that leaves no trace."""

import dataclasses
import logging

import keras
import numpy as np
import pytest

from keras_twist.callbacks.reporting import read_json_lines
from keras_twist.recipes import CIFAR_RECIPES, RecipeError, checkpoint, cifar, fit, task
from keras_twist.recipes.fit import _warm_up

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="fit feeds by tf.data"),
    pytest.mark.filterwarnings("ignore:.*does not hold the published CIFAR-10"),
]
QUICK = dataclasses.replace(
    CIFAR_RECIPES["quick"], width=4, epochs=2, batch_size=50, precision="float32"
)


@pytest.mark.parametrize(
    ("precision", "xla", "feed"),
    [
        ("mixed_bfloat16", "off", "tf.data"),
        ("mixed_float16", "on", "tf.data"),
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


def test_one_seed_gives_one_result(tiny_tree, tmp_path):
    runs = [fit(QUICK, data_dir=tiny_tree, runs=tmp_path) for _ in range(2)]
    for first, second in zip(*(run.model.get_weights() for run in runs), strict=True):
        np.testing.assert_array_equal(first, second)
    assert runs[0].folder != runs[1].folder


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


@pytest.mark.parametrize("mixup", [0.0, 0.2])
def test_no_training_accuracy_of_blended_images(mixup, tiny_tree, tmp_path):
    recipe = dataclasses.replace(QUICK, width=2, epochs=1, batch_size=100, mixup=mixup)
    folder = fit(recipe, data_dir=tiny_tree, runs=tmp_path).folder
    (row,) = read_json_lines(folder / "metrics.jsonl")
    assert {"loss", "val_accuracy", "val_top_k_accuracy"} <= row.keys()
    assert len({"accuracy", "top_k_accuracy"} & row.keys()) == (0 if mixup else 2)


def test_mixup_in_a_step_of_xla_is_refused(tiny_tree, tmp_path):
    recipe = dataclasses.replace(QUICK, feed="resident", mixup=0.2, xla="on")
    with pytest.raises(RecipeError, match="`feed`: mixup cannot be drawn.*mixup=0.2"):
        fit(recipe, data_dir=tiny_tree, runs=tmp_path)


def test_the_warm_up_leaves_no_trace(tiny_images):
    recipe = dataclasses.replace(CIFAR_RECIPES["assignment"], width=4, batch_size=50)
    data = task.Data(*tiny_images, "test")
    model = cifar.build_model(recipe, data)
    task.compile_model(model, recipe, 12, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    before = checkpoint.read_state(model)
    _warm_up(model, task.training_batches(recipe, data))
    after = checkpoint.read_state(model)
    for old, new in zip(before, after, strict=False):
        np.testing.assert_array_equal(old, new)
    assert len(after) > len(before)  # the metrics, which the first step makes
    for value in after[len(before) :]:
        assert not value.any()


def test_without_matplotlib_training_goes_on(tiny_tree, tmp_path, monkeypatch, caplog):
    def missing(*_, **__):
        raise ModuleNotFoundError("Pictures need matplotlib: pip install 'keras_twist[plots]'.")

    monkeypatch.setattr("keras_twist.plots.plot_history", missing)
    with caplog.at_level(logging.WARNING):
        result = fit(QUICK, data_dir=tiny_tree, runs=tmp_path)
    assert "pip install 'keras_twist[plots]'" in caplog.text
    assert (result.folder / "model.keras").exists()
    assert not (result.folder / "curves.png").exists()


def test_a_damaged_run_folder_is_refused(tiny_tree, tmp_path):
    recipe = dataclasses.replace(QUICK, epochs=1, batch_size=300)
    folder = fit(recipe, data_dir=tiny_tree, runs=tmp_path).folder
    path = folder / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RecipeError, match="no checkpoint of keras_twist"):
        fit(resume=folder, data_dir=tiny_tree)
    (folder / "metrics.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(RecipeError, match="metrics.jsonl is damaged: line 1 is not that of epoch"):
        fit(resume=folder, data_dir=tiny_tree)


def test_a_checkpoint_of_another_model_is_refused(tiny_tree, tmp_path):
    recipe = dataclasses.replace(QUICK, epochs=1, batch_size=300)
    folders = [
        fit(dataclasses.replace(recipe, width=width), data_dir=tiny_tree, runs=tmp_path).folder
        for width in (4, 8)
    ]
    (folders[0] / "checkpoint.npz").replace(folders[1] / "checkpoint.npz")
    with pytest.raises(RecipeError, match="checkpoint of another model"):
        fit(resume=folders[1], data_dir=tiny_tree)


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


def test_other_data_than_before_are_refused(tiny_tree, tiny_images, tmp_path, monkeypatch):
    recipe = dataclasses.replace(QUICK, epochs=1)
    folder = fit(recipe, data_dir=tiny_tree, runs=tmp_path).folder
    (x, y), test = tiny_images
    monkeypatch.setattr(cifar, "load_cifar10", lambda data_dir: ((x[:100], y[:100]), test))
    with pytest.raises(RecipeError, match="6 batches an epoch; this data set gives 2"):
        fit(resume=folder)
