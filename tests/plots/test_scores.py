"""Numbers from predictions, against what can be counted by hand."""

import numpy as np
import pytest

from keras_twist import plots
from keras_twist.plots.scores import class_table, confusion_matrix

RNG = np.random.default_rng(0)


def test_logits_become_probabilities_and_probabilities_stay():
    logits = RNG.normal(size=(50, 7)) * 30
    shares = plots.probabilities(logits)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares, plots.probabilities(logits - 1000), atol=1e-9)
    np.testing.assert_array_equal(shares, plots.probabilities(shares))
    half = plots.probabilities(shares.astype("float16"))
    np.testing.assert_allclose(half, shares, atol=1e-3)


@pytest.mark.parametrize("scores", [[1.0, 2.0], [[np.nan, 1.0]], np.zeros((2, 0))])
def test_other_scores_are_refused(scores):
    with pytest.raises(ValueError, match="`scores` must be an array of shape"):
        plots.probabilities(scores)


def test_the_most_confident_mistake_comes_first_and_ties_keep_their_order():
    scores = np.array([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])
    assert list(plots.most_confidently_wrong([0, 0, 0, 0, 1], scores)) == [2, 0, 3]
    assert list(plots.most_confidently_wrong([0, 0, 0, 0, 1], scores, count=1)) == [2]
    assert len(plots.most_confidently_wrong([1, 0, 1, 1, 1], scores)) == 0
    with pytest.raises(ValueError, match="`count` must be an integer >= 1. Received: count=-1"):
        plots.most_confidently_wrong([0, 0, 0, 0, 1], scores, count=-1)


def test_a_confusion_matrix_counts_pairs():
    labels, predictions = RNG.integers(0, 5, (2, 300))
    counts = plots.confusion_matrix(labels, predictions, 6)
    for true in range(6):
        for predicted in range(6):
            expected = np.sum((labels == true) & (predictions == predicted))
            assert counts[true, predicted] == expected


def test_a_table_of_classes():
    cat, dog, none = plots.class_table([0, 0, 0, 1], [0, 1, 1, 1], ["cat", "dog", "none"])
    assert cat == {
        "class": "cat",
        "images": 3,
        "correct": 1,
        "accuracy": pytest.approx(1 / 3),
        "precision": 1.0,
        "confused_with": "dog",
    }
    assert dog["accuracy"] == 1 and dog["precision"] == pytest.approx(1 / 3)
    assert none["accuracy"] is none["precision"] is none["confused_with"] is None


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 2], r"`labels` must lie in \[0, 2\). Received: labels from 0 to 2"),
        ([0.0, 1.0], "`labels` must be integers"),
        ([[0, 1]], r"`labels` must be integers of shape \(n,\)"),
        ([0], "`labels` and `predictions` must have the same length. Received: labels of 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        plots.confusion_matrix(labels, [0, 1], 2)


def test_a_table_of_very_many_classes_needs_no_matrix():
    labels = np.arange(100_000)
    table = class_table(labels, np.roll(labels, 1), labels)
    assert len(table) == 100_000 and table[7]["confused_with"] == "6"


@pytest.mark.parametrize("classes", [2, 5])
def test_the_table_is_that_of_the_matrix(classes):
    labels, predictions = np.random.default_rng(0).integers(0, classes, (2, 60))
    matrix = confusion_matrix(labels, predictions, classes)
    for number, row in enumerate(class_table(labels, predictions, range(classes))):
        mistakes = np.where(np.arange(classes) == number, 0, matrix[number])
        assert row["correct"] == matrix[number, number]
        assert row["images"] == matrix[number].sum()
        assert row["precision"] == matrix[number, number] / matrix[:, number].sum()
        assert row["confused_with"] == str(mistakes.argmax())
