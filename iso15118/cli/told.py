"""``--scenario`` of ``secc`` and ``evcc``: one end is told what to do, whoever is at the other one.

The steps for the other end are left out: it is not ours. What has to come of it is judged as far
as it can be seen from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from iso15118.cli.terminal import echo, print_json
from iso15118.errors import ConfigError
from iso15118.printable import escaped

if TYPE_CHECKING:
    from iso15118.scenario import Outcome
    from iso15118.scenario.ends import OverSockets
    from iso15118.scenario.hands import Hardware

__all__ = ["ToldEnd", "outcome_lines"]


class ToldEnd:
    """The steps of ``path`` for ``role``, whose simulated hardware is ``hardware``.

    Raises ``ConfigError`` for a file that is wrong, and where there is a plug between the program and
    its connections (``linked``).
    """

    def __init__(self, path: Path, role: str, hardware: Hardware, *, linked: bool) -> None:
        # Loaded where it is asked for: a station that is told nothing starts without it.
        from iso15118.scenario import Director, read
        from iso15118.scenario.ends import OverSockets

        if linked:
            raise ConfigError(
                "--scenario", "drives a program without a plug only", 'link.signalling = "none" in the file'
            )
        self.scenario = read(path).of(role)
        self._director = Director(self.scenario)
        self.ends: OverSockets = OverSockets(self._director, {role: hardware})

    def judged(self, *, as_json: bool) -> int:
        """Print what came of it; the exit status."""
        from iso15118.scenario import judge

        outcome = judge(self.scenario, self._director)
        if as_json:
            print_json(outcome)
        else:
            for line in outcome_lines(outcome):
                echo(line)
        return outcome.exit_status


def outcome_lines(outcome: Outcome) -> list[str]:
    """What came of a scenario, for people."""
    lines = [
        escaped(f"{outcome.verdict}: {outcome.name}"),
        *(escaped(f"  {reason}") for reason in outcome.reasons),
    ]
    for step in outcome.steps:
        when = "not done" if step.done_at is None else f"done after {step.done_at:g} s"
        over = (
            "" if step.over_at is None or step.over_at == step.done_at else f", over after {step.over_at:g} s"
        )
        lines.append(f"  step[{step.number}] {step.do} ({step.side}): {when}{over}")
    for role, end in outcome.ends.items():
        lines.append(escaped(f"  {role} ended: {end.reason}" + (f" ({end.detail})" if end.detail else "")))
    return lines
