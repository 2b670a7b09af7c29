"""Contrary peers that change their minds: another schedule beside the charge loop, another choice of
service, standby, odd wishes.

Each is a contrary vehicle or station with more habits of the kind; they share no
code with ``secc`` and ``evcc``.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, Processing, ResponseCode
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.testing.contrary_station import ContraryStation
from iso15118.testing.contrary_vehicle import ContraryVehicle, Step

__all__ = ["MidSessionHabits", "MindedStation", "MindedVehicle"]


class MidSessionHabits(Struct, frozen=True, kw_only=True):
    """What sets one of them apart; ``of`` draws all of it from a seed."""

    turns: tuple[int, ...]
    """Vehicle: turns of the loop in which it begins an attempt beside it, whether
    the last one is over or not."""
    parameters: bool
    """It says its charge parameters again there."""
    progress: cm.ChargeProgress
    """ChargeProgress of its PowerDeliveryReq there."""
    undecided: int
    """How often that says Ongoing first."""
    abandons: bool
    """It never finishes an attempt."""
    standby: tuple[int, int] | None
    """Turn in which it asks for standby, and that in which it starts again."""
    service: str
    """How it leaves: "" in the ordinary way, "again" with another choice of the service, "hangs up" after
    saying so, "looks" at what there is and says goodbye."""
    beside: str
    """Station: how it answers beside the loop: "well", "slowly", "warning", "never" or "late"."""
    ongoing: int
    """Answers of Ongoing there."""
    notifies: tuple[tuple[int, EvseNotification], ...]
    """Station: what it wants, and in which turn."""
    says_needs: bool
    """Station, Dynamic mode: departure and states of charge, though the vehicle knows them."""
    go_to_pause: bool

    @classmethod
    def of(cls, seed: int) -> MidSessionHabits:
        """The habits of this seed."""
        rng = random.Random(f"mind {seed}")  # noqa: S311 - repeatable habits, no secrets
        start = rng.randint(2, 20)
        wants = (
            EvseNotification.ScheduleRenegotiation,
            EvseNotification.ScheduleRenegotiation,
            EvseNotification.ServiceRenegotiation,
            EvseNotification.ExitStandby,
        )
        return cls(
            turns=tuple(sorted(rng.randint(1, 60) for _ in range(rng.choice((0, 1, 2, 5))))),
            parameters=rng.random() < 0.4,
            progress=rng.choice((cm.ChargeProgress.Start, cm.ChargeProgress.ScheduleRenegotiation)),
            undecided=rng.choice((0, 0, 1, 3)),
            abandons=rng.random() < 0.2,
            standby=rng.choice((None, (start, start + rng.randint(1, 30)))),
            service=rng.choice(("", "", "again", "hangs up", "looks")),
            beside=rng.choice(("well", "slowly", "warning", "never", "late")),
            ongoing=rng.choice((0, 0, 1, 3)),
            notifies=tuple((rng.randint(1, 60), rng.choice(wants)) for _ in range(rng.randint(0, 3))),
            says_needs=rng.random() < 0.3,
            go_to_pause=rng.random() < 0.2,
        )


class MindedVehicle(ContraryVehicle):
    """A contrary vehicle that asks beside the loop, stands by, and may choose its service anew."""

    def __init__(self, seed: int, *args: Any, minds: MidSessionHabits | None = None, **options: Any) -> None:
        super().__init__(seed, *args, **options)
        self.minds = MidSessionHabits.of(seed) if minds is None else minds
        self.beside_codes: list[str] = []
        """Of the answers beside the loop."""
        self._owed = False
        self._undecided = 0
        self._offered: cm.ScheduleExchangeRes | None = None
        self._again = self.minds.service == "again"

    def handle(self, event: ev.Event, now: float) -> list[act.Action]:
        """One event; what it asks for at once."""
        if isinstance(event, ev.MessageReceived) and event.beside:
            self._now = now
            return self._beside(event.message) if self.ended is None else []
        return super().handle(event, now)

    def _wish(self, limits: Any, turn: int) -> Any:
        """Asked for in every turn; what it has in mind goes out beside it."""
        if turn in self.minds.turns and not self._owed:
            self._undecided = self.minds.undecided
            self._say(self._parameters() if self.minds.parameters else self._schedule_request())
        return super()._wish(limits, turn)

    def _say(self, request: Any) -> None:
        self._owed = True
        self._outbox.append(act.Send(request, beside=True))

    def _parameters(self) -> dc.DCChargeParameterDiscoveryReq:
        kind = getattr(dc, f"{self._prefix}DCCPDReqEnergyTransferMode")
        fields = self._hand.limits(self.limits, "ev", bool(self._prefix), self.habits.discharge_sign)
        return dc.DCChargeParameterDiscoveryReq(
            header=self._header(), dc_cpd_req_energy_transfer_mode=kind(**fields)
        )

    def _beside(self, message: Any) -> list[act.Action]:
        self._owed = False
        code = message.response_code.value
        self.beside_codes.append(code)
        if code.startswith("FAILED"):
            self.refused = f"{type(message).__name__} {code}"
            return self._over(act.EndReason.REFUSED)
        if code.startswith("WARNING_Schedule") or self.minds.abandons:
            return []
        match message:
            case cm.ScheduleExchangeRes(evse_processing=Processing.Finished):
                self._offered = message
                self._deliver()
            case cm.ScheduleExchangeRes() | dc.DCChargeParameterDiscoveryRes():
                self._say(self._schedule_request())
            case cm.PowerDeliveryRes() if self._undecided >= 0 and self._offered is not None:
                self._deliver()
        return self._take()

    def _deliver(self) -> None:
        """Ongoing as often as it likes, then the one that counts; nothing after that."""
        offered = self._offered
        if offered is None:
            return
        if self._undecided > 0:
            self._undecided -= 1
            self._say(self._delivery(self.minds.progress, Processing.Ongoing))
            return
        self._offered = None
        self._say(self._delivery(self.minds.progress, profile=self._profile(offered)))

    def _loop(self) -> Generator[Step, Any, None]:
        """In standby it does not follow the habits of the ordinary loop, and asks for whatever it likes."""
        standby = self.minds.standby
        habits = self.habits
        if standby is None:
            yield from super()._loop()
            return
        first, last = standby
        self.habits = replace(habits, loops=first)
        yield from super()._loop()
        yield "ask", self._delivery(cm.ChargeProgress.Standby)
        self.habits = replace(habits, loops=last - first)
        yield from super()._loop()
        yield "ask", self._delivery(cm.ChargeProgress.Start)
        self.habits = habits
        yield from super()._loop()

    def _leave(self) -> Generator[Step, Any, None]:
        if not self.minds.service or (self.minds.service == "again" and not self._again):
            yield from super()._leave()
            return
        self._again = False
        yield "ask", self._delivery(cm.ChargeProgress.Stop)
        urgency = act.Urgency.ORDERLY
        self._outbox += [act.StopPower(urgency), act.OpenContactors(urgency, "another service")]
        anew = cm.ChargingSession.ServiceRenegotiation
        yield "ask", cm.SessionStopReq(header=self._header(), charging_session=anew)
        if self.minds.service == "hangs up":
            return
        yield "ask", cm.ServiceDiscoveryReq(header=self._header())
        if self.minds.service == "looks":
            end = cm.ChargingSession.Terminate
            yield "ask", cm.SessionStopReq(header=self._header(), charging_session=end)
            return
        detail = yield "ask", cm.ServiceDetailReq(header=self._header(), service_id=self.habits.service)
        chosen = next(
            one.parameter_set_id
            for one in detail.service_parameter_list.parameter_set
            for parameter in one.parameter
            if parameter.name == "ControlMode" and parameter.int_value == self.habits.mode
        )
        selected = cm.SelectedService(service_id=self.habits.service, parameter_set_id=chosen)
        yield (
            "ask",
            cm.ServiceSelectionReq(header=self._header(), selected_energy_transfer_service=selected),
        )
        yield from self._energy()


class MindedStation(ContraryStation):
    """A contrary station that has a stream beside the loop, lets a vehicle choose anew, and wants
    something at awkward moments."""

    def __init__(self, seed: int, *args: Any, minds: MidSessionHabits | None = None, **options: Any) -> None:
        super().__init__(seed, *args, **options)
        self.minds = MidSessionHabits.of(seed) if minds is None else minds
        self.beside_asked = 0
        """Requests beside the loop."""
        self._left_ongoing = self.minds.ongoing
        self._standing_by = False

    def handle(self, event: ev.Event, now: float) -> list[act.Action]:
        """One event; what it asks for at once."""
        if isinstance(event, ev.MessageReceived) and event.beside and self.ended is None:
            self._now = now
            self._beside(event.message)
            return []
        return super().handle(event, now)

    def _beside(self, message: Any) -> None:
        self.beside_asked += 1
        how = self.minds.beside
        if how == "never":
            return
        kept = list(self.schedule)
        # Main stream and this one share nothing but the schedule that holds in the end.
        if isinstance(message, cm.ScheduleExchangeReq):
            answer = super()._schedule_exchange(message)
            processing = Processing.Ongoing if self._left_ongoing > 0 else Processing.Finished
            self._left_ongoing -= 1
            code = ResponseCode.WARNING_ScheduleRenegotiationFailed if how == "warning" else ResponseCode.OK
            answer = replace(answer, evse_processing=processing, response_code=code)
            # Until the last answer either may hold; whoever judges takes the greater one.
            self.schedule = kept + self.schedule
        else:
            answer = cm.PowerDeliveryRes(header=self._header(), response_code=ResponseCode.OK)
            self._left_ongoing = self.minds.ongoing
        wait = {"slowly": 1.2, "late": 3.0}.get(how, 0.05)
        self._later.append((self._now + wait, [act.Send(answer, beside=True)]))

    def _service_discovery(self, request: Any) -> Any:
        return replace(super()._service_discovery(request), service_renegotiation_supported=True)

    def _session_stop(self, request: Any) -> Any:
        if request.charging_session is cm.ChargingSession.ServiceRenegotiation:
            self._polls.clear()
            self._checked = False
            self.limits = self.present = self._hardware
            # Not the answer that ends the session here, though it reads the same on the wire.
            answer = cm.SessionStopRes(header=self._header(), response_code=ResponseCode.OK)
            self._later.append((self._now + 0.05, [act.Send(answer)]))
            return None
        return super()._session_stop(request)

    def _schedule_exchange(self, request: Any) -> Any:
        answer = super()._schedule_exchange(request)
        mode = answer.se_res_control_mode
        if self.minds.says_needs and isinstance(mode, cm.DynamicSEResControlMode):
            answer = replace(answer, se_res_control_mode=replace(mode, departure_time=1, target_soc=3))
        if self.minds.go_to_pause:
            answer = replace(answer, go_to_pause=True)
        return answer

    def _power_delivery(self, request: Any) -> Any:
        answer = super()._power_delivery(request)
        progress = request.charge_progress
        if progress is cm.ChargeProgress.Standby:
            self._standing_by = self._rng.random() < 0.7
            if not self._standing_by:
                return replace(answer, response_code=ResponseCode.WARNING_StandbyNotAllowed)
            return answer, act.StopPower(act.Urgency.ORDERLY)
        self._standing_by = False
        return answer

    def _loop(self, request: Any) -> Any:
        answer, bounds = super()._loop(request)
        wanted = [what for turn, what in self.minds.notifies if turn == self.loops]
        if wanted and answer.evse_status is None:
            status = EVSEStatus(notification_max_delay=self._rng.choice((0, 5)), evse_notification=wanted[-1])
            answer = replace(answer, evse_status=status)
        mode = answer.cl_res_control_mode
        if self.minds.says_needs and "target_soc" in mode.__struct_fields__:
            answer = replace(answer, cl_res_control_mode=replace(mode, departure_time=1, target_soc=3))
        if self._standing_by:
            bounds = act.SetPower(bounds.voltage_v, 0.0, 0.0)
        return answer, bounds
