"""Run a scenario on the loopback, and judge it: pass, fail, inconclusive or error.

In memory under a virtual clock, or over real sockets with TLS, as its ``session.transport`` says.
"""

from __future__ import annotations

from enum import Enum
from functools import partial

from msgspec import Struct

from iso15118.errors import ConfigError, LinkError, TlsError, TrustError, V2GError
from iso15118.loopback import LoopbackSummary, run
from iso15118.loopback.recording import SessionFolder
from iso15118.scenario.director import Director, StepResult
from iso15118.scenario.ends import OverSockets, in_memory
from iso15118.scenario.model import Scenario
from iso15118.testing.monitor import SafetyViolation

__all__ = ["Outcome", "Verdict", "judge", "run_scenario"]


class Verdict(Enum):
    """What a scenario came to."""

    PASS = "pass"  # noqa: S105 - no password
    """All that had to come of it did."""
    FAIL = "fail"
    """Something else came of it."""
    INCONCLUSIVE = "inconclusive"
    """A step was never done, so that it says nothing about what it is for."""
    ERROR = "error"
    """There was no session to speak of: settings, the network or certificates of this side."""

    @property
    def exit_status(self) -> int:
        """0, 1, 6 and 2."""
        return {"pass": 0, "fail": 1, "inconclusive": 6, "error": 2}[self.value]


class End(Struct, frozen=True, kw_only=True):
    """How the session of one end was over."""

    reason: str
    """Name of the ``iso15118.EndReason``."""
    detail: str = ""
    rule: str = ""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a scenario."""

    name: str
    verdict: str
    """``pass``, ``fail``, ``inconclusive`` or ``error``."""
    reasons: tuple[str, ...]
    """Why it is not ``pass``."""
    requirements: tuple[str, ...]
    steps: tuple[StepResult, ...]
    ends: dict[str, End]
    """By ``secc`` and ``evcc``."""
    summary: LoopbackSummary | None = None
    """Of the run; None where there was none to its end."""

    @property
    def exit_status(self) -> int:
        """See ``Verdict.exit_status``."""
        return Verdict(self.verdict).exit_status


def run_scenario(scenario: Scenario, *, folder: SessionFolder | None = None) -> Outcome:
    """Run it; ``folder`` records the session. Raises ``ConfigError`` for a step that its ends
    cannot carry out; nothing else."""
    director = Director(scenario)
    summary: LoopbackSummary | None = None
    trouble: tuple[Verdict, str] | None = None
    memory = scenario.session.transport == "memory"
    try:
        summary = run(
            scenario.session,
            # Over tcp each end tells what it sends.
            watch=(lambda sender, message, now: director.message(message)) if memory else None,
            folder=folder,
            on_pair=partial(in_memory, director),
            on_state=lambda role, state, _: director.state(role, state),
            director=lambda plant: OverSockets(director, {"secc": plant.station, "evcc": plant.vehicle}),
        )
    except ConfigError:
        raise
    except SafetyViolation as error:
        trouble = Verdict.FAIL, f"unsafe: {error}"
    except (LinkError, TlsError, TrustError) as error:
        trouble = Verdict.ERROR, f"{type(error).__name__}: {error}"
    except (TimeoutError, RuntimeError, V2GError) as error:
        trouble = Verdict.FAIL, f"{type(error).__name__}: {error}"
    return judge(scenario, director, summary, trouble)


def judge(
    scenario: Scenario,
    director: Director,
    summary: LoopbackSummary | None = None,
    trouble: tuple[Verdict, str] | None = None,
) -> Outcome:
    """What it came to, of what ``director`` has seen; ``trouble``: what ended the run before its end."""
    director.conclude()
    reasons: list[str] = []
    verdict = Verdict.PASS
    if trouble is not None:
        verdict, reasons = trouble[0], [trouble[1]]
    if verdict is not Verdict.ERROR:
        wrong = [*_late(director), *_unexpected(scenario, director, summary)]
        undone = _undone(director)
        reasons += wrong + undone
        if wrong:
            verdict = Verdict.FAIL
        elif undone and verdict is Verdict.PASS:
            verdict = Verdict.INCONCLUSIVE
    return Outcome(
        name=scenario.name,
        verdict=verdict.value,
        reasons=tuple(reasons),
        requirements=scenario.requirements,
        steps=tuple(director.results),
        ends={
            role: End(reason=end.reason.name, detail=end.detail, rule=end.rule)
            for role, end in sorted(director.ends.items())
        },
        summary=summary,
    )


def _late(director: Director) -> list[str]:
    return [
        f"step[{one.number}] {one.do!r}: its until did not hold "
        + ("in time" if one.late else "before the session was over")
        for one in director.results
        if one.done_at is not None and one.over_at is None
    ]


def _undone(director: Director) -> list[str]:
    undone = [one for one in director.results if one.done_at is None]
    return [f"step[{one.number}] {one.do!r} was never done: its when did not hold" for one in undone] + [
        f"{side}: the fault {fault.kind.value!r} befell no {fault.message or 'message'}"
        for side, fault in director.idle_faults
    ]


def _unexpected(scenario: Scenario, director: Director, summary: LoopbackSummary | None) -> list[str]:
    expect = scenario.expect
    wrong = []
    for side in ("secc", "evcc"):
        wanted, end = getattr(expect, side), director.ends.get(side)
        if wanted and (end is None or end.reason.name not in wanted):
            said = "did not end" if end is None else f"ended with {end.reason.name} ({end.detail})"
            wrong.append(f"{side} {said}, expected {' or '.join(wanted)}")
    wrong += [f"{name} was never sent" for name in expect.messages if not director.messages[name]]
    wrong += [f"{name} was sent" for name in expect.never if director.messages[name]]
    if expect.soc is not None and (director.soc is None or director.soc < expect.soc):
        wrong.append(f"the battery is at {director.soc} %, expected {expect.soc:g} % at least")
    if expect.most_power_kw is not None and director.most_power_w > 1000.0 * expect.most_power_kw:
        wrong.append(
            f"{director.most_power_w / 1000.0:.1f} kW flowed, expected {expect.most_power_kw:g} at most"
        )
    if summary is not None:
        if expect.edition is not None and summary.edition != expect.edition:
            wrong.append(f"{summary.edition or 'nothing'} was spoken, expected {expect.edition}")
        # Safety is judged whatever was expected.
        hardware = summary.hardware
        misused = any(step.do == "call" for step in scenario.steps)  # hardware that was told not to obey
        for what, count in (
            ("limits of the station", hardware.beyond_station_limits),
            ("limits of the vehicle", hardware.beyond_vehicle_limits),
        ):
            if count and not misused:
                wrong.append(f"unsafe: {what} were exceeded in {count} steps of the simulation")
        if hardware.inrushes:
            wrong.append("unsafe: contactors closed over a voltage")
    return wrong
