"""What a port returned where little can be said: whether a safe call did its work."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.ports import answers
from iso15118.aio.ports.safe_calls import SafeCalls

from .hostile import Unprintable


class Flag:
    """As numpy's own bool is."""

    def __init__(self, value: bool) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"np.{self.value}"


Flag.__name__ = "bool_"
NOT_DONE = "it was not done (returning None or True says that it was done)"


@pytest.mark.parametrize(
    ("result", "complaint", "clear"),
    [
        (None, "", True),
        (True, "", True),
        (8, "", True),
        (8.5, "", True),
        (Flag(True), "", True),
        (False, f"port.open returned False: {NOT_DONE}", True),
        (Flag(False), f"port.open returned np.False: {NOT_DONE}", True),
        (-5, f"port.open returned -5: {NOT_DONE}", True),
        (0, "", False),
        (math.nan, "", False),
        ("ERROR", "", False),
        (b"\x01", "", False),
        ("12", "", False),
        ([], "", False),
        (Unprintable(), "", False),
    ],
)
async def test_a_safe_call_says_that_it_was_not_done_by_a_false_or_an_error_code(
    result: Any,
    complaint: str,
    clear: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``return self.bus.write(...)`` is how drivers end: a count of octets is a yes. What can be read either
    way is said once."""
    monkeypatch.setattr(answers, "_doubted", set())
    complaints: list[str] = []
    calls = SafeCalls(asyncio.get_running_loop(), "port.open", 0.5, complaints.append)

    async def open_them() -> Any:
        return result

    calls.ask(open_them)
    assert complaints == [complaint]
    assert calls.failed is bool(complaint)
    calls.ask(open_them)
    flush()
    assert caplog.text.count("which is no clear answer") == (not clear)
    calls.close()
    await asyncio.sleep(0)
