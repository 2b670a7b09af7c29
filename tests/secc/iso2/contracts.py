"""A station of ISO 15118-2 that takes contracts, and a vehicle that has one: certificates of one
afternoon, nothing of them kept."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from iso15118.messages import iso2
from iso15118.pki import IssuedPki, issue_leaf, issue_test_pki
from iso15118.pki.keys.signer import SoftwareSigner, signer_of
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.iso2 import signed_request
from iso15118.secc.iso2.sequence import State
from iso15118.session import events as ev
from tests.secc.iso2.vehicle import Drive, selection

NOW = datetime(2027, 1, 1, tzinfo=UTC)
FRESH = "DE8AA000000009"
CONTRACT = iso2.PaymentOption.Contract


@cache
def pki() -> IssuedPki:
    made = issue_test_pki("iso2", "p256", at=NOW)
    return issue_leaf(made, "contract", "fresh", at=NOW, names={"emaid": FRESH})


def signer(name: str = "contract") -> SoftwareSigner:
    return signer_of(pki().credential(name))


def trust(**changes: Any) -> ContractTrust:
    """As a station of ISO 15118-20 has it: the edition is the session's business."""
    fields: dict[str, Any] = {"mo_anchors": (pki().certificates["mo-root"],)}
    return ContractTrust(**(fields | changes))


def chain_of(ders: tuple[bytes, ...]) -> iso2.CertificateChain:
    subs = iso2.SubCertificates(certificate=ders[1:]) if ders[1:] else None
    return iso2.CertificateChain(certificate=ders[0], sub_certificates=subs)


class ContractDrive(Drive):
    """A vehicle that pays by contract, over TLS."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        fields: dict[str, Any] = {"secure": True, "trust": trust(), "epoch": NOW.timestamp()}
        super().__init__(*arguments, **(fields | options))
        self.challenge = b""

    def selects(self, *services: tuple[int, int | None]) -> Any:
        """The contract, with these services beside charging."""
        self.to(State.PAYMENT_SERVICE_SELECTION)
        return self.send(
            iso2.PaymentServiceSelectionReq,
            selected_payment_option=CONTRACT,
            selected_service_list=selection((1, None), *services),
        )

    def details(self, name: str = "contract", **changes: Any) -> Any:
        """PaymentDetailsReq of this contract."""
        fields: dict[str, Any] = {
            "emaid": "DE8AACA2B3C4D5L",
            "contract_signature_cert_chain": chain_of(pki().chain(name)),
        }
        answer = self.send(iso2.PaymentDetailsReq, **(fields | changes))
        self.challenge = answer.gen_challenge
        return answer

    def signs(self, name: str = "contract", **changes: Any) -> Any:
        """A signed AuthorizationReq."""
        fields: dict[str, Any] = {"id": "id1", "gen_challenge": self.challenge}
        request = iso2.AuthorizationReq(**(fields | changes))
        return self.say(signed_request(request, signer(name), self.session_id))

    def accepted(self) -> Any:
        """The backend says yes, and the vehicle asks again."""
        claim = self.session._facts.claim
        if claim is None:
            raise RuntimeError("nobody was asked")
        self.book.tell(ev.ContractDecided(claim, None))
        return self.send(iso2.AuthorizationReq)

    def charges(self) -> ContractDrive:
        """On to the charge loop."""
        self.selects()
        self.details()
        self.signs()
        self.accepted()
        self.to(State.CURRENT_DEMAND)
        return self
