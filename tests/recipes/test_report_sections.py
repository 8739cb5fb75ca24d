"""Parts of a report: what is in them, and what stands in their place."""

import io
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from keras_twist.recipes import report_sections as sections
from keras_twist.recipes.run_record import read_run


def test_measures_are_readable():
    result = {
        "accuracy": 0.94123, "top_k_accuracy": None, "loss": 0.123456789, "validated_on": "test",
        "epochs": 24, "seconds": 3725.0, "images_per_second": 12345.6,
        "flip_averaged_accuracy": 0.95,
    }  # fmt: skip
    assert sections.measures(result) == {
        "Accuracy, test": "94.12\u00a0%",
        "Averaged over mirror images": "95.00\u00a0%",
        "Top five": "\u2013",
        "Loss": "0.12346",
        "Epochs": "24",
        "Training time": "1:02:05",
        "Images per second": "12,346",
    }


def test_nested_values_become_flat():
    values = {"versions": {"keras": "3"}, "command": ["a b", 1], "xla": False, "width": None}
    found = sections.flat(values)
    assert list(found) == ["versions.keras", "command", "xla", "width"]
    assert {name: sections.setting(value) for name, value in found.items()} == {
        "versions.keras": "3",
        "command": "'a b' 1",
        "xla": "False",
        "width": "\u2013",
    }


def test_every_mistake_has_a_picture_and_a_caption(make_run):
    run = read_run(make_run())
    text = sections.gallery(run)
    assert (
        text.count("<figure>") == text.count("data:image/png") == len(run.predictions.worst) == 20
    )
    assert "true: cat " in text


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_kept_as_they_are(channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 4, channels)).astype("uint8")
    found = imread(io.BytesIO(sections._image_bytes(image)))[..., :3]
    np.testing.assert_allclose(255 * found, image * np.ones(3), atol=1.01)


def test_epochs_without_a_number_have_a_dash(make_run):
    text = sections.epochs(read_run(make_run()))
    assert "<td>\u2013</td>" in text and "<td>1:15</td>" in text
    assert "Training accuracy" not in text


def test_without_matplotlib_a_line_stands_for_each_picture(make_run, monkeypatch):
    run = read_run(make_run())
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.image"):
        monkeypatch.setitem(sys.modules, name, None)
    for part in (sections.gallery, sections.classes):
        assert "pip install &#x27;keras_twist[plots]&#x27;" in part(run)


def test_very_many_classes_have_a_table_and_no_matrix(make_run):
    run = read_run(make_run(class_names=[f"class {number}" for number in range(300)]))
    html = sections.classes(run)
    assert html.count("<tr>") == 301 and "<img" not in html
