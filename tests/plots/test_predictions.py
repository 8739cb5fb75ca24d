"""Pictures of mistakes: the right ones, in order, with names that are no formulas."""

import numpy as np
import pytest

from keras_twist import plots

IMAGES = np.arange(4, dtype="uint8")[:, None, None, None] * np.ones((1, 8, 8, 3), "uint8")
SCORES = [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]]


def test_mistakes_are_shown_with_both_classes(tmp_path):
    names = ["cat", "$dog$"]
    figure = plots.plot_misclassified(IMAGES, [0, 0, 0, 1], SCORES, names)
    shown = [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes]
    assert shown == [2, 1]
    assert figure.axes[0].get_xlabel() == "\\$dog\\$ 80\u00a0%\ntrue: cat 20\u00a0%"
    assert figure.get_suptitle() == "2 of 4 images are classified wrong"
    figure.savefig(tmp_path / "misclassified.png")


def test_fewer_mistakes_than_there_are_and_none_at_all(tmp_path):
    figure = plots.plot_misclassified(IMAGES, [1, 0, 0, 0], SCORES, count=1)
    assert len(figure.axes) == 1 and figure.axes[0].get_xlabel().startswith("0 90")
    assert figure.get_suptitle().endswith("; the 1 most confident mistakes")
    figure = plots.plot_misclassified(IMAGES, [0, 1, 1, 1], SCORES)
    assert figure.axes == []
    figure.savefig(tmp_path / "none.png")


@pytest.mark.parametrize("kind", ["gray", "float"])
def test_other_images(kind, tmp_path):
    images = IMAGES[..., :1] if kind == "gray" else IMAGES / 2.0
    figure = plots.plot_misclassified(images, [0, 0, 0, 1], SCORES)
    figure.savefig(tmp_path / "images.png")
    assert figure.axes[0].images[0].get_array().max() == (2 if kind == "gray" else 1)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="the same length. Received: images of 3, labels of 4"):
        plots.plot_misclassified(IMAGES[:3], [0, 0, 0, 1], SCORES)
    with pytest.raises(ValueError, match="`class_names` must be 2 names. Received: 1 names"):
        plots.plot_misclassified(IMAGES, [0, 0, 0, 1], SCORES, ["cat"])


def test_confusion_from_classes_and_from_scores(tmp_path):
    labels = [0, 0, 1, 1]
    figures = [
        plots.plot_confusion(labels, [0, 1, 1, 1], ["cat", "$1$"]),
        plots.plot_confusion(np.array(labels, "uint8"), SCORES),
    ]
    for figure in figures:
        counts = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
        assert counts == {(0, 0): "1", (1, 0): "1", (1, 1): "2"}
        figure.savefig(tmp_path / "confusion.png")
    assert [text.get_text() for text in figures[0].axes[0].get_yticklabels()] == ["cat", r"\$1\$"]
    assert len(plots.plot_confusion([0, 2], [1, 1]).axes[0].get_xticks()) == 3


def test_confusion_of_few_bytes_of_nothing_and_of_very_many_classes():
    classes = np.arange(256, dtype="uint8")
    figure = plots.plot_confusion(classes, classes)
    assert figure.axes[0].images[0].get_array().shape == (256, 256)
    assert max(figure.get_size_inches()) < 30 and not figure.axes[0].texts
    nothing = plots.plot_confusion(*np.zeros((2, 0), int))
    assert nothing.axes[0].images[0].get_array().shape == (1, 1)
