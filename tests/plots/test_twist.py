"""Pictures of twists: one row, or two where there was a before; centres and pairs as asked."""

import numpy as np
import pytest
from matplotlib.quiver import Quiver

from keras_twist import layers, plots


def built(filters=4, **options):
    layer = layers.TwistLayer(filters, **options)
    layer.build((None, 8, 8, 3))
    return layer


@pytest.mark.parametrize("variant", [{}, *layers.TWIST_VARIANTS.values()])
def test_before_and_after(variant, tmp_path):
    layer, before = built(**variant), built(**variant)
    figure = plots.plot_twist(layer, before, title="$")
    assert len(figure.axes) == 10
    assert figure.axes[0].get_ylabel() == "Before\nY" and figure.axes[5].get_ylabel() == "After\nY"
    figure.savefig(tmp_path / "twist.png")
    again = plots.plot_twist(layer, before.get_weights())
    titles = [[axes.get_title() for axes in one.axes] for one in (figure, again)]
    assert titles[0] == titles[1]
    for axes, one in ((figure.axes[4], before), (figure.axes[9], layer)):
        heights = [bar.get_height() for bar in axes.patches]
        parts = plots.twist_parts(one)
        kinds = parts.rotation, parts.dilation, parts.shear
        np.testing.assert_allclose(heights, [np.sqrt(np.mean(kind**2)) for kind in kinds])


def test_pairs_as_asked():
    figure = plots.plot_twist(built(), pairs=[(2, 0), (0, 3)])
    titles = [axes.get_title().splitlines()[0] for axes in figure.axes]
    assert titles == [
        "Centres and disks of 4 filters",
        "Channel 2 in filter 0",
        "Channel 0 in filter 3",
        "Mean strength of all pairs",
    ]
    fewer = plots.plot_twist(built(filters=1))
    assert len(fewer.axes) == 3


@pytest.mark.parametrize("masked", [True, False])
def test_arrows_are_the_field_of_the_pair(masked):
    layer = built(masked=masked)
    (arrows,) = (
        found
        for found in plots.plot_twist(layer, pairs=[(2, 1)]).axes[1].collections
        if isinstance(found, Quiver)
    )
    parts = plots.twist_parts(layer)
    offsets = arrows.XY - parts.centers[1]
    field = np.einsum("ij,nj->ni", parts.matrices[2, 1], offsets)
    if masked:  # It fades over a ramp about the edge of the disk.
        squared = (offsets**2).sum(axis=1) / parts.radii[1] ** 2
        field *= np.clip((1 + layer.ramp - squared) / (2 * layer.ramp), 0, 1)[:, None]
        assert 0 < (squared > 1).sum() < len(squared)
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], axis=1), field, atol=1e-5)


def test_a_layer_without_a_twist_has_no_arrows(tmp_path):
    layer = built()
    layer.twist.assign(np.zeros(layer.twist.shape))
    figure = plots.plot_twist(layer)
    figure.savefig(tmp_path / "none.png")  # Drawing is where lengths of 0 would divide.
    assert [bar.get_height() for bar in figure.axes[-1].patches] == [0.0] * 3


@pytest.mark.parametrize("pairs", [[], [(3, 0)], [(0, 4)], [(0, -1)], [(0, 0)] * 5, [(0,)]])
def test_pairs_that_are_not_there_are_refused(pairs):
    with pytest.raises(ValueError, match="`pairs` must be one to 4 pairs .* Received: pairs="):
        plots.plot_twist(built(), pairs=pairs)


def test_another_layer_before_is_refused():
    with pytest.raises(ValueError, match="`before` must have the layer's shapes"):
        plots.plot_twist(built(), before=built(filters=5))
