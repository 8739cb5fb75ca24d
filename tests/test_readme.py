"""What the README tells people to type is run, on a small stand-in for the data."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_twist

README = Path(__file__).parents[1] / "README.md"
PAGES = [README, *sorted(README.parent.glob("docs/*.md"))]
ROOMS = "|".join(keras_twist.__all__)


def code_block(mark):
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", README.read_text(), re.DOTALL)
    assert found, mark
    return found[1]


def test_the_two_commands_are_one_line_each():
    for mark in ("train command", "test command"):
        assert code_block(mark).count("\n") == 1
        assert code_block(mark).startswith("python3 -m venv .venv && ")


def test_tables_are_what_the_results_say():
    spec = importlib.util.spec_from_file_location("tables", README.parent / "benchmarks/tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    found = [page for page in tables.PAGES if "<!-- table:" in (README.parent / page).read_text()]
    assert found == list(tables.PAGES)
    for page in found:
        text = (README.parent / page).read_text()
        assert tables.renew(text) == text, "run `python benchmarks/tables.py`"
        assert tables.renew(text.replace("| `train_cifar.py ", "| `other.py ")) == text


@pytest.fixture
def small_cifar(monkeypatch, tiny_images):
    from keras_twist import data, models

    train, test = tiny_images
    monkeypatch.setattr(data, "load_cifar10", lambda: (train, test))
    narrow = models.DavidNet
    monkeypatch.setattr(models, "DavidNet", lambda **options: narrow(width=4, **options))


def test_model_fit_on_arrays_in_ten_lines(small_cifar):
    code = code_block("runs: arrays")
    assert code in (README.parent / "examples" / "fit_arrays.py").read_text()
    assert len([line for line in code.splitlines() if line and "import" not in line]) <= 10
    names = {}
    exec(code.replace("epochs=24", "epochs=2").replace("batch_size=512", "batch_size=50"), names)
    model = names["model"]
    assert model.optimizer.iterations == 12
    assert np.isfinite(model.evaluate(*names["test"], verbose=0)).all()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")
def test_the_pipeline(small_cifar):
    names = {}
    exec(code_block("runs: pipeline").replace("512", "50"), names)
    images, labels = next(iter(names["train"]))
    assert images.shape == (50, 32, 32, 3) and labels.shape == (50,)
    assert sum(len(labels) for _, labels in names["test"]) == 100


@pytest.mark.parametrize("block", ["schedule", "callback"])
def test_the_policies(block, capsys):
    x, y = np.eye(24, dtype="float32"), np.arange(24) % 3
    model = keras.Sequential([keras.Input((24,)), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    names = {"model": model, "loss": loss, "x": x, "y": y}
    exec(code_block(f"runs: {block}").replace("24 * 98", "48").replace("512", "12"), names)
    if block == "schedule":
        model.fit(x, y, batch_size=12, epochs=24, verbose=0)
        assert names["curve"].shape == (48,)
    else:
        assert len(names["used"]) == 48 and names["used"].max() == np.float32(4e-3)
        assert len(capsys.readouterr().out.splitlines()) == 25
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 48


def test_the_twisted_model_trains(tiny_images):
    names = {}
    exec(code_block("runs: twist"), names)
    (x, y), _ = tiny_images
    history = names["model"].fit(x, y, batch_size=50, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_the_learning_rate_is_found_in_ten_lines(small_cifar, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = code_block("runs: lr_find")
    assert len([line for line in code.splitlines() if line and "import" not in line]) <= 10
    names = {}
    exec(code.replace("128", "30"), names)
    assert (tmp_path / "lr_find.png").stat().st_size > 10_000
    rate = float(names["model"].optimizer.learning_rate)
    assert rate == pytest.approx(names["curve"].suggest()) and 1e-6 < rate < 1


def test_a_model_gets_twists_and_begins_as_it_was(monkeypatch):
    def small(weights, input_shape, classes):
        conv, head = keras.layers.Conv2D(40, 3, padding="same"), keras.layers.Dense(classes)
        pool = keras.layers.GlobalAveragePooling2D()
        return keras.Sequential([keras.Input(input_shape), conv, pool, head])

    monkeypatch.setattr(keras.applications, "VGG16", small)
    names = {}
    exec(code_block("runs: surgery"), names)
    assert "1 layer replaced" in names["table"]
    x = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype("float32")
    before, after = (names[model].predict(x, verbose=0) for model in ("model", "twisted"))
    np.testing.assert_allclose(before, after, atol=1e-5)


def test_a_recipe_is_run(monkeypatch):
    monkeypatch.setattr(keras_twist.recipes, "fit", lambda recipe: recipe)
    names = {}
    exec(code_block("runs: recipe"), names)
    assert names["result"].epochs == 3 and names["result"].model == "davidnet"


def test_all_python_is_run_by_a_test_above():
    tests = Path(__file__).read_text()
    text = README.read_text()
    marks = re.findall(r"<!-- runs: (\w+) -->\n```python\n", text)
    assert len(marks) == text.count("```python")
    for mark in marks:
        assert f'"runs: {mark}"' in tests or f'"{mark}"' in tests, mark


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_and_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    names = re.findall(rf"`(?:keras_twist\.)?({ROOMS})\.(\w+)", text)
    for room, name in names:
        assert name in getattr(keras_twist, room).__all__, f"{room}.{name}"
    # Those made of the README, when the site is built.
    made = re.findall(r": (\w+\.md)", (README.parent / "mkdocs.yml").read_text())
    for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text):
        assert (page.parent / link).exists() or page.stem == "index" and link in made, link


def test_every_recipe_is_in_the_table():
    from keras_twist.recipes import CIFAR_RECIPES

    for name in CIFAR_RECIPES:
        assert f"| `{name}` |" in README.read_text()


@pytest.mark.parametrize("script", ["train_cifar.py"])
def test_help_costs_nothing(script, tmp_path):
    done = subprocess.run(
        [sys.executable, README.parent / script, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "--batch_size" in done.stdout
    assert done.stderr == "" and list(tmp_path.iterdir()) == []
