"""The vehicle's phases before energy in DIN 70121: session, service, payment,
authorization and charge parameters.

Stations of today say many things that the text does not have: ids of services, empty identities, negative
powers. Where nothing depends on it the vehicle goes on, and notes it.
"""

from __future__ import annotations

from typing import Final

from iso15118.energy.schedule import Schedule
from iso15118.errors import ConfigError
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.din.exchange import exchange, poll
from iso15118.evcc.din.plan import Plan
from iso15118.evcc.din.status import leave_on_end, vehicle_status
from iso15118.evcc.needs import wanted_wh
from iso15118.evcc.wind_down import take_most
from iso15118.messages import din, physical
from iso15118.messages.iso2 import UnitSymbol
from iso15118.messages.physical import din_physical, floor_physical, quantity
from iso15118.session.actions import EndReason
from iso15118.session.limits import StationLimits

__all__ = ["charge_parameters", "choose_service", "contract_authentication", "session_setup"]

_Offered = din.EVSESupportedEnergyTransfer
_Wanted = din.EVRequestedEnergyTransfer
_WAYS: Final = {
    _Offered.DC_extended: _Wanted.DC_extended,
    _Offered.DC_core: _Wanted.DC_core,
    _Offered.DC_combo_core: _Wanted.DC_combo_core,
    _Offered.DC_dual: _Wanted.DC_extended,
    _Offered.AC_core1p_DC_extended: _Wanted.DC_extended,
    _Offered.AC_core3p_DC_extended: _Wanted.DC_extended,
    _Offered.AC_single_phase_three_phase_core_DC_extended: _Wanted.DC_extended,
    _Offered.AC_single_DC_core: _Wanted.DC_core,
}
"""What is asked for where this is offered; the rest is AC."""


def _stop_if_wanted(talk: Conversation) -> None:
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)


async def session_setup(talk: Conversation) -> None:
    """A new session: DIN 70121 knows no pause. Any EVSEID is taken, and a plain OK is a new session."""
    response = await exchange(talk, din.SessionSetupReq(evccid=talk.config.din.evccid))
    octets: bytes = response.evseid
    is_text = octets.isascii() and octets.decode("latin-1").isprintable()
    talk.know_station(octets.decode("ascii") if is_text else octets.hex())


async def choose_service(talk: Conversation, plan: Plan) -> None:
    """The charge service as the station calls it, paid at the station."""
    _stop_if_wanted(talk)
    category = din.ServiceCategory.EVCharging if talk.config.din.send_optional else None
    offered = await exchange(talk, din.ServiceDiscoveryReq(service_category=category))
    if din.PaymentOption.ExternalPayment not in offered.payment_options.payment_option:
        raise Leave(
            EndReason.AUTHORIZATION_FAILED,
            "the station does not offer external payment",
            cause="no-common-authorization",
        )
    way = _WAYS.get(offered.charge_service.energy_transfer_type)
    if way is None:
        kind = offered.charge_service.energy_transfer_type.value
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, f"the station offers {kind}, and no DC")
    plan.energy_transfer, plan.service_id = way, offered.charge_service.service_tag.service_id
    _stop_if_wanted(talk)
    await exchange(
        talk,
        din.ServicePaymentSelectionReq(
            selected_payment_option=din.PaymentOption.ExternalPayment,
            selected_service_list=din.SelectedServiceList(
                selected_service=(din.SelectedService(service_id=plan.service_id),)
            ),
        ),
    )


async def contract_authentication(talk: Conversation, plan: Plan) -> None:
    """Ask until the driver was decided about; it is called so although there is no contract."""
    _stop_if_wanted(talk)
    await poll(
        talk,
        plan,
        din.ContractAuthenticationReq,
        lambda response: response.evse_processing is din.EVSEProcessing.Finished,
        limit=talk.config.din.timing.customer_wait,
        reason=EndReason.ONGOING_TOO_LONG,
    )


# -- charge parameters


async def charge_parameters(talk: Conversation, plan: Plan) -> None:
    """Declare the vehicle's limits and take the station's."""
    _stop_if_wanted(talk)

    def look(response: din.ChargeParameterDiscoveryRes) -> None:
        leave_on_end(_offer(response).dc_evse_status)

    response: din.ChargeParameterDiscoveryRes = await poll(
        talk,
        plan,
        lambda: _request(talk, plan),
        lambda response: response.evse_processing is din.EVSEProcessing.Finished,
        limit=talk.timing.ongoing_timeout,
        reason=EndReason.ONGOING_TOO_LONG,
        look=look,
    )
    plan.offer = plan.station = _station_limits(talk, _offer(response))
    take_most(talk, plan.offer)
    _read_schedule(talk, plan, response.sa_schedules)
    _check(talk, plan.station)


def _offer(response: din.ChargeParameterDiscoveryRes) -> din.DCEVSEChargeParameter:
    offer = response.evse_charge_parameter
    if not isinstance(offer, din.DCEVSEChargeParameter):
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "AC parameters for DC")
    return offer


