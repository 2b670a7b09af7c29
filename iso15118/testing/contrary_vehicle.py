"""A vehicle with other habits than ours, for tests of stations: legal as a whole, and unlike our own in
everything that the standard leaves open.

It keeps the outer contract of a session (``handle``, ``handle_timeout``, ``deadline``), shares no code with
``evcc``, and does the same for the same seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import Any

from msgspec import Struct

from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import (
    DisplayParameters,
    EvseNotification,
    MessageHeader,
    Processing,
)
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import VehicleLimits
from iso15118.testing.oddities import Hand

__all__ = ["ContraryVehicle", "VehicleHabits"]

_SERVICES = {2: "", 6: "BPT", 8: "", 9: "BPT"}


class VehicleHabits(Struct, frozen=True, kw_only=True):
    """What sets one contrary vehicle apart; ``of`` draws all of it from a seed."""

    mode: int
    """The control mode that it wants: 1 Scheduled, 2 Dynamic."""
    service: int
    microseconds: bool
    clock_off_s: float
    discharge_sign: int
    repeats_limits: bool
    """It repeats its limits in every charge-loop request."""
    asks_for_more: bool
    """Its target current ignores the station's limits."""
    gives: bool
    """In a bidirectional service it gives some back now and then, unasked."""
    profile: str
    """"none", "now", "past", "ahead" or "zero": the anchor of its power profile."""
    entries: int
    """Of the profile."""
    pace_s: float
    """From one charge-loop request to the next."""
    departure_s: int | None
    loops: int
    """After so many it has had enough."""
    way_out: str
    """"stop", "session stop", "renegotiate and stop" or "silent welding"."""
    renegotiates: bool
    """It follows a notification ScheduleRenegotiation, and asks for one by itself in between."""
    standby: bool
    """It asks for standby, before power and in the loop."""
    wants_meter: float
    """Share of the turns in which it asks for the meter."""
    shows: bool
    """It sends DisplayParameters."""
    ongoing: int
    """PowerDelivery requests that say Ongoing before the one that counts."""

    @classmethod
    def of(cls, seed: int, services: tuple[int, ...]) -> VehicleHabits:
        """The habits of this seed."""
        rng = random.Random(f"vehicle {seed}")  # noqa: S311 - repeatable habits, no secrets
        return cls(
            mode=rng.choice((1, 2)),
            service=rng.choice(services),
            microseconds=rng.random() < 0.25,
            clock_off_s=rng.choice((0.0, 0.0, 31_536_000.0, -86_400.0)),
            discharge_sign=rng.choice((1, -1)),
            repeats_limits=rng.random() < 0.6,
            asks_for_more=rng.random() < 0.3,
            gives=rng.random() < 0.4,
            profile=rng.choice(("none", "now", "past", "ahead", "zero")),
            entries=rng.choice((1, 3, 24, 2048)),
            pace_s=rng.choice((0.05, 0.25, 0.25, 0.45)),
            departure_s=rng.choice((None, None, 0, 60, 7200, 400_000)),
            loops=rng.randint(10, 90),
            way_out=rng.choice(("stop", "stop", "session stop", "renegotiate and stop", "silent welding")),
            renegotiates=rng.random() < 0.5,
            standby=rng.random() < 0.3,
            wants_meter=rng.choice((0.0, 0.1, 1.0)),
            shows=rng.random() < 0.5,
            ongoing=rng.choice((0, 0, 1, 3)),
        )


Step = tuple[str, Any]


