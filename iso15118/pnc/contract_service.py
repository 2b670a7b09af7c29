"""The service that puts contracts into vehicles by ISO 15118-20: it answers whole
requests, or issues by elements.

It is the provisioning service (CPS) and the provider (MO) in one, for tests, laboratories and the loopback;
keys of contracts are in its memory.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x448

from iso15118 import exi
from iso15118.errors import ConfigError, ExiError, PkiError
from iso15118.messages.iso20.common_messages import (
    CertificateChain,
    CertificateInstallationReq,
    CertificateInstallationRes,
    ContractCertificateChain,
    EcdhCurve,
    SignedCertificateChain,
    SignedInstallationData,
    SubCertificates,
)
from iso15118.messages.iso20.common_types import MessageHeader, Processing, ResponseCode
from iso15118.messages.xmldsig import Signature
from iso15118.pki.chain.identifiers import emaid_check_digit
from iso15118.pki.chain.parsed import Parsed
from iso15118.pki.chain.verify import verify_chain
from iso15118.pki.issuing.build import ALTERNATIVE_KEY
from iso15118.pki.issuing.issue import IssuedPki, issue_leaf, load_key
from iso15118.pki.keys.credential import Credential
from iso15118.pki.keys.raw import SigningKey
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.contract_key import (
    ISO2,
    ISO20_P521,
    ISO20_X448,
    AgreementPublicKey,
    ContractKeyError,
    KeyTransport,
    new_contract_key,
    wrap,
)
from iso15118.pnc.contracts import Refusal
from iso15118.pnc.installation import DATA_ID, SCHEMA, InstallationError, parsed, preferred, refused, verified
from iso15118.pnc.signature import SignedElement, sign

__all__ = ["ContractService", "Contracts", "Offer", "emaid_for", "issuing"]

_SESSIONS_KEPT = 10_000

Contracts = Mapping[str, Sequence[Credential]] | Callable[[str], Sequence[Credential]]
"""Contracts with their keys by PCID."""


def emaid_for(pcid: str) -> str:
    """An EMAID that belongs to this vehicle for good: provider DE8AA, the rest by the hash of its PCID."""
    number = int.from_bytes(hashlib.sha256(pcid.encode()).digest()[:8], "big") % 10**8
    stem = f"DE8AAC{number:08d}"
    return stem + emaid_check_digit(stem)


def issuing(
    pki: IssuedPki,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    emaids: Callable[[str], Sequence[str]] = lambda pcid: (emaid_for(pcid),),
) -> Callable[[str], Sequence[Credential]]:
    """Contracts for any PCID, issued by the MO branch of a test PKI when they are first asked
    for, and the same ever after.

    ``emaids``: which contracts a vehicle has.
    """
    kept: dict[str, tuple[Credential, ...]] = {}
    transport = _transport_of(pki)

    def contracts(pcid: str) -> Sequence[Credential]:
        if pcid not in kept:
            made = []
            for emaid in emaids(pcid):
                # The transport carries 56 octets of an Ed448 key, so that not any key will do.
                key = new_contract_key(transport).private_bytes(
                    serialization.Encoding.DER,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
                issued = issue_leaf(pki, "contract", "fresh", at=clock(), names={"emaid": emaid}, key=key)
                made.append(issued.credential("fresh"))
            kept[pcid] = tuple(made)
        return kept[pcid]

    return contracts


def _transport_of(pki: IssuedPki) -> KeyTransport:
    key = load_key(pki.keys["mo-sub2"])
    if isinstance(key, ed448.Ed448PrivateKey):
        return ISO20_X448
    p256 = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1"
    return ISO2 if p256 else ISO20_P521


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What the service puts into a CertificateInstallationRes."""

    data: SignedInstallationData
    signature: Signature
    cps_chain: CertificateChain
    remaining: int
    """How many more contracts the vehicle may ask for."""


