"""Batches made on demand: which ones `fit` asks for, and none that there is not."""

import pytest

from keras_twist.data.made_batches import MadeBatches, MadeEpochs


@pytest.mark.parametrize("looks", [False, True])
def test_training_begins_with_the_first_epoch_whether_or_not_keras_has_looked(looks):
    batches = MadeEpochs(lambda step: step, 2)
    if looks:  # To build a model, as Keras does on JAX.
        batches.on_epoch_begin()
        assert batches[0] == 0
        batches.on_epoch_end()
    for epoch in range(3):
        batches.on_epoch_begin()
        assert [batches[1], batches[0]] == [2 * epoch, 2 * epoch + 1]
        batches.on_epoch_end()


@pytest.mark.parametrize("number", [-1, 3])
@pytest.mark.parametrize("kind", [MadeBatches, MadeEpochs])
def test_a_batch_that_is_not_there_is_an_error(kind, number):
    with pytest.raises(IndexError):
        kind(lambda step: step, 3)[number]
    with pytest.raises(IndexError):
        MadeBatches(lambda step: step)[-1]
