"""A simulated backend for Plug and Charge: it decides about contracts, and passes requests
on to a provisioning service.

What it decides by is data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import structs

from iso15118.errors import PkiError
from iso15118.pnc.contracts import ContractClaim, Refusal

if TYPE_CHECKING:
    from iso15118.pnc.authorization import ContractTrust

__all__ = ["ContractBackend", "InstallationService", "accept_emaids"]


class InstallationService(Protocol):
    """What answers requests for contracts; ``pnc.contract_service.ContractService`` is one."""

    def answer(self, request: Any) -> Any:
        """The signed response to a CertificateInstallationReq. Raises an error with a
        ``refusal``, or PkiError."""

    def answer_exi(self, request: bytes) -> bytes | Refusal:
        """The same over EXI."""


def accept_emaids(accepted: tuple[str, ...]) -> Callable[[ContractClaim], Refusal | None]:
    """A decision by EMAIDs or their beginnings, "*" for all, about contracts that somebody has verified: an
    EMAID in a certificate whose root nobody knows is what anybody may write."""
    wanted = tuple(one.replace("-", "").upper() for one in accepted)

    def decide(claim: ContractClaim) -> Refusal | None:
        emaid = claim.emaid.replace("-", "").upper()
        if not claim.verified:
            return Refusal.PROVIDER_UNKNOWN
        if "*" in wanted:
            return None
        if any(emaid.startswith(one) for one in wanted):
            return None
        known = any(emaid[:5] == one[:5] for one in wanted)
        return Refusal.REJECTED if known else Refusal.PROVIDER_UNKNOWN

    return decide


class ContractBackend:
    """``trust``: what the station checks contracts by. ``decide``: what is said about each. ``service``: None
    if no contracts are installed; ``service_iso2``: the one for ISO 15118-2, if it is another. ``decision_s``
    and ``installation_s``: how long either takes, in s of the clock. ``central``: roots that the backend has
    itself, by which it judges what the station could not (``central_validation``), at the time of ``clock``,
    in s since 1970; None: such contracts are refused.
    """

    def __init__(
        self,
        trust: ContractTrust,
        decide: Callable[[ContractClaim], Refusal | None] = accept_emaids(("*",)),  # noqa: B008 - pure
        *,
        service: InstallationService | None = None,
        service_iso2: InstallationService | None = None,
        decision_s: float = 0.0,
        installation_s: float = 0.0,
        central: ContractTrust | None = None,
        clock: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.central = central
        self.clock = clock
        self.trust = trust
        self.decide = decide
        self.service = service
        self.service_iso2 = service_iso2
        self.decision_s = decision_s
        self.installation_s = installation_s
        self.claims: list[ContractClaim] = []
        """What it was asked about, in order."""

    def renew(self, other: ContractBackend) -> None:
        """Decide and provide as ``other`` from now on; sessions that run keep what they began with."""
        self.trust, self.central, self.decide = other.trust, other.central, other.decide
        self.service, self.service_iso2 = other.service, other.service_iso2

    def decision(self, claim: ContractClaim) -> Refusal | None:
        """None if the contract pays."""
        self.claims.append(claim)
        if not claim.verified and self.central is not None:
            verdict = self.central.judge_chain(claim.chain, self.clock())
            if verdict.refusal is not None:
                return verdict.refusal
            claim = structs.replace(claim, emaid=verdict.emaid, verified=verdict.verified)
        return self.decide(claim)

    def service_of(self, schema: str) -> InstallationService | None:
        """The service that answers requests of this schema set."""
        return (self.service_iso2 or self.service) if schema == "iso2" else self.service

    def certificate(self, request: Any, schema: str) -> tuple[Any, Refusal | None]:
        """The service's response to a request for a contract, of this schema set; or why there is none."""
        service = self.service_of(schema)
        if service is None:
            return None, Refusal.NOT_AVAILABLE
        try:
            return service.answer(request), None
        except PkiError as error:
            return None, getattr(error, "refusal", Refusal.NOT_AVAILABLE)
