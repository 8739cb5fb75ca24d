"""What the scripts write, for people and for programs, of training, trying and using a model."""

import contextlib
import io
import json
import logging
import re
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_twist.recipes import CIFAR_RECIPES, Result, checkpoint, cli, commands, export, run_folder
from keras_twist.recipes.cifar_recipes import ABOUT
from keras_twist.recipes.recipe import RecipeError

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="fit feeds by tf.data"),
    pytest.mark.filterwarnings("ignore:.*does not hold the published CIFAR-10"),
]
TINY = "--width 2 --batch_size 50 --epochs 2 --precision float32 --xla off".split()


def main(*arguments):
    return cli.main(CIFAR_RECIPES, ABOUT, "quick", list(map(str, arguments)))


@pytest.fixture
def fits(monkeypatch):
    """The arguments of each `fit`, which trains nothing and reaches 90, 91, ... %."""
    calls = []

    def fit(recipe, **options):
        calls.append({"recipe": recipe, **options})
        accuracy = 0.89 + len(calls) / 100
        return Result("quick", accuracy, 1.0, 0.5, "test", 4, 9.0, 99.0, Path("runs/q"), None)

    monkeypatch.setattr(commands, "fit", fit)
    return calls


def test_a_wrong_run_folder_ends_with_code_two(tmp_path, capsys):
    assert main("--resume", tmp_path) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path} is not the folder of a run: recipe.json cannot be read.\n"
    )


def test_the_result_is_a_line_or_an_object(fits, capsys):
    assert main() == 0
    line = (
        "quick: 90.00 % test accuracy (top 5: 100.00 %) after 4 epochs, 9.0 s of training without "
        f"compilation and validation, in {Path('runs/q')}\n"
    )
    assert capsys.readouterr().out == line
    assert main("--quiet") == 0
    assert capsys.readouterr().out == line.replace("90", "91")
    assert main("--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": "quick", "accuracy": pytest.approx(0.92), "top_k_accuracy": 1.0, "loss": 0.5,
        "validated_on": "test", "epochs": 4, "seconds": 9.0, "images_per_second": 99.0,
        "folder": str(Path("runs/q")), "flip_averaged_accuracy": None,
    }  # fmt: skip
    assert [call["table"] for call in fits] == [True, False, False]


def test_mirror_images_have_a_figure_of_their_own(monkeypatch, capsys):
    result = Result("fast", 0.9, 1.0, 0.5, "test", 1, 9.0, 99.0, Path("runs/q"), None, 0.912)
    monkeypatch.setattr(commands, "fit", lambda *_, **__: result)
    assert main() == 0
    assert capsys.readouterr().out.startswith(
        "fast: 90.00 % test accuracy (91.20 % averaged over mirror images) (top 5: 100.00 %) "
        "after 1 epoch, "
    )


def test_what_cannot_be_exported_is_trained_all_the_same(monkeypatch, capsys):
    result = Result("quick", 0.9, 1.0, 0.5, "test", 4, 9.0, 99.0, Path("runs/q"), object())

    def fail(*_):
        raise RecipeError("it cannot be exported.")

    monkeypatch.setattr(commands, "fit", lambda *_, **__: result)
    monkeypatch.setattr(commands, "read_recipe", lambda folder: None)
    monkeypatch.setattr(commands, "_export", fail)
    assert main("--json", "--export", "keras") == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["accuracy"] == 0.9
    assert captured.err == "error: it cannot be exported.\n"


