"""Meter readings: the vehicle follows all of them, and signs one for the station where
it fits its own measurement.

A receipt is what the driver is billed by. It is only asked for with a contract [V2G2-691].
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final, NoReturn

from iso15118.errors import MisuseError, PkiError
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2.exchange import exchange
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.metering import MeterReading
from iso15118.messages import iso2
from iso15118.printable import printable
from iso15118.session.actions import EndReason, MeteringRefused

__all__ = ["answer_meter"]

_ID: Final = "id1"


async def answer_meter(
    talk: Conversation, plan: Plan, response: iso2.CurrentDemandRes | iso2.ChargingStatusRes
) -> iso2.EVSEStatus | None:
    """Take the meter reading of a charge-loop answer; where a receipt is wanted, give it, and
    return the status in its answer.

    Raises ``Leave`` where the receipt cannot be given: the station takes no other request then.
    """
    info, contract = response.meter_info, talk.contract
    reading = None if info is None else _reading(info)
    if reading is not None:
        talk.meter.saw(reading)
    if not response.receipt_required:
        return None
    if contract is None or talk.plain:
        talk.note("receipt", "the station wants a receipt from a vehicle without a contract")
        return None
    if info is None or reading is None:
        talk.note("receipt", "the station wants a receipt and shows no reading")
        return None
    if why := talk.meter.why_not(reading):
        kind = re.sub(r"-?[0-9]+", "", why)
        if kind not in talk.unsigned:
            talk.unsigned.add(kind)
            talk.act(MeteringRefused(printable(info.meter_id), why))
        _go_without(talk, plan, why)
    if response.sa_schedule_tuple_id != plan.tuple_id:
        told = f"the station names schedule {response.sa_schedule_tuple_id}, and {plan.tuple_id} was chosen"
        talk.note("schedule-tuple", told)
    from iso15118.pnc.iso2 import signed_request  # here: only a vehicle with contracts loads it

    receipt = iso2.MeteringReceiptReq(
        id=_ID,
        session_id=talk.session_id,
        sa_schedule_tuple_id=plan.tuple_id,  # what is signed is the vehicle's own choice
        meter_info=info,
    )
    try:
        sign = partial(signed_request, receipt, contract.signer, talk.session_id)
        signed = await talk.with_key("the meter reading", iso2.V2GMessage, sign)
    except (PkiError, MisuseError) as error:
        _go_without(talk, plan, str(error))
    taken: iso2.MeteringReceiptRes = await exchange(talk, receipt, signed.header.signature)
    return taken.evse_status


def _go_without(talk: Conversation, plan: Plan, why: str) -> NoReturn:
    talk.refusals.append(f"meter reading not signed: {why}")
    plan.receipt_due = True
    raise Leave(EndReason.STOPPED_BY_EV, f"the meter reading was not signed: {why}")


def _reading(info: iso2.MeterInfo) -> MeterReading | None:
    if info.meter_reading is None:
        return None
    return MeterReading(
        meter_id=info.meter_id,
        charged_wh=float(info.meter_reading),
        at=None if info.t_meter is None else float(info.t_meter),
    )
