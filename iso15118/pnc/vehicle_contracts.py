"""What a vehicle holds for Plug and Charge: contracts and who signs for them, its
provisioning keys, and roots.

``VehicleContracts`` is a value that a session is given; ``HeldContracts`` and ``StoredContracts`` are the
``session.ports.ContractStore`` that keep it, in memory and in a certificate store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from iso15118.errors import PkiError
from iso15118.messages.iso2 import V2GMessage
from iso15118.messages.iso20.common_messages import CertificateInstallationRes, SignedCertificateChain
from iso15118.messages.iso20.common_types import ListOfRootCertificateIDs
from iso15118.messages.xmldsig import Signature, X509IssuerSerial
from iso15118.pki.chain.parsed import UnreadableError, parse
from iso15118.pki.chain.profiles import Edition, load_profile
from iso15118.pki.keys.credential import Credential
from iso15118.pki.keys.signer import Signer, signer_of
from iso15118.pki.store import Store
from iso15118.pnc.authorization import time_of
from iso15118.pnc.contract_key import ISO20_P521, ISO20_X448, KeyTransport
from iso15118.pnc.held_contract import Contract, Wanted, contract_of, name_of, same_contract
from iso15118.pnc.installation import (
    InstallationError,
    InstalledContract,
    Provisioning,
    accept_contract,
    preferred,
    provisioning_of,
    request_chain,
)
from iso15118.pnc.installation_iso2 import accept_contract as accept_contract_iso2
from iso15118.pnc.installation_iso2 import installation_request, update_request
from iso15118.pnc.signature import Form

__all__ = ["Contract", "HeldContracts", "StoredContracts", "VehicleContracts"]

_MOST_ROOTS = 20
"""Of ListOfRootCertificateIDs."""


class VehicleContracts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a vehicle's session needs to know about contracts; no private key shows in its repr."""

    signers: tuple[Signer, ...] = ()
    """One per contract, with its chain."""
    provisioning: Provisioning | None = None
    """Without it nothing can be installed."""
    v2g_anchors: tuple[bytes, ...] = ()
    """Roots (DER) of provisioning services."""
    mo_anchors: tuple[bytes, ...] = ()
    """Roots (DER) of mobility service providers."""
    edition: Edition = "iso20"
    """Profile by which contracts are chosen and judged; ``lab`` takes P-256."""
    transports: tuple[KeyTransport, ...] = (ISO20_P521, ISO20_X448)
    refused: tuple[str, ...] = ()
    """EMAIDs (14 characters) that were refused in earlier sessions: in -2, where a refusal ends the
    session, others are tried first."""
    provisioning_iso2: Provisioning | None = None
    """For -2, whose keys are of P-256; None: ``provisioning``, if its key is one."""
    form: Form = "standalone"
    """How SignedInfo is encoded to be signed in -20, where some stations verify the other form only. In -2 it
    is ``standalone``, as its worked example has it."""

    def usable(
        self,
        *,
        preferences: Sequence[str] = (),
        providers: Sequence[str] = (),
        unix_time: float | None = None,
        edition: Edition | None = None,
    ) -> tuple[Contract, ...]:
        """Contracts that may be tried, the best first: of a kind of key that the edition has, valid now, and
        of a provider that the station knows.

        ``preferences``: EMAIDs or their beginnings, the best first. ``providers``: what the station
        says it knows, such as ``DE8AA`` or ``8AA``; empty: anything. ``unix_time``: None if no
        clock is set, then validity is not judged. ``edition``: the one that is spoken, if it is
        another than that of the contracts.
        """
        wanted = Wanted.of(edition or self.edition, providers, time_of(unix_time))
        found = {}
        for signer in self.signers:
            contract = contract_of(signer)
            if contract is not None and not wanted.why_not(contract):
                found[contract.emaid] = contract
        return tuple(found[emaid] for emaid in preferred(found, preferences))

    def set_aside(
        self,
        *,
        providers: Sequence[str] = (),
        unix_time: float | None = None,
        edition: Edition | None = None,
    ) -> tuple[str, ...]:
        """What ``usable`` leaves out, in words: each contract by its EMAID, and why. One that is there anew
        for this edition is none of them.
        """
        wanted = Wanted.of(edition or self.edition, providers, time_of(unix_time))
        usable = self.usable(providers=providers, unix_time=unix_time, edition=edition)
        there = {contract.emaid for contract in usable}
        said = []
        for signer in self.signers:
            contract = contract_of(signer)
            if contract is None:
                said.append(f"{name_of(signer)}: no contract with an EMAID and its Sub-CAs")
            elif contract.emaid not in there:
                said.append(f"{contract.emaid}: {wanted.why_not(contract)}")
        return tuple(dict.fromkeys(said))

    def request(self) -> tuple[SignedCertificateChain, Signature, ListOfRootCertificateIDs]:
        """What a CertificateInstallationReq says of this vehicle. Raises InstallationError without
        provisioning certificate, SignerError if its key cannot be used.
        """
        if self.provisioning is None:
            raise InstallationError("no-key", "the vehicle has no provisioning certificate")
        roots = tuple(_issuer_serial(der) for der in self.v2g_anchors[:_MOST_ROOTS])
        if not roots:
            raise InstallationError(
                "chain", "the vehicle trusts no root that a provisioning service may be under"
            )
        return *request_chain(self.provisioning.signer, form=self.form), ListOfRootCertificateIDs(
            root_certificate_id=roots
        )

    def accept(self, response: CertificateInstallationRes, unix_time: float | None) -> InstalledContract:
        """Take the contract in an answer. Raises InstallationError, which names what is wrong; then nothing
        of it is to be kept. [V2G20-2504]
        """
        if self.provisioning is None:
            raise InstallationError("no-key", "the vehicle has no provisioning certificate")
        try:
            return accept_contract(
                response.signed_installation_data,
                response.header.signature,
                response.cps_certificate_chain,
                provisioning=self.provisioning,
                v2g_anchors=self.v2g_anchors,
                mo_anchors=self.mo_anchors,
                at=time_of(unix_time),
                edition=self.edition,
                transports=self.transports,
            )
        except InstallationError:
            raise
        except PkiError as error:  # a certificate that is none
            raise InstallationError("chain", str(error)) from error

    def provisioning_for(self, edition: Edition) -> Provisioning | None:
        """The provisioning certificate whose kind of key this edition has."""
        kinds = {row.key for row in load_profile(edition).algorithms.values()}
        for one in (self.provisioning_iso2 if edition == "iso2" else None, self.provisioning):
            if one is not None and one.signer.algorithm in kinds:
                return one
        return None

    def installation_request(self, session_id: bytes) -> V2GMessage:
        """A signed CertificateInstallationReq of -2. Raises as ``request``. That is
        InstallationError or SignerError."""
        provisioning = self.provisioning_for("iso2")
        if provisioning is None:
            raise InstallationError("no-key", "the vehicle has no provisioning certificate of P-256")
        return installation_request(provisioning.signer, self._v2g_roots(), session_id)

    def update_request(self, contract: Signer, session_id: bytes) -> V2GMessage:
        """A signed CertificateUpdateReq of -2 for a contract of the vehicle. Raises as ``request``."""
        return update_request(contract, self._v2g_roots(), session_id)

    def _v2g_roots(self) -> tuple[bytes, ...]:
        if not self.v2g_anchors:
            raise InstallationError(
                "chain", "the vehicle trusts no root that a provisioning service may be under"
            )
        return self.v2g_anchors

    def accept_iso2(
        self, message: V2GMessage, unix_time: float | None, receiver: Signer | None = None
    ) -> InstalledContract:
        """Take the contract in an answer of -2, CertificateInstallationRes or CertificateUpdateRes.
        ``receiver``: the old contract that was to be renewed; None: the provisioning certificate. Raises
        InstallationError, as ``accept``."""
        provisioning = self.provisioning_for("iso2")
        key: Any = receiver if receiver is not None else provisioning and provisioning.agreement
        if not callable(getattr(key, "agree", None)):
            raise InstallationError(
                "no-key", "the vehicle has no key of P-256 that a contract could be sent to"
            )
        try:
            return accept_contract_iso2(
                message,
                receiver=key,
                v2g_anchors=self.v2g_anchors,
                mo_anchors=self.mo_anchors,
                at=time_of(unix_time),
            )
        except InstallationError:
            raise
        except PkiError as error:  # a certificate that is none
            raise InstallationError("chain", str(error)) from error

    def with_contract(self, signer: Signer) -> VehicleContracts:
        """With one more contract, which takes the place of an older one with its EMAID, among those of -2 or
        those of -20: the two have other kinds of key, and neither does for the other.

        Raises PkiError if the one that is there is newer, by the beginning of its validity and then its end.
        """
        new = contract_of(signer)
        for one in self.signers:
            old = contract_of(one)
            if new is None or old is None or not same_contract(old, new):
                continue
            if (new.not_before, new.not_after) < (old.not_before, old.not_after):
                raise PkiError(
                    f"contract {new.emaid}: there is a newer one, valid from {old.not_before:%Y-%m-%d}"
                )
        others = tuple(
            one
            for one in self.signers
            if new is None or (old := contract_of(one)) is None or not same_contract(old, new)
        )
        return msgspec.structs.replace(self, signers=(*others, signer))


