"""Texts as points, by the real encoder."""

import numpy as np
import pytest

from apo.embedding import SentenceEmbedder


def test_encoder() -> None:
    """Texts alike are near each other, points have length 1, and order is kept, also for known texts."""
    embed = SentenceEmbedder()
    cat, kitten, tax = embed(["The cat sleeps.", "A kitten is asleep.", "Taxes rose in March."])
    again = embed(["Taxes rose in March.", "The cat sleeps."])

    assert cat @ kitten > 0.5 > 0.2 > cat @ tax
    np.testing.assert_allclose([1.0, 1.0], np.linalg.norm(again, axis=1), atol=1e-6)
    np.testing.assert_array_equal([tax, cat], again)


def test_loading_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """Loading the encoder draws no bar: it would break the lines and screens of a run."""
    SentenceEmbedder()(["The cat sleeps."])

    assert ("", "") == capfd.readouterr()


def test_no_text() -> None:
    """Nothing is no point, and loads nothing."""
    assert SentenceEmbedder()([]).shape[0] == 0
