"""The vehicle as a distributed energy resource: what it says of its inverter, and what its inverter
follows of the station's grid code.

Nothing is followed that was not agreed on, and nothing that makes no sense; both are told to the
application. The session regulates nothing: the functions are the inverter's business, the limits and
targets of the loop are kept as with AC.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from iso15118.energy.ac import Phases, each, tightened
from iso15118.energy.ac_groups import group_of, magnitudes
from iso15118.energy.grid_functions import DsoSetPoint, IecFunction, IecGridCode
from iso15118.energy.sae_functions import ALL_SAE, USABLE_MODES, SaeGridCode
from iso15118.errors import ConfigError
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso20.ac_setup import declare, limits_of, take_offer
from iso15118.evcc.iso20.exchange import header, poll
from iso15118.evcc.iso20.needs import wanted_wh
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import ac, ac_der_iec, ac_der_sae
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.values import rational, time_stamp
from iso15118.session import der_iec, der_sae
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import EndReason, FollowGrid
from iso15118.session.der import InverterAbilities
from iso15118.session.services import ControlMode, ServiceID

__all__ = ["Iec", "Sae", "charge_parameters"]


class Resource(Protocol):
    """What the AC phases ask of one of the two families."""

    def said(self, talk: Conversation, plan: Plan) -> dict[str, Any]:
        """Fields of a charge-loop request beside those of AC."""
        ...

    def take(self, talk: Conversation, plan: Plan, mode: Any) -> None:
        """What a charge-loop answer says beside that of AC."""
        ...

    def limits(self, offer: AcStationLimits) -> AcStationLimits:
        """The station's limits of this moment, within its offer."""
        ...


def _abilities(talk: Conversation) -> InverterAbilities:
    if talk.inverter is None:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "there is no inverter")
    return talk.inverter


class _Limits:
    """The limits that every loop answer repeats."""

    def __init__(self) -> None:
        self._most: dict[str, Phases] = {}
        self.cap_w: float | None = None
        """What the operator of the grid lets be given back, in W of all phases."""

    def take(self, talk: Conversation, plan: Plan, mode: Any) -> None:
        for name, element in (
            ("maximum_charge_power_w", "evse_maximum_charge_power"),
            ("maximum_discharge_power_w", "evse_maximum_discharge_power"),
        ):
            group = group_of(mode, element, plan.ac.phases)
            if group is None:
                continue
            if group.odd:
                talk.note("ac-phases", f"{element}: {group.odd}")
            # A charging limit below zero lets nothing in; one of giving back may have either sign.
            low = tuple(max(value, 0.0) for value in group.per_phase)
            self._most[name] = (
                magnitudes(group.per_phase) if "discharge" in name else (low[0], low[1], low[2])
            )

    def within(self, offer: AcStationLimits) -> AcStationLimits:
        """A maximum that the station lowers below a minimum that it offered lets nothing flow."""
        most: dict[str, Any] = dict(self._most)
        if self.cap_w is not None:
            third = each(self.cap_w / offer.phases, offer.phases)
            before = most.get("maximum_discharge_power_w", offer.maximum_discharge_power_w)
            most["maximum_discharge_power_w"] = tuple(map(min, before, third))
        return tightened(offer, most) if most else offer


class Iec:
    """AC_DER_IEC."""

    def __init__(self, functions: int) -> None:
        self.functions = functions
        """Those of the chosen parameter set."""
        self.code = IecGridCode()
        self.set_point = DsoSetPoint()
        self._limits = _Limits()

    def declare(self, talk: Conversation, plan: Plan) -> dict[str, Any]:
        """What the vehicle says of its inverter before the charge."""
        most = rational(_abilities(talk).reactive_var)
        return {
            "ev_processing": Processing.Finished,
            "ev_reactive_power_limits": ac_der_iec.EVReactivePowerLimits(
                ev_maximum_charge_reactive_power=most, ev_maximum_discharge_reactive_power=most
            ),
        }

    def accept(self, talk: Conversation, plan: Plan, offer: Any) -> None:
        """Take the functions that were agreed on."""
        islanded = offer.grid_connection_mode is ac_der_iec.GridConnectionMode.GridIslanded
        code, problems = der_iec.read_control(offer.der_control, talk.config.reactive_sign, islanded=islanded)
        _note(talk, problems)
        extra = code.functions & ~IecFunction(self.functions)
        if extra:
            talk.note("der-not-negotiated", f"{_names(extra)} was not agreed on, and is not followed")
        self.code = code.within(self.functions)
        talk.act(FollowGrid(self.code, self.set_point))

    def said(self, talk: Conversation, plan: Plan) -> dict[str, Any]:
        """See ``Resource``."""
        return {"grid_event_condition": talk.grid_condition.events}

    def take(self, talk: Conversation, plan: Plan, mode: Any) -> None:
        """See ``Resource``. A set point that was not agreed on is dropped; a cap always holds."""
        self._limits.take(talk, plan, mode)
        wanted, problems = der_iec.read_set_point(mode, plan.ac.phases, talk.config.reactive_sign)
        _note(talk, problems)
        agreed = wanted.within(self.functions)
        if agreed != wanted:
            talk.note("der-not-negotiated", "a set point that was not agreed on is not followed")
        self._limits.cap_w = agreed.maximum_discharge_w
        if agreed != self.set_point:
            self.set_point = agreed
            talk.act(FollowGrid(self.code, agreed))

    def limits(self, offer: AcStationLimits) -> AcStationLimits:
        """See ``Resource``."""
        return self._limits.within(offer)


