"""The progress bar shows the steps of the epoch, goes on after a resume, and cleans up."""

import io
import re

import keras
import numpy as np
from rich.console import Console

from keras_twist.recipes.fit import _progress_bar
from keras_twist.recipes.terminal import ProgressBar


def screen(first_step, steps, epochs=2):
    """What a terminal receives while a model trains under the bar."""
    stream = io.StringIO()
    bar = ProgressBar(first_step, Console(file=stream, force_terminal=True, width=80))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.zeros((steps, 2)), np.zeros((steps, 1))
    model.fit(x, y, 1, epochs, 0, callbacks=[bar], validation_data=(x, y))
    return stream.getvalue()


def test_a_training_has_one_if_asked():
    (bar,) = _progress_bar(True, 3)
    assert isinstance(bar, ProgressBar)
    assert _progress_bar(False, 3) == []


def test_counts_the_steps_of_each_epoch():
    text = screen(first_step=0, steps=3)
    assert "epoch 1 training" in text and "epoch 2 training" in text
    assert set(re.findall(r"epoch 1 validating.*?(\d+/\d+)", text)) == {"3/3"}
    assert {total for _, total in re.findall(r"(\d+)/(\d+)", text)} == {"3"}


def test_the_first_epoch_goes_on_where_it_was():
    text = screen(first_step=7, steps=3)
    assert re.search(r"epoch 1 training.*?(\d+)/10", text)[1] == "7"
    assert "/3" in text  # the second one is whole: three steps in this small fit


def test_leaves_the_screen_as_it_was():
    text = screen(first_step=0, steps=2)
    hidden, shown = text.count("\x1b[?25l"), text.count("\x1b[?25h")
    assert hidden == shown == 2  # the cursor, once per epoch
    assert text.endswith("\x1b[2K") or "\x1b[2K" in text[-40:]
