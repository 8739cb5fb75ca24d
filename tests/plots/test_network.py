"""Diagrams of networks: a text for every block, an arc for every skip."""

import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from keras_twist import models, plots


@pytest.mark.parametrize("name", ["davidnet", "mxresnet18"])
def test_a_box_for_each_block_and_an_arc_for_each_skip(name, tmp_path):
    if name == "davidnet":
        model, boxes, arcs = models.DavidNet(width=4), 9, 2
    else:
        model = models.MXResNet18(input_shape=(32, 32, 3), widths=(8, 8, 8, 8))
        boxes, arcs = 10, 8
    figure = plots.plot_network(model)
    (axes,) = figure.axes
    assert sum(isinstance(patch, FancyBboxPatch) for patch in axes.patches) == boxes
    assert sum(isinstance(patch, FancyArrowPatch) for patch in axes.patches) == arcs
    texts = [text.get_text() for text in axes.texts]
    assert "input 32 x 32 x 3" in texts and "10\n" in "".join(texts)
    assert figure.get_suptitle() == f"{name}: {model.count_params():,} parameters"
    figure.savefig(tmp_path / "network.png")


def test_the_title_may_be_given():
    assert plots.plot_network(models.DavidNet(width=4), "mine").get_suptitle() == "mine"
