"""Experiments as dataclasses, and the code that runs them."""
