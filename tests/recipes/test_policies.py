"""Schedules of the recipes, update by update."""

import dataclasses

import numpy as np
import pytest
from keras import ops

from keras_twist.recipes import CIFAR_RECIPES, CIFARRecipe
from keras_twist.recipes.policies import build_schedules


def curve(schedule, steps):
    return ops.convert_to_numpy(schedule(np.arange(steps)))


def test_davidnet_has_cifar10_fasts_rates():
    rate, momentum = build_schedules(CIFAR_RECIPES["davidnet"], 24 * 98)
    assert momentum == 0.9
    # Its first update has the rate of step 1, its last one that of the last step, which is 0.
    expected = np.interp((np.arange(24 * 98) + 1) / 98, [0, 5, 24], [0, 0.4, 0])
    np.testing.assert_allclose(curve(rate, 24 * 98), expected, rtol=1e-5, atol=1e-7)


def test_the_schedule_stretches_with_the_epochs():
    short = dataclasses.replace(CIFAR_RECIPES["davidnet"], epochs=3)
    rate, _ = build_schedules(short, 3 * 97)
    assert np.argmax(curve(rate, 3 * 97)) == pytest.approx(5 / 24 * 3 * 97 - 1, abs=1)


def test_resnet9_cycles_rate_and_momentum_against_each_other():
    rate, momentum = build_schedules(CIFAR_RECIPES["resnet9"], 24 * 98)
    rates, momenta = curve(rate, 24 * 98), curve(momentum, 24 * 98)
    assert rates.argmax() == momenta.argmin() == 5 * 98 - 1
    assert rates.max() == pytest.approx(0.023) and rates[0] == pytest.approx(0.023 / 25)
    assert momenta[[0, 489, -1]] == pytest.approx([0.95, 0.85, 0.95], abs=1e-6)
    assert rates[-1] == pytest.approx(0.023 / 25e4, rel=1e-5)


def test_the_assignment_ends_at_its_lowest_rate():
    rates = curve(build_schedules(CIFAR_RECIPES["assignment"], 2000)[0], 2000)
    assert rates.max() == pytest.approx(0.4, rel=1e-3)
    assert rates[-1] == pytest.approx(0.001, rel=1e-3)
    assert (np.diff(np.sign(np.diff(rates))) < 0).sum() == 2  # two peaks
    triangles = np.interp(np.arange(2000), np.linspace(0, 1999, 5), [0.001, 0.4] * 2 + [0.001])
    np.testing.assert_allclose(rates, triangles, rtol=1e-5)


def test_flat_cosine_stays_up_and_comes_down():
    recipe = CIFARRecipe(name="test", schedule="flat_cosine", learning_rate=0.4, end_factor=0.01)
    rates = curve(build_schedules(recipe, 100)[0], 101)
    np.testing.assert_allclose(rates[[0, 72, 86, 100]], [0.4, 0.4, 0.202, 0.004], rtol=1e-5)
