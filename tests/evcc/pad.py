"""A pad made of messages: a vehicle that is charged without a wire, at a station with one valid answer of
every kind.

The coil is played by hand: what it receives, and whether it is in its place, the test says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.iso20.exchange import RESPONSES
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, Processing, ResponseCode
from iso15118.messages.values import rational, si
from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from iso15118.session.wireless import ReceiverLimits
from iso15118.testing import Playbook, SafetyMonitor
from tests.evcc.keys import Keys
from tests.evcc.station import SESSION_ID, Host, battery

PAD_W = 11_000.0
PAD_CODE = 17
LOOP = "WPT_ChargeLoop"
FINISHED = Processing.Finished


def coil(power_w: float = 0.0, **changes: Any) -> ev.ReceiverMeasured:
    """What the coil shows: in its place, and nothing is wrong."""
    fields: dict[str, Any] = {"in_place": True, "pad_code": PAD_CODE}
    return ev.ReceiverMeasured(power_w=power_w, **(fields | changes))


class PadHost(Host):
    """A vehicle over the pad; otherwise as ``Host``."""

    def __init__(
        self,
        control_mode: ControlMode = ControlMode.SCHEDULED,
        *,
        receiver: ReceiverLimits | None = None,
        cells: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.service, self.control_mode = SERVICES[ServiceID.WPT], control_mode
        self.config = EvccConfig(services=(ServiceID.WPT,), control_modes=(control_mode,), **settings)
        declared = receiver or ReceiverLimits(maximum_power_w=PAD_W)
        self.session = EvccSession(
            self.config, None, battery(**(cells or {})), epoch=1.79e9, receiver=declared
        )
        self.contracts = None
        self.monitor = SafetyMonitor(SeccConfig(), None, None, receiver=declared)
        self.shown: list[ev.Event] = [coil(), battery(**(cells or {}))]
        self.book = Playbook(self.session, watch=self.monitor.evcc, sample=lambda: tuple(self.shown))
        self.keys = Keys(self.book)
        self.session_id, self.pricing = SESSION_ID, 0
        self.sent: list[Any] = []
        self.beside: list[Any] = []
        """What was sent on the stream beside the loop."""
        self.hardware: list[act.HardwareAction] = []
        """All that was asked of the hardware."""
        self.waiting = False
        self._contactors: bool | None = None
        self.tell(ev.Connected(secure=True))

    def receives(self, power_w: float, **changes: Any) -> None:
        """The coil shows this from now on."""
        self.shown[:1] = [coil(power_w, **changes)]
        self.monitor.inlet(self.shown[0])  # type: ignore[arg-type]
        self.tell(self.shown[0])

    def _note(self) -> None:
        mine = []
        for action in self.book.actions:
            if isinstance(action, act.Send) and action.beside:
                self.beside.append(action.message)
                continue
            if isinstance(action, act.HardwareAction):
                self.hardware.append(action)
            mine.append(action)
        kept, self.book.actions = self.book.actions, mine
        super()._note()
        self.book.actions = kept

    def response(self, kind: type, **changes: Any) -> Any:
        """A valid response of this class, with some of its fields changed."""
        if kind not in _OF_A_PAD:
            return super().response(kind, **changes)
        fields = {"header": self.header(), "response_code": ResponseCode.OK} | _OF_A_PAD[kind](self)
        return kind(**(fields | changes))

    def answer(self, **changes: Any) -> None:
        """Answer the last request."""
        pair = RESPONSES.get(type(self.request))
        if pair is None:
            super().answer(**changes)
        else:
            self.tell(ev.MessageReceived(self.response(pair[0], **changes)))

    def step(self) -> None:
        """One step of the ordinary way."""
        self._contactors = None  # there are none
        if isinstance(self.request, wpt.WPTAlignmentCheckReq) and self.request.ev_processing is not FINISHED:
            self.receives(900.0)
        elif isinstance(self.request, wpt.WPTChargeLoopReq) is False:
            self.receives(0.0)
        if self.waiting:
            self.answer()
        else:
            self.wait(0.25)

    def turn(self, **changes: Any) -> Any:
        """The next request of the charge loop, after the one that waits was answered so."""
        self.answer(**changes)
        if not self.waiting:
            self.wait(0.25)
        return self.request

    def finish(self, steps: int = 100) -> act.SessionEnded:
        """Go on in the ordinary way to the end."""
        for _ in range(steps):
            if self.session.ended is not None:
                return self.session.ended
            self.step()
        raise RuntimeError(f"no end; it is at {self.session.state}")


def charging(**options: Any) -> PadHost:
    """A vehicle in its loop, which receives what it asks for."""
    host = PadHost(**options).to(LOOP, 2)
    host.receives(9_000.0)
    return host


def asks(host: PadHost) -> float:
    return si(host.request.evpc_power_request)


def stops(host: PadHost) -> list[Urgency]:
    """Of the coil, behind the check of the position."""
    return [one.urgency for one in host.hardware[3:] if isinstance(one, act.StopPower)]


def progress(host: PadHost) -> cm.ChargeProgress:
    """Of the PowerDeliveryReq that waits."""
    said: cm.ChargeProgress = host.request.charge_progress
    return said


def taken(host: PadHost) -> list[float]:
    return [one.power_w for one in host.hardware[3:] if isinstance(one, act.SetReceiver)]


def status(what: EvseNotification, delay: int = 0) -> EVSEStatus:
    return EVSEStatus(notification_max_delay=delay, evse_notification=what)


_OF_A_PAD: dict[type, Callable[[PadHost], dict[str, Any]]] = {
    wpt.WPTFinePositioningSetupRes: lambda h: {
        "primary_device_fine_positioning_method_list": wpt.WPTFinePositioningMethodList(
            wpt_fine_positioning_method=(
                wpt.WPTFinePositioningMethod.Manual,
                wpt.WPTFinePositioningMethod.LPE,
            )
        ),
        "primary_device_pairing_method_list": wpt.WPTPairingMethodList(
            wpt_pairing_method=(wpt.WPTPairingMethod.External_confirmation, wpt.WPTPairingMethod.LPE)
        ),
        "primary_device_alignment_check_method_list": wpt.WPTAlignmentCheckMethodList(
            wpt_alignment_check_method=(wpt.WPTAlignmentCheckMethod.PowerCheck,)
        ),
        "natural_offset": 0,
    },
    wpt.WPTFinePositioningRes: lambda h: {"evse_processing": FINISHED},
    wpt.WPTPairingRes: lambda h: {"evse_processing": FINISHED},
    wpt.WPTChargeParameterDiscoveryRes: lambda h: {
        "pd_input_power_class": wpt.WPTPowerClass.MF_WPT3,
        "sd_min_output_power": rational(0.0),
        "sd_max_output_power": rational(PAD_W),
        "sd_max_ground_clearance_support": 250,
        "sd_min_ground_clearance_support": 100,
        "pd_min_coil_current": rational(0.0),
        "pd_max_coil_current": rational(75.0),
    },
    wpt.WPTAlignmentCheckRes: lambda h: {
        "evse_processing": FINISHED,
        "power_transmitted": rational(1000.0),
    },
    wpt.WPTChargeLoopRes: lambda h: {
        "evpc_power_request": rational(0.0),
        "spc_max_output_power_limit": rational(PAD_W),
        "spc_min_output_power_limit": rational(0.0),
        "spc_charge_diagnostics": wpt.WPTSPCChargeDiagnostics.SPCNoIssue,
    },
}
