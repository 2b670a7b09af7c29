"""Short sessions with one step or a few, in memory and over real sockets with TLS."""

from __future__ import annotations

from typing import Any

from iso15118.loopback import LoopbackSpec
from iso15118.scenario import Expect, Outcome, Scenario, Step, run_scenario

TRANSPORTS = ("memory", "tcp")


def session(transport: str = "memory", **more: Any) -> LoopbackSpec:
    """A car that charges for a minute or so."""
    return LoopbackSpec(
        transport=transport, **{"battery_kwh": 50.0, "soc_start": 20.0, "soc_target": 30.0, **more}
    )


def told(*steps: Step, transport: str = "memory", expect: Expect | None = None, **more: Any) -> Outcome:
    """What came of these steps."""
    scenario = Scenario(
        name="a test", session=session(transport, **more), steps=steps, expect=expect or Expect()
    )
    return run_scenario(scenario)


def ends(outcome: Outcome) -> dict[str, str]:
    """The reasons, by role."""
    return {role: end.reason for role, end in outcome.ends.items()}
