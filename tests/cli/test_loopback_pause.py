"""``--pause`` of ``iso15118 loopback``: mid-charge the session rests, and goes on with
the tickets of both sides."""

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


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        (("--link", "slac"), {"Authorization", "ServiceDiscovery"}),
        (("--link", "slac", "--edition", "iso2"), set[str]()),
        (("--link", "spe", "--service", "mcs"), {"Authorization", "ServiceDiscovery"}),
    ],
    ids=" ".join,
)
def test_the_link_sleeps_and_comes_back(options: tuple[str, ...], left_out: set[str]) -> None:
    printed = iso15118(*SHORT, *options, "--pause", "30")
    assert printed.status == 0, printed.err
    summary = printed.data
    before, after = states(summary)
    assert 1800.0 < summary["paused_seconds"] < 1830.0, "with the time to wake up"
    assert 0.0 < summary["link_seconds"] < 10.0, "of the plug-in, not of the wake-up"
    assert len(summary["exchanges_of_parts"]) == 2
    assert left_out <= set(before)
    assert not left_out & set(after), "what was agreed on holds"
    assert summary["soc_end"] == pytest.approx(22.0, abs=0.05)


@pytest.mark.parametrize("options", [("--link", "slac"), ("--link", "spe", "--service", "mcs")], ids=" ".join)
def test_over_tcp_the_link_sleeps_and_comes_back_too(options: tuple[str, ...]) -> None:
    printed = iso15118("loopback", "--soc-target", "40", *options, "--pause", "5", "--json")
    assert printed.status == 0, printed.err
    before, after = states(printed.data)
    assert "Authorization" in before
    assert "Authorization" not in after
    assert printed.data["paused_seconds"] >= 300.0
    assert printed.data["link_seconds"] < 10.0
    assert sum(printed.data["exchanges_of_parts"]) == printed.data["exchanges"]


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
        ({"pause": 1.0, "link": "slac", "edition": "din"}, "DIN 70121 knows no pause"),
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


@pytest.mark.parametrize("service", ["dc", "ac"])
def test_over_tcp_it_goes_on_after_the_pause_too(service: str) -> None:
    printed = iso15118("loopback", "--soc-target", "40", "--service", service, "--pause", "5", "--json")
    assert printed.status == 0, printed.err
    before, after = states(printed.data)
    assert "Authorization" in before
    assert "Authorization" not in after
    assert printed.data["paused_seconds"] >= 250.0
    assert sum(printed.data["exchanges_of_parts"]) == printed.data["exchanges"]


MIND = (
    ("--renegotiate", "stop-and-go"),
    ("--renegotiate", "beside"),
    ("--renegotiate", "service"),
    ("--standby", "2"),
)


@pytest.mark.parametrize("options", MIND, ids=" ".join)
@pytest.mark.parametrize("service", ["dc", "mcs-bpt", "ac"])
def test_in_memory_the_vehicle_changes_its_mind(service: str, options: tuple[str, ...]) -> None:
    _changed(("--transport", "memory", "--soc-target", "22", "--service", service), options)


@pytest.mark.parametrize("options", MIND, ids=" ".join)
def test_over_tcp_the_vehicle_changes_its_mind(options: tuple[str, ...]) -> None:
    _changed(("--soc-target", "40", "--control", "dynamic"), options)


def _changed(order: tuple[str, ...], options: tuple[str, ...]) -> None:
    printed = iso15118("loopback", *order, *options, "--json")
    assert printed.status == 0, printed.err
    if options[0] == "--renegotiate":
        assert printed.data["renegotiated"] == [options[1]]
        assert printed.data["standby_seconds"] is None
    else:
        assert printed.data["renegotiated"] == []
        assert printed.data["standby_seconds"] == pytest.approx(120.0, rel=0.6)
    energies = printed.data["hardware"]
    charged = energies["battery_charged_kwh"] - energies["battery_discharged_kwh"]
    assert energies["meter_charged_kwh"] == pytest.approx(charged, rel=0.001)


@pytest.mark.parametrize(
    ("order", "key", "said"),
    [
        ({"renegotiate": "politely"}, "renegotiate", "politely"),
        ({"renegotiate": "service", "edition": "iso2"}, "renegotiate", "edition iso20"),
        ({"standby": 0.0}, "standby", "out of range"),
        ({"standby": 1.0, "link": "slac"}, "standby", "use link none"),
    ],
)
def test_a_mind_that_cannot_be_changed_is_refused(order: dict[str, Any], key: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        LoopbackSpec(**({"transport": "memory"} | order))
    assert refused.value.key == key
