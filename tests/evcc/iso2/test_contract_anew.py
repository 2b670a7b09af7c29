"""A vehicle of ISO 15118-2 that asks for a contract though it has one: what it asks with, and what it says of
the one that it had when that comes to nothing.

The station's part is played as in ``test_plug_and_charge``.
"""

from __future__ import annotations

from iso15118.evcc.config import InstallContracts
from iso15118.messages import iso2
from iso15118.pnc.iso2 import judge_request
from iso15118.session.actions import EndReason
from tests.evcc.iso2.contracts import host, octets, offered, pki


def test_where_contracts_are_always_installed_the_certificate_of_the_vehicle_asks_for_one() -> None:
    """Not the contract that is there: that would renew it."""
    one = offered(host("contract-0", install_contracts=InstallContracts.ALWAYS)).to("CertificateInstallation")
    request = octets(one.messages[-1])
    assert isinstance(request.body.body_element, iso2.CertificateInstallationReq)
    assert judge_request(request, pki().certificates["oemprov"]).ok


def test_a_contract_that_this_edition_can_use_is_not_blamed_where_none_comes() -> None:
    """The keys of ISO 15118-2 are none of ISO 15118-20, for which the contracts are held."""
    one = offered(host("contract-0", iso2={"contract_update_days": 3650.0})).to("CertificateUpdate")
    one.answer()
    ended = one.finish()
    assert ended.reason is EndReason.AUTHORIZATION_FAILED
    assert one.session._talk.set_aside == ()
