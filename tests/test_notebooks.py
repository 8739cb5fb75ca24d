"""The notebooks run from top to bottom in Jupyter's kernel, and are kept without outputs."""

import json
import re
import textwrap
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
# Cells put in front of a notebook's own: warnings are errors, its data small, little is compiled.
WARNINGS = """
import warnings
import keras_twist
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
"""
CIFAR10 = """
import numpy as np
arrays = np.load("cifar10.npz")
keras_twist.data.load_cifar10 = lambda: (
    (arrays["x"], arrays["y"]), (arrays["x_test"], arrays["y_test"])
)
"""
IMAGEWOOF = """
import functools
import logging
loader = functools.partial(keras_twist.data.load_imagewoof, {root!r})
keras_twist.data.load_imagewoof = loader
logging.getLogger("keras_twist.data").setLevel("ERROR")  # It tells how many pictures are missing.
"""
# What follows the cell of settings. A step of an MXResNet takes TensorFlow long to trace, and
# tests/recipes trains one: here, the notebook's call must fit it.
QUICK_SETTINGS = "EPOCHS, WIDTH, TRAIN_IMAGES, BATCH_SIZE, LR_STEPS = 2, 8, 100, 10, 40"
WOOF_SETTINGS = """
import inspect

def NETWORK(**options):
    inspect.signature(models.MXResNet18).bind(**options)
    convs = {"conv": keras.layers.Conv2D(8, 3), "twist": layers.TwistLayer(8)}
    head = keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10, dtype="float32")
    return keras.Sequential([keras.Input(options["input_shape"]), convs[options["conv"]], *head])

IMAGE_SIZE, TAKE_EVERY, EPOCHS, BATCH_SIZE = 16, 2, 2, 20
"""


def test_figures_are_those_of_the_results():
    results = ROOT / "benchmarks" / "results"
    text = (ROOT / "examples/quickstart.ipynb").read_text()
    speeds = json.loads((results / "step_time.json").read_text())["networks"]["davidnet"]
    for kind in ("bfloat16", "float32"):
        speed = speeds["images_per_second"][f"keras plain {kind}"]
        assert re.search(rf"\b{speed:.0f} (images a second )?in {kind}", text)
    text = (ROOT / "examples/imagewoof_twist.ipynb").read_text()
    runs = json.loads((results / "time_to_accuracy.json").read_text())["series"]
    published = "--batch_size 64 --lr 4e-3 --pool avg"
    found, plain = (
        runs[f"{name} {published}"]["summary"] for name in ("mxresnet50_twist", "mxresnet50")
    )
    assert f"reached {100 * found['accuracy']['mean']:.2f} %" in text
    assert f"{100 * plain['accuracy']['mean']:.2f} % without" in text
    for name in ("mxresnet50_twist", "mxresnet50"):
        assert f"both made {100 * runs[name]['summary']['accuracy']['mean']:.2f} %" in text
    assert f"took {found['training_seconds']['mean'] / 60:.0f} minutes" in text


def by_name(name):
    return nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Function that runs a notebook in a kernel, and returns it with its outputs."""
    # The kernel's: this package, no network, nothing of the user's, one thread for tiny tensors.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")

    def run(name, before, settings, after):
        notebook = by_name(name)
        (at,) = (n for n, cell in enumerate(notebook.cells) if "parameters" in tags(cell))
        notebook.cells.insert(at + 1, new_code_cell(settings))
        notebook.cells.insert(0, new_code_cell(before))
        notebook.cells.append(new_code_cell(after))
        folder = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources=folder).execute()
        return notebook

    return run


def tags(cell):
    return cell.metadata.get("tags", [])


def pictures(notebook):
    """Number of pictures that it shows; nothing may be written to the standard error."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_kept_as_it_was_written(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            compile(cell.source.replace("%pip", "# %pip"), path, "exec")
    assert sum("parameters" in tags(cell) for cell in notebook.cells) == 1


def test_every_notebook_is_run():
    assert {path.stem for path in NOTEBOOKS} == {"quickstart", "imagewoof_twist"}


on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")


@on_tensorflow
def test_the_quickstart(execute, tiny_images, tmp_path):
    (x, y), (x_test, y_test) = tiny_images
    order = np.random.default_rng(0).permutation(len(x))  # as in CIFAR-10, where no class is first
    np.savez(tmp_path / "cifar10.npz", x=x[order], y=y[order], x_test=x_test, y_test=y_test)
    learned = """
    assert history.history["val_accuracy"][-1] > 0.2, history.history
    assert max(one_cycle.learning_rates) > 10 * one_cycle.learning_rates[-1]
    assert twisted_history.history["val_accuracy"][-1] > 0.2, twisted_history.history
    saved = [net.predict(test, verbose=0) for net in (twisted, again)]
    assert (saved[0] == saved[1]).all() and len(twisted.get_layer("Conv8").twist.shape) == 3
    assert len(own_history.epoch) == EPOCHS
    """
    notebook = execute("quickstart", WARNINGS + CIFAR10, QUICK_SETTINGS, textwrap.dedent(learned))
    assert pictures(notebook) == 7


@on_tensorflow
def test_imagewoof_with_and_without_a_twist(execute, tiny_woof):
    compared = """
    assert {name: type(network.layers[0]).__name__ for name, network in networks.items()} == {
        "plain": "Conv2D", "twist": "TwistLayer"
    }
    assert (before[0] != twist_layer.get_weights()[0]).any()
    assert len(scores) == 40 and len(train) == 40
    """
    before = WARNINGS + IMAGEWOOF.format(root=str(tiny_woof))
    notebook = execute("imagewoof_twist", before, WOOF_SETTINGS, textwrap.dedent(compared))
    assert pictures(notebook) == 5
