"""On a terminal: a progress bar on stderr and colours, unless NO_COLOR says
otherwise; nothing of it elsewhere."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from typing import NamedTuple

import pytest

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


class Seen(NamedTuple):
    stdout: str
    stderr: str


def on_a_terminal(*options: str, stream: str, **environment: str) -> Seen:
    """Run with ``stream`` on a terminal of its own and the other one on a pipe."""
    ours, theirs = pty.openpty()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: theirs}
    inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "iso15118", "loopback", "--transport", "memory", *options],
        env={**inherited, "TERM": "xterm-256color", **environment},
        **streams,  # type: ignore[call-overload]
    ) as running:
        os.close(theirs)
        shown = b""
        while True:
            # Another process may hold the terminal open, if one was forked in this
            # moment: then its end is never seen.
            ended = running.poll() is not None
            if not select.select([ours], [], [], 0.1)[0]:
                if ended:
                    break
                continue
            try:
                piece = os.read(ours, 4096)
            except OSError:  # how a terminal ends on Linux
                break
            if not piece:
                break
            shown += piece
        out, err = running.communicate(timeout=120.0)
        assert running.returncode == 0
    os.close(ours)
    seen = {"stdout": out, "stderr": err, stream: shown}
    return Seen(*((seen[name] or b"").decode() for name in ("stdout", "stderr")))


def test_progress_is_shown_on_a_terminal_and_not_among_the_data() -> None:
    seen = on_a_terminal("--service", "mcs", stream="stderr")
    assert "charging" in seen.stderr
    assert "charging" not in seen.stdout
    assert "\x1b" not in seen.stdout


def test_no_progress_with_json() -> None:
    seen = on_a_terminal("--service", "mcs", "--json", stream="stderr").stderr
    # How late its loop was is the machine's affair.
    assert [line for line in seen.splitlines() if "the event loop did not turn" not in line] == []


def test_a_reader_that_has_enough_is_no_traceback() -> None:
    schema = f"{sys.executable} -m iso15118 config schema"
    script = f"for _ in 1 2 3; do {schema}; done | head -c 10"
    run = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    assert run.returncode == 0
    assert run.stderr == b""


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=["", "NO_COLOR"]
)
def test_colours_are_for_terminals_that_want_them(environment: dict[str, str], coloured: bool) -> None:
    seen = on_a_terminal("--soc-target", "25", stream="stdout", **environment)
    assert bool(COLOUR.search(seen.stdout)) is coloured
