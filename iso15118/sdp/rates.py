"""How often who may ask: a token bucket, and one for each of a bounded number of addresses."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address
from typing import Final

from msgspec import Struct

from iso15118.errors import ConfigError
from iso15118.ranges import is_number, shown

__all__ = ["ORIGINS_KEPT", "OriginRates", "RateLimit"]


class RateLimit(Struct):
    """Lets ``burst`` events pass at once and ``per_second`` in the long run; a value, its time
    is an argument. ``tokens``: how many may pass now, in requests as ``burst``; ``at``: the
    moment at which that was so. Raises ``ConfigError`` for a rate or a burst that admits nothing, or
    everything."""

    per_second: float = 10.0
    """A car sends four requests a second [V2G2-159]."""
    burst: float = 20.0
    tokens: float = -1.0
    at: float = 0.0

    def __post_init__(self) -> None:
        for name, value, least in (("per_second", self.per_second, 0.001), ("burst", self.burst, 1.0)):
            if not is_number(value, least):  # of a limit that is none everything is admitted
                raise ConfigError(name, f"{shown(value)} is no limit", f"a number of {least:g} or more")

    def admit(self, now: float) -> bool:
        """True if one more event may pass at ``now``."""
        if self.tokens < 0.0:
            self.tokens, self.at = self.burst, now
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.per_second)
        self.at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


ORIGINS_KEPT: Final = 4096
"""Addresses whose requests are counted apart, in less than 1 MB; the one that has been silent
longest makes room. A flood has to bring more than 16,000 new ones a second for a car to be
forgotten between two requests."""

_NEWCOMERS_A_SECOND: Final = 1000.0


class OriginRates:
    """A ``RateLimit`` of its own for each address, so that one that floods costs nobody else an answer.

    Bounded: at most ``most`` addresses are known. Those that are not known yet share a limit far above what
    cars send, for a flood under ever new addresses; a car that has asked once is known when it asks again 250
    ms later. ``each`` is the pattern of the limits.
    """

    __slots__ = ("_each", "_known", "_most", "_newcomers")

    def __init__(self, each: RateLimit | None = None, *, most: int = ORIGINS_KEPT) -> None:
        limit = each if each is not None else RateLimit()
        self._each = (limit.per_second, limit.burst)
        self._most = most
        self._known: OrderedDict[IPv6Address, RateLimit] = OrderedDict()
        self._newcomers = RateLimit(per_second=_NEWCOMERS_A_SECOND, burst=_NEWCOMERS_A_SECOND)

    def __len__(self) -> int:
        return len(self._known)

    def admit(self, address: IPv6Address, now: float) -> bool:
        """True if one more request of this address may pass at ``now``."""
        limit = self._known.get(address)
        if limit is None:
            # Known from now on, whether or not it passes: it asks again.
            if len(self._known) >= self._most:
                self._known.popitem(last=False)
            limit = self._known[address] = RateLimit(*self._each)
            return self._newcomers.admit(now) and limit.admit(now)
        self._known.move_to_end(address)
        return limit.admit(now)
