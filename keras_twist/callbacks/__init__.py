"""Keras callbacks: learning-rate policies, timing and reporting."""
