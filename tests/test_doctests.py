"""Every example in a docstring is run, and everything public has one."""

import doctest
import functools
import importlib
import pkgutil
import re
import sys

import keras
import numpy as np
import pytest
from keras import ops

import keras_twist

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(keras_twist.__path__, "keras_twist.")
)
# Examples that are shown and not run: they need data of 160 MB and more, a model that another
# library trained, or minutes.
ONLY_SHOWN = {
    "fit",
    "load_cifar10",
    "load_imagenette",
    "load_imagewoof",
    "load_torch_state_dict",
}
# Networks whose family has a smaller one, which is made instead.
LARGER = re.compile(r"(X|MX)\w+(Deep|34|50|101|152)")


def examples_of(module):
    """The doctests of a module, and of what it makes public that they would miss."""
    names = {"np": np, "ops": ops, "keras": keras, "keras_twist": keras_twist}
    find = functools.partial(doctest.DocTestFinder().find, extraglobs=names)
    tests = find(module)
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        # A function that another module's function made, as the networks are.
        if callable(value) and value.__module__ != module.__name__:
            home = vars(sys.modules[value.__module__])
            if home.get(value.__name__) is not value:
                tests += find(value, name, module=False, globs=vars(module))
    return [test for test in tests if test.examples]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="examples show TensorFlow's way of printing"
)
@pytest.mark.parametrize("name", MODULES)
def test_examples_are_right(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in examples_of(module):
        runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("room", keras_twist.__all__)
def test_what_is_public_has_an_example_that_runs(room):
    package = importlib.import_module(f"keras_twist.{room}")
    modules = [
        importlib.import_module(name) for name in MODULES if name.startswith(package.__name__)
    ]
    run = {test.docstring for module in modules for test in examples_of(module)}
    for name in package.__all__:
        value = getattr(package, name)
        if callable(value) and not (name in ONLY_SHOWN or LARGER.fullmatch(name)):
            assert value.__doc__ in run, name
