"""A finished run's folder without a training."""

import dataclasses
import functools
import io
import json

import numpy as np
import pytest

from keras_twist import plots
from keras_twist.recipes import CIFAR_RECIPES, run_folder
from keras_twist.recipes.predictions import Predictions, save_predictions


@pytest.fixture
def make_run(tmp_path, make_run_in):
    """Function that makes the folder of a finished run, and returns its path."""
    return functools.partial(make_run_in, tmp_path / "runs")


@pytest.fixture(scope="session")
def make_run_in():
    """The same for runs in any folder."""
    file = io.BytesIO()
    plots.plot_schedules({"rate": 0.1}, 3).savefig(file, format="png", dpi=50)

    def make(runs, name="quick-1", class_names=("cat", "dog", "ship"), **changes):
        folder = runs / name
        folder.mkdir(parents=True)
        images, size = 200, 8
        recipe = dataclasses.replace(CIFAR_RECIPES["quick"], epochs=3, **changes)
        run_folder.write_recipe(folder, recipe)
        environment = {"versions": {"keras": "3.15.1"}, "command": ["a b", "c"], "started": "now"}
        run_folder.write_json(folder / run_folder.ENVIRONMENT, environment)
        rows = [
            {
                "epoch": epoch,
                "loss": 2 / epoch,
                "val_loss": None if epoch == 2 else 2.1 / epoch,
                "val_accuracy": 1 - 0.5 / epoch,
                "learning_rate": 0.1 / epoch,
                "images_per_second": 1234.5,
                "seconds": 75.0,
            }
            for epoch in (1, 2, 3)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / run_folder.METRICS).write_text(lines)
        result = {
            "name": recipe.name,
            "accuracy": 0.8333,
            "flip_averaged_accuracy": None,
            "top_k_accuracy": 0.99,
            "loss": 0.7,
            "validated_on": "test",
            "epochs": 3,
            "seconds": 225.0,
            "images_per_second": 1234.5,
            "folder": str(folder),
        }
        run_folder.write_json(folder / run_folder.RESULT, result)
        rng = np.random.default_rng(0)
        labels = rng.integers(0, len(class_names), images)
        scores = rng.normal(size=(images, len(class_names)))
        scores[np.arange(images), labels] += 2
        shares = plots.probabilities(scores)
        worst = plots.most_confidently_wrong(labels, shares, 20)
        pictures = rng.integers(0, 256, (len(worst), size, size, 3)).astype("uint8")
        found = Predictions(labels, shares.astype("float32"), tuple(class_names), worst, pictures)
        save_predictions(found, folder)
        for picture in ("schedule.png", "twist.png"):
            (folder / picture).write_bytes(file.getvalue())
        return folder

    return make
