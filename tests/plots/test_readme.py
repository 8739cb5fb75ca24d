"""The pictures of README and docs are drawn again by one command."""

import re
import runpy
import sys
from pathlib import Path

import keras
import pytest

from keras_twist.data.cache import has_cache
from keras_twist.plots import readme


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="recipes feed by tf.data")
def test_every_picture_is_redrawn(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["plots", str(tmp_path)])
    # Other tests may have imported what a person runs.
    monkeypatch.delitem(sys.modules, "keras_twist.plots.__main__", raising=False)
    runpy.run_module("keras_twist.plots", run_name="__main__")
    root = Path(__file__).parents[2]
    text = "".join(page.read_text() for page in (root / "README.md", *root.glob("docs/*.md")))
    shown = set(re.findall(r"\]\((?:\.\./)?images/([^)]+)\)", text))
    assert shown == {path.name for path in (root / "images").iterdir()}
    # Trainings and benchmarks leave these.
    shown -= {"growth.png", "learned_twist.png", "long_run.png"}
    if not has_cache():
        shown -= {"augmentation.png", "mixup.png"}
    assert shown == {path.name for path in tmp_path.iterdir()}


def test_without_the_data_set_no_picture_and_one_clear_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    readme._augmentation_pictures(tmp_path)
    assert "there is no CIFAR-10 at" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