def test_several_runs_have_a_mean(fits, capsys):
    assert main("--runs", 3, "--quiet") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "[90.00, 91.00, 92.00] %, mean 91.00 %, standard deviation 1.00"
    assert main("--runs", 2, "--json", "--quiet") == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["accuracy"] for run in found["runs"]] == found["accuracies"]
    assert found["mean"] == pytest.approx(0.935)
    assert found["standard_deviation"] == pytest.approx(0.01 / np.sqrt(2))
    assert [call["recipe"].seed for call in fits] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "terminal", "shown"),
    [([], "xterm", True), (["--quiet"], "xterm", False), (["--json"], "xterm", False),
     ([], "dumb", False)],
)  # fmt: skip
def test_the_bar_is_for_people_at_a_terminal(arguments, terminal, shown, fits, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", terminal)
    assert main(*arguments) == 0
    assert fits[0]["progress"] is shown


def test_errors_are_red_on_a_terminal_alone(monkeypatch, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert main("quik", "--json") == 2
    assert capsys.readouterr().err.startswith("error: unknown recipe 'quik'")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main("quik") == 2
    assert capsys.readouterr().err.startswith("\x1b[1;31merror:\x1b[0m unknown recipe")
    monkeypatch.setenv("NO_COLOR", "1")
    assert main("quik") == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (RecipeError("it diverged."), "2 of 4 runs are left: --seed 7 --runs 2"),
        (checkpoint.Interrupted(2, 7, "q"), "1 of 4 runs are left: --seed 8 --runs 1"),
    ],
)
def test_what_is_trained_of_several_runs_is_told_whatever_stops_the_others(
    error, left, fits, monkeypatch, capsys
):
    trained = commands.fit

    def fit(recipe, **options):
        if recipe.seed == 7:
            raise error
        return trained(recipe, **options)

    monkeypatch.setattr(commands, "fit", fit)
    code = 2 if isinstance(error, RecipeError) else 130
    assert main("--seed", 5, "--runs", 4, "--quiet") == code
    line = f"[90.00, 91.00] %, mean 90.50 %, standard deviation 0.71; {left}\n"
    assert line in capsys.readouterr().out
    assert main("--seed", 6, "--runs", 3, "--json") == code
    found = json.loads(capsys.readouterr().out)
    assert len(found["runs"]) == 1 and found["standard_deviation"] is None
    assert found["left"] == (2 if code == 2 else 1)
    assert main("--seed", 7, "--runs", 2, "--json") == code
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_outside_of_the_epochs_unwinds_what_runs(signum, fits, monkeypatch, capsys):
    trained = commands.fit

    def fit(recipe, **options):
        if recipe.seed == 6:
            signal.raise_signal(signum)
        return trained(recipe, **options)

    monkeypatch.setattr(commands, "fit", fit)
    # As a person's shell has them; a suite in the background ignores Ctrl-C.
    usual = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(signum, usual)
    try:
        assert main("--seed", 5, "--runs", 3, "--json") == 128 + signum
        assert signal.getsignal(signum) is usual
    finally:
        signal.signal(signum, before)
    captured = capsys.readouterr()
    assert captured.err.startswith("stopped at once") and len(captured.err.splitlines()) == 1
    assert len(json.loads(captured.out)["runs"]) == 1


def test_an_interruption_is_no_result(monkeypatch, capsys):
    def stop(*_, **__):
        raise checkpoint.Interrupted(2, 7, Path("runs/q"))

    monkeypatch.setattr(commands, "fit", stop)
    assert main("--json") == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "stopped after 7 steps; go on with --resume runs/q\n"
    assert main("--data_dir", "my data") == 130
    assert capsys.readouterr().out == (
        "stopped after 7 steps; go on with --resume runs/q --data_dir 'my data'\n"
    )


