"""A few fresh messages of every set through our codec and through EXIficient; ``python -m
tests.interop.exificient`` does more.

Left out where the peer's environment is not there: the interop runs install it, the tests do not.
"""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from iso15118 import exi
from tests.interop.exificient import BUILT_IN, EMPTY, SAME, Exificient, samples, try_one
from tests.interop.peer import CACHE

READY = CACHE / "venv" / "ready"


@pytest.mark.skipif(shutil.which("javac") is None, reason="no Java compiler (javac) to drive EXIficient with")
@pytest.mark.skipif(
    not READY.exists(), reason=f"no {READY}: python -m tests.interop.exificient makes the peer's environment"
)
def test_fresh_messages_have_the_same_octets_in_both_codecs() -> None:
    counts: Counter[str] = Counter()
    tried = set()
    with Exificient(CACHE) as peer:
        for sample in samples(15118, 150):
            tried.add(sample.schema)
            # Its own grammars are at hand sooner than those it makes of a schema, which two sets need.
            kind = "built-in" if sample.schema in BUILT_IN else "schema"
            verdict = try_one(peer, kind, sample)
            assert verdict in (SAME, EMPTY), sample
            counts[verdict] += 1
    assert tried == {*exi.SCHEMAS}
    assert counts[SAME] > 75
