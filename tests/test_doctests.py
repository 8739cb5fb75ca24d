"""Every example in a docstring is run."""

import doctest
import importlib
import pkgutil

import keras
import numpy as np
import pytest
from keras import ops

import keras_twist

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(keras_twist.__path__, "keras_twist.")
)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="examples show TensorFlow's way of printing"
)
@pytest.mark.parametrize("name", MODULES)
def test_examples_are_right(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    names = {"np": np, "ops": ops, "keras": keras, "keras_twist": keras_twist}
    result = doctest.testmod(
        module, extraglobs=names, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert result.failed == 0