class Sae:
    """AC_DER_SAE."""

    def __init__(self) -> None:
        self.code: SaeGridCode | None = None
        self._limits = _Limits()

    def declare(self, talk: Conversation, plan: Plan) -> dict[str, Any]:
        """What the vehicle says of its inverter before the charge."""
        inverter = _abilities(talk)
        power, own = rational(inverter.apparent_va), plan.ac.own
        back = rational(sum(own.maximum_discharge_power_w) if own is not None else 0.0)
        var = rational(inverter.reactive_var)
        return {
            "ev_processing": Processing.Finished,
            "ev_apparent_power_limits": ac_der_sae.EVApparentPowerLimits(
                ev_maximum_apparent_power_during_charging_and_var_absorption=power,
                ev_maximum_apparent_power_during_charging_and_var_injection=power,
                ev_maximum_apparent_power_during_discharging_and_var_absorption=power,
                ev_maximum_apparent_power_during_discharging_and_var_injection=power,
            ),
            "ev_reactive_power_limits": ac_der_sae.EVReactivePowerLimits(
                ev_maximum_var_absorption_during_charging=var,
                ev_maximum_var_injection_during_charging=var,
                ev_maximum_var_absorption_during_discharging=var,
                ev_maximum_var_injection_during_discharging=var,
                ev_reactive_susceptance=rational(0.0),
            ),
            "ev_excitation_limits": ac_der_sae.EVExcitationLimits(
                ev_specified_over_excited_power_factor=rational(inverter.over_excited_factor),
                ev_specified_over_excited_discharge_power=back,
                ev_specified_under_excited_power_factor=rational(inverter.under_excited_factor),
                ev_specified_under_excited_discharge_power=back,
            ),
            "ev_inverter_details": ac_der_sae.EVInverterDetails(
                ev_inverter_sw_version=inverter.software,
                ev_inverter_hw_version=inverter.hardware or None,
                ev_inverter_manufacturer=inverter.manufacturer,
                ev_inverter_model=inverter.model,
                ev_inverter_serial_number=inverter.serial_number,
            ),
            "ieee1547_normal_category": ac_der_sae.Ieee1547NormalCategory(
                f"Category{inverter.normal_category}"
            ),
            "ieee1547_abnormal_category": ac_der_sae.Ieee1547AbnormalCategory(
                f"Category{inverter.abnormal_category}"
            ),
            "ev_nominal_voltage": rational(inverter.nominal_v),
            "ev_maximum_voltage": rational(inverter.maximum_v),
            "ev_minimum_voltage": rational(inverter.minimum_v),
            "ev_nominal_voltage_offset": rational(0.0),
            "j3072_certified": inverter.certified,
            "j3072_certification_date": inverter.certified_at,
            "ev_useable_watt_hours": inverter.usable_wh,
            "ev_update_time": time_stamp(talk.now + talk.epoch, talk.config.time_stamp_unit),
            "supported_modes": inverter.sae_functions & USABLE_MODES,
            "enabled_modes": 0,
        }

    def accept(self, talk: Conversation, plan: Plan, offer: Any) -> None:
        """Take the grid code; half of one is none, and without one there is no such service."""
        modes, connections = ac_der_sae.RequiredDEROperatingMode, ac_der_sae.GridConnectionMode
        try:
            code = der_sae.read_control(
                offer.der_control_cpd_res,
                offer.grid_limits,
                talk.config.reactive_sign,
                islanded=offer.grid_connection_mode is connections.GridIslanded,
                forms_grid=offer.required_der_operating_mode is modes.GridForming,
            )
        except ConfigError as error:
            raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, f"the grid code: {error}") from error
        if code.forms_grid and (talk.charger is None or not talk.charger.forms_grid):
            raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "the inverter cannot form a grid")
        self._install(talk, code)

    def _install(self, talk: Conversation, code: SaeGridCode) -> None:
        functions = _abilities(talk).sae_functions & int(ALL_SAE)
        extra = int(code.enabled) & ~functions
        if extra:
            talk.note("der-not-negotiated", f"functions {extra:#x} were not declared, and are not followed")
        agreed = code.within(functions)
        if agreed != self.code:
            self.code = agreed
            talk.act(FollowGrid(agreed))

    def said(self, talk: Conversation, plan: Plan) -> dict[str, Any]:
        """See ``Resource``."""
        condition, measured = talk.grid_condition, talk.charger_measured
        states, connections = ac_der_sae.DerOperationalState, ac_der_sae.DerConnectionStatus
        volts, phases = measured.voltage_v, plan.ac.phases
        hertz = measured.frequency_hz
        offer = plan.ac.offer
        if hertz is None:
            hertz = 50.0 if offer is None else offer.nominal_frequency_hz
        fields: dict[str, Any] = {
            "ev_present_voltage": rational(round(sum(volts[:phases]) / phases, 1)),
            "ev_present_frequency": rational(round(hertz, 2)),
            "der_operational_state": states.On if condition.in_service else states.Off,
            "der_connection_status": connections.Connected
            if condition.connected
            else connections.Disconnected,
            "ev_update_time": time_stamp(talk.now + talk.epoch, talk.config.time_stamp_unit),
            "der_alarm_status": condition.events,
            "enabled_modes": 0 if self.code is None else int(self.code.enabled),
        }
        if plan.control_mode is ControlMode.DYNAMIC:
            fields |= self._durations(talk, plan)
        return fields

    @staticmethod
    def _durations(talk: Conversation, plan: Plan) -> dict[str, Any]:
        """How long it can charge and discharge at its greatest power, in whole s."""
        now, battery = plan.ac.now, talk.battery
        charge = sum(now.maximum_charge_power_w) if now is not None else 0.0
        back = sum(now.maximum_discharge_power_w) if now is not None else 0.0
        ahead = max(battery.energy_to_maximum_wh, 0.0) * 3600.0
        stored = max(-battery.energy_to_minimum_wh, 0.0) * 3600.0
        target = max(wanted_wh(talk), 0.0) * 3600.0
        return {
            "ev_minimum_charging_duration": _seconds(target, charge),
            "ev_duration_maximum_charge_rate": _seconds(ahead, charge),
            "ev_duration_maximum_discharge_rate": _seconds(stored, back),
        }

    def take(self, talk: Conversation, plan: Plan, mode: Any) -> None:
        """See ``Resource``. Changes hold at once; one that makes no sense does not."""
        self._limits.take(talk, plan, mode)
        if self.code is None:
            return
        code, problems = der_sae.read_changes(mode.der_control_cl_res, self.code, talk.config.reactive_sign)
        _note(talk, problems)
        required, connection = mode.required_der_operating_mode, mode.grid_connection_mode
        if connection is not None:
            islanded = connection is ac_der_sae.GridConnectionMode.GridIslanded
            code = msgspec.structs.replace(code, islanded=islanded)
        if required is ac_der_sae.RequiredDEROperatingMode.GridForming and not plan.ac.forms_grid:
            talk.note("der-not-negotiated", "forming the grid was not agreed on, and is not done")
        self._install(talk, code)

    def limits(self, offer: AcStationLimits) -> AcStationLimits:
        """See ``Resource``."""
        return self._limits.within(offer)


