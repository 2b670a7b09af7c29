"""The selection of services in ISO 15118-2: charging, what brings a contract, and the value-added services
that the vehicle takes.

What the vehicle did not ask for is passed over, whatever id it has; a service that does not come as wanted
ends no charge, but a refused question does, as any refusal.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2.exchange import exchange
from iso15118.evcc.iso2.plan import Plan
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session.actions import EndReason, ServicesSelected
from iso15118.session.value_added import Value, WantedService, number_in_iso2

__all__ = ["select"]

_MOST_SELECTED: Final = 16
"""So many services fit a selection."""
_LONGEST_NUMBER: Final = 64
"""A text of more characters is no number."""

_Variants: TypeAlias = tuple[tuple[int | None, tuple[iso2.Parameter, ...]], ...]
"""Ids of parameter sets with what each says."""


async def select(
    talk: Conversation, plan: Plan, offered: iso2.ServiceDiscoveryRes, *others: iso2.SelectedService
) -> None:
    """Ask for the details of what is wanted and offered, and select it with the charge service, ``others``
    and the way to pay. Raises ``Leave`` if a stop is wanted meanwhile."""
    own = (iso2.SelectedService(service_id=plan.charge_service), *others)
    chosen = await _choose(talk, plan, offered, _MOST_SELECTED - len(own))
    await exchange(
        talk,
        iso2.PaymentServiceSelectionReq(
            selected_payment_option=plan.payment,
            selected_service_list=iso2.SelectedServiceList(
                selected_service=(*own, *(service for _, service in chosen))
            ),
        ),
    )
    talk.selected = tuple((wish, service.parameter_set_id) for wish, service in chosen)
    if talk.selected:
        talk.act(ServicesSelected(talk.selected))


async def _choose(
    talk: Conversation, plan: Plan, offered: iso2.ServiceDiscoveryRes, room: int
) -> list[tuple[int, iso2.SelectedService]]:
    """The first parameter set that fits each wish, with the id by which the vehicle knows the service; each
    service is asked about once."""
    listed = () if offered.service_list is None else offered.service_list.service
    numbers = {one.service_id for one in listed} - {plan.charge_service}
    details: dict[int, _Variants] = {}
    chosen: list[tuple[int, iso2.SelectedService]] = []
    for wish in talk.wanted:
        number = number_in_iso2(wish.id)
        if number is None or number not in numbers:
            continue
        if number not in details:
            details[number] = await _variants(talk, number)
        for parameter_set, parameters in details[number]:
            one = (wish.id, iso2.SelectedService(service_id=number, parameter_set_id=parameter_set))
            if _fits(wish, parameters) and one not in chosen:
                chosen.append(one)
                break
        else:
            talk.note("value-added", f"service {number} has no parameter set as wanted, and is not taken")
        if len(chosen) == room:
            break
    return chosen


async def _variants(talk: Conversation, number: int) -> _Variants:
    """The parameter sets of a service; without any it is selected alone, and none of an answer about
    another service counts."""
    answer: iso2.ServiceDetailRes = await exchange(talk, iso2.ServiceDetailReq(service_id=number))
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    if answer.service_id != number:
        talk.note("value-added", f"asked for service {number}, told about {answer.service_id}")
        return ()
    if answer.service_parameter_list is None:
        return ((None, ()),)
    sets = answer.service_parameter_list.parameter_set
    return tuple((one.parameter_set_id, one.parameter) for one in sets)


def _fits(wish: WantedService, parameters: tuple[iso2.Parameter, ...]) -> bool:
    wanted = dict(wish.values)
    return wish.fits((one.name, _value(one, wanted.get(one.name))) for one in parameters)


def _value(parameter: iso2.Parameter, wanted: Value | None) -> Value:
    """Whatever kind of value it has; a text that says a number is one where a number is wanted, since one
    that is not whole has no other kind without a unit."""
    if parameter.physical_value is not None:
        return quantity(parameter.physical_value)
    text = parameter.string_value
    if text is not None:
        return _number(text) if type(wanted) in (int, float) else text
    for value in (
        parameter.bool_value,
        parameter.int_value,
        parameter.short_value,
        parameter.byte_value,
    ):
        if value is not None:
            return value
    return ""


def _number(text: str) -> float | str:
    if len(text) > _LONGEST_NUMBER:
        return text
    try:
        return float(text)
    except ValueError:
        return text
