"""Plug and Charge as the files describe it: the station's backend, and the vehicle's contracts."""

from __future__ import annotations

import time

from iso15118.errors import ConfigError
from iso15118.files import read_secret
from iso15118.pki import Credential, IssuedPki, Store
from iso15118.pki.chain.profiles import Edition
from iso15118.pki.contents import State
from iso15118.pki.keys.protect import opened_key, passphrase_of, protection_of
from iso15118.pki.keys.signer import Signer, signer_of
from iso15118.pki.status.evidence import Evidence
from iso15118.pki.status.revocation import Demand
from iso15118.pki.store_reading import state_of
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.contract_service import ContractService, issuing
from iso15118.pnc.installation import provisioning_of
from iso15118.pnc.installation_iso2 import ContractServiceIso2
from iso15118.pnc.vehicle_contracts import HeldContracts, StoredContracts, VehicleContracts
from iso15118.settings.identity import Ask, typed_for_store
from iso15118.settings.parts import StationContractSettings, TlsSettings, VehicleContractSettings
from iso15118.simulation.backend import ContractBackend, InstallationService, accept_emaids

__all__ = ["backend_of", "price_signers_of", "state_of_roots", "store_of"]


def price_signers_of(*pkis: IssuedPki | None) -> tuple[Signer, ...]:
    """The keys of the Sub-CAs that issue contracts, which sign prices as well. Raises ``ConfigError`` where a
    folder has none, or there is no folder."""
    there = [one for one in pkis if one is not None]
    if not there:
        raise ConfigError(
            "station.sign_prices", "there is no test PKI with the provider's keys", "tls.pki, or false"
        )
    for one in there:
        _certificate(one, "mo-sub2")
    return tuple(signer_of(one.credential("mo-sub2")) for one in there)


def backend_of(
    settings: StationContractSettings,
    tls: TlsSettings,
    pki: IssuedPki | None,
    *,
    older: IssuedPki | None = None,
    evidence: Evidence | None = None,
    demand: Demand | None = None,
) -> ContractBackend | None:
    """The backend of a station that takes contracts; None for one that does not. ``pki``: what is in tls.pki,
    None where TLS has its certificates from elsewhere; then the store has all roots. ``older``: what is in
    tls.iso2.pki, likewise. ``evidence``: what is known about revocation; ``demand``: how much has to be, when
    it is not as the settings say.

    Raises ConfigError for a folder without what is needed, PkiError for a store that cannot be used.
    """
    both = [one for one in (pki, older) if one is not None]
    if not settings.offer or (not both and settings.store is None):
        return None
    # What the station may not know, the backend does: the roots of the same test PKI.
    of_pki = tuple(_certificate(one, "mo-root") for one in both)
    v2g_of_pki = tuple(one.v2g_root for one in both)
    mo: tuple[bytes, ...] = of_pki
    v2g: tuple[bytes, ...] = v2g_of_pki
    if settings.store is not None:
        anchors = Store(settings.store).read(keys=False).anchors
        mo, v2g = anchors["MO"], anchors["V2G"]
        if not mo and not v2g and not settings.central_validation:
            raise ConfigError(
                "contracts.store",
                f"{settings.store} has no root of a provider",
                "put one into anchors/mo, or set central_validation",
            )
    trust = ContractTrust(
        mo_anchors=mo,
        v2g_anchors=v2g,
        edition=_edition(tls),
        central_validation=settings.central_validation,
        providers=settings.providers,
        revocation=None if evidence is None else evidence.policy(demand or settings.revocation or "none"),
    )
    service: InstallationService | None = None
    if settings.install and pki is not None:
        _certificate(pki, "cps")
        service = ContractService(
            cps=pki.credential("cps"),
            contracts=issuing(pki),
            oem_anchors=[pki.oem_root],
            edition=_edition(tls),
        )
    central = ContractTrust(mo_anchors=of_pki, v2g_anchors=v2g_of_pki, edition=_edition(tls))
    return ContractBackend(
        trust,
        accept_emaids(settings.accept),
        central=central if settings.central_validation else None,
        clock=time.time,
        service=service,
        service_iso2=_service_iso2(older) if settings.install and older is not None else None,
        decision_s=settings.decision_s,
        installation_s=settings.installation_s,
    )


