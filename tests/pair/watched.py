"""A pair of which every message and all news are kept, for tests of whole sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iso15118.evcc.config import Renegotiation
from iso15118.messages.iso20 import common_messages as cm
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.testing import Pair
from tests.pair.ac_rig import ac_pair
from tests.pair.acdp_rig import SERVICES as PANTOGRAPH_SERVICES
from tests.pair.acdp_rig import pantograph_pair
from tests.pair.der_rig import DER_SERVICES, der_pair
from tests.pair.rig import pair
from tests.pair.wpt_rig import pad_pair

SCHEDULED, DYNAMIC = ControlMode.SCHEDULED, ControlMode.DYNAMIC
BESIDE = {"renegotiation": Renegotiation.BESIDE}


class Watched:
    """A pair, with all that was said and told."""

    def __init__(self, make: Callable[..., Pair], *args: Any, **options: Any) -> None:
        self.messages: list[tuple[str, Any, float]] = []
        self.news: list[tuple[str, Any, float]] = []
        self.rig = make(*args, on_message=self._said, **options)
        for role, look in (("secc", self.rig.monitor.secc), ("evcc", self.rig.monitor.evcc)):
            setattr(self.rig.monitor, role, self._watch(role, look))

    def _said(self, sender: str, message: Any, now: float) -> None:
        self.messages.append((sender, message, now))

    def _watch(self, role: str, look: Any) -> Any:
        def watch(event: Any, actions: Any, now: float) -> Any:
            self.news += [(role, one, now) for one in actions if isinstance(one, act.Notify)]
            return look(event, actions, now)

        return watch

    def of(self, kind: type, role: str | None = None) -> list[Any]:
        return [one for who, one, _ in self.news if isinstance(one, kind) and role in (None, who)]

    def said(self, kind: type) -> list[Any]:
        return [message for _, message, _ in self.messages if type(message) is kind]

    def to(self, loops: int) -> Watched:
        self.rig.run(until=lambda: self.rig.loops >= loops)
        assert not self.rig.done
        return self

    def charged(self) -> None:
        """To the end, which is the one that the battery wanted."""
        self.rig.run()
        assert self.rig.secc.ended is not None
        assert self.rig.evcc.ended is not None
        assert self.rig.secc.ended.reason is EndReason.STOPPED_BY_EV, self.rig.secc.ended
        assert self.rig.evcc.ended.reason is EndReason.STOPPED_BY_EV, self.rig.evcc.ended

    def contactors(self) -> int:
        """How often the station's were asked to close."""
        return sum(isinstance(message, cm.PowerDeliveryReq) for _, message, _ in self.messages)


def make(service: ServiceID, mode: ControlMode, **options: Any) -> Watched:
    """A pair with this service alone in the vehicle's mind."""
    if service in (ServiceID.AC, ServiceID.AC_BPT):
        return Watched(ac_pair, service, mode, **options)
    if service in DER_SERVICES:
        return Watched(der_pair, service, mode, **options)
    if service in PANTOGRAPH_SERVICES:
        return Watched(pantograph_pair, service, mode, **options)
    if service is ServiceID.WPT:
        return Watched(pad_pair, mode, **options)
    return Watched(pair, service, mode, **options)
