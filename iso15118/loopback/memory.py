"""A run in memory: messages as bytes between both sessions, under a virtual clock,
watched by the safety monitor."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from iso15118.connector import Phase
from iso15118.errors import ConfigError, LinkError, MisuseError
from iso15118.link.primitives import WakeUp
from iso15118.loopback.cable import cable_of, links_of
from iso15118.loopback.cost import CostWatch, RunCost
from iso15118.loopback.midway import Midway
from iso15118.loopback.recording import SessionFolder
from iso15118.loopback.rig import Rig, evcc_config, secc_config
from iso15118.loopback.spec import LoopbackSpec
from iso15118.loopback.summary import LoopbackSummary, summarize
from iso15118.session.actions import EndReason, Notify, SessionEnded
from iso15118.testing import Pair
from iso15118.testing.pair import EPOCH
from iso15118.testing.plugged import PluggedPair

if TYPE_CHECKING:
    from iso15118.loopback.contracts import BothContracts

__all__ = ["OnMessage", "OnPair", "OnState", "Progress", "new_pair", "run_in_memory"]

Progress = Callable[[float], None]
"""Told the state of charge in percent now and then."""
OnMessage = Callable[[str, object, float], None]
"""Told every message: sender ("secc" or "evcc"), message, protocol clock in s."""
OnState = Callable[[str, str, float], None]
"""Told every state entered: role ("secc" or "evcc"), state, protocol clock in s."""
OnPair = Callable[[Rig, Pair], None]
"""Given the hardware and a pair of sessions before it begins."""

_REPORT_EVERY = 2000  # steps; a step takes well under a millisecond
_SLOWER_THAN_EXPECTED = 4.0
_SWITCHED_ON_S = 1.0
"""The station has been on for so long when a vehicle comes: its modem has a key."""
_UNPLUGGED_S = 1.0
"""What follows the plug is over by then."""


def run_in_memory(
    order: LoopbackSpec,
    *,
    progress: Progress | None = None,
    watch: OnMessage | None = None,
    folder: SessionFolder | None = None,
    on_pair: OnPair | None = None,
    on_state: OnState | None = None,
) -> LoopbackSummary:
    """Run ``order`` to its end; ``folder`` gets states and bytes, ``on_pair`` each pair
    of sessions before it begins.

    Raises ``SafetyViolation`` if either side does what it must never do, ``LinkError``
    if no session came about."""
    began = time.monotonic()
    plant = Rig.build(order, contracts=_contracts(order))
    run = _Run(order, plant, progress, watch, folder, on_pair, on_state)
    first = None
    if order.link != "none":
        first, pair = run.plugged()
    else:
        pair = run.unplugged()
        if order.pause is not None and run.paused(pair):
            first, pair = pair, run.resumed(pair, order.pause * 60.0)
    late = SessionEnded(EndReason.TIMEOUT, f"no end after {run.at_most_s:.0f} s of the virtual clock")
    energy_at = (first or pair).first_energy_at
    return summarize(
        plant,
        pair.secc.ended or late,
        pair.evcc.ended or late,
        edition=pair.secc.edition,
        tls=None,
        exchanges=pair.exchanges + (0 if first is None else first.exchanges),
        charge_loops=pair.loops + (0 if first is None else first.loops),
        transfer_s=pair.transfer_s + (0.0 if first is None else first.transfer_s),
        session_s=run.ended_at - (first or pair).begun_at,
        link_s=run.link_s,
        setup_s=None if energy_at is None else energy_at - run.begun_at,
        wall_s=time.monotonic() - began,
        secc_states=[*([] if first is None else first.secc.states), *pair.secc.states],
        evcc_states=[*([] if first is None else first.evcc.states), *pair.evcc.states],
        safe=run.safe,
        emaid=pair.secc.emaid,
        contracts_installed=pair.evcc.installed + (0 if first is None else first.evcc.installed),
        paused_s=run.paused_s,
        cost=run.cost(pair),
        parts=[pair.exchanges] if first is None else [first.exchanges, pair.exchanges],
        midway=run.midway,
    )


def new_pair(order: LoopbackSpec, *, folder: SessionFolder | None = None) -> Pair:
    """The two sessions of ``order`` and their hardware, not begun: to be driven by a test. Raises
    ``ConfigError`` for an order with a plug or a pause."""
    for key, absent in (("link", "none"), ("pause", None)):
        if getattr(order, key) != absent:
            raise ConfigError(key, "is of no use to a pair that is driven by hand", "leave it out")
    return _Run(order, Rig.build(order, contracts=_contracts(order)), None, None, folder, None, None).pair()


class _Run:
    """One run, with a plug or without, and the times that it took on the virtual clock."""

    def __init__(
        self,
        order: LoopbackSpec,
        plant: Rig,
        progress: Progress | None,
        watch: OnMessage | None,
        folder: SessionFolder | None,
        on_pair: OnPair | None,
        on_state: OnState | None,
    ) -> None:
        self._on_pair = on_pair
        # Without TLS both sides have to be told that plaintext is allowed; otherwise they
        # are told that TLS 1.3 holds.
        secure = order.tls is not False and order.speaks_tls
        self._both = (
            secc_config(order, allow_plaintext=order.allows_plaintext),
            evcc_config(order, allow_plaintext=order.allows_plaintext),
            plant.station,
            plant.vehicle,
        )
        self._seen: dict[str, Any] = {
            "secure": secure,
            # TLS 1.3 is what two sides agree on of whom each speaks ISO 15118-20.
            "tls_version": "TLSv1.3" if order.speaks_iso20 else "TLSv1.2",
            "on_message": watch,
            "on_state": on_state,
            "on_news": self._heard,
        }
        self._order, self._plant, self._progress, self._folder = order, plant, progress, folder
        self._costs = None if order.schedule is None else CostWatch(plant)
        self._steps = 0
        self._tapped: list[Pair] = []
        self.paused_s: float | None = None
        self.midway = Midway(order)
        self.at_most_s = 600.0 + _SLOWER_THAN_EXPECTED * order.expected_s + 60.0 * (order.standby or 0.0)
        self.begun_at = self.ended_at = 0.0
        self.link_s: float | None = None
        self._rested_from = 0.0
        self.safe = True

    def pair(self) -> Pair:
        """Only the two sessions, not begun."""
        pair = Pair(*self._both, **self._seen)
        self._tapped.append(pair)
        self._tap(pair)
        return pair

    def unplugged(self) -> Pair:
        """Only the two sessions, joined from the start."""
        pair = Pair(*self._both, **self._seen)
        battery, midway = self._plant.vehicle.battery, self.midway
        while not midway.over and not pair.done:
            self._run(pair, lambda: midway.due(battery.soc, pair.now))
            if pair.done or pair.secc.edition == "din" or pair.now > pair.begun_at + self.at_most_s:
                break
            midway.look(battery.soc, pair.now, pair.tell_evcc)
        self._run(pair)
        return pair

    def _heard(self, role: str, news: Notify, now: float) -> None:
        if role == "evcc":
            self.midway.hear(news, now)

    def _run(self, pair: Pair, until: Callable[[], bool] = lambda: False) -> None:
        if pair not in self._tapped:
            self._tapped.append(pair)
            self._tap(pair)

        def enough() -> bool:
            self._report()
            if self._costs is not None:
                self._costs.look(pair.now)
            return until() or pair.now > pair.begun_at + self.at_most_s

        pair.run(until=enough, max_s=pair.begun_at + 2.0 * self.at_most_s, max_steps=1_000_000_000)
        self.ended_at = pair.now

    def paused(self, pair: Pair) -> bool:
        """Both sides have what lets them go on."""
        return pair.secc.ticket is not None and pair.evcc.ticket is not None

    def resumed(self, first: Pair, after_s: float) -> Pair:
        """The session that goes on with the tickets of the one before, so many seconds later."""
        if first.secc.ticket is None:
            raise MisuseError("the session was not paused")
        self.paused_s = after_s
        now = first.now + after_s
        pair = Pair(*self._both, **self._seen, now=now, paused=(first.secc.ticket,), resume=first.evcc.ticket)
        self._run(pair)
        return pair

    def plugged(self) -> tuple[Pair | None, Pair]:
        """From plug-in to unplug: the sessions before a pause, and those after it, or all there are."""
        order = self._order
        circuit, station, vehicle = self._plant.wired()
        secc, evcc, _, _ = self._both
        rig = PluggedPair(
            secc,
            evcc,
            station,
            vehicle,
            partial(cable_of, order, circuit),
            links_of(order),
            on_pair=self._tap,
            **self._seen,
        )
        rig.run(_SWITCHED_ON_S)
        self.begun_at = rig.now
        rig.plug_in()

        def over() -> bool:
            self._report()
            if self._costs is not None:
                self._costs.look(rig.now)
            return rig.phases() == (Phase.FINISHED, Phase.FINISHED)

        first = self._pause(rig, over) if order.pause is not None else None
        rig.run(self.at_most_s, over)
        pair = rig.pair
        if pair is None:
            raise LinkError(f"no session came about: {', '.join(phase.value for phase in rig.phases())}")
        self.ended_at = max(side.over_at or rig.now for side in rig.sides)
        if first is None:
            self.link_s = rig.linked_s
        elif pair is not first:
            self.paused_s = pair.begun_at - self._rested_from
        rig.unplug()
        rig.run(_UNPLUGGED_S)
        self.safe = rig.safe and rig.phases() == (Phase.UNPLUGGED, Phase.UNPLUGGED)
        return (None, pair) if pair is first else (first, pair)

    def _pause(self, rig: PluggedPair, over: Callable[[], bool]) -> Pair | None:
        """In mid-charge both rest with the link asleep, until the vehicle wakes the station up; the sessions
        until then, None if there is no pause."""
        battery, midway = self._plant.vehicle.battery, self.midway
        ended = rig.run(
            self.at_most_s, lambda: over() or (rig.pair is not None and midway.due(battery.soc, rig.now))
        )
        first = rig.pair
        if not ended or first is None or first.secc.edition == "din" or not midway.due(battery.soc, rig.now):
            return None
        midway.look(battery.soc, rig.now, first.tell_evcc)
        rig.run(self.at_most_s, lambda: over() or rig.phases() == (Phase.PAUSED, Phase.PAUSED))
        self.link_s = rig.linked_s
        if rig.phases() != (Phase.PAUSED, Phase.PAUSED) or not self.paused(first):
            return None
        self._rested_from = max(side.over_at or rig.now for side in rig.sides)
        rig.run((self._order.pause or 0.0) * 60.0)
        rig.tell(rig.evcc, WakeUp())
        return first

    def cost(self, pair: Pair) -> RunCost | None:
        """What the run cost, if there were schedules with prices."""
        if self._costs is None:
            return None
        self._costs.look(self.ended_at, last=True)
        return self._costs.result(pair.evcc.schedule, self._order.choice, pair.secc.edition)

    def _report(self) -> None:
        self._steps += 1
        if self._progress is not None and self._steps % _REPORT_EVERY == 0:
            self._progress(self._plant.vehicle.battery.soc)

    def _tap(self, pair: Pair) -> None:
        if self._on_pair is not None:
            self._on_pair(self._plant, pair)
        if self._folder is not None:
            pair.record(self._folder)


def _contracts(order: LoopbackSpec) -> BothContracts | None:
    """Certificates of the virtual clock's day; what a run without contracts has no need of is not loaded."""
    if order.auth != "pnc":
        return None
    from iso15118.loopback.contracts import contracts_of
    from iso15118.pki import issue_test_pki

    day = datetime.fromtimestamp(EPOCH, UTC)
    both = issue_test_pki(at=day), issue_test_pki("iso2", "p256", at=day)
    return contracts_of(*both, install=order.install_contract, clock=lambda: day)
