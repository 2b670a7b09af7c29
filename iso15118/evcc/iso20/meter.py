"""What the station's meter says in a turn of the charge loop, and what that costs so far.

A reading is kept for whoever is asked to sign one; a receipt is told to the application, since its signature
stands under the receipt as well.
"""

from __future__ import annotations

from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.iso20.plug_and_charge import reading_of
from iso15118.messages.iso20.common_types import DetailedCost, MeterInfo, Receipt
from iso15118.messages.values import si
from iso15118.session.actions import ReceiptTold
from iso15118.session.events import Cost

__all__ = ["heard"]


def heard(talk: Conversation, plan: Plan, reading: MeterInfo, receipt: Receipt | None) -> None:
    """A reading, and the receipt that belongs to it, which is told when it is another one than before."""
    talk.meter.saw(reading_of(reading))
    if receipt is None or receipt == plan.receipt:
        return
    plan.receipt = receipt
    talk.act(
        ReceiptTold(
            at=float(receipt.time_anchor),
            energy=_cost(receipt.energy_costs),
            occupancy=_cost(receipt.occupancy_costs),
            services=_cost(receipt.additional_services_costs),
            overstay=_cost(receipt.overstay_costs),
            taxes=tuple((tax.tax_rule_id, si(tax.amount)) for tax in receipt.tax_costs),
        )
    )


def _cost(said: DetailedCost | None) -> Cost | None:
    return None if said is None else Cost(si(said.amount), si(said.cost_per_unit))
