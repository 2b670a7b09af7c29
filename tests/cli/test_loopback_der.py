"""``iso15118 loopback --service ac-der-iec`` and ``ac-der-sae``: both transports, control modes
and ways to be identified."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.rig import iso15118

SERVICES = ("ac-der-iec", "ac-der-sae")
SHORT = ("--soc-start", "60", "--soc-target", "61", "--discharge-kwh", "0.2")


@pytest.mark.parametrize("auth", ["eim", "pnc"])
@pytest.mark.parametrize("control", ["scheduled", "dynamic"])
@pytest.mark.parametrize("transport", ["memory", "tcp"])
@pytest.mark.parametrize("service", SERVICES)
def test_energies_of_both_sides_agree_in_both_directions(
    service: str, transport: str, control: str, auth: str
) -> None:
    options = ("--service", service, "--transport", transport, "--control", control, "--auth", auth)
    printed = iso15118("loopback", "--json", *options, *SHORT)
    assert printed.status == 0, printed.err
    summary: dict[str, Any] = printed.data
    hardware = summary["hardware"]
    assert (summary["result"], summary["service"], summary["auth"]) == ("ok", service, auth)
    assert hardware["meter_discharged_kwh"] >= 0.1998
    for way in ("charged", "discharged"):
        meter, battery = hardware[f"meter_{way}_kwh"], hardware[f"battery_{way}_kwh"]
        assert meter == pytest.approx(battery, rel=1e-3)
    assert "AC_ChargeLoop" in summary["secc_states"]
    assert (summary["tls"] is None) is (transport == "memory")


@pytest.mark.parametrize("phases", ["1", "3"])
def test_one_phase_and_three(phases: str) -> None:
    printed = iso15118(
        "loopback", "--json", "--service", "ac-der-iec", "--transport", "memory", "--phases", phases, *SHORT
    )
    assert printed.status == 0, printed.err
