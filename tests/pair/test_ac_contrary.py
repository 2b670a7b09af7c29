"""AC sessions with peers of other habits, a seeded part of those that ``python -m tests.pair.ac_contrary``
runs."""

from __future__ import annotations

import pytest

from iso15118.messages.iso20 import ac
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcBounds, ChargerBounds
from iso15118.testing.contrary_ac import CHANGES, AcMeddler
from tests.pair.ac_contrary import ContraryError, Judge, pair_of, run

SEEDS = range(24)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_session_with_a_contrary_peer_does_harm(seed: int) -> None:
    assert run(seed)


def test_the_peers_of_the_seeded_part_are_contrary_and_ours_is_judged() -> None:
    changed: list[type] = []
    looked = 0
    for seed in SEEDS:
        pair, meddler, judge = pair_of(seed)
        pair.run(max_s=4000.0, until=lambda pair=pair: pair.now > 20.0)  # type: ignore[misc]
        changed += meddler.changed
        looked += judge.looked
    assert len(changed) > len(SEEDS)
    assert len(set(changed)) > 6
    assert looked > 3 * len(SEEDS)


def test_every_message_of_ac_can_be_changed() -> None:
    of_ac = {
        getattr(ac, name) for name in ac.__all__ if name.endswith(("Req", "Res")) and name.startswith("AC")
    }
    assert of_ac <= set(CHANGES)
    assert len(of_ac) == 4
    meddlers = [AcMeddler("evcc", seed) for seed in (1, 1)]
    assert meddlers[0].role == meddlers[1].role


def test_the_judge_finds_power_beyond_what_the_peer_said() -> None:
    pair, _, _ = pair_of(1)
    pair.run(until=lambda: pair.loops > 2)
    judge = Judge(1, "secc")
    too_much = act.SetAcPower(AcBounds(phases=1, charge_w=(5000.0, 0.0, 0.0)))
    with pytest.raises(ContraryError, match="of charge where the peer said"):
        judge.look(ev.PauseRequested(""), [too_much])
    back = act.SetCharger(ChargerBounds(phases=1, power_w=(-5000.0, 0.0, 0.0), current_a=(30.0, 0.0, 0.0)))
    with pytest.raises(ContraryError, match="of discharge where the peer said"):
        Judge(2, "evcc").look(None, [back])
