"""Nothing public without a row, and no row without its thing."""

import pytest

from .golden import GOLDEN, cases
from .table import PUBLIC


def public_names(module):
    """Classes and functions of this package that a module offers."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("keras_twist")
    }


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_everything_public_has_a_row(module):
    table, exempt = PUBLIC[module]
    rows = {row.split("-")[0] for row in table}
    assert rows | set(exempt) == public_names(module)
    assert not rows & set(exempt)


def test_the_stored_values_are_those_of_the_rows():
    assert set(GOLDEN.files) == set(cases()), "run `python -m tests.conformance.golden`"
