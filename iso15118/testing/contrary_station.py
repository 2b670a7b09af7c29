"""A station with other habits than ours, for tests of vehicles: legal as a whole, and unlike our own in
everything that the standard leaves open.

It keeps the outer contract of a session (``handle``, ``handle_timeout``, ``deadline``), shares no code with
``secc``, and does the same for the same seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import (
    EvseNotification,
    EVSEStatus,
    MessageHeader,
    MeterInfo,
    Processing,
    ResponseCode,
)
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits
from iso15118.testing.contrary_schedules import ContrarySchedules
from iso15118.testing.oddities import Hand

__all__ = ["ContraryStation", "StationHabits"]

_MODES = ((1, 2), (2, 1), (1,), (2,))
_OK = ResponseCode.OK


class StationHabits(Struct, frozen=True, kw_only=True):
    """What sets one contrary station apart; ``of`` draws all of it from a seed."""

    modes: tuple[int, ...]
    """Control modes offered, in this order: 1 Scheduled, 2 Dynamic."""
    first_set: int
    """Number of the first parameter set."""
    separate_channels: bool
    """Bidirectional services are offered with two channels only."""
    microseconds: bool
    clock_off_s: float
    """By how much its clock is wrong."""
    anchor_s: float | None
    """TimeAnchor after (before, if negative) the moment of the message; None: 0."""
    entries: int
    """Of a schedule."""
    gaps: bool
    """Schedules have times without power, and end before the vehicle has enough."""
    back: bool
    """It says what may be given back over time, with the sign of its discharge limits."""
    discharge_sign: int
    loop_limits: str
    """"absent", "offered", "above" the offer or "narrow"."""
    ongoing: int
    """Answers of Ongoing before anything is finished."""
    slow: bool
    """It takes nearly all the time that it has."""
    notifications: tuple[tuple[int, EvseNotification], ...]
    """What it wants of the vehicle, and in which turn of the loop."""
    evse_id: str
    prices: bool

    @classmethod
    def of(cls, seed: int) -> StationHabits:
        """The habits of this seed."""
        rng = random.Random(f"station {seed}")  # noqa: S311 - repeatable habits, no secrets
        awkward = (
            EvseNotification.MeteringConfirmation,
            EvseNotification.ExitStandby,
            EvseNotification.ScheduleRenegotiation,
        )
        turns = [(rng.randint(1, 40), rng.choice(awkward)) for _ in range(rng.choice((0, 0, 1, 2)))]
        if rng.random() < 0.2:
            last = (EvseNotification.Terminate, EvseNotification.Pause, EvseNotification.ServiceRenegotiation)
            turns.append((rng.randint(1, 60), rng.choice(last)))
        return cls(
            modes=rng.choice(_MODES),
            first_set=rng.choice((0, 1, 7, 60_000)),
            separate_channels=rng.random() < 0.3,
            microseconds=rng.random() < 0.25,
            clock_off_s=rng.choice((0.0, 0.0, 31_536_000.0, -86_400.0)),
            anchor_s=rng.choice((None, 0.0, -40.0, -4500.0, 3.0, 20.0)),
            entries=rng.choice((1, 2, 5, 40, 1024)),
            gaps=rng.random() < 0.4,
            back=rng.random() < 0.5,
            discharge_sign=rng.choice((1, -1)),
            loop_limits=rng.choice(("absent", "offered", "above", "narrow")),
            ongoing=rng.choice((0, 0, 1, 4)),
            slow=rng.random() < 0.3,
            notifications=tuple(sorted(turns, key=lambda turn: turn[0])),
            evse_id=rng.choice(("DE*ABC*E1", "ZZ00000", "de*abc*e*7*2", "charger 4")),
            prices=rng.random() < 0.5,
        )


class ContraryStation(ContrarySchedules):
    """``limits``: what it offers; ``services``: which ids. ``epoch`` as for ``SeccSession``."""

    def __init__(
        self,
        seed: int,
        limits: StationLimits,
        services: tuple[int, ...],
        *,
        epoch: float,
        habits: StationHabits | None = None,
    ) -> None:
        self.habits = StationHabits.of(seed) if habits is None else habits
        self.limits = self._hardware = limits
        self.present = limits
        """What it gives now: what its last answer said, or the offer."""
        self.schedule: list[tuple[float, float, float]] = []
        """Begin, end (on the session's clock) and W of what it scheduled, of the
        tuple that the vehicle chose."""
        self.offered: dict[int, list[tuple[float, float, float]]] = {}
        """The same of every tuple."""
        self.exchanges = 0
        """Schedule exchanges that were finished."""
        self.profiles: list[cm.EVPowerProfile] = []
        """What the vehicle sent."""
        self.services = services
        self.ended: act.SessionEnded | None = None
        self.states = ["Connecting"]
        self.mode = 1
        self.loops = 0
        self.ticket = None
        self._rng = random.Random(f"answers {seed}")  # noqa: S311 - repeatable answers, no secrets
        self._hand = Hand(self._rng)
        self._epoch = epoch + self.habits.clock_off_s
        self._session_id = self._rng.randbytes(8)
        self._now = 0.0
        self._later: list[tuple[float, list[act.Action]]] = []
        self._polls: dict[str, int] = {}
        self._checked = self._closed = False
        self._measured = ev.PowerMeasured(0.0, 0.0)
        self._declared: Any = None
        self._waiting: tuple[bool, Callable[[], Any]] | None = None
        self._service = 2
        self._answers: dict[type, Callable[[Any], Any]] = {
            cm.SessionSetupReq: self._session_setup,
            cm.AuthorizationSetupReq: self._authorization_setup,
            cm.AuthorizationReq: self._authorization,
            cm.ServiceDiscoveryReq: self._service_discovery,
            cm.ServiceDetailReq: self._service_detail,
            cm.ServiceSelectionReq: self._service_selection,
            dc.DCChargeParameterDiscoveryReq: self._charge_parameters,
            cm.ScheduleExchangeReq: self._schedule_exchange,
            dc.DCCableCheckReq: self._cable_check,
            dc.DCPreChargeReq: self._pre_charge,
            cm.PowerDeliveryReq: self._power_delivery,
            dc.DCChargeLoopReq: self._loop,
            cm.MeteringConfirmationReq: lambda r: cm.MeteringConfirmationRes(
                header=self._header(), response_code=_OK
            ),
            dc.DCWeldingDetectionReq: lambda r: dc.DCWeldingDetectionRes(
                header=self._header(),
                response_code=_OK,
                evse_present_voltage=self._hand.write(self._measured.voltage_v),
            ),
            cm.SessionStopReq: self._session_stop,
        }

    # -- the outer contract of a session

    @property
    def state(self) -> str:
        """The last request it got."""
        return self.states[-1]

    @property
    def energized(self) -> bool:
        """The hardware was asked for something and not yet to take it back."""
        return self._checked and self.ended is None

    @property
    def emaid(self) -> str:
        """No contracts here."""
        return ""

    @property
    def deadline(self) -> float | None:
        """When an answer goes out."""
        return min((due for due, _ in self._later), default=None)

    def handle(self, event: ev.Event, now: float) -> list[act.Action]:
        """One event; what it asks for at once."""
        self._now = now
        match event:
            case ev.PowerMeasured():
                self._measured = event
            case ev.CableCheckFinished(ok=ok):
                self._checked = ok
            case ev.ContactorsChanged(closed=closed):
                self._closed = closed
                if self._waiting is not None and self._waiting[0] is closed:
                    answer, self._waiting = self._waiting[1], None
                    return [act.Send(answer())]
            case ev.SignalChanged(state=state) if state not in (ev.SignalState.C, ev.SignalState.D):
                urgency = act.Urgency.EMERGENCY
                return [act.StopPower(urgency), act.OpenContactors(urgency, "control pilot")]
            case ev.TransportLost() if self.ended is None:
                return self._over(act.EndReason.PEER_VANISHED)
            case ev.MessageReceived(message=message) if self.ended is None:
                return self._message(message)
        return []

    def handle_timeout(self, now: float) -> list[act.Action]:
        """The answers that are due."""
        self._now = now
        due = [actions for moment, actions in self._later if moment <= now]
        self._later = [entry for entry in self._later if entry[0] > now]
        return [action for actions in due for action in actions]

    def _message(self, message: Any) -> list[act.Action]:
        if isinstance(message, app.SupportedAppProtocolReq):
            chosen = app.SupportedAppProtocolRes(
                response_code=app.ResponseCode.OK_SuccessfulNegotiation,
                schema_id=message.app_protocol[0].schema_id,
            )
            return [act.Send(chosen), act.UseSchema("iso20-dc")]
        self.states.append(type(message).__name__.removesuffix("Req"))
        before: list[act.Action] = []
        answer = self._answers[type(message)](message)
        if isinstance(answer, tuple):
            answer, *before = answer
        if answer is None:
            return before  # when the contactors have switched
        again = getattr(message, "charging_session", None) is cm.ChargingSession.ServiceRenegotiation
        after = self._over() if type(answer) is cm.SessionStopRes and not again else []
        due = self._now + self._takes(isinstance(message, dc.DCChargeLoopReq))
        self._later.append((due, [act.Send(answer), *after]))
        return before

    def _takes(self, loop: bool) -> float:
        most = 0.24 if loop else 1.45
        return most * self._rng.uniform(0.8, 1.0) if self.habits.slow else self._rng.uniform(0.0, 0.1 * most)

    def _over(self, reason: act.EndReason = act.EndReason.STOPPED_BY_EV) -> list[act.Action]:
        self.ended = act.SessionEnded(reason)
        self._later.clear()
        urgency = act.Urgency.ORDERLY if reason.orderly else act.Urgency.EMERGENCY
        return [act.StopPower(urgency), act.OpenContactors(urgency, "over"), self.ended]

    def _stamp(self, moment: float) -> int:
        return max(int((moment + self._epoch) * (1e6 if self.habits.microseconds else 1.0)), 0)

    def _header(self) -> MessageHeader:
        return MessageHeader(session_id=self._session_id, time_stamp=self._stamp(self._now))

    def _ongoing(self, what: str) -> Processing:
        self._polls[what] = self._polls.get(what, 0) + 1
        return Processing.Ongoing if self._polls[what] <= self.habits.ongoing else Processing.Finished

    # -- before power

    def _session_setup(self, request: Any) -> Any:
        return cm.SessionSetupRes(
            header=self._header(),
            response_code=ResponseCode.OK_NewSessionEstablished,
            evseid=self.habits.evse_id,
        )

    def _authorization_setup(self, request: Any) -> Any:
        return cm.AuthorizationSetupRes(
            header=self._header(),
            response_code=_OK,
            authorization_services=(cm.Authorization.EIM,),
            certificate_installation_service=False,
            as_res_authorization_mode=cm.EIMASResAuthorizationMode(),
        )

    def _authorization(self, request: Any) -> Any:
        answer = cm.AuthorizationRes(
            header=self._header(), response_code=_OK, evse_processing=self._ongoing("authorization")
        )
        return answer, act.RequestAuthorization("contrary")

    def _service_discovery(self, request: Any) -> Any:
        return cm.ServiceDiscoveryRes(
            header=self._header(),
            response_code=_OK,
            service_renegotiation_supported=self._rng.random() < 0.5,
            energy_transfer_service_list=cm.ServiceList(
                service=tuple(
                    cm.Service(service_id=one, free_service=self._rng.random() < 0.5)
                    for one in (*self.services, 1)
                )
            ),
        )

    def _service_detail(self, request: Any) -> Any:
        sets = []
        for number, mode in enumerate(self.habits.modes, self.habits.first_set):
            pricing = 1 if mode == 1 and self.habits.prices else 0
            values = {"ControlMode": mode, "Pricing": pricing, "MobilityNeedsMode": 1, "Connector": 1}
            if request.service_id in (6, 9):
                values |= {"GeneratorMode": 1, "BPTChannel": 2 if self.habits.separate_channels else 1}
            names = list(values)
            self._rng.shuffle(names)
            parameters = tuple(cm.Parameter(name=name, int_value=values[name]) for name in names)
            sets.append(cm.ParameterSet(parameter_set_id=number, parameter=parameters))
        return cm.ServiceDetailRes(
            header=self._header(),
            response_code=_OK,
            service_id=request.service_id,
            service_parameter_list=cm.ServiceParameterList(parameter_set=tuple(sets)),
        )

    def _service_selection(self, request: Any) -> Any:
        chosen = request.selected_energy_transfer_service
        self._service = chosen.service_id
        self.mode = self.habits.modes[chosen.parameter_set_id - self.habits.first_set]
        return cm.ServiceSelectionRes(header=self._header(), response_code=_OK)

    def _charge_parameters(self, request: Any) -> Any:
        self._declared = request.dc_cpd_req_energy_transfer_mode
        bidirectional = self._service in (6, 9)
        kind = dc.BPTDCCPDResEnergyTransferMode if bidirectional else dc.DCCPDResEnergyTransferMode
        fields = self._hand.limits(self.limits, "evse", bidirectional, self.habits.discharge_sign)
        self.limits = self.present = self._hand.as_read(fields, self.limits)
        return dc.DCChargeParameterDiscoveryRes(
            header=self._header(), response_code=_OK, dc_cpd_res_energy_transfer_mode=kind(**fields)
        )

    def _schedule_exchange(self, request: Any) -> Any:
        processing = self._ongoing("schedule")
        mode: Any = cm.DynamicSEResControlMode()
        if self.mode == 1:
            mode = cm.ScheduledSEResControlMode(schedule_tuple=tuple(self._tuples()))
        self.exchanges += processing is Processing.Finished
        return cm.ScheduleExchangeRes(
            header=self._header(),
            response_code=_OK,
            evse_processing=processing,
            se_res_control_mode=mode,
        )

    # -- power

    def _cable_check(self, request: Any) -> Any:
        before = []
        if "cable check" not in self._polls:
            self._polls["cable check"] = 1
            most = Hand.read(self._declared.ev_maximum_voltage)
            # IEC 61851-23 CC.4.1.2
            test_v = min(most + 50.0, 500.0) if most <= 500.0 else 1.1 * most
            test_v = min(test_v, self.limits.maximum_voltage_v, self._hardware.maximum_voltage_v)
            before.append(act.StartCableCheck(test_v, self._now + 30.0))
        done = Processing.Finished if self._checked else Processing.Ongoing
        return (
            dc.DCCableCheckRes(header=self._header(), response_code=_OK, evse_processing=done),
            *before,
        )

    def _pre_charge(self, request: Any) -> Any:
        answer = dc.DCPreChargeRes(
            header=self._header(),
            response_code=_OK,
            evse_present_voltage=self._hand.write(self._measured.voltage_v),
        )
        return answer, act.PreCharge(Hand.read(request.ev_target_voltage), 2.0)

    def _power_delivery(self, request: Any) -> Any:
        progress, urgency = request.charge_progress, act.Urgency.ORDERLY
        profile = request.ev_power_profile
        if progress is cm.ChargeProgress.Start and profile is not None and self.mode == 1:
            self.profiles.append(profile)
            self.schedule = self.offered[profile.evppt_control_mode.selected_schedule_tuple_id]
        answer = cm.PowerDeliveryRes(header=self._header(), response_code=_OK)
        if progress is cm.ChargeProgress.Start and not self._closed:
            self._waiting = (True, lambda: answer)
            return None, act.CloseContactors(self._now + 1.4)
        if progress is cm.ChargeProgress.Stop:
            safe = (act.StopPower(urgency), act.OpenContactors(urgency, "stop"))
            if self._closed:
                self._waiting = (False, lambda: answer)
                return None, *safe
            return answer, *safe
        if progress is cm.ChargeProgress.ScheduleRenegotiation:
            return answer, act.StopPower(urgency)
        return answer

    def _loop(self, request: Any) -> Any:
        self.loops += 1
        mode = request.cl_req_control_mode
        bounds = self._bounds(mode)
        wanted = [what for turn, what in self.habits.notifications if turn == self.loops]
        status = (
            EVSEStatus(notification_max_delay=self._rng.choice((0, 5, 60)), evse_notification=wanted[-1])
            if wanted
            else None
        )
        meter = None
        if request.meter_info_requested or self._rng.random() < 0.1 or wanted:
            meter = MeterInfo(meter_id="C", charged_energy_reading_wh=self.loops)
        answer = dc.DCChargeLoopRes(
            header=self._header(),
            response_code=_OK,
            evse_status=status,
            meter_info=meter,
            evse_present_current=self._hand.write(self._measured.current_a),
            evse_present_voltage=self._hand.write(self._measured.voltage_v),
            evse_power_limit_achieved=self._rng.random() < 0.5,
            evse_current_limit_achieved=False,
            evse_voltage_limit_achieved=False,
            cl_res_control_mode=self._loop_mode(type(mode)),
        )
        return answer, bounds

    def _loop_mode(self, of_request: type) -> Any:
        kind = getattr(dc, of_request.__name__.replace("Req", "Res"))
        bidirectional = of_request.__name__.startswith("BPT")
        habit = self.habits.loop_limits
        if habit == "absent" and self.mode == 1:
            return kind()
        said = self.limits
        if habit == "narrow":
            if self._rng.random() < 0.1:
                self.present = self._hand.narrowed(self.limits)
            said = self.present
        fields = self._hand.limits(said, "evse", bidirectional, self.habits.discharge_sign)
        if habit == "narrow":
            self.present = self._hand.as_read(fields, self.limits)
        if habit == "above":
            fields["evse_maximum_charge_power"] = self._hand.write(2.0 * said.maximum_charge_power_w)
            fields["evse_maximum_charge_current"] = self._hand.write(1.5 * said.maximum_charge_current_a)
        return kind(**{name: value for name, value in fields.items() if name in kind.__struct_fields__})

    def _bounds(self, mode: Any) -> act.SetPower:
        read, present, declared = Hand.read, self.present, self._declared
        volts = min(present.maximum_voltage_v, read(declared.ev_maximum_voltage))
        amperes = min(present.maximum_charge_current_a, read(declared.ev_maximum_charge_current))
        watts = min(present.maximum_charge_power_w, read(declared.ev_maximum_charge_power))
        # The greatest voltage that may be there: current and power then never contradict each other.
        amperes = min(amperes, watts / max(self._measured.voltage_v + 2.0, 1.0))
        if self.mode == 1:
            target = read(mode.ev_target_current)
            return act.SetPower(
                min(volts, read(mode.ev_target_voltage)), max(min(amperes, target), 0.0), watts
            )
        wanted = read(mode.ev_target_energy_request) > 0.0
        amperes = min(amperes, read(mode.ev_maximum_charge_current))
        watts = min(watts, read(mode.ev_maximum_charge_power))
        amperes = min(amperes, watts / max(self._measured.voltage_v + 2.0, 1.0))
        return act.SetPower(
            min(volts, read(mode.ev_maximum_voltage)), amperes if wanted else 0.0, watts if wanted else 0.0
        )

    def _session_stop(self, request: Any) -> Any:
        if (
            request.charging_session is cm.ChargingSession.ServiceRenegotiation
        ):  # everything is agreed on anew
            self._polls.pop("cable check", None)
            self._checked = False
            self.limits = self.present = self._hardware
        return cm.SessionStopRes(header=self._header(), response_code=_OK)
