"""Sessions with peers of other habits, a seeded part of those that ``python -m
tests.pair.coupling_contrary`` runs."""

from __future__ import annotations

import pytest

from iso15118.testing.contrary_coupling import _CHANGES
from tests.pair.coupling_contrary import FAMILIES, pair_of, run

SEEDS = range(16)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_session_with_a_contrary_peer_does_harm(family: str, seed: int) -> None:
    assert run(family, seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_peers_of_the_seeded_part_are_contrary(family: str) -> None:
    changed = 0
    for seed in SEEDS:
        pair, meddler = pair_of(family, seed)
        pair.run(max_s=4000.0, until=lambda pair=pair: pair.now > 60.0)  # type: ignore[misc]
        changed += meddler.changed
    assert changed > len(SEEDS)


def test_every_message_of_both_families_can_be_changed() -> None:
    from iso15118.messages.iso20 import acdp, wpt

    of_both = {
        getattr(module, name)
        for module in (acdp, wpt)
        for name in module.__all__
        if name.endswith(("Req", "Res"))
    }
    assert set(_CHANGES) == of_both
