"""The script as people run it, and with wrong input; tests/faults kills, stops and resumes it."""

import json

import keras
import pytest

from keras_twist import recipes
from keras_twist.data import CIFAR10_CLASSES
from keras_twist.recipes import task

from .tools import run, run_folder

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() == "torch", reason="recipes train on two"),
    pytest.mark.filterwarnings("ignore:.*does not hold the published CIFAR-10"),
]

SCRIPT = "train_cifar.py"
RECIPE = (
    "assignment --width 4 --epochs 3 --batch_size 30 --erasing 0.5 --mixup 0.2 --precision float32"
).split()


@pytest.fixture(scope="module")
def finished(tiny_tree, tmp_path_factory):
    """A run that nothing disturbed, with what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    code, out, err = run(SCRIPT, folder, *RECIPE, "--data_dir", tiny_tree)
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
    batches = task.validation_batches(recipe, task.Data(*tiny_images, "test", CIFAR10_CLASSES))
    found = model.evaluate(batches, verbose=0, return_dict=True)
    result = json.loads((folder / "result.json").read_text())
    assert found["accuracy"] == pytest.approx(result["accuracy"], abs=1e-6)


def test_resuming_a_finished_run_reports_it_again(finished, tiny_tree, call):
    folder, out, _ = finished
    code, again, err = call(SCRIPT, "--resume", folder, "--data_dir", tiny_tree)
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
def test_bad_input_gets_one_line(arguments, message, tiny_tree, call, tmp_path):
    """More of it is in tests/recipes/test_cli.py."""
    (tmp_path / "file").touch()
    if "--data_dir" not in arguments:
        arguments = [*arguments, "--data_dir", tiny_tree]
    code, out, err = call(SCRIPT, *arguments)
    assert (code, out) == (2, "")
    errors = [line for line in err.splitlines() if not line.startswith("warning")]
    assert len(errors) == 1 and errors[0].startswith("error: ") and message in errors[0]


def test_bad_input_is_the_exit_code_of_the_process(tmp_path):
    code, out, err = run(SCRIPT, tmp_path, "quik")
    assert (code, out) == (2, "")
    assert err.startswith("error: unknown recipe 'quik'") and len(err.splitlines()) == 1


def test_lr_find_suggests_and_draws_and_does_not_train(tiny_tree, call, tmp_path):
    code, out, err = call(
        SCRIPT, *RECIPE, "--data_dir", tiny_tree, "--lr_find", "--lr_find_start", 1e-4,
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


def test_lr_find_without_a_result_gets_one_line(tiny_tree, call, tmp_path):
    arguments = [*RECIPE, "--data_dir", tiny_tree, "--lr_find", "--lr_find_steps", 20]
    code, out, err = call(SCRIPT, *arguments, "--lr_find_start", 1e-9, "--lr_find_end", 1e-8)
    assert code == 2
    assert err.splitlines()[-1].startswith("error: The loss never clearly falls")
    assert "Traceback" not in err and len(out.splitlines()) == 2
    assert (run_folder(tmp_path) / "lr_find.png").exists()
