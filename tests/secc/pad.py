"""A car made of messages over a station's pad, whose hardware is played by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.machine import table_of
from iso15118.secc.iso20.sequence import State
from iso15118.secc.iso20.wpt_part import WPT
from iso15118.session import events as ev
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.wireless import PadLimits
from iso15118.testing import Playbook, SafetyMonitor
from tests.secc.vehicle import _FIELDS, REQUESTS, Drive

S = State
STATES = tuple(state for state in State if state in table_of(WPT))
OF_WPT = (
    wpt.WPTFinePositioningSetupReq,
    wpt.WPTFinePositioningReq,
    wpt.WPTPairingReq,
    wpt.WPTChargeParameterDiscoveryReq,
    wpt.WPTAlignmentCheckReq,
    wpt.WPTChargeLoopReq,
)
ALL_REQUESTS = (*(kind for kind in REQUESTS if kind.__module__ == cm.__name__), *OF_WPT)
PAD = PadLimits(maximum_power_w=11_000.0, minimum_power_w=500.0)
CODE = 17
SUCCESS, FAILED, UNKNOWN = (
    wpt.WPTEVResult.EVResultSuccess,
    wpt.WPTEVResult.EVResultFailed,
    wpt.WPTEVResult.EVResultUnknown,
)


def lists(
    positioning: tuple[Any, ...] = (wpt.WPTFinePositioningMethod.LPE,),
    pairing: tuple[Any, ...] = (wpt.WPTPairingMethod.LPE,),
    alignment: tuple[Any, ...] = (wpt.WPTAlignmentCheckMethod.PowerCheck,),
) -> dict[str, Any]:
    return {
        "ev_device_fine_positioning_method_list": wpt.WPTFinePositioningMethodList(
            wpt_fine_positioning_method=positioning
        ),
        "ev_device_pairing_method_list": wpt.WPTPairingMethodList(wpt_pairing_method=pairing),
        "ev_device_alignment_check_method_list": wpt.WPTAlignmentCheckMethodList(
            wpt_alignment_check_method=alignment
        ),
    }


_MORE: dict[type, Callable[[Drive], dict[str, Any]]] = {
    wpt.WPTFinePositioningSetupReq: lambda d: {
        "ev_processing": Processing.Finished,
        "natural_offset": 0,
        **lists(),
    },
    wpt.WPTFinePositioningReq: lambda d: {"ev_processing": Processing.Finished, "ev_result_code": SUCCESS},
    wpt.WPTPairingReq: lambda d: {
        "ev_processing": Processing.Finished,
        "ev_result_code": SUCCESS,
        "observed_id_code": CODE,
    },
    wpt.WPTChargeParameterDiscoveryReq: lambda d: {
        "evpc_max_receivable_power": rational(7_000.0),
        "sd_max_ground_clearence": 210,
        "sd_min_ground_clearence": 140,
        "evpc_natural_frequency": rational(85_000.0),
        "evpc_device_local_control": False,
    },
    wpt.WPTAlignmentCheckReq: lambda d: {"ev_processing": Processing.Finished, "ev_result_code": SUCCESS},
    wpt.WPTChargeLoopReq: lambda d: {
        "meter_info_requested": False,
        "evpc_power_request": rational(5_000.0),
        "evpc_power_output": rational(0.0),
        "evpc_charge_diagnostics": wpt.WPTEVPCChargeDiagnostics.EVPCNoIssue,
    },
}


class PadDrive(Drive):
    """As ``Drive``, with a pad and nothing on it."""

    def __init__(
        self,
        control_mode: ControlMode = ControlMode.SCHEDULED,
        *,
        config: SeccConfig | None = None,
        **session: Any,
    ) -> None:
        config = config or SeccConfig(services=(ServiceID.WPT,))
        super().__init__(ServiceID.WPT, control_mode, config=config, pad=PAD, pad_id=CODE, **session)
        self.pad: ev.PadMeasured | None = ev.PadMeasured(vehicle_here=True)
        self.output = None
        self.monitor = SafetyMonitor(config, None, None, pad=PAD)
        self.book = Playbook(self.session, watch=self.monitor.secc, sample=self._sample)

    def _sample(self) -> tuple[ev.Event, ...]:
        return () if self.pad is None else (self.pad,)

    def request(self, kind: type, **changes: Any) -> Any:
        make = _MORE.get(kind) or _FIELDS[kind]
        return kind(**({"header": self.header()} | make(self) | changes))

    def send(self, kind: type, **changes: Any) -> Any:
        if self.pad is not None:
            self.book.tell(self.pad)
        return super().send(kind, **changes)

    def connect(self) -> None:
        entry = app.AppProtocol(
            protocol_namespace="urn:iso:std:iso:15118:-20:WPT",
            version_number_major=1,
            version_number_minor=0,
            schema_id=7,
            priority=1,
        )
        self.book.tell(ev.Connected(secure=True, tls=self.tls))
        self.book.receive(app.SupportedAppProtocolReq(app_protocol=(entry,)))

    def positioned(self) -> None:
        for kind in OF_WPT[:3]:
            self.send(kind)

    def align(self) -> None:
        self.send(wpt.WPTAlignmentCheckReq, ev_processing=Processing.Ongoing, ev_result_code=UNKNOWN)
        self.send(wpt.WPTAlignmentCheckReq)

    def to(self, state: State) -> PadDrive:
        """Bring the session there along the ordinary way."""
        if state is S.SCHEDULE_RENEGOTIATION:
            self.to(S.WPT_CHARGE_LOOP)
            self.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
        elif state in _FIRST:
            self.to(S.AUTHORIZATION_SETUP)
            for kind in OF_WPT[: _FIRST.index(state)]:
                self.send(kind)
            if state is S.WPT_FINE_POSITIONING_SETUP:
                self.send(wpt.WPTFinePositioningSetupReq, ev_processing=Processing.Ongoing)
        else:
            for step in _WAY:
                if self.session.state == state.value:
                    break
                step(self)
        if self.session.state != state.value:
            raise RuntimeError(f"the way does not pass {state}, it ended in {self.session.state}")
        return self


_FIRST = (S.WPT_FINE_POSITIONING_SETUP, S.WPT_FINE_POSITIONING, S.WPT_PAIRING)
_WAY: tuple[Callable[[PadDrive], Any], ...] = (
    PadDrive.connect,
    Drive._session,
    PadDrive.positioned,
    lambda d: d.send(cm.AuthorizationSetupReq),
    Drive._authorized,
    lambda d: d.send(cm.ServiceDiscoveryReq),
    lambda d: d.send(cm.ServiceDetailReq),
    lambda d: d.send(cm.ServiceSelectionReq),
    lambda d: d.send(wpt.WPTChargeParameterDiscoveryReq),
    lambda d: d.send(cm.ScheduleExchangeReq),
    PadDrive.align,
    lambda d: d.send(cm.PowerDeliveryReq),
    lambda d: d.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop),
)