_LONGEST_S = 2**32 - 1


def _seconds(energy_ws: float, power_w: float) -> int:
    return min(int(energy_ws / power_w), _LONGEST_S) if power_w > 0.0 else 0


def _note(talk: Conversation, problems: tuple[str, ...]) -> None:
    for problem in problems:
        talk.note("der-invalid", f"a function that makes no sense is not followed: {problem}")


def _names(functions: IecFunction) -> str:
    return ", ".join(str(one.name) for one in IecFunction if one & functions)


async def charge_parameters(talk: Conversation, plan: Plan) -> None:
    """The limits of both sides as with AC, and the grid code; a station that
    still computes is asked again."""
    resource = Sae() if plan.service.id is ServiceID.AC_DER_SAE else Iec(plan.ac.der_functions)
    own = declare(talk, plan)

    def request() -> ac.ACChargeParameterDiscoveryReq:
        fields = limits_of(talk, plan, own) | resource.declare(talk, plan)
        return ac.ACChargeParameterDiscoveryReq(
            header=header(talk), ac_cpd_req_energy_transfer_mode=plan.service.cpd_req_mode(**fields)
        )

    response = await poll(
        talk,
        request,
        lambda answer: _finished(answer.ac_cpd_res_energy_transfer_mode),
        limit=talk.timing.ongoing_timeout,
        reason=EndReason.ONGOING_TOO_LONG,
    )
    offer = take_offer(talk, plan, response)
    resource.accept(talk, plan, offer)
    plan.ac.resource = resource


def _finished(mode: Any) -> bool:
    return getattr(mode, "evse_processing", Processing.Finished) is Processing.Finished
