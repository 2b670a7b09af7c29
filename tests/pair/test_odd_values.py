"""A seeded part of ``tests.pair.odd_values`` and ``odd_settings``: what is legal and nobody expects, in
every family and edition."""

from __future__ import annotations

import pytest

from tests.pair.odd_settings import run as run_odd_settings
from tests.pair.odd_values import MAKERS, OddSender, run


@pytest.mark.parametrize("name", list(MAKERS))
def test_odd_values_are_refused_or_borne(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    senders: list[OddSender] = []
    made = OddSender.__init__

    def keep(self: OddSender, seed: int, link: object) -> None:
        made(self, seed, link)
        senders.append(self)

    monkeypatch.setattr(OddSender, "__init__", keep)
    for seed in range(8):
        run(seed, name)
    assert sum(sender.changed for sender in senders) >= 8


@pytest.mark.parametrize("name", list(MAKERS))
def test_odd_settings_are_refused_or_end_in_order(name: str) -> None:
    ends = [run_odd_settings(seed, name) for seed in range(4)]
    assert set(ends) != {"refused"}
