"""Keras layers: twist, attention, blur pooling and per-image augmentation."""
