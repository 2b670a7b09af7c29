"""A run in memory: messages as bytes between both sessions, under a virtual clock, watched by the safety monitor."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from iso15118.loopback.order import LoopbackOrder
from iso15118.loopback.plant import Plant, evcc_config, secc_config
from iso15118.loopback.recording import SessionFolder
from iso15118.loopback.summary import LoopbackSummary, summarize
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.testing import Pair
from iso15118.testing.pair import EPOCH

if TYPE_CHECKING:
    from iso15118.loopback.contracts import BothContracts

__all__ = ["Progress", "Watch", "run_in_memory"]

Progress = Callable[[float], None]
"""Told the state of charge in percent now and then."""
Watch = Callable[[str, object, float], None]
"""Told every message: sender ("secc" or "evcc"), message, protocol clock in s."""

_REPORT_EVERY = 2000  # steps; a step takes well under a millisecond
_SLOWER_THAN_EXPECTED = 4.0


def run_in_memory(
    order: LoopbackOrder,
    *,
    progress: Progress | None = None,
    watch: Watch | None = None,
    folder: SessionFolder | None = None,
) -> LoopbackSummary:
    """Run ``order`` to its end; ``folder`` gets states and bytes. Raises ``SafetyViolation`` if either side does what it must never do."""
    began = time.monotonic()
    plant = Plant.build(order, contracts=_contracts(order))
    # Without TLS both sides have to be told that plaintext is allowed; otherwise they are told that TLS 1.3 holds.
    secure = order.tls is not False
    pair = Pair(
        secc_config(order, allow_plaintext=not secure),
        evcc_config(order, allow_plaintext=not secure),
        plant.station,
        plant.vehicle,
        secure=secure,
        on_message=watch,
        on_state=None if folder is None else folder.state,
    )
    if folder is not None:
        pair.to_secc.tap = partial(folder.link, True)
        pair.to_evcc.tap = partial(folder.link, False)
    at_most_s = 600.0 + _SLOWER_THAN_EXPECTED * order.expected_s
    steps = 0

    def enough() -> bool:
        nonlocal steps
        steps += 1
        if progress is not None and steps % _REPORT_EVERY == 0:
            progress(plant.vehicle.battery.soc)
        return pair.now > at_most_s

    pair.run(until=enough, max_s=2.0 * at_most_s, max_steps=1_000_000_000)
    late = SessionEnded(EndReason.TIMEOUT, f"no end after {at_most_s:.0f} s of the virtual clock")
    return summarize(
        plant,
        pair.secc.ended or late,
        pair.evcc.ended or late,
        tls=None,
        exchanges=pair.exchanges,
        charge_loops=pair.loops,
        transfer_s=pair.transfer_s,
        session_s=pair.now,
        wall_s=time.monotonic() - began,
        secc_states=pair.secc.states,
        evcc_states=pair.evcc.states,
        emaid=pair.secc.emaid,
        contracts_installed=pair.evcc.installed,
    )


def _contracts(order: LoopbackOrder) -> BothContracts | None:
    """Certificates of the virtual clock's day; what a run without contracts has no need of is not loaded."""
    if order.auth != "pnc":
        return None
    from iso15118.loopback.contracts import contracts_of
    from iso15118.pki import issue_test_pki

    day = datetime.fromtimestamp(EPOCH, UTC)
    return contracts_of(issue_test_pki(at=day), install=order.install_contract, clock=lambda: day)
