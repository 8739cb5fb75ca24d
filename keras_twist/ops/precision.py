"""The precision to calculate in."""

import keras


def at_least_float32(dtype):
    """Returns `"float64"` for that dtype and `"float32"` for all others."""
    # Not keras.backend.result_type: outside TensorFlow it makes float32 of float64.
    return "float64" if keras.backend.standardize_dtype(dtype) == "float64" else "float32"
