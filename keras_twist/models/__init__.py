"""Functions that build `keras.Model`s with float32 logits."""
