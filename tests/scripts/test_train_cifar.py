"""The script as people run it: to the end, killed, interrupted, resumed, and with wrong input."""

import json
import os
import signal
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest

from keras_twist import recipes
from keras_twist.recipes import task

from . import tools
from .tools import metrics, run_folder, state, wait_for

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the scripts feed by tf.data"
)

SCRIPT = "train_cifar.py"
# Dropout and mixup, since their random states are the ones that resuming forgets.
RECIPE = (
    "assignment --width 4 --epochs 3 --batch_size 4 --erasing 0.5 --mixup 0.2 --precision float32"
).split()
STEPS_PER_EPOCH = 300 // 4


start, run = partial(tools.start, SCRIPT), partial(tools.run, SCRIPT)


@pytest.fixture(scope="module")
def finished(tiny_tree, tmp_path_factory):
    """A run that nothing disturbed, with what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    code, out, err = run(folder, *RECIPE, "--data_dir", tiny_tree)
    assert code == 0, err
    return run_folder(folder), out, err


def test_writes_its_run_folder_and_reports_on_the_last_line(finished):
    folder, out, err = finished
    assert {path.name for path in folder.iterdir()} == {
        "recipe.json", "environment.json", "metrics.jsonl", "result.json",
        "checkpoint.npz", "model.keras", "curves.png", "schedule.png", "predictions.npz",
        "misclassified.png", "confusion.png", "report.html",
    }  # fmt: skip
    lines = out.splitlines()
    assert lines[0].split() == (
        "epoch train_loss valid_loss accuracy top_k_accuracy lr img/s time".split()
    )
    assert [line.split()[0] for line in lines[1:-1]] == ["1", "2", "3"]
    result = json.loads((folder / "result.json").read_text())
    assert lines[-1].startswith(f"assignment: {100 * result['accuracy']:.2f} % test accuracy")
    assert "Traceback" not in err and "oneDNN" not in err
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["versions"]["keras"] and environment["precision"] == "float32"


def test_the_model_it_leaves_is_the_one_it_measured(finished, tiny_images):
    folder, _, _ = finished
    model = keras.saving.load_model(folder / "model.keras")
    recipe = recipes.run_folder.read_recipe(folder)
    batches = task.validation_batches(recipe, task.Data(*tiny_images, "test"))
    found = model.evaluate(batches, verbose=0, return_dict=True)
    result = json.loads((folder / "result.json").read_text())
    assert found["accuracy"] == pytest.approx(result["accuracy"], abs=1e-6)


def assert_same_end(folder, finished):
    step, values = state(folder)
    expected_step, expected = state(finished[0])
    assert step == expected_step == 3 * STEPS_PER_EPOCH
    for value, other in zip(values, expected, strict=True):
        np.testing.assert_array_equal(value, other)
    names = "epoch", "loss", "val_loss", "val_accuracy", "learning_rate"
    assert metrics(folder, *names) == metrics(finished[0], *names)


def test_killed_in_mid_epoch_and_resumed_ends_the_same(finished, tiny_tree, tmp_path):
    # A checkpoint every 0.6 s, so that the last one lies within an epoch.
    process = start(tmp_path, *RECIPE, "--data_dir", tiny_tree, "--checkpoint_minutes", 0.01)

    def within_an_epoch():
        files = list(tmp_path.glob("runs/*/checkpoint.npz"))
        return files and state(files[0].parent)[0] % STEPS_PER_EPOCH

    wait_for(within_an_epoch, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    folder = run_folder(tmp_path)
    assert 0 < state(folder)[0] < 3 * STEPS_PER_EPOCH
    code, out, err = run(tmp_path, "--resume", folder, "--data_dir", tiny_tree)
    assert code == 0, err
    assert_same_end(folder, finished)


def stop(signum, tiny_tree, folder):
    """Start a run, send it a signal within its second epoch, and return its code and output."""
    process = start(folder, *RECIPE, "--data_dir", tiny_tree)
    wait_for(lambda: list(folder.glob("runs/*/checkpoint.npz")), process)
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[-1].startswith("stopped after ")
    assert "Traceback" not in err
    return process.returncode, out


def test_ctrl_c_leaves_a_usable_model_and_a_run_to_go_on_with(finished, tiny_tree, tmp_path):
    code, out = stop(signal.SIGINT, tiny_tree, tmp_path)
    assert code == 130
    folder = run_folder(tmp_path)
    assert f"--resume {folder.relative_to(tmp_path)}" in out
    assert keras.saving.load_model(folder / "model.keras").output_shape == (None, 10)
    code, _, err = run(tmp_path, "--resume", folder, "--data_dir", tiny_tree)
    assert code == 0, err
    assert_same_end(folder, finished)


def test_sigterm_is_a_stop_too(tiny_tree, tmp_path):
    code, _ = stop(signal.SIGTERM, tiny_tree, tmp_path)
    assert code == 143
    assert state(run_folder(tmp_path))[0] >= STEPS_PER_EPOCH


def test_resuming_a_finished_run_reports_it_again(finished, tiny_tree, tmp_path):
    folder, out, _ = finished
    code, again, err = run(tmp_path, "--resume", folder, "--data_dir", tiny_tree)
    assert code == 0, err
    assert again.splitlines()[-1].split(" after ")[0] == out.splitlines()[-1].split(" after ")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quik"], "unknown recipe 'quik'"),
        (["--data_dir", "missing"], "missing"),
        (["--runs_dir", "file/runs", "--batch_size", "50"], "file"),
    ],
    ids=["recipe", "data", "runs"],
)
def test_bad_input_gets_one_line(arguments, message, tiny_tree, tmp_path):
    """More of it, without starting a process for each, is in tests/recipes/test_cli.py."""
    (tmp_path / "file").touch()
    if "--data_dir" not in arguments:
        arguments = [*arguments, "--data_dir", tiny_tree]
    code, out, err = run(tmp_path, *arguments)
    assert code == 2
    errors = [line for line in err.splitlines() if not line.startswith(("Reading", "warning"))]
    assert len(errors) == 1 and errors[0].startswith("error: ") and message in errors[0]
    assert out == ""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small tmpfs")
def test_a_full_disk_gets_one_line(tiny_tree, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        code, _, err = run(tmp_path, *RECIPE, "--data_dir", tiny_tree, "--runs_dir", small)
    finally:
        subprocess.run(["umount", small], check=True)
    assert code == 2
    assert err.splitlines()[-1].startswith("error: ") and "No space left" in err
    assert "Traceback" not in err


def test_lr_find_suggests_and_draws_and_does_not_train(tiny_tree, tmp_path):
    code, out, err = run(
        tmp_path, *RECIPE, "--data_dir", tiny_tree, "--lr_find", "--lr_find_start", 1e-4,
        "--batch_size", 30,
    )  # fmt: skip
    assert code == 0, err
    folder = run_folder(tmp_path)
    assert folder.name.startswith("assignment-lr_find-")
    assert {path.name for path in folder.iterdir()} == {"lr_find.json", "lr_find.png"}
    found = json.loads((folder / "lr_find.json").read_text())
    lines = out.splitlines()
    assert lines[0].split() == ["method", "learning_rate", "10x"]
    assert {line.split()[0] for line in lines[1:-1]} == set(found["suggestions"])
    assert len({len(line) for line in lines[:-1]}) == 1
    rate = found["suggestions"]["valley"]
    assert lines[1].split() == ["valley", f"{rate:.3g}", f"{10 * rate:.3g}"]
    assert lines[-1].startswith("assignment: ") and lines[-1].endswith(
        f"of 100 steps of batch 30, curve and picture in {folder.relative_to(tmp_path)}"
    )
    assert found["recipe"]["batch_size"] == 30 and found["curve"]["learning_rates"][0] == 1e-4
    assert "Traceback" not in err


def test_lr_find_without_a_result_gets_one_line(tiny_tree, tmp_path):
    arguments = [*RECIPE, "--data_dir", tiny_tree, "--lr_find", "--lr_find_steps", 20]
    code, out, err = run(tmp_path, *arguments, "--lr_find_start", 1e-9, "--lr_find_end", 1e-8)
    assert code == 2
    assert err.splitlines()[-1].startswith("error: The loss never clearly falls")
    assert "Traceback" not in err and len(out.splitlines()) == 2
    assert (run_folder(tmp_path) / "lr_find.png").exists()
