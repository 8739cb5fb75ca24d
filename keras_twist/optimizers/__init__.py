"""Optimizers that stay right under everything Keras 3 does."""