def _request(talk: Conversation, plan: Plan) -> din.ChargeParameterDiscoveryReq:
    limits, battery = talk.limits, talk.battery  # limits were rounded when the session began
    every = talk.config.din.send_optional
    return din.ChargeParameterDiscoveryReq(
        ev_requested_energy_transfer_type=plan.energy_transfer,
        ev_charge_parameter=din.DCEVChargeParameter(
            dc_ev_status=vehicle_status(talk, plan),
            ev_maximum_current_limit=_most(limits.maximum_charge_current_a, UnitSymbol.A),
            ev_maximum_power_limit=_most(limits.maximum_charge_power_w, UnitSymbol.W),
            ev_maximum_voltage_limit=_most(limits.maximum_voltage_v, UnitSymbol.V),
            ev_energy_capacity=_energy(battery.capacity_wh) if every else None,
            ev_energy_request=_energy(max(wanted_wh(talk), 0.0)) if every else None,
            full_soc=100 if every else None,
            bulk_soc=talk.target_soc if every else None,
        ),
    )


def _most(value: float, unit: UnitSymbol) -> din.PhysicalValue:
    return din_physical(floor_physical(value, unit))


def _energy(value: float) -> din.PhysicalValue:
    return din_physical(physical.watt_hours(round(value)))


def _station_limits(talk: Conversation, offer: din.DCEVSEChargeParameter) -> StationLimits:
    """What the station says it can give. A minimum above its maximum follows it; below zero is 0."""
    current, voltage = (
        quantity(offer.evse_maximum_current_limit),
        quantity(offer.evse_maximum_voltage_limit),
    )
    power = current * voltage
    if offer.evse_maximum_power_limit is not None:
        power = quantity(offer.evse_maximum_power_limit)
    least_a, least_v = (
        quantity(offer.evse_minimum_current_limit),
        quantity(offer.evse_minimum_voltage_limit),
    )
    if min(current, voltage, power, least_a, least_v) < 0.0 or least_a > current or least_v > voltage:
        talk.note("charge-parameters", "limits of the station are below zero, or a minimum above its maximum")
    current, voltage = max(current, 0.0), max(voltage, 0.0)
    try:
        return StationLimits(
            maximum_charge_power_w=max(power, 0.0),
            maximum_charge_current_a=current,
            maximum_voltage_v=voltage,
            minimum_charge_current_a=min(max(least_a, 0.0), current),
            minimum_voltage_v=min(max(least_v, 0.0), voltage),
        )
    except ConfigError as error:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, str(error)) from error


def _check(talk: Conversation, station: StationLimits) -> None:
    """Whether the two could ever charge."""
    limits = talk.limits
    why = ""
    if station.minimum_voltage_v > limits.maximum_voltage_v:
        why = "the station's minimum voltage is above the vehicle's maximum"
    elif station.minimum_charge_current_a > limits.maximum_charge_current_a:
        why = "the station's minimum current is above the vehicle's maximum"
    elif station.maximum_voltage_v < talk.battery.voltage_v:
        why = "the station cannot reach the battery's voltage"
    if why:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, why)


def _read_schedule(talk: Conversation, plan: Plan, schedules: din.SAScheduleList | None) -> None:
    """The first schedule, on the session's clock. It is no limit unless the vehicle was told to take it for
    one (``use_pmax``): PMax of 0 and below zero are seen at stations with power. None: the station sent the
    abstract head of the schedules alone, which the codec leaves out."""
    if schedules is None or not schedules.sa_schedule_tuple:
        talk.note("schedule", "the station gives no schedule")
        return
    chosen = schedules.sa_schedule_tuple[0]
    plan.schedule_id = chosen.sa_schedule_tuple_id
    entries = chosen.p_max_schedule.p_max_schedule_entry
    if any(entry.p_max < 0 for entry in entries):
        talk.note("schedule", "the station gives a negative PMax")
    if entries and not talk.config.din.use_pmax:
        _note_pmax(talk, plan, max(float(entry.p_max) for entry in entries))
    if not talk.config.din.use_pmax or not entries:
        return
    starts = [entry.time_interval.start for entry in entries]
    duration = entries[-1].time_interval.duration or _A_DAY
    ends = [*starts[1:], starts[-1] + duration]
    try:
        plan.schedule = Schedule.of(
            talk.now + starts[0],
            (
                (float(end - start), max(float(entry.p_max), 0.0))
                for start, end, entry in zip(starts, ends, entries, strict=True)
            ),
        )
    except ValueError:
        talk.note("schedule", "the schedule of the station has no duration")


def _note_pmax(talk: Conversation, plan: Plan, most_w: float) -> None:
    """PMax ends at 32.767 kW, where it says nothing about a station that gives more."""
    given_w = plan.station.maximum_charge_power_w
    if most_w < min(given_w, _PMAX_ENDS_W):
        talk.note(
            "pmax", f"PMax {most_w:g} W is below the {given_w:g} W that the station gives, and not followed"
        )


_PMAX_ENDS_W = 32_767.0
_A_DAY = 86_400
