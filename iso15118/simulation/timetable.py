"""What a simulated energy manager answers when it is asked for schedules: the same plans, on one clock from
the first question on, and again from the begin when they are over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from iso15118.energy.offer import PowerOffer, ScheduleOffer, check_offers

if TYPE_CHECKING:
    from iso15118.pki.keys.signer import Signer

__all__ = ["Timetable"]


class Timetable:
    """``offers``: plans whose times, and those of their prices, count from the moment of the first question;
    what has no begin begins then. ``delay_s``: how long an answer takes. ``price_signers``: keys of the
    provider that prices are signed with."""

    def __init__(
        self, offers: Iterable[ScheduleOffer], *, delay_s: float = 0.0, price_signers: Iterable[Signer] = ()
    ) -> None:
        self.offers = check_offers(tuple(offers))
        self.delay_s = delay_s
        self.price_signers = tuple(price_signers)
        self.zero: float | None = None
        """When it was first asked, in s on the session's clock; once all plans are
        over, when it was asked next."""
        self._lasts_s = max((offer.charging.schedule(0.0).over_at for offer in self.offers), default=0.0)

    def at(self, now: float) -> tuple[ScheduleOffer, ...]:
        """The plans, on the clock of ``now``."""
        zero = self.zero
        if zero is None or now >= zero + self._lasts_s:
            zero = self.zero = now
        return tuple(
            replace(
                offer,
                charging=_moved(offer.charging, zero),
                discharging=None if offer.discharging is None else _moved(offer.discharging, zero),
            )
            for offer in self.offers
        )


def _moved(offer: PowerOffer, zero: float) -> PowerOffer:
    prices = offer.prices
    return replace(
        offer,
        begins=zero + (offer.begins or 0.0),
        prices=None if prices is None else replace(prices, begins=zero + prices.begins),
    )
