"""The vehicle over the pad before power: methods, the place, and which pad it is; after WARNING_WPT it
begins again, a few times."""

from __future__ import annotations

from typing import Any, TypeVar

from iso15118.evcc.conversation import Bound, Conversation, Leave
from iso15118.evcc.iso20.exchange import exchange, header, poll
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.session.actions import EndReason
from iso15118.session.coupling import PositioningPlace
from iso15118.timing import Timer

__all__ = ["AGAIN", "position", "position_first"]

AGAIN = ResponseCode.WARNING_WPT
"""The station asks the vehicle to begin again."""
_UNKNOWN, _SUCCESS, _FAILED = (
    wpt.WPTEVResult.EVResultUnknown,
    wpt.WPTEVResult.EVResultSuccess,
    wpt.WPTEVResult.EVResultFailed,
)
Method = TypeVar("Method")


async def position_first(talk: Conversation, plan: Plan) -> None:
    """Between SessionSetup and AuthorizationSetup, if that is where the vehicle does it."""
    if talk.config.wpt.positioning is PositioningPlace.BEFORE_AUTHORIZATION:
        await position(talk, plan)


async def position(talk: Conversation, plan: Plan) -> None:
    """Agree on methods, find the place and know the pad; all anew for every WARNING_WPT, at
    most ``wpt.attempts`` times."""
    plan.positioned = False
    while True:
        if talk.stop_wanted:
            raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
        if await _agree(talk, plan) and await _place(talk) and await _pair(talk, plan):
            plan.positioned = True
            return
        await warned(talk, plan)


async def warned(talk: Conversation, plan: Plan) -> None:
    """Begin again, after a moment, unless that has been tried too often."""
    plan.wpt_warnings += 1
    if plan.wpt_warnings > talk.config.wpt.attempts:
        raise Leave(EndReason.COUPLING_FAILED, f"the pad was missed {plan.wpt_warnings} times (wpt.attempts)")
    await talk.pause(talk.config.poll_interval_s)


async def _agree(talk: Conversation, plan: Plan) -> bool:
    """Which methods: the first of the vehicle's that the station has."""
    settings = talk.config.wpt
    able = (
        tuple(wpt.WPTFinePositioningMethod(method.value) for method in settings.positioning_methods),
        tuple(wpt.WPTPairingMethod(method.value) for method in settings.pairing_methods),
        tuple(wpt.WPTAlignmentCheckMethod(method.value) for method in settings.alignment_methods),
    )

    def request(processing: Processing, lists: tuple[Any, Any, Any]) -> wpt.WPTFinePositioningSetupReq:
        receiver = talk.receiver_limits
        return wpt.WPTFinePositioningSetupReq(
            header=header(talk),
            ev_processing=processing,
            ev_device_fine_positioning_method_list=wpt.WPTFinePositioningMethodList(
                wpt_fine_positioning_method=lists[0]
            ),
            ev_device_pairing_method_list=wpt.WPTPairingMethodList(wpt_pairing_method=lists[1]),
            ev_device_alignment_check_method_list=wpt.WPTAlignmentCheckMethodList(
                wpt_alignment_check_method=lists[2]
            ),
            natural_offset=0 if receiver is None else min(round(receiver.natural_offset_mm), 32_767),
        )

    offered = await exchange(talk, request(Processing.Ongoing, able))
    theirs = (
        offered.primary_device_fine_positioning_method_list.wpt_fine_positioning_method,
        offered.primary_device_pairing_method_list.wpt_pairing_method,
        offered.primary_device_alignment_check_method_list.wpt_alignment_check_method,
    )
    chosen = tuple(_first(mine, other) for mine, other in zip(able, theirs, strict=True))
    if any(method is None for method in chosen):
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED, "no method of positioning, pairing or alignment in common"
        )
    plan.wpt_pairing = chosen[1]
    answer = await exchange(
        talk,
        request(Processing.Finished, ((chosen[0],), (chosen[1],), (chosen[2],))),
    )
    return answer.response_code is not AGAIN


def _first(mine: tuple[Method, ...], theirs: tuple[Method, ...]) -> Method | None:
    return next((method for method in mine if method in theirs), None)


async def _place(talk: Conversation) -> bool:
    """Move until the coil is over the pad, as vehicle and station see it."""

    def there() -> bool:
        receiver = talk.receiver
        return receiver is not None and receiver.in_place

    def request() -> wpt.WPTFinePositioningReq:
        done = there()
        return wpt.WPTFinePositioningReq(
            header=header(talk),
            ev_processing=Processing.Finished if done else Processing.Ongoing,
            ev_result_code=_SUCCESS if done else _UNKNOWN,
        )

    response = await poll(
        talk,
        request,
        lambda response: (
            response.response_code is AGAIN or (response.evse_processing is Processing.Finished and there())
        ),
        limit=talk.timing.positioning_timeout,
        reason=EndReason.COUPLING_FAILED,
    )
    return response.response_code is not AGAIN


async def _pair(talk: Conversation, plan: Plan) -> bool:
    """Read the pad's code and tell it, until the station has made up its mind."""
    outside = plan.wpt_pairing is wpt.WPTPairingMethod.External_confirmation
    longest = talk.timing.ongoing_timeout
    over = Leave(EndReason.COUPLING_FAILED, f"the pad was not known after {longest:g} s")
    bound = talk.bound = Bound(talk.now + longest, over, Timer.ONGOING)
    try:
        while True:
            receiver = talk.receiver
            code = None if receiver is None else receiver.pad_code
            read = outside or code is not None
            response = await exchange(
                talk,
                wpt.WPTPairingReq(
                    header=header(talk),
                    ev_processing=Processing.Finished if read else Processing.Ongoing,
                    observed_id_code=code,
                    ev_result_code=_SUCCESS if read else _UNKNOWN,
                ),
            )
            if response.response_code is AGAIN:
                return False
            if read and response.evse_processing is Processing.Finished:
                return True
            if talk.stop_wanted:
                raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
            if talk.now >= bound.until:
                raise over
            await talk.pause(talk.config.poll_interval_s)
    finally:
        talk.bound = None