class ContraryVehicle:
    """``limits``: what it declares; ``services``: what it may choose from. ``epoch`` as for
    ``EvccSession``."""

    def __init__(
        self,
        seed: int,
        limits: VehicleLimits,
        services: tuple[int, ...],
        *,
        epoch: float,
        habits: VehicleHabits | None = None,
    ) -> None:
        self.habits = VehicleHabits.of(seed, services) if habits is None else habits
        self.limits = limits
        self.declared = limits
        """What it said of them, rounded its own way."""
        self.wish: Any = None
        """The control mode element of its last charge-loop request."""
        self.refused = ""
        """The code with which the station ended it."""
        self.codes: list[str] = []
        """Of the charge-loop answers."""
        self.ended: act.SessionEnded | None = None
        self.states = ["Connecting"]
        self.ticket = None
        self._rng = random.Random(f"requests {seed}")  # noqa: S311 - repeatable requests, no secrets
        self._hand = Hand(self._rng)
        self._epoch = epoch + self.habits.clock_off_s
        self._session_id = bytes(8)
        self._now = 0.0
        self._due: float | None = None
        self._ready: Callable[[], bool] | None = None
        self._awaits = False
        self._outbox: list[act.Action] = []
        self._inlet = ev.InletMeasured(0.0)
        self._battery: ev.BatteryChanged | None = None
        self._closed = False
        self._script: Generator[Step, Any, None] | None = None

    # -- the outer contract of a session

    @property
    def state(self) -> str:
        """The last request it sent."""
        return self.states[-1]

    @property
    def energized(self) -> bool:
        """The contactors are closed."""
        return self._closed

    @property
    def installed(self) -> int:
        """No contracts here."""
        return 0

    @property
    def deadline(self) -> float | None:
        """When it goes on by itself."""
        return self._due

    def handle(self, event: ev.Event, now: float) -> list[act.Action]:
        """One event; what it asks for at once."""
        self._now = now
        match event:
            case ev.InletMeasured():
                self._inlet = event
            case ev.BatteryChanged():
                self._battery = event
            case ev.ContactorsChanged(closed=closed):
                self._closed = closed
                if self._ready is not None and self._ready():
                    return self._go_on(None)
            case ev.Connected():
                self._script = self._session()
                return self._go_on(None)
            case ev.TransportLost() if self.ended is None:
                return self._over(act.EndReason.PEER_VANISHED)
            case ev.MessageReceived(message=message) if self._awaits and self.ended is None:
                return self._answered(message)
        return []

    def handle_timeout(self, now: float) -> list[act.Action]:
        """It goes on after a pause."""
        self._now, self._due = now, None
        return self._go_on(None) if self.ended is None else []

    def _answered(self, message: Any) -> list[act.Action]:
        self._awaits = False
        code = message.response_code.value
        if isinstance(message, cm.SessionSetupRes):
            self._session_id = message.header.session_id
        if isinstance(message, dc.DCChargeLoopRes):
            self.codes.append(code)
        if code.startswith("FAILED"):
            self.refused = f"{type(message).__name__} {code}"
            # It says goodbye all the same: the station keeps the connection for that.
            goodbye = act.Send(
                cm.SessionStopReq(header=self._header(), charging_session=cm.ChargingSession.Terminate)
            )
            *safe, ended, closed = self._over(act.EndReason.REFUSED)
            return [*safe, goodbye, ended, closed]
        return self._go_on(message)

    def _go_on(self, value: Any) -> list[act.Action]:
        if self._script is None:
            return []
        self._ready = None
        try:
            what, step = self._script.send(value)
        except StopIteration:
            return self._take() + self._over()
        actions = self._take()
        self._due = None
        match what:
            case "ask":
                self.states.append(type(step).__name__.removesuffix("Req"))
                self._awaits = True
                actions.append(act.Send(step))
            case "wait":
                self._due = self._now + step
            case _:
                self._ready, self._due = step, self._now + 3.0
        return actions

    def _take(self) -> list[act.Action]:
        actions, self._outbox = self._outbox, []
        return actions

    def _over(self, reason: act.EndReason = act.EndReason.STOPPED_BY_EV) -> list[act.Action]:
        self.ended = act.SessionEnded(reason, self.refused)
        self._due, self._script = None, None
        urgency = act.Urgency.ORDERLY if reason.orderly else act.Urgency.EMERGENCY
        safe = [act.StopPower(urgency), act.SignalReady(False), act.OpenContactors(urgency, "over")]
        return [*safe, self.ended, act.CloseTransport()]

    def _stamp(self, moment: float) -> int:
        return max(int((moment + self._epoch) * (1e6 if self.habits.microseconds else 1.0)), 0)

    def _header(self) -> MessageHeader:
        return MessageHeader(session_id=self._session_id, time_stamp=self._stamp(self._now))

    # -- the session

    def _session(self) -> Generator[Step, Any, None]:
        habits, header = self.habits, self._header
        entries = tuple(
            app.AppProtocol(
                protocol_namespace=namespace,
                version_number_major=1,
                version_number_minor=0,
                schema_id=number,
                priority=rank,
            )
            for rank, (namespace, number) in enumerate(
                (("urn:iso:std:iso:15118:-20:DC", 77), ("urn:iso:std:iso:15118:-20:AC", 3)), start=1
            )
        )
        yield "ask", app.SupportedAppProtocolReq(app_protocol=entries)
        self._outbox.append(act.UseSchema("iso20-dc"))
        yield "ask", cm.SessionSetupReq(header=header(), evccid="contrary")
        yield "wait", self._rng.choice((0.0, 3.0))
        yield "ask", cm.AuthorizationSetupReq(header=header())
        while True:
            answer = yield (
                "ask",
                cm.AuthorizationReq(
                    header=header(),
                    selected_authorization_service=cm.Authorization.EIM,
                    a_req_authorization_mode=cm.EIMAReqAuthorizationMode(),
                ),
            )
            if answer.evse_processing is Processing.Finished:
                break
            yield "wait", 0.3
        yield "ask", cm.ServiceDiscoveryReq(header=header())
        details = {}
        for service in self._rng.sample(list(_SERVICES), len(_SERVICES)):
            details[service] = yield "ask", cm.ServiceDetailReq(header=header(), service_id=service)
        sets = details[habits.service].service_parameter_list.parameter_set
        chosen = next(
            one.parameter_set_id
            for one in sets
            for parameter in one.parameter
            if parameter.name == "ControlMode" and parameter.int_value == habits.mode
        )
        yield (
            "ask",
            cm.ServiceSelectionReq(
                header=header(),
                selected_energy_transfer_service=cm.SelectedService(
                    service_id=habits.service, parameter_set_id=chosen
                ),
            ),
        )
        yield from self._energy()

    @property
    def _prefix(self) -> str:
        return _SERVICES[self.habits.service]

    def _energy(self) -> Generator[Step, Any, None]:
        habits, header = self.habits, self._header
        kind = getattr(dc, f"{self._prefix}DCCPDReqEnergyTransferMode")
        fields = self._hand.limits(self.limits, "ev", bool(self._prefix), habits.discharge_sign)
        self.declared = self._hand.as_read(fields, self.limits)
        yield (
            "ask",
            dc.DCChargeParameterDiscoveryReq(header=header(), dc_cpd_req_energy_transfer_mode=kind(**fields)),
        )
        schedule = yield "ask", self._schedule_request()
        if habits.standby:
            yield "ask", self._delivery(cm.ChargeProgress.Standby)
        self._outbox.append(act.SignalReady(True))
        while True:
            answer = yield "ask", dc.DCCableCheckReq(header=header())
            if answer.evse_processing is Processing.Finished:
                break
            yield "wait", 0.4
        while True:
            yield "ask", self._pre_charge(Processing.Ongoing)
            if self._battery is not None and abs(self._inlet.voltage_v - self._battery.voltage_v) < 15.0:
                break
            yield "wait", 0.1
        self._outbox.append(act.CloseContactors(self._now + 3.0))
        yield "until", lambda: self._closed
        yield "ask", self._pre_charge(Processing.Finished)
        for _ in range(habits.ongoing):
            yield "ask", self._delivery(cm.ChargeProgress.Start, Processing.Ongoing)
        yield "ask", self._delivery(cm.ChargeProgress.Start, profile=self._profile(schedule))
        yield from self._loop()
        yield from self._leave()

    def _pre_charge(self, processing: Processing) -> dc.DCPreChargeReq:
        target = self._battery.voltage_v if self._battery is not None else 0.0
        return dc.DCPreChargeReq(
            header=self._header(),
            ev_processing=processing,
            ev_present_voltage=self._hand.write(self._inlet.voltage_v),
            ev_target_voltage=self._hand.write(target),
        )

    def _delivery(
        self,
        progress: cm.ChargeProgress,
        processing: Processing = Processing.Finished,
        profile: cm.EVPowerProfile | None = None,
    ) -> cm.PowerDeliveryReq:
        return cm.PowerDeliveryReq(
            header=self._header(),
            ev_processing=processing,
            charge_progress=progress,
            ev_power_profile=profile,
        )

    def _schedule_request(self) -> cm.ScheduleExchangeReq:
        write, departure = self._hand.write, self.habits.departure_s
        energies: dict[str, Any] = {
            "ev_target_energy_request": write(40_000.4),
            "ev_maximum_energy_request": write(60_000.0),
            "ev_minimum_energy_request": write(-1000.5),
        }
        mode: Any
        if self.habits.mode == 2:
            mode = cm.DynamicSEReqControlMode(departure_time=departure or 0, **energies)
        else:
            keep = energies if self._rng.random() < 0.5 else {}
            mode = cm.ScheduledSEReqControlMode(departure_time=departure, **keep)
        return cm.ScheduleExchangeReq(
            header=self._header(), maximum_supporting_points=12, se_req_control_mode=mode
        )

    def _profile(self, schedule: cm.ScheduleExchangeRes) -> cm.EVPowerProfile | None:
        """Half of what is scheduled at most, in as many entries as it likes."""
        habits, offered = self.habits, schedule.se_res_control_mode
        if habits.profile == "none":
            return None
        most = 5000.0
        mode: cm.EVPPTControlMode = cm.DynamicEVPPTControlMode()
        if isinstance(offered, cm.ScheduledSEResControlMode):
            first = offered.schedule_tuple[0]
            powers = first.charging_schedule.power_schedule.power_schedule_entries.power_schedule_entry
            most = min(Hand.read(entry.power) for entry in powers)
            mode = cm.ScheduledEVPPTControlMode(selected_schedule_tuple_id=first.schedule_tuple_id)
        shift = {"past": -500.0, "ahead": 2.0}.get(habits.profile, 0.0)
        entries = tuple(
            cm.PowerScheduleEntry(duration=60, power=self._hand.write(most)) for _ in range(habits.entries)
        )
        last = cm.PowerScheduleEntry(duration=5000, power=self._hand.write(most))
        return cm.EVPowerProfile(
            time_anchor=0 if habits.profile == "zero" else self._stamp(self._now + shift),
            evppt_control_mode=mode,
            ev_power_profile_entries=cm.EVPowerProfileEntryList(ev_power_profile_entry=(*entries[:-1], last)),
        )

    # -- the charge

    def _loop(self) -> Generator[Step, Any, None]:
        habits, rng = self.habits, self._rng
        limits: Any = None
        for turn in range(habits.loops):
            self.wish = self._wish(limits, turn)
            answer = yield (
                "ask",
                dc.DCChargeLoopReq(
                    header=self._header(),
                    display_parameters=DisplayParameters(present_soc=min(turn, 100))
                    if habits.shows
                    else None,
                    meter_info_requested=rng.random() < habits.wants_meter,
                    ev_present_voltage=self._hand.write(self._inlet.voltage_v),
                    cl_req_control_mode=self.wish,
                ),
            )
            limits = answer.cl_res_control_mode
            asked = answer.evse_status.evse_notification if answer.evse_status is not None else None
            if asked is EvseNotification.Terminate and rng.random() < 0.5:
                return
            if habits.renegotiates and (asked is EvseNotification.ScheduleRenegotiation or turn == 25):
                yield "ask", self._delivery(cm.ChargeProgress.ScheduleRenegotiation)
                schedule = yield "ask", self._schedule_request()
                if rng.random() < 0.3:
                    yield "ask", self._delivery(cm.ChargeProgress.Standby)
                yield "ask", self._delivery(cm.ChargeProgress.Start, profile=self._profile(schedule))
                limits = None
            elif habits.standby and turn == 5:
                yield "ask", self._delivery(cm.ChargeProgress.Standby)
            yield "wait", habits.pace_s

    def _wish(self, limits: Any, turn: int) -> Any:
        kind = "Scheduled" if self.habits.mode == 1 else "Dynamic"
        make = getattr(dc, f"{self._prefix}{kind}DCCLReqControlMode")
        names = make.__struct_fields__
        declared, write = self.declared, self._hand.write
        fields: dict[str, Any] = {}
        if self.habits.repeats_limits or self.habits.mode == 2:
            now = self._hand.narrowed(declared) if self._rng.random() < 0.3 else declared
            all_of = self._hand.limits(now, "ev", bool(self._prefix), self.habits.discharge_sign)
            fields = {name: value for name, value in all_of.items() if name in names}
        if self.habits.mode == 2:
            least = -4000.5 if self.habits.gives else 10.0
            fields |= {
                "ev_target_energy_request": write(0.0 if turn % 30 == 29 else 40_000.0 - 7.3 * turn),
                "ev_maximum_energy_request": write(60_000.0),
                "ev_minimum_energy_request": write(least),
                "departure_time": self.habits.departure_s,
            }
            return make(**fields)
        target = declared.maximum_charge_current_a
        most = getattr(limits, "evse_maximum_charge_current", None)
        if most is not None and not self.habits.asks_for_more:
            target = min(target, Hand.read(most))
        target *= self._rng.choice((1.0, 1.0, 0.9, 0.333, 0.004, 0.0))
        if self._prefix and self.habits.gives and turn % 20 in range(12, 17):
            target = -declared.maximum_discharge_current_a * self._rng.random()
        # Rounded to the nearest, from what it never rounded before.
        return make(
            ev_target_current=write(target), ev_target_voltage=write(self.limits.maximum_voltage_v), **fields
        )

    def _leave(self) -> Generator[Step, Any, None]:
        way, header = self.habits.way_out, self._header
        if way == "renegotiate and stop":
            yield "ask", self._delivery(cm.ChargeProgress.ScheduleRenegotiation)
        if way != "session stop":
            yield "ask", self._delivery(cm.ChargeProgress.Stop)
        urgency = act.Urgency.ORDERLY
        self._outbox += [act.StopPower(urgency), act.OpenContactors(urgency, "enough")]
        if way == "stop":
            yield (
                "ask",
                dc.DCWeldingDetectionReq(header=header(), ev_processing=Processing.Finished),
            )
        yield (
            "ask",
            cm.SessionStopReq(
                header=header(),
                charging_session=cm.ChargingSession.Terminate,
                ev_termination_code="7",
                ev_termination_explanation="had\nenough",
            ),
        )
        self._outbox.append(act.SignalReady(False))
