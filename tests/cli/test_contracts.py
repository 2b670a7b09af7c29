"""Plug and Charge on the command line: a loopback run by contract, and a
provisioning service for one request."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iso15118 import exi
from iso15118.messages import iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MessageHeader
from iso15118.pki import IssuedPki, issue_test_pki
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.installation import provisioning_of
from iso15118.pnc.installation_iso2 import installation_request, update_request
from iso15118.pnc.vehicle_contracts import VehicleContracts
from tests.cli.rig import iso15118


def made(edition: str, folder: Path) -> IssuedPki:
    pki = issue_test_pki(edition, "p256" if edition == "iso2" else "p521", at=datetime.now(UTC))
    pki.write(folder)
    return pki


def test_a_loopback_run_by_contract_that_is_installed_on_the_way() -> None:
    summary = iso15118(
        "loopback",
        "--transport",
        "memory",
        "--auth",
        "pnc",
        "--install-contract",
        "--json",
        "--battery-kwh",
        "20",
    ).data
    assert (summary["result"], summary["auth"]) == ("ok", "pnc")
    assert summary["emaid"] == "DE-8AA-CA2B3C4D5-L"
    assert summary["contracts_installed"] == 1
    assert "CertificateInstallation" in summary["evcc_states"]


def test_a_request_is_answered_with_a_contract_that_the_vehicle_takes(tmp_path: Path) -> None:
    pki = made("iso20", tmp_path / "pki")
    held = VehicleContracts(
        provisioning=provisioning_of(pki.credential("oemprov")),
        v2g_anchors=(pki.v2g_root,),
        mo_anchors=(pki.certificates["mo-root"],),
    )
    chain, signature, roots = held.request()
    request = exi.encode(
        "iso20-common",
        cm.CertificateInstallationReq(
            header=MessageHeader(session_id=bytes(range(8)), time_stamp=1, signature=signature),
            oem_provisioning_certificate_chain=chain,
            list_of_root_certificate_ids=roots,
            maximum_contract_certificate_chains=1,
        ),
    )
    file = tmp_path / "request.exi"
    file.write_bytes(request)
    folder = str(tmp_path / "pki")
    for given in (b64encode(request).decode(), request.hex(), str(file)):
        printed = iso15118("pki", "respond", folder, given, "--emaid", "DE8AA000000001").out
        answer = exi.decode("iso20-common", b64decode(printed))
    assert isinstance(answer, cm.CertificateInstallationRes)
    taken = held.accept(answer, datetime.now(UTC).timestamp())
    assert [one.emaid for one in held.with_contract(taken.signer).usable()] == ["DE8AA000000001"]


@pytest.mark.parametrize("kind", ["install", "update"])
def test_requests_of_iso2_are_answered_too(kind: str, tmp_path: Path) -> None:
    pki = made("iso2", tmp_path / "pki")
    make, who = (installation_request, "oemprov") if kind == "install" else (update_request, "contract")
    request = exi.encode("iso2", make(signer_of(pki.credential(who)), [pki.v2g_root], bytes(8)))
    said = iso15118("pki", "respond", str(tmp_path / "pki"), request.hex(), "--json").data
    assert (said["schema"], said["refused"]) == ("iso2", None)
    answer = exi.decode("iso2", b64decode(said["exi_response"]))
    assert isinstance(answer, iso2.V2GMessage)
    wanted = iso2.CertificateInstallationRes if kind == "install" else iso2.CertificateUpdateRes
    assert isinstance(answer.body.body_element, wanted)


def test_what_gets_no_contract_is_said(tmp_path: Path) -> None:
    pki = made("iso2", tmp_path / "pki")
    stranger = issue_test_pki("iso2", "p256", at=datetime.now(UTC))
    request = exi.encode(
        "iso2", installation_request(signer_of(stranger.credential("oemprov")), [pki.v2g_root], bytes(8))
    )
    folder = str(tmp_path / "pki")
    refused = iso15118("pki", "respond", folder, request.hex())
    assert (refused.status, refused.out) == (4, "")
    assert "no contract: chain" in refused.err
    for arguments, text in (
        ((folder, "80aa"), "REQUEST: no CertificateInstallationReq"),
        ((folder, request.hex(), "--emaid", "nobody"), "--emaid: 'nobody' is no EMAID"),
    ):
        assert text in iso15118("pki", "respond", *arguments).refusal
