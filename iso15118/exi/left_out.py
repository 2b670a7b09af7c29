"""Elements that a decoder leaves out because the abstract head of their group stood empty in their place:
whether a message without them is one that a session can use.

Its classes promise what the schema demands, and no handler asks for what they promise: a message that lacks
it is none. Schedules of DIN 70121 are the exception: chargers in use send their head alone.
"""

from __future__ import annotations

from functools import cache

from msgspec.structs import replace

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.messages import din

__all__ = ["has_all"]


def has_all(schema: str, message: exi.Message) -> bool:
    """Whether nothing is missing that ``schema`` demands, schedules of a ChargeParameterDiscoveryRes of
    DIN 70121 left out of account."""
    if schema == "din" and isinstance(message, din.V2GMessage):
        body = message.body.body_element
        if isinstance(body, din.ChargeParameterDiscoveryRes) and not body.sa_schedules:
            body = replace(body, sa_schedules=_any_schedules())
            message = replace(message, body=din.Body(body_element=body))
    try:
        exi.encode(schema, message)
    except ExiError:
        return False
    return True


@cache
def _any_schedules() -> din.SAScheduleList:
    entry = din.PMaxScheduleEntry(time_interval=din.RelativeTimeInterval(start=0), p_max=0)
    schedule = din.PMaxSchedule(p_max_schedule_id=0, p_max_schedule_entry=(entry,))
    return din.SAScheduleList(
        sa_schedule_tuple=(din.SAScheduleTuple(sa_schedule_tuple_id=0, p_max_schedule=schedule),)
    )
