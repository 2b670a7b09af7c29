"""How long a station takes to answer CurrentDemandReq of ISO 15118-2 over plain TCP: ``iso15118 secc`` in a
process of its own, and a vehicle made of messages that does nothing but wait.

From handing the request to the system until the answer is there, with simulated
hardware behind the station's ports.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iso15118 import exi
from iso15118.messages import app, iso2
from iso15118.messages.physical import amperes, volts, watts
from iso15118.v2gtp import HEADER_LENGTH, PayloadType, encode_frame

from .figure import Figure, Scale, median, percentile

__all__ = ["run"]

_PAUSE_S = 0.005
"""Between two requests; vehicles in the field take 18 ms and more."""
_FILE = """
interface = "lo"
sdp_port = {sdp}
[session]
editions = ["iso2"]
[tls]
mode = "plaintext"
[station]
preset = "ccs2"
cable_check_s = 4
time_scale = 10
"""
_LISTENING = re.compile(r"TCP port ([0-9]+) \(NONE\)")
_READY = iso2.DCEVStatus(ev_ready=True, ev_error_code=iso2.DCEVErrorCode.NO_ERROR, evresssoc=40)
_BATTERY_V = 400.0


def run(scale: Scale) -> Iterator[Figure]:
    """Answer time at the 99th percentile, the median beside it."""
    exchanges = max(scale.pairs // 10, 10)
    with tempfile.TemporaryDirectory() as folder:
        taken = _measured(Path(folder), exchanges)
    yield Figure(
        figure="current-demand-answer-p99",
        case="TCP without TLS, the station alone in its process",
        value=percentile(taken, 99.0) * 1e3,
        unit="ms",
        aim=2.0,
        details={
            "exchanges": len(taken),
            "median_ms": median(taken) * 1e3,
            "most_ms": max(taken) * 1e3,
            "pause_ms": _PAUSE_S * 1e3,
            "load_1min": os.getloadavg()[0],
        },
    )


def _measured(folder: Path, exchanges: int) -> list[float]:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind(("::1", 0))
        free = probe.getsockname()[1]
    file = folder / "secc.toml"
    file.write_text(_FILE.format(sdp=free))
    command = [sys.executable, "-m", "iso15118", "secc", "-c", str(file), "--sessions", "1"]
    with subprocess.Popen(  # noqa: S603 - this Python
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as station:
        try:
            return Vehicle(_port_of(station)).charge(exchanges)
        finally:
            station.terminate()
            station.communicate(timeout=30.0)


def _port_of(station: subprocess.Popen[str]) -> int:
    if station.stderr is None:
        raise RuntimeError("the station has no stderr")
    said: list[str] = []
    for line in station.stderr:
        said.append(line)
        if found := _LISTENING.search(line):
            return int(found[1])
    raise RuntimeError(f"the station did not listen: {''.join(said)}")


class Vehicle:
    """Says its lines in order, one request after the other."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("::1", port), timeout=30.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._session = bytes(1)

    def charge(self, exchanges: int) -> list[float]:
        """Up to the charge loop, so many of its exchanges, and out again: how long each answer took, in s."""
        with self._socket:
            self._set_up()
            demand = iso2.CurrentDemandReq(
                dc_ev_status=_READY,
                ev_target_current=amperes(50.0),
                charging_complete=False,
                ev_target_voltage=volts(430.0),
            )
            octets = self._octets(demand)
            taken = []
            for turn in range(exchanges + exchanges // 10):
                time.sleep(_PAUSE_S)
                began = time.perf_counter()
                self._socket.sendall(octets)
                answer = self._frame()
                if turn >= exchanges // 10:  # the first ones warm up
                    taken.append(time.perf_counter() - began)
            body = exi.decode("iso2", answer).body.body_element  # type: ignore[attr-defined]
            if not isinstance(body, iso2.CurrentDemandRes) or body.response_code.value != "OK":
                raise RuntimeError(f"the station answered {body}")
            self._ask(iso2.PowerDeliveryReq(charge_progress=iso2.ChargeProgress.Stop, sa_schedule_tuple_id=1))
            self._ask(iso2.SessionStopReq(charging_session=iso2.ChargingSession.Terminate))
            return taken

    def _set_up(self) -> None:
        protocol = app.AppProtocol(
            protocol_namespace="urn:iso:15118:2:2013:MsgDef",
            version_number_major=2,
            version_number_minor=0,
            schema_id=1,
            priority=1,
        )
        request = app.SupportedAppProtocolReq(app_protocol=(protocol,))
        self._socket.sendall(encode_frame(PayloadType.SAP, exi.encode("app", request)))
        self._frame()
        self._ask(iso2.SessionSetupReq(evccid=bytes.fromhex("020000000001")))
        self._ask(iso2.ServiceDiscoveryReq())
        self._ask(
            iso2.PaymentServiceSelectionReq(
                selected_payment_option=iso2.PaymentOption.ExternalPayment,
                selected_service_list=iso2.SelectedServiceList(
                    selected_service=(iso2.SelectedService(service_id=1),)
                ),
            )
        )
        finished = iso2.EVSEProcessing.Finished
        self._until(iso2.AuthorizationReq(), lambda said: said.evse_processing is finished)
        limits = iso2.DCEVChargeParameter(
            dc_ev_status=_READY,
            ev_maximum_current_limit=amperes(400.0),
            ev_maximum_voltage_limit=volts(470.0),
            ev_maximum_power_limit=watts(150_000.0),
        )
        parameters = iso2.ChargeParameterDiscoveryReq(
            requested_energy_transfer_mode=iso2.EnergyTransferMode.DC_extended, ev_charge_parameter=limits
        )
        self._until(parameters, lambda said: said.evse_processing is finished)
        check = iso2.CableCheckReq(dc_ev_status=_READY)
        self._until(check, lambda said: said.evse_processing is finished)
        pre_charge = iso2.PreChargeReq(
            dc_ev_status=_READY, ev_target_voltage=volts(_BATTERY_V), ev_target_current=amperes(1.0)
        )
        self._until(
            pre_charge,
            lambda said: (
                abs(said.evse_present_voltage.value * 10.0**said.evse_present_voltage.multiplier - _BATTERY_V)
                < 10.0
            ),
        )
        self._ask(iso2.PowerDeliveryReq(charge_progress=iso2.ChargeProgress.Start, sa_schedule_tuple_id=1))

    def _until(self, request: Any, done: Any) -> None:
        deadline = time.monotonic() + 60.0
        while not done(self._ask(request)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{type(request).__name__} was not finished")
            time.sleep(0.02)

    def _ask(self, request: Any) -> Any:
        self._socket.sendall(self._octets(request))
        message: Any = exi.decode("iso2", self._frame())
        body = message.body.body_element
        if not body.response_code.value.startswith("OK"):
            raise RuntimeError(f"{type(body).__name__}: {body.response_code.value}")
        self._session = message.header.session_id
        return body

    def _octets(self, request: Any) -> bytes:
        message = iso2.V2GMessage(
            header=iso2.MessageHeader(session_id=self._session), body=iso2.Body(body_element=request)
        )
        return encode_frame(PayloadType.SAP, exi.encode("iso2", message))

    def _frame(self) -> bytes:
        header = self._exactly(HEADER_LENGTH)
        return self._exactly(int.from_bytes(header[4:8], "big"))

    def _exactly(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            more = self._socket.recv(count - len(octets))
            if not more:
                raise RuntimeError("the station closed the connection")
            octets += more
        return octets
