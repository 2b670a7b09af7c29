"""Ends that can be told: a scenario says what is done to a station or a vehicle,
when, and what has to come of it.

``run_scenario(read(path))`` runs a file on the loopback; ``iso15118 scenario`` and ``--scenario`` of ``secc``
and ``evcc`` are thin layers above.
"""

from __future__ import annotations

from iso15118.scenario.director import Director, StepResult
from iso15118.scenario.model import Expect, Scenario, Step, When, read
from iso15118.scenario.run import End, Outcome, Verdict, judge, run_scenario

__all__ = [
    "Director",
    "End",
    "Expect",
    "Outcome",
    "Scenario",
    "Step",
    "StepResult",
    "Verdict",
    "When",
    "judge",
    "read",
    "run_scenario",
]
