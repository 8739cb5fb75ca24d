"""Data sets and tf.data pipelines."""
