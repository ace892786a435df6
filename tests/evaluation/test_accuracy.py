"""Accuracy, recall and confusion against scikit-learn, for whatever predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples
from faceshield.evaluation.accuracy import accuracy, class_accuracy, confusion, evaluate

CLASSES = 5
PAIRS = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


@given(PAIRS)
def test_agrees_with_scikit_learn(pairs):
    labels, guess = torch.tensor(pairs).T
    every = range(CLASSES)
    assert accuracy(guess, labels) == pytest.approx(accuracy_score(labels, guess), abs=1e-12)
    assert confusion(guess, labels, CLASSES).tolist() == confusion_matrix(labels, guess, labels=every).tolist()
    recall = recall_score(labels, guess, labels=every, average=None, zero_division=np.nan)
    np.testing.assert_allclose(class_accuracy(guess, labels, CLASSES).numpy(), recall, atol=1e-12)


def test_evaluate_puts_them_together():
    images = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, 3, 2, 2)
    data = Examples(images, torch.tensor([0, 1, 1, 0, 1, 1]), tuple("abcdef"), ("even", "odd", "none"))
    scores = evaluate(lambda pixels: pixels[:, 0, 0, 0].long() % 2, data)
    assert scores.accuracy == pytest.approx(3 / 6)
    assert scores.confusion.tolist() == [[1, 1, 0], [2, 2, 0], [0, 0, 0]]
    assert scores.class_accuracy[:2].tolist() == [0.5, 0.5]
    assert scores.class_accuracy[2].isnan()


def test_what_cannot_be_compared():
    with pytest.raises(UsageError, match=r"predictions \(3,\) and labels \(2,\)"):
        accuracy(torch.zeros(3), torch.zeros(2))
    with pytest.raises(UsageError, match=r"predictions \(2, 1\)"):
        confusion(torch.zeros(2, 1), torch.zeros(2, 1), 2)
    with pytest.raises(UsageError, match="no examples"):
        accuracy(torch.zeros(0), torch.zeros(0))


@pytest.mark.parametrize(("guess", "labels", "words"), [([0, 3], [0, 1], "predicted"), ([0, 1], [-1, 1], "true")])
def test_values_that_are_no_class(guess, labels, words):
    with pytest.raises(UsageError, match=f"{words} classes reach from .* expected 0 to 2"):
        confusion(torch.tensor(guess), torch.tensor(labels), 3)
