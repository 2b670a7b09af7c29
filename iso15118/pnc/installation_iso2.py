"""Contract installation and update by ISO 15118-2, message by message: the service that
answers, the vehicle that takes.

Four elements of an answer are signed by the provisioning service: chain, encrypted key, public key and EMAID.
The key goes to the provisioning certificate's key, or for an update to the old contract's. [V2G2-818]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from iso15118 import exi
from iso15118.errors import ExiError, PkiError
from iso15118.messages.iso2 import (
    EMAID,
    Body,
    CertificateChain,
    CertificateInstallationReq,
    CertificateInstallationRes,
    CertificateUpdateReq,
    CertificateUpdateRes,
    ContractSignatureEncryptedPrivateKey,
    DiffieHellmanPublickey,
    ListOfRootCertificateIDs,
    MessageHeader,
    ResponseCode,
    SubCertificates,
    V2GMessage,
)
from iso15118.messages.xmldsig import X509IssuerSerial
from iso15118.pki.chain.identifiers import normal_emaid
from iso15118.pki.chain.parsed import Parsed
from iso15118.pki.chain.verify import verify_chain
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.keys.credential import Credential
from iso15118.pki.keys.raw import SigningKey, VerifyingKey
from iso15118.pki.keys.signer import KeyAgreement, Signer, SoftwareSigner, signer_of
from iso15118.pnc.contract_key import ISO2, ContractKeyError, KeyTransport, WrappedKey, unwrap, wrap
from iso15118.pnc.contracts import Refusal
from iso15118.pnc.installation import InstallationError, InstalledContract, parsed, refused
from iso15118.pnc.iso2 import SCHEMA, judge_request, signed_request
from iso15118.pnc.signature import SignedElement, sign, verify

__all__ = ["ContractServiceIso2", "accept_contract", "installation_request", "update_request"]

_EDITION = "iso2"
_REQUEST_ID = "id1"
Response = CertificateInstallationRes | CertificateUpdateRes


def installation_request(provisioning: Signer, v2g_anchors: Sequence[bytes], session_id: bytes) -> V2GMessage:
    """A signed CertificateInstallationReq; it carries the provisioning certificate alone."""
    request = CertificateInstallationReq(
        id=_REQUEST_ID,
        oem_provisioning_cert=provisioning.chain[0],
        list_of_root_certificate_ids=_roots(v2g_anchors),
    )
    return signed_request(request, provisioning, session_id)


def update_request(contract: Signer, v2g_anchors: Sequence[bytes], session_id: bytes) -> V2GMessage:
    """A signed CertificateUpdateReq: the old contract asks for a fresh one."""
    request = CertificateUpdateReq(
        id=_REQUEST_ID,
        contract_signature_cert_chain=_chain(contract.chain),
        emaid=normal_emaid(_name(parsed(contract.chain[0]))),
        list_of_root_certificate_ids=_roots(v2g_anchors),
    )
    return signed_request(request, contract, session_id)


class ContractServiceIso2:
    """Answers requests of -2: provisioning service (CPS) and provider (MO) in
    one, for tests and laboratories.

    ``contracts``: of a PCID, the first is what is installed. ``renewed``: the fresh contract for an EMAID
    (14 characters), None if it is cancelled. ``oem_intermediates``: Sub-CAs (DER) of provisioning
    certificates, which -2 does not send.
    """

    def __init__(
        self,
        *,
        cps: Credential,
        contracts: Callable[[str], Sequence[Credential]],
        renewed: Callable[[str], Credential | None],
        oem_anchors: Sequence[bytes],
        oem_intermediates: Sequence[bytes],
        mo_anchors: Sequence[bytes],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: KeyTransport = ISO2,
    ) -> None:
        self._signer = signer_of(cps)
        self._contracts = contracts
        self._renewed = renewed
        self._oem_anchors = tuple(oem_anchors)
        self._oem_intermediates = tuple(oem_intermediates)
        self._mo_anchors = tuple(mo_anchors)
        self._clock = clock
        self._transport = transport

    def answer(self, message: V2GMessage) -> V2GMessage:
        """The signed answer under the request's session id. Raises InstallationError, whose
        ``refusal`` is what to say."""
        request = message.body.body_element
        if isinstance(request, CertificateInstallationReq):
            chain = (request.oem_provisioning_cert, *self._oem_intermediates)
            self._trusted(chain, "oemprov", "OEM", self._oem_anchors)
            self._signed(message, chain[0])
            pcid = parsed(chain[0]).common_names[0]
            offers = self._contracts(pcid)
            if not offers:
                raise InstallationError("no-contract", f"there is none for {pcid}")
            return self._offer(offers[0], chain[0], message.header.session_id, CertificateInstallationRes)
        if isinstance(request, CertificateUpdateReq):
            old = request.contract_signature_cert_chain
            subs = old.sub_certificates.certificate if old.sub_certificates is not None else ()
            chain = (old.certificate, *subs)
            self._trusted(chain, "contract", "MO", self._mo_anchors)
            self._signed(message, chain[0])
            emaid = normal_emaid(parsed(chain[0]).common_names[0])
            if normal_emaid(request.emaid) != emaid:
                raise InstallationError("chain", "the EMAID is not that of the old contract", Refusal.CHAIN)
            fresh = self._renewed(emaid)
            if fresh is None:
                raise InstallationError("no-contract", f"{emaid} is cancelled", Refusal.REJECTED)
            return self._offer(fresh, chain[0], message.header.session_id, CertificateUpdateRes)
        raise InstallationError("no-contract", f"{type(request).__name__} asks for no contract")

    def answer_exi(self, request: bytes) -> bytes | Refusal:
        """The same over EXI. Nothing is raised, whatever the octets are."""
        try:
            message = exi.decode(SCHEMA, request)
            if not isinstance(message, V2GMessage):
                return Refusal.NOT_AVAILABLE
            return exi.encode(SCHEMA, self.answer(message))
        except InstallationError as error:
            return error.refusal
        except (ExiError, PkiError):
            return Refusal.NOT_AVAILABLE

    def _trusted(self, chain: Sequence[bytes], role: str, kind: str, anchors: Sequence[bytes]) -> None:
        verdict = verify_chain(
            chain, role=role, anchors_der=anchors, anchor_role=kind, at=self._clock(), edition=_EDITION
        )
        if not verdict.ok:
            raise refused(role, verdict)

    def _signed(self, message: V2GMessage, certificate: bytes) -> None:
        verdict = judge_request(message, certificate)
        if not verdict.ok:
            raise InstallationError("signature", str(verdict))

    def _offer(
        self, contract: Credential, receiver: bytes, session_id: bytes, kind: type[Response]
    ) -> V2GMessage:
        key = load_key(contract.key, contract.passphrase)
        public = parsed(receiver).certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(
            public, ec.EllipticCurvePublicKey
        ):
            raise InstallationError("no-key", "-2 transports keys of P-256 only")
        try:
            wrapped = wrap(self._transport, key, public)
        except (ContractKeyError, PkiError) as error:
            raise InstallationError("no-key", str(error)) from error
        response = kind(
            response_code=ResponseCode.OK,
            sa_provisioning_certificate_chain=_chain(self._signer.chain),
            contract_signature_cert_chain=_chain(contract.chain, "id1"),
            contract_signature_encrypted_private_key=ContractSignatureEncryptedPrivateKey(
                id="id2", value=wrapped.encrypted_private_key
            ),
            dhpublickey=DiffieHellmanPublickey(id="id3", value=wrapped.dh_public_key),
            emaid=EMAID(id="id4", value=normal_emaid(parsed(contract.chain[0]).common_names[0])),
        )
        header = MessageHeader(session_id=session_id, signature=sign(self._signer, signed_elements(response)))
        return V2GMessage(header=header, body=Body(body_element=response))


def signed_elements(response: Response) -> list[SignedElement]:
    """The four elements of an answer that are signed."""
    return [
        SignedElement(SCHEMA, response.contract_signature_cert_chain),
        SignedElement(SCHEMA, response.contract_signature_encrypted_private_key),
        SignedElement(SCHEMA, response.dhpublickey),
        SignedElement(SCHEMA, response.emaid),
    ]


def accept_contract(
    message: V2GMessage,
    *,
    receiver: KeyAgreement,
    v2g_anchors: Sequence[bytes],
    mo_anchors: Sequence[bytes],
    at: datetime | None,
    transport: KeyTransport = ISO2,
) -> InstalledContract:
    """The vehicle takes a contract from CertificateInstallationRes or CertificateUpdateRes.

    ``receiver``: the provisioning key, or for an update the old contract's. Raises InstallationError; nothing
    is kept of a contract that is refused.
    """
    response = message.body.body_element
    if not isinstance(response, Response):
        raise InstallationError("no-contract", f"{type(response).__name__} brings no contract")
    if response.response_code.value.startswith("FAILED"):
        raise InstallationError("no-contract", response.response_code.value)
    cps = _ders(response.sa_provisioning_certificate_chain)
    _acceptable(cps, "cps", "V2G", v2g_anchors, at)
    public = parsed(cps[0]).certificate.public_key()
    if not isinstance(public, VerifyingKey):
        raise InstallationError("signature", "a key that signs no messages")
    if response.contract_signature_cert_chain.id is None:
        raise InstallationError("signature", "the contract's chain has no Id")
    signed = verify(message.header.signature, public, signed_elements(response))
    if not signed.ok:
        raise InstallationError("signature", str(signed))
    chain = _ders(response.contract_signature_cert_chain)
    chain = _acceptable(chain, "contract", "MO", mo_anchors, at)
    leaf = parsed(chain[0])
    contract = leaf.certificate.public_key()
    if not isinstance(contract, ec.EllipticCurvePublicKey):
        raise InstallationError("contract-key", "a contract with a key of another kind")
    if normal_emaid(response.emaid.value) != normal_emaid(_name(leaf)):
        raise InstallationError("contract-key", "the EMAID is not that of the contract certificate")
    wrapped = WrappedKey(response.dhpublickey.value, response.contract_signature_encrypted_private_key.value)
    try:
        # The cipher authenticates nothing: a wrong key shows in the comparison
        # with the certificate. [V2G2-823]
        key = unwrap(transport, wrapped, receiver, contract=contract)
    except ContractKeyError as error:
        raise InstallationError("contract-key", f"{error.fault}: {error}") from error
    if not isinstance(key, SigningKey):
        raise InstallationError("contract-key", "a key that signs no messages")
    pkcs8 = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return InstalledContract(signer=SoftwareSigner(key, chain), credential=Credential(chain=chain, key=pkcs8))


def _acceptable(
    chain: Sequence[bytes], role: str, kind: str, anchors: Sequence[bytes], at: datetime | None
) -> tuple[bytes, ...]:
    """The path that was verified: what was sent beside it is neither kept nor sent on."""
    verdict = verify_chain(chain, role=role, anchors_der=anchors, anchor_role=kind, at=at, edition=_EDITION)
    if not verdict.ok:
        raise refused(role, verdict)
    return verdict.certificates(chain)


def _chain(ders: Sequence[bytes], element_id: str | None = None) -> CertificateChain:
    subs = SubCertificates(certificate=tuple(ders[1:])) if len(ders) > 1 else None
    return CertificateChain(id=element_id, certificate=ders[0], sub_certificates=subs)


def _ders(chain: CertificateChain) -> tuple[bytes, ...]:
    subs = chain.sub_certificates
    return (chain.certificate, *(subs.certificate if subs is not None else ()))


def _roots(anchors: Sequence[bytes]) -> ListOfRootCertificateIDs:
    found = [parsed(der) for der in anchors[:20]]
    return ListOfRootCertificateIDs(
        root_certificate_id=tuple(
            X509IssuerSerial(x509_issuer_name=one.issuer_name, x509_serial_number=one.serial_number)
            for one in found
        )
    )


def _name(leaf: Parsed) -> str:
    return leaf.common_names[0] if leaf.common_names else ""
