"""Over the pad before power: by which methods the vehicle finds its place, the place
itself, and which pad it is.

Whether the two are paired is decided by what the pad itself knows; a vehicle that misses
is told so and begins again.
"""

from __future__ import annotations

from typing import Any

from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.session.actions import EndReason
from iso15118.session.coupling import PositioningPlace
from iso15118.session.edition import Answer, Fault, Refused

from .context import Context
from .sequence import State

__all__ = [
    "fine_positioning",
    "fine_positioning_setup",
    "neutral_setup",
    "pairing",
    "positioning_is_before_authorization",
    "positioning_is_here",
    "warned",
]

S = State
Code = ResponseCode
_NO_CODE = 0
"""A pad that has none; some vehicles may write this for a code that they did not read."""
_UNKNOWN, _SUCCESS = wpt.WPTEVResult.EVResultUnknown, wpt.WPTEVResult.EVResultSuccess


def positioning_is_before_authorization(ctx: Context) -> str:
    """Guard of the row between SessionSetup and AuthorizationSetup."""
    return _allowed(ctx, PositioningPlace.BEFORE_AUTHORIZATION)


def positioning_is_here(ctx: Context) -> str:
    """Guard of the row behind ServiceSelection."""
    return _allowed(ctx, PositioningPlace.AFTER_SERVICE_SELECTION)


def _allowed(ctx: Context, place: PositioningPlace) -> str:
    return "" if place in ctx.facts.config.wpt.positioning else f"positioning {place.value} (wpt.positioning)"


def warned(ctx: Context) -> Refused | None:
    """The vehicle is to begin again, and has done so too often."""
    state, most = ctx.wpt, ctx.facts.config.wpt.attempts
    state.warnings += 1
    state.paired = state.aligned = False
    if state.warnings <= most:
        return None
    why = f"the vehicle missed the pad {state.warnings} times (wpt.attempts)"
    return Refused(Fault.ASSOCIATION, EndReason.COUPLING_FAILED, why)


# -- methods -----------------------------------------------------------------------------------------------


def _lists(ctx: Context) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    settings = ctx.facts.config.wpt
    return (
        tuple(wpt.WPTFinePositioningMethod(method.value) for method in settings.positioning_methods),
        tuple(wpt.WPTPairingMethod(method.value) for method in settings.pairing_methods),
        tuple(wpt.WPTAlignmentCheckMethod(method.value) for method in settings.alignment_methods),
    )


def _setup_fields(lists: tuple[Any, Any, Any]) -> dict[str, Any]:
    positioning, pairing_methods, alignment = lists
    return {
        "primary_device_fine_positioning_method_list": wpt.WPTFinePositioningMethodList(
            wpt_fine_positioning_method=positioning
        ),
        "primary_device_pairing_method_list": wpt.WPTPairingMethodList(wpt_pairing_method=pairing_methods),
        "primary_device_alignment_check_method_list": wpt.WPTAlignmentCheckMethodList(
            wpt_alignment_check_method=alignment
        ),
        "natural_offset": 0,
    }


def neutral_setup(ctx: Context) -> dict[str, Any]:
    """Of a refusal."""
    return _setup_fields(_lists(ctx))


def fine_positioning_setup(request: wpt.WPTFinePositioningSetupReq, ctx: Context) -> Answer | Refused:
    """Tell what the pad can do; once the vehicle names one method of each kind that the
    pad has, they are agreed."""
    state, facts = ctx.wpt, ctx.facts
    if state.back is None:
        state.back = ctx.state
    if state.since is None:
        state.since = facts.now
    if (late := _too_long(ctx)) is not None:
        return late
    state.paired = state.aligned = False
    ours = _lists(ctx)
    theirs = (
        request.ev_device_fine_positioning_method_list.wpt_fine_positioning_method,
        request.ev_device_pairing_method_list.wpt_pairing_method,
        request.ev_device_alignment_check_method_list.wpt_alignment_check_method,
    )
    code, told, following = Code.OK, ours, S.WPT_FINE_POSITIONING_SETUP
    if request.ev_processing is Processing.Finished:
        if all(len(chosen) == 1 and chosen[0] in able for chosen, able in zip(theirs, ours, strict=True)):
            state.offered = tuple(chosen[0] for chosen in theirs)  # type: ignore[assignment]
            told, following = theirs, S.WPT_FINE_POSITIONING
        else:
            if (over := warned(ctx)) is not None:
                return over
            code = Code.WARNING_WPT
    response = wpt.WPTFinePositioningSetupRes(header=ctx.header(), response_code=code, **_setup_fields(told))
    return Answer(response, following)


def _too_long(ctx: Context) -> Refused | None:
    """Positioning, however often it is begun anew, takes no longer than it may."""
    since, facts = ctx.wpt.since, ctx.facts
    longest = facts.timing.positioning_performance
    if since is None or facts.now - since <= longest:
        return None
    why = f"the vehicle was not in its place after {longest:g} s (timing.positioning_performance)"
    return Refused(Fault.FAILED, EndReason.COUPLING_FAILED, why)


# -- the place ---------------------------------------------------------------------------------------------


def fine_positioning(request: wpt.WPTFinePositioningReq, ctx: Context) -> Answer | Refused:
    """Ongoing until the vehicle says that it stands in its place, and the pad does not contradict."""
    if (late := _too_long(ctx)) is not None:
        return late
    here = ctx.facts.pad.vehicle_here is not False
    processing, following = Processing.Ongoing, S.WPT_FINE_POSITIONING
    if request.ev_processing is Processing.Finished:
        if request.ev_result_code is _SUCCESS and here:
            processing, following = Processing.Finished, S.WPT_PAIRING
        elif request.ev_result_code is not _SUCCESS:
            processing, following = Processing.Finished, S.WPT_FINE_POSITIONING_SETUP
    response = wpt.WPTFinePositioningRes(
        header=ctx.header(), response_code=Code.OK, evse_processing=processing
    )
    return Answer(response, following)


def pairing(request: wpt.WPTPairingReq, ctx: Context) -> Answer | Refused:
    """The code that the vehicle read has to be that of this pad; without one only somebody
    outside can have confirmed it."""
    state, facts = ctx.wpt, ctx.facts

    def answer(code: ResponseCode, processing: Processing, following: State) -> Answer:
        response = wpt.WPTPairingRes(
            header=ctx.header(),
            response_code=code,
            evse_processing=processing,
            # Not before the vehicle has named it: one that repeats what it is told has read nothing.
            observed_id_code=facts.pad_id or None if state.paired else None,
        )
        return Answer(response, following)

    if request.ev_processing is not Processing.Finished:
        return answer(Code.OK, Processing.Ongoing, S.WPT_PAIRING)
    outside = state.offered is not None and state.offered[1] is wpt.WPTPairingMethod.External_confirmation
    code = request.observed_id_code
    right = code == facts.pad_id != _NO_CODE if code is not None else outside
    if request.ev_result_code is not _SUCCESS or not right:
        if (over := warned(ctx)) is not None:
            return over
        return answer(Code.WARNING_WPT, Processing.Finished, S.WPT_FINE_POSITIONING_SETUP)
    back, state.back, state.since, state.paired = state.back, None, None, True
    return answer(Code.OK, Processing.Finished, back or S.AUTHORIZATION_SETUP)
