"""What is asked of the ports of Plug and Charge: the backend that decides, the service that
provides, the vehicle's store.

They are slow and far away: an answer that does not come is a refusal, never a fault of the hardware.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from iso15118 import exi
from iso15118.aio.logs import Log
from iso15118.errors import ExiError, HardwareError
from iso15118.messages import iso2
from iso15118.messages.iso20 import common_messages
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.printable import printable
from iso15118.session import events as ev

from .answers import meant_yes
from .contract_store import unhurried
from .guard import Port, brief
from .port_calls import Question

if TYPE_CHECKING:
    from collections.abc import Callable

    from iso15118.pki import Credential
    from iso15118.pnc.authorization import ContractTrust
    from iso15118.pnc.vehicle_contracts import VehicleContracts
    from iso15118.session import actions as act
    from iso15118.session import ports

__all__ = ["ContractCalls", "StoreCalls", "contracts_of", "trust_of"]

_log = Log(__name__)

_ANSWERS: dict[str, tuple[type, ...]] = {
    "iso20-common": (common_messages.CertificateInstallationRes,),
    "iso2": (iso2.CertificateInstallationRes, iso2.CertificateUpdateRes),
}
"""What brings a contract, by the schema set of the request."""
_LONGEST_ANSWER = 256 * 1024
"""Octets of a response that are looked at; it goes to the vehicle in one frame of that size at most."""


def trust_of(station: ports.Station) -> ContractTrust | None:
    """Whom the station believes about contracts, read now; None if it does not do Plug
    and Charge, or cannot say."""
    if station.contract_authorizer is None:
        return None
    try:
        trust: ContractTrust = Port(station.contract_authorizer, "contract_authorizer").read("trust", _trust)
    except HardwareError as error:
        _log.warning("no Plug and Charge in this session: %s", brief(error))
        return None
    return trust


def contracts_of(vehicle: ports.Vehicle, refused: tuple[str, ...] = ()) -> VehicleContracts | None:
    """What the vehicle holds, read now; None if it has no store, or the store cannot be read. ``refused``:
    EMAIDs that were refused in earlier sessions."""
    if vehicle.contracts is None:
        return None
    try:
        contracts: VehicleContracts = Port(vehicle.contracts, "contracts").read("present", _present)
    except HardwareError as error:
        _log.warning("no Plug and Charge in this session: %s", brief(error))
        return None
    return replace(contracts, refused=refused) if refused else contracts


def _trust(value: Any, name: str) -> Any:
    from iso15118.pnc.authorization import ContractTrust  # here: only for who does Plug and Charge

    if not isinstance(value, ContractTrust):
        raise HardwareError(
            f"{name} is a value of {type(value).__name__}, not iso15118.pnc.authorization.ContractTrust"
        )
    return value


def _present(value: Any, name: str) -> Any:
    """What is in it is judged by the session; here it only has to be such a thing."""
    from iso15118.pnc.vehicle_contracts import VehicleContracts  # as above

    if not isinstance(value, VehicleContracts):
        raise HardwareError(
            f"{name} is a value of {type(value).__name__}, not iso15118.pnc.vehicle_contracts.VehicleContracts"
        )
    if not isinstance(value.signers, tuple):
        raise HardwareError(f"{name}.signers is no tuple")
    return value


class ContractCalls:
    """The station's two ports. ``tell`` gets the answers as events; either port takes ``limit_s`` at most."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        station: ports.Station,
        tell: Callable[[ev.Event], None],
        limit_s: float,
    ) -> None:
        self._loop = loop
        self._backend = _port(station.contract_authorizer, "contract_authorizer")
        self._installing = _port(station.contract_certificates, "contract_certificates")
        self._tell = tell
        self._limit_s = limit_s
        self._authorizer: Question | None = None
        self._service: Question | None = None

    def authorize(self, action: act.RequestContractAuthorization) -> None:
        """Ask the backend; whatever was asked before is not wanted any more."""
        port, claim = self._backend, action.claim
        _give_up(self._authorizer)
        if port is None:
            self._tell(ev.ContractDecided(claim, Refusal.NOT_AVAILABLE))
            return
        self._authorizer = Question(
            self._loop,
            port,
            "authorize_contract",
            partial(self._decided, claim),
            partial(self._undecided, claim),
            reads=True,
        )
        self._authorizer.ask(port.call("authorize_contract", claim), self._limit_s)

    def install(self, action: act.RequestContractCertificate) -> None:
        """Pass a vehicle's request on; whatever was asked before is not wanted any more."""
        port = self._installing
        _give_up(self._service)
        if port is None:
            self._tell(ev.ContractCertificateAnswered(None, Refusal.NOT_AVAILABLE, action.request))
            return
        self._service = Question(
            self._loop,
            port,
            "certificate_installation",
            partial(self._answered, action.request, action.schema),
            partial(self._unanswered, action.request),
        )
        octets = exi.encode(action.schema, action.request)
        limit_s = max(action.deadline - self._loop.time(), 0.001)
        call = port.call("certificate_installation", octets, action.schema)
        self._service.ask(call, min(limit_s, self._limit_s))

    def drop(self) -> None:
        """Nobody wants to know any more."""
        for question in (self._authorizer, self._service):
            if question is not None:
                question.drop()

    def close(self) -> None:
        """No more questions."""
        for question in (self._authorizer, self._service):
            _give_up(question)

    def _decided(self, claim: ContractClaim, result: object) -> None:
        if isinstance(result, Refusal):
            self._tell(ev.ContractDecided(claim, result))
            return
        if result is None:
            meant_yes("contract_authorizer.authorize_contract", "True if the contract pays")
        elif result is not True:
            kind = type(result).__name__
            raise HardwareError(
                f"contract_authorizer.authorize_contract returned {kind}, neither True nor a Refusal"
            )
        self._tell(ev.ContractDecided(claim, None))

    def _undecided(self, claim: ContractClaim, complaint: str) -> None:
        _log.warning("the contract %s is refused: %s", printable(claim.emaid), complaint)
        self._tell(ev.ContractDecided(claim, Refusal.NOT_AVAILABLE))

    def _answered(self, request: object, schema: str, result: object) -> None:
        if isinstance(result, Refusal):
            self._tell(ev.ContractCertificateAnswered(None, result, request))
            return
        if not isinstance(result, bytes) or len(result) > _LONGEST_ANSWER:
            raise HardwareError(
                "contract_certificates.certificate_installation returned no octets of a message"
            )
        try:
            response = exi.decode(schema, result)
        except ExiError as error:
            raise HardwareError(brief(f"the contract-certificate service's answer: {error}")) from error
        said = response.body.body_element if isinstance(response, iso2.V2GMessage) else response
        if not isinstance(said, _ANSWERS[schema]):
            raise HardwareError(f"the contract-certificate service answered {type(said).__name__}")
        self._tell(ev.ContractCertificateAnswered(response, None, request))

    def _unanswered(self, request: object, complaint: str) -> None:
        _log.warning("no contract for the vehicle: %s", complaint)
        self._tell(ev.ContractCertificateAnswered(None, Refusal.NOT_AVAILABLE, request))


