"""Pure tensor functions in `keras.ops`: they hold no state and draw nothing."""
