"""Everything public says what it takes, what it gives, and shows how it is used."""

import ast
import dataclasses
import importlib
import inspect
import re
import sys

import keras
import pytest

import keras_twist

PUBLIC = [
    (room, name)
    for room in keras_twist.__all__
    for name in importlib.import_module(f"keras_twist.{room}").__all__
]
# Ported from somewhere, so they say from where, and what differs.
PORTED = ("layers", "optimizers", "schedules")


def sections(text):
    """The text under each title of a docstring, by title."""
    parts = re.split(r"^([A-Z][a-z]+(?: [a-z]+)*):\n", inspect.cleandoc(text or ""), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(section):
    """The names that a section explains; several may share an explanation."""
    lines = re.findall(r"^    ([\w*]+(?:, [\w*]+)*):", section, re.M)
    return {name.lstrip("*") for line in lines for name in line.split(", ")}


def explained_assignments(tree):
    """The names in the body of a module or class that a string below them explains."""
    names = set()
    for statement, after in zip(tree.body, tree.body[1:], strict=False):
        explained = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(statement, ast.Assign | ast.AnnAssign) and explained:
            targets = getattr(statement, "targets", [getattr(statement, "target", None)])
            names |= {target.id for target in targets}
    return names


def explained_fields(cls):
    """Fields of a dataclass and its bases that a string below them explains."""
    trees = (ast.parse(inspect.getsource(c)).body[0] for c in cls.__mro__ if c is not object)
    return set().union(*map(explained_assignments, trees)) if dataclasses.is_dataclass(cls) else ()


@pytest.mark.parametrize("room, name", PUBLIC, ids=map(".".join, PUBLIC))
def test_says_what_it_takes_and_gives(room, name):
    value = getattr(importlib.import_module(f"keras_twist.{room}"), name)
    if not callable(value):
        modules = [m for n, m in sys.modules.items() if n.startswith(f"keras_twist.{room}.")]
        assert any(
            name in explained_assignments(ast.parse(inspect.getsource(module)))
            for module in modules
        ), "a string below the constant must say what it is"
        return
    assert "__doc__" in vars(value) or inspect.isfunction(value), "the docstring of a base class"
    found = sections(value.__doc__)
    own = not inspect.isclass(value) or value.__init__ is not ValueError.__init__
    taken = set(inspect.signature(value).parameters) if own else set()
    told = entries(found.get("Args", "")) | entries(found.get("Attributes", ""))
    told |= set(explained_fields(value)) if inspect.isclass(value) else set()
    assert taken - told == set(), "arguments without a word on them"
    if "Args" in found:
        assert entries(found["Args"]) - taken == set(), "explains what is no argument"
    assert "Example" in found
    if inspect.isfunction(value):
        assert "Returns" in found
    if inspect.isclass(value) and issubclass(value, keras.layers.Layer):
        assert {"Input shape", "Output shape"} <= set(found)
    if room in PORTED:
        assert "Reference" in found
