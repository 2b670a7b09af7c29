"""The answers of both loops: a fresh reading in each, now and then the wish to have it signed, and
how long they are held back.

A reading is told with the moment when it was taken, and not at all when it is older
than ``SeccConfig.meter_age_s``.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from iso15118.messages import iso2
from iso15118.session.actions import Action, ReadMeter
from iso15118.session.edition import Answer, Wait

from .context import Context
from .plug_and_charge import receipt_wanted

__all__ = ["held_back", "meter_info", "read_meter"]

_LONGEST_ID = 32
_LONGEST_SIGNATURE = 64
_LARGEST = 2**64 - 1


def _age(ctx: Context) -> float:
    facts = ctx.facts
    taken = facts.meter.at if facts.meter is not None else None
    return facts.now - taken if taken is not None else float("inf")


def read_meter(ctx: Context) -> tuple[Action, ...]:
    """The question for the next reading, where there is a meter and it is time."""
    facts = ctx.facts
    half = facts.config.meter_age_s / 2.0
    due = facts.meter is not None and min(_age(ctx), facts.now - facts.meter_asked) >= half
    return (ReadMeter(),) if due else ()


def meter_info(ctx: Context) -> tuple[iso2.MeterInfo | None, bool]:
    """The reading to tell, and whether the vehicle has to sign it before anything else [V2G2-691]."""
    facts = ctx.facts
    meter = facts.meter
    if meter is None or meter.at is None or _age(ctx) > facts.config.meter_age_s:
        return None, False
    signature = meter.signature
    if signature is not None and len(signature) > _LONGEST_SIGNATURE:
        facts.note(
            "meter-signature", f"a meter signature of {len(signature)} octets does not fit the message"
        )
        signature = None
    info = iso2.MeterInfo(
        meter_id=meter.meter_id[:_LONGEST_ID],
        meter_reading=min(int(meter.charged_wh), _LARGEST),
        sig_meter_reading=signature,
        t_meter=int(meter.at + facts.epoch) if facts.epoch else None,
    )
    wanted = receipt_wanted(ctx)
    if wanted:
        ctx.receipt = info
    return info, wanted


def held_back(ctx: Context, before: tuple[Action, ...], reply: Callable[[], Answer]) -> Answer | Wait:
    """The answer, at once or after ``loop_answer_delay_s``; what is asked of the hardware never waits."""
    delay = ctx.settings.loop_answer_delay_s
    if delay <= 0.0:
        return replace(reply(), before=before)
    return Wait(before, ctx.facts.now + delay, lambda timed_out: reply() if timed_out else None)