class HeldContracts:
    """Contracts in memory, for tests and simulations."""

    def __init__(self, present: VehicleContracts) -> None:
        self.present = present
        """What there is now."""
        self.stored: list[Credential] = []
        """What was installed, in order."""

    def keep(self, contract: Credential) -> None:
        """Keep a contract. Raises PkiError if there is a newer one of the same EMAID."""
        self.present = self.present.with_contract(signer_of(contract))
        self.stored.append(contract)

    async def store(self, contract: Credential) -> None:
        """Keep a contract."""
        self.keep(contract)

    def __repr__(self) -> str:
        return f"HeldContracts({len(self.present.signers)} contracts)"


class StoredContracts:
    """Contracts in a certificate store, which is read again when it has changed.

    ``provisioning``: name of the vehicle's own chain in it. ``signer``: makes the signer of a chain with its
    key, for stores whose keys are elsewhere. Reading raises PkiError if the store cannot be used.
    """

    def __init__(
        self,
        store: Store,
        *,
        provisioning: str = "oemprov",
        alternative_key: bytes | None = None,
        edition: Edition = "iso20",
        signer: Callable[[Credential], Signer] = signer_of,
    ) -> None:
        self._store = store
        self._provisioning = provisioning
        self._alternative_key = alternative_key
        self._edition: Edition = edition
        self._signer = signer

    @property
    def present(self) -> VehicleContracts:
        """What is in the store now."""
        contents = self._store.refreshed()
        own = contents.own.get(self._provisioning)
        return VehicleContracts(
            signers=tuple(self._signer(one) for one in contents.contracts.values()),
            provisioning=None if own is None else provisioning_of(own, self._alternative_key),
            v2g_anchors=contents.anchors["V2G"],
            mo_anchors=contents.anchors["MO"],
            edition=self._edition,
        )

    def keep(self, contract: Credential) -> None:
        """Keep a contract. Raises PkiError if it cannot be written, or there is a
        newer one of the same EMAID."""
        self._store.add_contract(contract)

    async def store(self, contract: Credential) -> None:
        """Keep a contract. Raises PkiError if it cannot be written, or there is a
        newer one of the same EMAID."""
        self.keep(contract)

    def __repr__(self) -> str:
        return f"StoredContracts({self._store!r})"


def _issuer_serial(der: bytes) -> X509IssuerSerial:
    try:
        root = parse(der)
    except UnreadableError as error:
        raise PkiError(f"a trust anchor is no certificate: {error}") from error
    return X509IssuerSerial(x509_issuer_name=root.issuer_name, x509_serial_number=root.serial_number)
