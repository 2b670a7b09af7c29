"""What a station tells of voltage and current is compared with what is measured about once a second, in every
edition.

More often would cost time in every turn, and less often find a broken meter late.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.evcc import station as of_iso20
from tests.evcc.din import station as of_din
from tests.evcc.iso2 import station as of_iso2


@pytest.mark.parametrize(
    ("kind", "state", "every"),
    [
        (of_iso20.Host, "DC_ChargeLoop", 4),
        (of_iso2.Host, "CurrentDemand", 8),
        (of_din.Host, "CurrentDemand", 8),
    ],
    ids=["ISO 15118-20", "ISO 15118-2", "DIN 70121"],
)
def test_what_is_told_is_compared_every_few_turns(
    kind: Any, state: str, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = kind().to(state)
    talk = host.session._talk
    told: list[tuple[int, float, float]] = []
    turn = 0
    monkeypatch.setattr(talk, "reported", lambda volts, amperes: told.append((turn, volts, amperes)))
    host.measure(host_volts := talk.battery.voltage_v)
    while turn < 3 * every:
        if host.waiting:
            assert host.session.state == state
            turn += 1
        host.step()
    assert [at for at, _, _ in told] == [every, 2 * every, 3 * every]
    assert {volts for _, volts, _ in told} == {host_volts}
