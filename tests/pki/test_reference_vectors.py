"""The reference vectors beside the project, judged as expected; left out where they are absent."""

from __future__ import annotations

import pytest

from .score import VECTORS, score

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not VECTORS.exists(), reason=f"no reference vectors at {VECTORS}"),
]


def test_every_record_is_judged_as_expected() -> None:
    result = score()
    assert result.wrong == []
    assert sum(count["right"] for count in result.counts.values()) >= 265
    assert [kind for kind, count in result.counts.items() if count["waiting"]] == []
