"""What a run with mixup does not report."""

import keras


class WithoutTrainingAccuracy(keras.callbacks.Callback):
    """Takes the accuracy on the training batches out of the logs; it goes before who reports it.

    On blended images, which have two right answers, it is no measure of anything.
    """

    def on_epoch_end(self, epoch, logs=None):
        for name in ("accuracy", "top_k_accuracy"):
            logs.pop(name, None)
