"""Value-added services in the vehicle: which of them it takes, and check-in and check-out of a parking space.

What the vehicle did not ask for is passed over, whatever id it has; nothing of it ends a charge.
"""

from __future__ import annotations

from iso15118.evcc.conversation import Conversation, EndSession
from iso15118.evcc.iso20.exchange import exchange, header
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import si, time_stamp
from iso15118.session.actions import EndReason, ParkingSpaceShown, ServicesSelected
from iso15118.session.value_added import CHECK_IN, CHECK_OUT, PARKING_STATUS, Guidance, Value

__all__ = ["check_in", "check_out", "choose", "forget", "told"]

_PATIENCE_S = 30.0
"""How long a space is asked to let go: half of the time in which a station wants to hear of
the main conversation again."""


async def choose(talk: Conversation, offered: cm.ServiceList | None) -> cm.SelectedServiceList | None:
    """Ask for the details of what is wanted and offered, and take the first parameter set that fits
    each wish; None: nothing."""
    ids = {one.service_id for one in offered.service} if offered is not None else set()
    details: dict[int, tuple[cm.ParameterSet, ...]] = {}
    chosen: list[tuple[int, int]] = []
    for wish in talk.wanted:
        if wish.id not in ids:
            continue
        if wish.id not in details:
            answer = await exchange(talk, cm.ServiceDetailReq(header=header(talk), service_id=wish.id))
            if answer.service_id != wish.id:
                what = f"asked for service {wish.id}, told about {answer.service_id}"
                raise EndSession(EndReason.REFUSED, what)
            details[wish.id] = answer.service_parameter_list.parameter_set
        for variant in details[wish.id]:
            pair = (wish.id, variant.parameter_set_id)
            if wish.fits((one.name, _value(one)) for one in variant.parameter) and pair not in chosen:
                chosen.append(pair)
                if wish.id == PARKING_STATUS:
                    talk.parking |= {_way(variant)}
                break
        else:
            talk.note("value-added", f"service {wish.id} has no parameter set as wanted, and is not taken")
    if not chosen:
        return None
    return cm.SelectedServiceList(
        selected_service=tuple(
            cm.SelectedService(service_id=number, parameter_set_id=variant) for number, variant in chosen
        )
    )


def _value(parameter: cm.Parameter) -> Value:
    """Whatever kind of value it has; a number with an exponent as a plain one."""
    if parameter.rational_number is not None:
        return si(parameter.rational_number)
    for value in (
        parameter.bool_value,
        parameter.int_value,
        parameter.short_value,
        parameter.byte_value,
        parameter.finite_string,
    ):
        if value is not None:
            return value
    return ""


def _way(variant: cm.ParameterSet) -> int:
    values = {one.name: _value(one) for one in variant.parameter}
    way = values.get("IntendedService")
    return way if way in (CHECK_IN, CHECK_OUT) else 0  # type: ignore[return-value]


def told(talk: Conversation, taken: cm.SelectedServiceList | None) -> None:
    """The station took the selection."""
    chosen = () if taken is None else taken.selected_service
    talk.selected = tuple((one.service_id, one.parameter_set_id) for one in chosen)
    if talk.selected:
        talk.act(ServicesSelected(talk.selected))


def forget(talk: Conversation) -> None:
    """The vehicle chooses anew: what it chose before is in use no more."""
    talk.parking = frozenset()
    if talk.selected:
        talk.selected = ()
        talk.act(ServicesSelected(()))


async def check_in(talk: Conversation) -> None:
    """The vehicle stands in its space: begin and complete, with what the station says about the space."""
    if CHECK_IN not in talk.parking:
        return
    status = cm.EvCheckInStatus
    for step in (status.CheckIn, status.Processing, status.Completed):
        answer = await exchange(
            talk,
            cm.VehicleCheckInReq(
                header=header(talk), ev_check_in_status=step, parking_method=cm.ParkingMethod.Manual
            ),
        )
        shown = Guidance(
            parking_space=answer.parking_space,
            device_location=answer.device_location,
            target_distance_cm=answer.target_distance,
        )
        if shown not in (Guidance(), talk.guidance):
            talk.guidance = shown
            talk.act(ParkingSpaceShown(shown))


async def check_out(talk: Conversation) -> None:
    """The charge is over: ask to leave the space, wait until the station lets go, and say that it is done."""
    if CHECK_OUT not in talk.parking:
        return
    talk.parking -= {CHECK_OUT}
    status = cm.EvCheckOutStatus
    step, until = status.CheckOut, talk.now + _PATIENCE_S
    while talk.now < until:
        answer = await exchange(talk, _leaving(talk, step))
        if answer.evse_check_out_status is cm.EvseCheckOutStatus.Completed:
            break
        if talk.stop_wanted:
            break
        step = status.Processing
        await talk.pause(talk.config.poll_interval_s)
    await exchange(talk, _leaving(talk, status.Completed))


def _leaving(talk: Conversation, step: cm.EvCheckOutStatus) -> cm.VehicleCheckOutReq:
    at = time_stamp(talk.now + talk.epoch, talk.config.time_stamp_unit)
    return cm.VehicleCheckOutReq(header=header(talk), ev_check_out_status=step, check_out_time=at)