def state_of_roots(settings: StationContractSettings, tls: TlsSettings) -> tuple[State, ...]:
    """What changes when a file of the station's backend does, without opening any. Raises OSError."""
    folders = (settings.store, tls.pki, tls.iso2.pki)
    return tuple(state_of(folder) for folder in folders if folder is not None)


def _service_iso2(pki: IssuedPki) -> ContractServiceIso2:
    _certificate(pki, "cps")

    def renewed(emaid: str) -> Credential:
        return issuing(pki, emaids=lambda _: (emaid,))(emaid)[0]

    return ContractServiceIso2(
        cps=pki.credential("cps"),
        contracts=issuing(pki),
        renewed=renewed,
        oem_anchors=[pki.oem_root],
        oem_intermediates=pki.chain("oemprov")[1:],
        mo_anchors=[_certificate(pki, "mo-root")],
    )


def store_of(
    settings: VehicleContractSettings,
    tls: TlsSettings,
    pki: IssuedPki | None,
    older: IssuedPki | None = None,
    ask: Ask | None = None,
) -> HeldContracts | StoredContracts | None:
    """The contracts of a vehicle; None for one without. ``pki``: what is in tls.pki, if anything; ``older``:
    in tls.iso2.pki; ``ask``: for the passphrase of a store whose keys are encrypted, where the settings have
    none. Raises as ``backend_of``. That is ``ConfigError`` for files without what is needed."""
    if not settings.use:
        return None
    if settings.store is not None:
        passphrase = passphrase_of(
            file=settings.passphrase_file,
            variable=settings.passphrase_variable,
            keys=("contracts.passphrase_file", "contracts.passphrase_variable"),
        )
        if passphrase is None and ask is not None:
            passphrase = typed_for_store(settings.store, ask)
        store = Store(settings.store, passphrase=passphrase)
        x448_key = None
        if settings.x448_key is not None:
            sealed = read_secret(settings.x448_key, key="contracts.x448_key")
            if passphrase is None and ask is not None and protection_of(sealed) != "none":
                passphrase = ask(str(settings.x448_key))
            x448_key = opened_key(sealed, passphrase)
        stored = StoredContracts(store, alternative_key=x448_key, edition=_edition(tls))
        # What is wrong with it is said now, not when a station is found.
        if not stored.present.signers and stored.present.provisioning is None:
            problems = "; ".join(map(str, store.refreshed().problems)) or "it is empty"
            raise ConfigError(
                "contracts.store",
                f"{settings.store} has no contract and no own/oemprov to install one with: {problems}",
                "`iso15118 pki import` fills it",
            )
        return stored
    both = [one for one in (pki, older) if one is not None]
    if not both:
        return None
    for one in both:
        for name in ("oemprov", *settings.names):
            _certificate(one, name)
    return HeldContracts(
        VehicleContracts(
            signers=tuple(signer_of(one.credential(name)) for one in both for name in settings.names),
            provisioning=None
            if pki is None
            else provisioning_of(pki.credential("oemprov"), pki.alternative_keys.get("oemprov")),
            provisioning_iso2=None if older is None else provisioning_of(older.credential("oemprov")),
            v2g_anchors=tuple(one.v2g_root for one in both),
            mo_anchors=tuple(_certificate(one, "mo-root") for one in both),
            edition=_edition(tls),
        )
    )


def _edition(tls: TlsSettings) -> Edition:
    return "lab" if tls.profile == "lab" else "iso20"


def _certificate(pki: IssuedPki, name: str) -> bytes:
    if name not in pki.certificates:
        raise ConfigError(
            "tls.pki", f"there is no certificate {name!r}", f"it has {', '.join(pki.certificates)}"
        )
    return pki.certificates[name]
