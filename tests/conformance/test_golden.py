"""JAX = torch = TensorFlow, in float32 within its rounding."""

import numpy as np
import pytest

from ..tools import to_numpy
from .golden import GOLDEN, cases


@pytest.mark.parametrize("case", cases())
def test_every_backend_computes_the_stored_values(case):
    expected = GOLDEN[case]
    found = to_numpy(cases()[case]("float32"))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
