"""``--pause`` of ``iso15118 loopback``: mid-charge the session rests, and goes on with the tickets of both sides."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.loopback import LoopbackSpec
from tests.cli.rig import iso15118

SHORT = ("loopback", "--transport", "memory", "--soc-target", "22", "--json")


def states(summary: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Of the vehicle before and after the pause."""
    told: list[str] = summary["evcc_states"]
    again = told.index("Connecting", 1)
    return told[:again], told[again:]


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        (("--edition", "iso20"), {"Authorization", "ServiceDiscovery"}),
        (("--edition", "iso20", "--auth", "pnc"), {"Authorization"}),
        (("--edition", "iso2"), set[str]()),
        (("--edition", "iso2", "--auth", "pnc"), set[str]()),
        (("--edition", "iso2", "--service", "ac"), set[str]()),
        (("--service", "ac"), {"Authorization"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_it_goes_on_after_the_pause(options: tuple[str, ...], left_out: set[str]) -> None:
    printed = iso15118(*SHORT, *options, "--pause", "30")
    assert printed.status == 0, printed.err
    summary = printed.data
    before, after = states(summary)
    assert summary["paused_seconds"] == 1800.0
    assert summary["session_seconds"] > 1800.0
    parts = summary["exchanges_of_parts"]
    assert len(parts) == 2
    assert min(parts) > 10
    assert sum(parts) == summary["exchanges"]
    assert before[-1] == after[-1] == "Ended"
    assert left_out <= set(before)
    assert not left_out & set(after), "what was agreed on holds"
    assert summary["soc_end"] == pytest.approx(22.0, abs=0.05)


def test_without_it_there_is_one_part() -> None:
    summary = iso15118(*SHORT).data
    assert summary["paused_seconds"] is None
    assert summary["exchanges_of_parts"] == [summary["exchanges"]]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"pause": 0.0}, "0.0 minutes are out of range"),
        ({"pause": float("nan")}, "nan minutes are out of range"),
        ({"pause": 1441.0}, "up to 1440"),
        ({"pause": 1.0, "transport": "tcp"}, "use transport memory"),
        ({"pause": 1.0, "link": "slac"}, "use link none"),
        ({"pause": 1.0, "edition": "din"}, "DIN 70121 knows no pause"),
    ],
)
def test_what_is_not_possible_is_refused(order: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        LoopbackSpec(**({"transport": "memory"} | order))
    assert refused.value.key == "pause"


def test_a_fall_back_to_an_edition_without_pause_is_not_as_ordered() -> None:
    editions = ("--no-tls", "--evcc-editions", "din,iso2", "--secc-editions", "iso2,din")
    printed = iso15118(*SHORT, *editions, "--pause", "30")
    assert printed.status == 1
    assert (printed.data["edition"], printed.data["detail"]) == ("din", "the session was not paused")
