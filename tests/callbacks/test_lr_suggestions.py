"""The suggestions next to slow, literal forms of fastai's rules, and on curves of known shape."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_twist.callbacks import LRCurve, _lr_suggestions


def literal_valley(rates, losses):
    """Longest falling subsequence, point by point; a third and a half third down from its top."""
    longest = []
    for i in range(len(losses)):
        before = [longest[j] for j in range(i) if losses[j] > losses[i]]
        longest.append(1 + max(before, default=0))
    end = longest.index(max(longest))
    third = (max(longest)) / 3
    return rates[max(0, end - max(longest) + int(third) + int(third / 2))]


def literal_slide(rates, losses):
    """An interval of 15 moves down from the end while its two slopes differ."""
    slopes = np.gradient(losses)
    upper, found = len(losses) - 1, rates[len(losses) - 16]
    while upper >= 15 and abs(slopes[upper] - slopes[upper - 15]) > 0.005:
        found = rates[upper - 15]
        upper -= 1
    return found


def literal_steep(rates, losses):
    slopes = [
        (losses[i + 1] - losses[i]) / (np.log(rates[i + 1]) - np.log(rates[i]))
        for i in range(len(losses) - 1)
    ]
    return rates[slopes.index(min(slopes))]


def literal_minimum(rates, losses):
    return rates[list(losses).index(min(losses))] / 10


LITERAL = {
    "valley": literal_valley,
    "slide": literal_slide,
    "steep": literal_steep,
    "minimum": literal_minimum,
}


@settings(max_examples=60)
@given(
    st.integers(16, 90),
    st.integers(0, 2**31),
    st.sampled_from([0.0, 0.003, 0.05, 1.0]),
)
def test_each_rule_is_the_literal_one(points, seed, noise):
    rng = np.random.default_rng(seed)
    at = np.linspace(-3, 3, points)
    losses = rng.normal() - np.tanh(at) + np.exp(at - 2) + noise * rng.normal(size=points)
    losses = np.round(losses, 2) if seed % 2 else losses  # with and without ties
    rates = np.geomspace(1e-6, 10, points)
    assert set(LITERAL) == set(_lr_suggestions.METHODS)
    for method, literal in LITERAL.items():
        assert _lr_suggestions.METHODS[method](rates, losses) == pytest.approx(
            literal(rates, losses), rel=1e-12
        )


def test_smoothing_weighs_what_came_before():
    losses, beta = np.array([5.0, 3.0, 4.0, 1.0]), 0.98
    expected = [np.average(losses[: n + 1], weights=beta ** np.arange(n, -1, -1)) for n in range(4)]
    np.testing.assert_allclose(_lr_suggestions.smooth(losses, beta), expected, rtol=1e-12)
    np.testing.assert_array_equal(_lr_suggestions.smooth(losses, 0.0), losses)


def curve_of(losses, beta=0.0, **options):
    """Without smoothing, so that the curve is what is written here."""
    rates = np.geomspace(1e-5, 10, options.get("steps", 100))[: len(losses)]
    return LRCurve(rates, losses, beta=beta, **options)


def test_a_straight_valley():
    # Flat up to point 30, down to point 70, up again: 41 points of descent, from 30 on.
    losses = np.concatenate([np.full(30, 4.0), np.linspace(4, 2, 41), np.linspace(2.1, 5, 29)])
    curve = curve_of(losses)
    at = lambda method: int(np.argmin(np.abs(curve.learning_rates - curve.suggest(method))))  # noqa: E731
    assert at("valley") == 29 + 41 // 3 + 41 // 6
    assert curve.suggest("minimum") == pytest.approx(curve.learning_rates[70] / 10)
    assert 30 <= at("steep") < 70
    assert curve.suggest() == curve.suggest("valley")


def test_the_steepest_of_two_slopes_is_found():
    losses = np.interp(np.arange(100), [0, 20, 60, 70, 99], [5.0, 5.0, 4.0, 2.0, 1.99])
    curve = curve_of(losses)
    assert curve.learning_rates[60] <= curve.suggest("steep") <= curve.learning_rates[70]


def test_the_first_tenth_and_the_last_five_points_do_not_count():
    losses = np.linspace(3, 2, 100)
    losses[9] = losses[95] = -100.0
    assert curve_of(losses).suggest("minimum") == pytest.approx(
        np.geomspace(1e-5, 10, 100)[94] / 10
    )
    assert curve_of(losses).points_used == slice(10, 95)
    # After a divergence the last five of what is there; the first tenth of what was asked for.
    assert curve_of(losses[:60]).points_used == slice(10, 55)


@pytest.mark.parametrize("last", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_no_part_of_it(last):
    losses = np.append(np.linspace(3, 2, 59), last)
    # fastai goes on after NaN, and drops all NaN; after infinity it stops, and drops five points.
    assert curve_of(losses, beta=0.9).points_used == slice(10, 59 if np.isnan(last) else 55)
    for method in _lr_suggestions.METHODS:
        assert np.isfinite(curve_of(losses, beta=0.9).suggest(method))
    assert curve_of(np.append(np.linspace(3, 2, 98), last)).points_used == slice(
        10, 95 - (last > 0) * 1
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "losses",
    [
        lambda rng: np.full(100, 2.3),
        lambda rng: np.full(100, 2.3) + 1e-7 * rng.normal(size=100),
        lambda rng: 2.3 + 0.05 * rng.normal(size=100),
        lambda rng: np.linspace(1, 3, 100) + 0.01 * rng.normal(size=100),
        lambda rng: np.geomspace(1, 3, 40),
    ],
    ids=["constant", "rounding", "noise", "rising", "diverged"],
)
def test_without_a_fall_there_is_no_suggestion(losses, seed):
    curve = curve_of(losses(np.random.default_rng(seed)), beta=0.98)
    for method in _lr_suggestions.METHODS:
        with pytest.raises(ValueError, match="The loss never clearly falls .*, from .* at best"):
            curve.suggest(method)
    assert curve.suggestions() == {}


@pytest.mark.parametrize("seed", range(5))
def test_a_fall_within_noise_is_found(seed):
    rng = np.random.default_rng(seed)
    trend = np.interp(np.arange(100), [0, 40, 80, 99], [2.3, 2.2, 1.5, 4.0])
    suggestions = curve_of(trend + 0.1 * rng.normal(size=100), beta=0.98).suggestions()
    assert set(suggestions) == set(_lr_suggestions.METHODS)
    assert 1e-4 < suggestions["valley"] < 1


def test_bad_questions_get_one_clear_error():
    curve = curve_of(np.linspace(3, 2, 100))
    with pytest.raises(ValueError, match="`method` must be one of 'valley'.* method='deepest'"):
        curve.suggest("deepest")
    with pytest.raises(ValueError, match="leaves 0 points .* diverged, from a lower `start`"):
        curve_of([3.0, 2.9, 50.0]).suggest()
    with pytest.raises(ValueError, match="leaves 14 points for method='slide', which needs 16"):
        curve_of(np.linspace(3, 2, 21), steps=21).suggest("slide")
    with pytest.raises(ValueError, match=r"one shape `\(n,\)`. Received: shapes \(3,\) and \(2,\)"):
        LRCurve([1, 2, 3], [1, 2])


def test_the_peak_is_a_multiple_of_the_suggestion():
    curve = curve_of(np.linspace(3, 2, 100), max_factor=3.0)
    assert curve.suggest_max("steep") == pytest.approx(3 * curve.suggest("steep"))
    assert curve_of(np.linspace(3, 2, 100)).suggest_max() == pytest.approx(10 * curve.suggest())


def test_a_curve_survives_json():
    curve = LRCurve([0.1, 0.2, 0.4], [2.0, 1.5, np.nan], 20, "linear", 0.9, 5.0)
    again = LRCurve.from_dict(json.loads(json.dumps(curve.to_dict(), allow_nan=False)))
    for field in ("learning_rates", "losses", "smoothed_losses"):
        np.testing.assert_array_equal(getattr(again, field), getattr(curve, field))
    assert (again.steps, again.mode, again.beta, again.max_factor) == (20, "linear", 0.9, 5.0)
    assert repr(again) == (
        "<LRCurve: 3 of 20 points, learning rates 0.1 to 0.4, lowest smoothed loss 1.737>"
    )


def test_the_picture_marks_every_suggestion(tmp_path):
    pytest.importorskip("matplotlib")
    curve = curve_of(np.interp(np.arange(100), [0, 30, 70, 99], [4, 4, 2, 9]), beta=0.5)
    figure = curve.plot()
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == (
        "log", "Learning rate", "Loss",
    )  # fmt: skip
    marked = {line.get_label().split(":")[0]: line for line in axes.lines}
    for method, rate in curve.suggestions().items():
        assert marked[method].get_xdata()[0] == rate
    figure.savefig(tmp_path / "curve.png")
    linear = LRCurve(np.linspace(0, 1, 30), np.full(30, 2.0), 30, "linear").plot()
    assert linear.axes[0].get_xscale() == "linear"
    LRCurve(np.geomspace(0.1, 1, 3), [1.0, np.inf, np.nan]).plot().savefig(tmp_path / "short.png")
