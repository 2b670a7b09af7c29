"""What a simulated station has beside power: a terminal and a backend, which answer after a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from iso15118.session.actions import (
    HardwareAction,
    RequestAuthorization,
    RequestContractAuthorization,
    RequestContractCertificate,
    RequestSchedules,
    UseKey,
)
from iso15118.session.coupling import DevicePosition
from iso15118.session.events import (
    AuthorizationDecided,
    ContractCertificateAnswered,
    ContractDecided,
    Event,
    KeyUsed,
    SchedulesGiven,
    SchedulesMissing,
)
from iso15118.session.value_added import ValueAddedService
from iso15118.session.wireless import PadLimits

from .backend import ContractBackend
from .obeying import Circuit, Obeying
from .timetable import Timetable

__all__ = ["Desk"]


class Desk(Obeying):
    """Base of the simulated stations. ``accept`` and ``authorization_s``: what the terminal decides and after
    how long. ``timetable``: schedules of the energy manager; None: it is not asked for any."""

    pad_limits: PadLimits | None = None
    """What its pad can send; None: it has none."""
    id_code = 0
    """By which vehicles know the pad."""
    device: DevicePosition | None = None
    """Where its connection device is; None: it has none."""

    value_added: tuple[ValueAddedService, ...] = ()
    """What it offers beside energy."""

    def __init__(
        self,
        plant: Circuit,
        accept: bool,
        authorization_s: float,
        contracts: ContractBackend | None,
        timetable: Timetable | None = None,
    ) -> None:
        self.accept = accept
        self.authorization_s = authorization_s
        self.contracts = contracts
        self.timetable = timetable
        self._plant = plant
        self._obey(plant)

    def look(self, now: float) -> Sequence[Event]:
        """What is measured beside power: nothing, as a rule."""
        return []

    def _ask(self, action: HardwareAction) -> None:
        """Carry out a question; whatever else it is, nothing is done."""
        backend = self.contracts
        match action:
            case RequestAuthorization(number=number):
                self._later(
                    "authorize", self.authorization_s, lambda: AuthorizationDecided(self.accept, number)
                )
            case RequestContractAuthorization(claim) if backend is not None:
                self._later(
                    "authorize_contract",
                    backend.decision_s,
                    lambda: ContractDecided(claim, backend.decision(claim)),
                )
            case RequestContractCertificate(request=request, schema=schema) if backend is not None:
                self._later(
                    "certificate_installation",
                    backend.installation_s,
                    lambda: ContractCertificateAnswered(*backend.certificate(request, schema), request),
                )

            case UseKey():
                self._events.append(KeyUsed.of(action))
            case RequestSchedules(number=number):
                table = self.timetable
                if table is None:
                    self._events.append(SchedulesMissing(number))
                    return
                plant = self._plant
                self._later(
                    "schedules",
                    table.delay_s,
                    lambda: SchedulesGiven(table.at(plant.clock(plant.time)), number),
                )

    def _later(self, call: str, seconds: float, event: Callable[[], Event]) -> None:
        """``event`` after so many seconds of the clock; at once for none."""
        if seconds > 0.0:
            self._agenda.put(
                call,
                self._plant.time + seconds * self._plant.time_scale,
                lambda: self._events.append(event()),
            )
        else:
            self._events.append(event())