class ContractService:
    """Issues the contracts of each vehicle, by its PCID; signs as provisioning service.

    ``contracts``: with their keys, as a table or as a function that knows any PCID. ``oem_anchors``:
    roots (DER) of provisioning certificates. ``clock``: the time to judge them by. ``transports``:
    the parameters of the key transport by its curve, secp521r1 and x448. Raises ``ConfigError`` for
    what cannot issue contracts.
    """

    def __init__(
        self,
        *,
        cps: Credential,
        contracts: Contracts,
        oem_anchors: Sequence[bytes],
        edition: str = "iso20",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        transports: Sequence[KeyTransport] = (ISO20_P521, ISO20_X448),
    ) -> None:
        self._cps = cps
        self._signer = signer_of(cps)
        self._contracts = contracts if callable(contracts) else _table(contracts)
        self._anchors = tuple(oem_anchors)
        self._edition = edition
        self._clock = clock
        self._transports = {one.curve: one for one in transports}
        if self._transports.keys() != {"secp521r1", "x448"}:
            raise ConfigError("transports", ", ".join(self._transports), "one of secp521r1 and one of x448")
        self._issued: OrderedDict[tuple[bytes, bytes], tuple[int, int]] = OrderedDict()

    def answer(self, request: CertificateInstallationReq) -> CertificateInstallationRes:
        """The signed answer; its header is the request's, for whoever passes it on to fill in. A vehicle that
        asks again in the same session is given its next contract. Raises InstallationError.
        """
        key = (request.header.session_id, request.oem_provisioning_certificate_chain.certificate)
        # The vehicle repeats its request; what it said first about how many it can take is what holds.
        count, limit = self._issued.get(key, (0, request.maximum_contract_certificate_chains))
        prioritized = request.prioritized_emaids.emaid if request.prioritized_emaids is not None else ()
        offer = self.issue(
            request.oem_provisioning_certificate_chain,
            request.header.signature,
            at=self._clock(),
            maximum=limit,
            prioritized=prioritized,
            issued=count,
        )
        self._issued[key] = count + 1, limit
        self._issued.move_to_end(key)
        while len(self._issued) > _SESSIONS_KEPT:
            self._issued.popitem(last=False)
        header = MessageHeader(
            session_id=request.header.session_id,
            time_stamp=request.header.time_stamp,
            signature=offer.signature,
        )
        return CertificateInstallationRes(
            header=header,
            response_code=ResponseCode.OK,
            evse_processing=Processing.Finished,
            cps_certificate_chain=offer.cps_chain,
            signed_installation_data=offer.data,
            remaining_contract_certificate_chains=offer.remaining,
        )

    def answer_exi(self, request: bytes) -> bytes | Refusal:
        """The same over EXI, as a backend is asked; a refusal where there is no answer. Nothing is
        raised, whatever the octets are.
        """
        try:
            message = exi.decode(SCHEMA, request)
            if not isinstance(message, CertificateInstallationReq):
                return Refusal.NOT_AVAILABLE
            return exi.encode(SCHEMA, self.answer(message))
        except InstallationError as error:
            return error.refusal
        except (ExiError, PkiError):
            return Refusal.NOT_AVAILABLE

    def issue(
        self,
        chain: SignedCertificateChain,
        signature: Signature | None,
        *,
        at: datetime,
        maximum: int,
        prioritized: Sequence[str] = (),
        issued: int = 0,
    ) -> Offer:
        """The next contract for the vehicle. ``issued``: how many it got in this session already.

        Raises InstallationError if the request is not to be trusted or there is no contract left.
        """
        certificates = [
            chain.certificate,
            *(chain.sub_certificates.certificate if chain.sub_certificates else ()),
        ]
        verdict = verify_chain(
            certificates,
            role="oemprov",
            anchors_der=self._anchors,
            anchor_role="OEM",
            at=at,
            edition=self._edition,
        )
        if not verdict.ok:
            raise refused("provisioning certificate", verdict)
        verified(signature, chain.certificate, SignedElement(SCHEMA, chain))
        leaf = parsed(chain.certificate)
        pcid = leaf.common_names[0]
        known = {_emaid(one): one for one in self._contracts(pcid)}
        order = preferred(known, prioritized)[:maximum]
        if issued >= len(order):
            raise InstallationError(
                "no-contract", f"{len(order)} contracts for {pcid}, {issued} issued already"
            )
        data = self._data(known[order[issued]], leaf, pcid)
        subs = SubCertificates(certificate=self._cps.chain[1:]) if len(self._cps.chain) > 1 else None
        return Offer(
            data=data,
            signature=sign(self._signer, [SignedElement(SCHEMA, data)]),
            cps_chain=CertificateChain(certificate=self._cps.chain[0], sub_certificates=subs),
            remaining=len(order) - issued - 1,
        )

    def _data(self, contract: Credential, provisioning: Parsed, pcid: str) -> SignedInstallationData:
        key = load_key(contract.key, contract.passphrase)
        if not isinstance(key, SigningKey):
            raise PkiError("a contract with a key that signs no messages")
        leaf = parsed(contract.chain[0])
        is_448 = isinstance(key, ed448.Ed448PrivateKey)
        transport = self._transports["x448" if is_448 else "secp521r1"]
        receiver = _receiver(provisioning, transport)
        try:
            wrapped = wrap(
                transport, key, receiver, pcid=pcid, contract_ski=leaf.subject_key_identifier or b""
            )
        except ContractKeyError as error:
            raise InstallationError("no-key", str(error)) from error
        return SignedInstallationData(
            id=DATA_ID,
            contract_certificate_chain=ContractCertificateChain(
                certificate=contract.chain[0],
                sub_certificates=SubCertificates(certificate=contract.chain[1:]),
            ),
            ecdh_curve=EcdhCurve.X448 if is_448 else EcdhCurve.SECP521,
            dh_public_key=wrapped.dh_public_key,
            x448_encrypted_private_key=wrapped.encrypted_private_key if is_448 else None,
            secp521_encrypted_private_key=None if is_448 else wrapped.encrypted_private_key,
        )


def _receiver(provisioning: Parsed, transport: KeyTransport) -> AgreementPublicKey:
    """The vehicle's key for the transport: the certificate's own, or the alternative one. [V2G20-2534]"""
    key: object = provisioning.certificate.public_key()
    if transport.curve == "x448":
        try:
            found = provisioning.certificate.extensions.get_extension_for_oid(ALTERNATIVE_KEY).value
            key = serialization.load_der_public_key(found.public_bytes())
        except (x509.ExtensionNotFound, ValueError, TypeError) as error:
            raise InstallationError("no-key", "no X448 key in the provisioning certificate") from error
    fits = isinstance(key, x448.X448PublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == transport.curve
    )
    if not fits or not isinstance(key, (ec.EllipticCurvePublicKey, x448.X448PublicKey)):
        raise InstallationError("no-key", f"the provisioning certificate has no key for {transport.name}")
    return key


def _table(contracts: Mapping[str, Sequence[Credential]]) -> Callable[[str], Sequence[Credential]]:
    known = {pcid: tuple(some) for pcid, some in contracts.items()}
    return lambda pcid: known.get(pcid, ())


def _emaid(contract: Credential) -> str:
    return parsed(contract.chain[0]).common_names[0]
