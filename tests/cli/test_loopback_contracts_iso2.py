"""Plug and Charge in ISO 15118-2 through ``iso15118 loopback``: with a contract at hand or one that is
installed, on both transports."""

from __future__ import annotations

import pytest

from tests.cli.rig import iso15118

QUICK = ("--auth", "pnc", "--soc-target", "22", "--json")


@pytest.mark.parametrize("transport", ["memory", "tcp"])
@pytest.mark.parametrize("install", [False, True], ids=["held", "installed"])
def test_a_contract_pays(transport: str, install: bool) -> None:
    options = ("--edition", "iso2", *(("--install-contract",) if install else ()))
    printed = iso15118("loopback", *options, "--transport", transport, *QUICK)
    assert printed.status == 0, printed.err
    summary = printed.data
    assert (summary["result"], summary["edition"], summary["auth"]) == ("ok", "iso2", "pnc")
    assert summary["emaid"].replace("-", "") == "DE8AACA2B3C4D5L"
    assert summary["contracts_installed"] == int(install)
    assert "PaymentDetails" in summary["evcc_states"]
    assert ("CertificateInstallation" in summary["evcc_states"]) is install
    if transport == "tcp":
        assert (summary["tls"]["version"], summary["tls"]["client_certificate"]) == ("TLSv1.2", False)


def test_a_vehicle_of_both_editions_pays_by_the_contract_of_the_one_that_is_spoken() -> None:
    printed = iso15118(
        *("loopback", "--evcc-editions", "iso20,iso2", "--secc-editions", "iso2,din"),
        *("--transport", "memory", "--install-contract", *QUICK),
    )
    assert printed.status == 0, printed.err
    assert printed.data["edition"] == "iso2"
    assert printed.data["contracts_installed"] == 1
