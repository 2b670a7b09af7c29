"""``--log-level`` and ``--log-format``: what a session says in the log of a command, as text and as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.cli.rig import iso15118


def logged(*options: str) -> list[str]:
    command = [sys.executable, "-m", "iso15118", *options, "loopback", "--soc-target", "20.5", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env={**os.environ, "NO_COLOR": "1"}
    )
    assert json.loads(done.stdout)["result"] == "ok"
    return done.stderr.splitlines()


def test_info_as_json_is_an_object_a_line_and_tells_both_ends() -> None:
    lines = [json.loads(line) for line in logged("--log-level", "info", "--log-format", "json")]
    assert all(line.keys() >= {"t", "level", "logger", "message"} for line in lines)
    assert {line["level"] for line in lines} <= {"info", "warning"}
    assert all(1.7e9 < line["t"] < 1e10 for line in lines)
    told = [line["message"] for line in lines if line["logger"] == "iso15118.aio.story"]
    for role in ("secc", "evcc"):
        mine = [line for line in told if line.startswith(f"{role} with [::1]:")]
        assert any("the session begins, TLSv1.3" in line for line in mine)
        assert any(line.endswith("state Ended") for line in mine)
        assert any("the session ended, STOPPED_BY_EV (cause stopped-by-vehicle" in line for line in mine)


def test_debug_tells_every_message_and_the_default_says_nothing_of_it() -> None:
    assert any("received AuthorizationReq(" in line for line in logged("--log-level", "debug"))
    assert not any("state " in line for line in logged())


def test_a_format_that_there_is_not_is_refused_with_those_there_are() -> None:
    refused = iso15118("--log-format", "xml", "loopback").refusal
    assert "--log-format" in refused
    assert "json" in refused