def _port(port: object, name: str) -> Port | None:
    return None if port is None else Port(port, name)


def _give_up(question: Question | None) -> None:
    """Dropped before it is closed, so that its end is not taken for an answer."""
    if question is not None:
        question.drop()
        question.close()


class StoreCalls:
    """The vehicle's contract store: one contract after the other, none of them left out."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, store: ports.ContractStore | None, limit_s: float
    ) -> None:
        self._loop = loop
        self._store = None if store is None else Port(unhurried(store), "contracts")
        self._limit_s = limit_s
        self._waiting: list[Credential] = []
        self._idle: asyncio.Future[None] | None = None
        self._question = Question(loop, Port(store, "contracts"), "store", self._kept, self._not_kept)

    def keep(self, contract: Any) -> None:
        """Keep this contract, after those that are being kept."""
        self._waiting.append(contract)
        if not self._question.asked:
            self._next()

    @property
    def may_take_s(self) -> float:
        """How long ``settled`` may take from now, in s."""
        return self._limit_s * (len(self._waiting) + self._question.asked)

    async def settled(self) -> None:
        """Wait until all are kept, or given up; bounded by the limit of each."""
        while self._question.asked:
            self._idle = self._loop.create_future()
            await self._idle

    def close(self) -> None:
        """No more calls."""
        self._question.close()

    def _next(self) -> None:
        if self._store is not None and self._waiting:
            self._question.ask(self._store.call("store", self._waiting.pop(0)), self._limit_s)

    def _kept(self, result: object) -> None:
        self._go_on()

    def _not_kept(self, complaint: str) -> None:
        _log.warning("a contract was installed, and is not kept: %s", complaint)
        self._go_on()

    def _go_on(self) -> None:
        self._next()
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
