"""Our two ends as processes in two network namespaces: SLAC on AF_PACKET through emulated modems, a pilot,
IPv6, SDP, TLS, charging."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.namespaces import ModemCables, modem_cables
from tests.interop.pair import Outcome, charge
from tests.interop.site import site

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="network namespaces are Linux's"),
]


@pytest.fixture(scope="module")
def cables() -> Iterator[ModemCables]:
    if shutil.which("ip") is None:
        pytest.skip("the command ip (iproute2) is not there")
    laid = modem_cables()
    try:
        ends = laid.__enter__()
    except OSError as error:
        pytest.skip(f"this machine does not let us make network namespaces: {error}")
    try:
        yield ends
    finally:
        laid.__exit__(None, None, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pair")


def run(cables: ModemCables, folder: Path, *, pull_the_plug: bool = False) -> tuple[Outcome, list[str]]:
    async def there() -> tuple[Outcome, list[str]]:
        async with site(cables, folder) as here:
            outcome = await charge(here, pull_the_plug=pull_the_plug)
            return outcome, [f"{at:.3f} {who} {what}" for at, who, what in here.story]

    return asyncio.run(there())


def test_from_plug_in_to_charging_and_out_again(cables: ModemCables, folder: Path) -> None:
    outcome, story = run(cables, folder)
    assert (outcome.problem, outcome.tracebacks) == ("", []), story
    for ended in (outcome.secc, outcome.evcc):
        assert (ended["result"], ended["end_reason"], ended["safe"]) == ("ok", "STOPPED_BY_EV", True), story
        assert (ended["tls"]["version"], ended["tls"]["client_certificate"]) == ("TLSv1.3", True)
        assert ended["energy_charged_kwh"] > 2.0
    assert outcome.link_s is not None
    assert outcome.session_s is not None
    assert outcome.energy_s is not None
    assert outcome.link_s > 0.4  # under 1 s on a quiet machine
    assert outcome.link_s < outcome.session_s < outcome.energy_s
    # What the listener at the vehicle's modem heard.
    assert outcome.refused == 0
    assert any("confirms the match" in line for line in story)
    assert any("sees the link up" in line for line in story)
    # Both ends have left the network, with keys that nobody knows.
    assert not outcome.linked_after


def test_pulled_out_in_mid_session_both_ends_are_safe_and_say_why(cables: ModemCables, folder: Path) -> None:
    outcome, story = run(cables, folder, pull_the_plug=True)
    assert (outcome.problem, outcome.tracebacks) == ("", []), story
    for ended in (outcome.secc, outcome.evcc):
        assert (ended["result"], ended["safe"]) == ("failed", True), story
        assert ended["end_reason"] in ("SIGNAL_LOST", "PEER_VANISHED")
        assert ended["charge_loops"] > 0
    assert not outcome.linked_after
