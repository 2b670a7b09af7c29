"""Resident memory of a process in which both ends have run sessions: a process of its own, so
that nothing else counts."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .figure import Figure, Scale

__all__ = ["run"]


def run(scale: Scale) -> Iterator[Figure]:
    """Memory after the sessions, and how much they have added to what the imports took."""
    command = [sys.executable, "-m", "benchmarks.resident", str(scale.sessions)]
    done = subprocess.run(  # noqa: S603 - this file, in this interpreter
        command, check=True, capture_output=True, cwd=Path(__file__).parent.parent
    )
    before, after, peak = (float(value) for value in done.stdout.split())
    yield Figure(
        figure="resident-memory",
        case="both ends in one process, after sessions over TLS",
        value=after,
        unit="MB",
        aim=80.0,
        details={"before_sessions_MB": before, "peak_MB": peak, "sessions": scale.sessions + 1},
    )


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _sessions(count: int) -> None:
    # Imported here, so that the parent measures nothing and loads nothing.
    from .ends import Trust
    from .network import session_costs

    trust = Trust.make()
    before = _resident_mb()
    asyncio.run(session_costs(trust, count))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(before, _resident_mb(), peak)


if __name__ == "__main__":
    _sessions(int(sys.argv[1]))