def test_a_missing_package_is_told_before_the_training(tiny_tree, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("keras_twist.recipes.epoch_logs.find_spec", lambda name: None)
    options = "--data_dir", tiny_tree, "--runs_dir", tmp_path / "runs"
    assert main("--log", "csv", "tensorboard", *options) == 2
    assert capsys.readouterr().err == (
        "error: --log tensorboard needs a package: pip install 'keras_twist[tensorboard]'\n"
    )
    assert not (tmp_path / "runs").exists()


def test_a_package_that_an_export_misses_is_told_before_the_training(fits, monkeypatch, capsys):
    monkeypatch.setattr("keras_twist.recipes.export.find_spec", lambda name: None)
    assert main("--export", "tflite", "onnx") == 2
    assert capsys.readouterr().err == (
        "error: --export onnx needs tf2onnx, onnx, onnxruntime: pip install 'keras_twist[onnx]'\n"
    )
    assert not fits


def test_a_dry_run_tells_what_a_training_takes_and_leaves_nothing(tiny_tree, tmp_path, capsys):
    options = "--data_dir", tiny_tree, "--runs_dir", tmp_path, "--dry_run"
    assert main(*TINY, *options, "--json", "--runs", 3) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["training_images"] == 300 and found["steps_per_epoch"] == 6
    assert 0 < found["trainable_parameters"] < found["parameters"]
    assert found["peak_memory_bytes"] > 10**8 and found["device_peak_bytes"] is None
    assert found["images_per_second"] > 0 and found["compile_seconds"] > 0
    epoch = found["training_seconds_per_epoch"] + found["validation_seconds_per_epoch"]
    assert found["training_seconds_per_epoch"] == pytest.approx(300 / found["images_per_second"])
    assert found["total_seconds"] == pytest.approx(3 * (found["compile_seconds"] + 2 * epoch))
    text = commands.dry_run.table(found)
    assert re.search(r"^batches per epoch  6 of 50 images$", text, re.MULTILINE)
    assert re.search(r"^time in all +\d+:\d\d for 2 epochs of 3 runs", text, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
    assert main(*TINY, *options[:2], "--dry_run", "--batch_size", 301) == 2
    assert "Field `batch_size` must not be larger than the training set" in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(tiny_tree, tmp_path_factory):
    """A run with both logs, its folder."""
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        # The package's `fit` is the function.
        patch.setattr(sys.modules["keras_twist.recipes.fit"], "save_pictures", lambda *_: None)
        # An activation that training has pieces compiled of, as no file for others may.
        # And a precision that files for others do not have.
        arguments = *TINY, "--activation", "mish", "--data_dir", tiny_tree, "--runs_dir", runs
        arguments += "--precision", "mixed_bfloat16", "--log", "csv", "--json"
        with contextlib.redirect_stdout(io.StringIO()) as screen:
            assert main(*arguments) == 0
    (folder,) = runs.iterdir()
    assert json.loads(screen.getvalue())["folder"] == str(folder)  # and no table around it
    return folder


def test_the_log_has_every_epoch(trained):
    lines = (trained / "training.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "0", "1"]
    assert {"loss", "val_accuracy", "learning_rate"} <= set(lines[0].split(","))


def test_every_kind_of_file_does_what_the_model_does(trained, tiny_tree, tmp_path, capsys):
    kinds = ["keras", "saved_model", "tflite", "onnx"]
    options = "--data_dir", tiny_tree, "--json", "--quiet"
    capsys.readouterr()
    assert main("--trained", trained, "--export", *kinds, *options) == 0
    captured = capsys.readouterr()
    made = json.loads(captured.out)["exported"]
    assert [one["kind"] for one in made] == kinds and captured.err == ""
    for one in made:
        assert one["size"] > 1000 and one["images"] == 64 and one["difference"] < 1e-4
        assert Path(one["path"]).exists() and Path(one["path"]).parent == trained / "export"
    assert len(list((trained / "export").iterdir())) == 4


def test_what_is_made_before_a_failure_is_told(trained, tiny_tree, monkeypatch, capsys):
    monkeypatch.setattr(export, "_tflite", lambda network, path, images: 1 / 0)
    left = trained / "export" / ".partial-by-a-killed-export" / "model"
    left.mkdir(parents=True)
    options = "--data_dir", tiny_tree, "--json"
    assert main("--trained", trained, "--export", "keras", "tflite", *options) == 2
    captured = capsys.readouterr()
    assert [one["kind"] for one in json.loads(captured.out)["exported"]] == ["keras"]
    assert captured.err.splitlines()[-1].startswith("error: --export tflite failed: ZeroDivision")
    assert not left.exists()


def test_a_file_that_does_something_else_is_not_kept(trained, tiny_tree, monkeypatch, capsys):
    monkeypatch.setattr(export, "_keras", lambda network, path, images: np.eye(len(images), 10))
    monkeypatch.setitem(export.NAMES, "keras", "wrong.keras")
    assert main("--trained", trained, "--export", "keras", "--data_dir", tiny_tree) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: --export keras failed: its logits differ from the model's by")
    assert not (trained / "export" / "wrong.keras").exists()


def test_pictures_of_any_size_are_classified(trained, tmp_path, capsys, caplog):
    image = pytest.importorskip("PIL.Image")
    colours = np.zeros((50, 90, 3), "uint8")
    image.fromarray(colours).save(tmp_path / "wide.png")
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "wide.png").read_bytes()[:60])
    paths = [tmp_path / name for name in ("wide.png", "broken.jpg", "missing.png")]
    with caplog.at_level(logging.INFO):
        assert main("--trained", trained, "--predict", *paths) == 2
    assert "all of its shorter side, resized to 32 x 32 pixels" in caplog.text
    captured = capsys.readouterr()
    assert re.fullmatch(
        rf"{re.escape(str(paths[0]))}: \w+ [\d.]+ %(, \w+ [\d.]+ %){{4}}\n", captured.out
    )
    errors = captured.err.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith(f"error: {paths[1]}: truncated or damaged: ")
    assert errors[1] == f"error: {paths[2]}: it cannot be read: No such file or directory."
    assert main("--trained", trained, "--predict", paths[0], "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["predicted"]
    shares = [one["probability"] for one in found["classes"]]
    assert shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 1
    assert found["picture"] == str(paths[0])


def test_a_run_without_a_usable_model_gets_one_line(trained, tmp_path, capsys):
    run_folder.write_recipe(tmp_path, run_folder.read_recipe(trained))
    arguments = "--trained", tmp_path, "--predict", "x.png"
    assert main(*arguments) == 2
    assert "has no model.keras yet" in capsys.readouterr().err
    (tmp_path / "model.keras").write_bytes((trained / "model.keras").read_bytes()[:-100])
    assert main(*arguments) == 2
    error = capsys.readouterr().err
    assert "model.keras cannot be used" in error and len(error.splitlines()) == 1
