"""Basic charging on the event loop: a station and a vehicle on real sockets with a simulated pilot, each
session under its monitor."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from iso15118.aio.plug.connector import LinkParts
from iso15118.aio.plug.plugged_evcc import PluggedEvcc
from iso15118.aio.plug.plugged_secc import PluggedSecc
from iso15118.aio.plug.run_plugged import _Pump
from iso15118.aio.ports.outputs import AssertedOutputs
from iso15118.aio.recording import Recorder
from iso15118.connector import ConnectorSettings, Phase
from iso15118.connector.basic import BasicMode, BasicSettings
from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.link.primitives import Pilot, SetPilot
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.evse import EvseSlac
from iso15118.secc import SeccConfig
from iso15118.session import events as ev
from iso15118.session import ports
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason
from iso15118.session.services import ServiceID
from iso15118.simulation import (
    AcCircuit,
    Battery,
    DcCircuit,
    OnBoardCharger,
    SimulatedAcStation,
    SimulatedAcVehicle,
    SimulatedVehicle,
)
from iso15118.simulation.cable import STATION_MAC, VEHICLE_MAC, CcsCable
from iso15118.testing.monitor.basic import BasicStationMonitor, BasicVehicleMonitor
from tests.aio.site import LOOPBACK, QUICK_STREAM
from tests.aio.test_plugged import free_port
from tests.connector.basic_rig import CELLS

OUTLET, CHARGER = AcStationLimits.of(current_a=32), AcVehicleLimits.of(current_a=16)


class Bench:
    """``plugged_in`` runs both ends. ``talks``: what the vehicle speaks; with "iso2" and ``direct``
    it has a DC inlet as well."""

    def __init__(
        self,
        mode: BasicMode,
        *,
        deaf: bool = False,
        direct: bool = False,
        target_soc: float = 41.0,
        authorizer: ports.Authorizer | None = None,
        autocharge: bool = False,
        matched: bool = False,
        editions: tuple[str, ...] = ("iso2",),
        recorder: Recorder | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        port = free_port()
        self.circuit = AcCircuit()
        self.station = SimulatedAcStation(self.circuit, OUTLET)
        battery = Battery(**(CELLS | {"target_soc": target_soc}))
        self.vehicle = SimulatedAcVehicle(self.circuit, OnBoardCharger(CHARGER), battery)
        self.cable = CcsCable(loop.time, self.circuit)
        self.cable.cut(deaf)
        self.bundle = self.station.ports(asyncio.sleep, loop.time)
        if authorizer is not None:
            self.bundle = dataclasses.replace(self.bundle, authorizer=authorizer)
        car = self.vehicle.ports(asyncio.sleep, loop.time)
        if direct:
            inlet = SimulatedVehicle(DcCircuit(), battery).ports(asyncio.sleep, loop.time)
            car = dataclasses.replace(
                car, inlet=inlet.inlet, contactors=inlet.contactors, battery=inlet.battery
            )
        before = Pilot.STEADY if mode is BasicMode.ONLY else Pilot.FIVE_PERCENT
        self.monitors = (
            BasicStationMonitor(OUTLET, most_a=32.0, before=before, matched=matched),
            BasicVehicleMonitor(CHARGER, percent=53.3),
        )
        editions = ("iso2", "din") if direct else editions
        self.secc = PluggedSecc(
            SeccConfig(services=(ServiceID.AC,), editions=editions, allow_plaintext=True),
            self.bundle,
            LOOPBACK,
            None,
            _parts(EvseSlac(STATION_MAC), self.cable.station, mode, autocharge=autocharge),
            sdp_port=port,
            stream_limits=QUICK_STREAM,
            watch=self._station_does,
            recorder=recorder,
        )
        self.evcc = PluggedEvcc(
            EvccConfig(
                editions=("iso2",),
                services=(ServiceID.DC if direct else ServiceID.AC,),
                target_soc=int(target_soc),
            ),
            car,
            LOOPBACK,
            None,
            _parts(EvSlac(VEHICLE_MAC), self.cable.vehicle, BasicMode.FALLBACK),
            sdp_port=port,
            stream_limits=QUICK_STREAM,
            watch=self._vehicle_does,
            recorder=recorder,
        )

    def _station_does(self, event: Any, actions: Any, now: float) -> Any:
        """Sessions with messages have other rules; in these tests they close nothing."""
        return (
            self.monitors[0].look(event, actions, now)
            if self.secc.connection.phase is Phase.BASIC
            else actions
        )

    def _vehicle_does(self, event: Any, actions: Any, now: float) -> Any:
        return (
            self.monitors[1].look(event, actions, now)
            if self.evcc.connection.phase is Phase.BASIC
            else actions
        )

    @asynccontextmanager
    async def plugged_in(self) -> AsyncIterator[asyncio.Task[Any]]:
        pump = _Pump(self.cable)
        try:
            async with self.secc:
                self.cable.plug_in()
                run = asyncio.get_running_loop().create_task(self.evcc.run())
                try:
                    yield run
                finally:
                    run.cancel()
                    await asyncio.wait((run,))
        finally:
            pump.close()

    def phase(self) -> Phase:
        """Where the station stands."""
        return self.secc.connection.phase

    async def until_charging(self, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while sum(self.circuit.power_w) < 3_000.0:
                await asyncio.sleep(0.1)
                self.circuit.advance(asyncio.get_running_loop().time())
        await asyncio.sleep(1.0)


def _parts(link: Any, end: Any, mode: BasicMode, *, autocharge: bool = False) -> LinkParts:
    settings = ConnectorSettings(basic=BasicSettings(mode=mode), autocharge=autocharge)
    return LinkParts(link=link, medium=end, signalling=end, settings=settings)


async def test_slac_is_given_up_and_the_car_charges_by_the_duty_cycle() -> None:
    bench = Bench(BasicMode.FALLBACK, deaf=True, target_soc=40.2)
    async with bench.plugged_in() as run:
        result = await run
        assert result.ended.reason is EndReason.STOPPED_BY_EV
        assert (result.edition, result.safe) == ("basic", True)
        await asyncio.sleep(3.0)
        assert not bench.station.outlet.closed
        bench.cable.unplug()
        seen = await bench.secc.wait_finished(1)
    assert seen.ended.reason is EndReason.STOPPED_BY_EV
    assert seen.edition == "basic"
    assert seen.safe
    assert seen.charged_wh == pytest.approx(bench.vehicle.battery.charged_wh, rel=0.001)
    assert bench.vehicle.battery.soc == pytest.approx(40.2, abs=0.05)
    assert min(monitor.seen for monitor in bench.monitors) > 50
    assert bench.cable.plug.pilot is Pilot.STEADY


async def test_basic_charging_is_recorded_and_its_end_has_a_cause(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        bench = Bench(BasicMode.ONLY, target_soc=40.1, recorder=recorder)
        async with bench.plugged_in() as run:
            result = await run
            bench.cable.unplug()
            await bench.secc.wait_finished(1)
    assert (result.cause.code, result.side, result.last_messages) == ("stopped-by-vehicle", "evcc", ())
    assert sorted(one.name for one in recorder.folders) == ["evcc-0001", "secc-0001"]
    for folder in recorder.folders:
        lines = [json.loads(line) for line in (folder / "session.jsonl").read_text().splitlines()]
        assert {line["layer"] for line in lines} == {"session"}
        assert "StateEntered" in {line["message"] for line in lines}
        assert (lines[-1]["message"], lines[-1]["content"]["edition"]) == ("SessionResult", "basic")


async def test_who_has_no_edition_in_common_charges_by_the_duty_cycle() -> None:
    bench = Bench(BasicMode.FALLBACK, editions=("iso20",), matched=True, target_soc=80.0)
    async with bench.plugged_in():
        await bench.until_charging()
        first = await bench.secc.wait_finished(1)
        assert first.ended.reason is EndReason.PROTOCOL_NEGOTIATION_FAILED
        assert bench.secc.connection.phase is Phase.BASIC
        bench.cable.unplug()
        second = await bench.secc.wait_finished(2)
        assert (second.edition, second.safe) == ("basic", True)
        await asyncio.sleep(0.5)
        bench.cable.plug_in()  # and once more, from the beginning
        await asyncio.sleep(0.5)
        assert bench.secc.connection.phase is not Phase.BASIC


async def test_the_plug_is_pulled_while_the_pilot_takes_its_steps() -> None:
    bench = Bench(BasicMode.FALLBACK, deaf=True)
    async with bench.plugged_in():
        while bench.phase() is not Phase.BASIC:  # noqa: ASYNC110 - as the plant has it
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        driven = bench.cable.plug.pilot
        assert driven is Pilot.STATE_F
        bench.cable.unplug()
        result = await bench.secc.wait_finished(1)
        assert (result.ended.reason, result.safe) == (EndReason.STOPPED_BY_EV, True)
        await asyncio.sleep(0.1)
        assert bench.phase() is Phase.UNPLUGGED
        assert bench.cable.plug.pilot is Pilot.STEADY


async def test_limits_are_followed() -> None:
    bench = Bench(BasicMode.ONLY, target_soc=80.0)
    async with bench.plugged_in():
        await bench.until_charging()
        assert bench.secc.server is not None
        bench.secc.server.tell(ev.AcLimitsChanged(AcStationLimits.of(current_a=10)))
        await asyncio.sleep(2.0)
        assert bench.cable.plug.percent == 16.6
        assert max(bench.circuit.currents_a) == pytest.approx(10.0, abs=0.1)
    assert not bench.station.outlet.closed


@pytest.mark.parametrize("how", ["unplugged", "emergency", "stop", "closed", "pilot"])
async def test_every_way_out_is_safe(how: str) -> None:
    bench = Bench(BasicMode.ONLY, target_soc=80.0)
    async with bench.plugged_in():
        await bench.until_charging()
        match how:
            case "unplugged":
                bench.cable.unplug()
            case "emergency":
                bench.secc.emergency_shutdown("pressed")
            case "stop":
                bench.secc.stop("enough")
            case "closed":
                await bench.secc.close()
            case _:
                bench.cable.disturb(True)
        if how != "closed":
            result = await asyncio.wait_for(bench.secc.wait_finished(1), 10.0)
            assert result.safe
            reasons = {
                "unplugged": EndReason.SIGNAL_LOST,
                "emergency": EndReason.EMERGENCY,
                "stop": EndReason.STOPPED_BY_STATION,
                "pilot": EndReason.SIGNAL_LOST,
            }
            assert result.ended.reason is reasons[how]
        assert not bench.station.outlet.closed
        assert bench.cable.plug.pilot is Pilot.STEADY
        await asyncio.sleep(0.5)
        assert max(bench.circuit.currents_a) == 0.0


class Terminal:
    """Lets in whom it knows."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    async def authorize(self, evccid: str) -> bool:
        self.asked.append((evccid,))
        return True

    async def authorize_autocharge(self, evccid: str, certificate_name: str, mac: str) -> bool:
        self.asked.append((evccid, certificate_name, mac))
        return True


@pytest.mark.parametrize("autocharge", [False, True])
async def test_a_session_reads_who_and_how_full_it_is(autocharge: bool) -> None:
    terminal = Terminal()
    bench = Bench(
        BasicMode.READ,
        direct=True,
        target_soc=60.0,
        authorizer=terminal,
        autocharge=autocharge,
        matched=True,
    )
    async with bench.plugged_in():
        await bench.until_charging()
        first = await bench.secc.wait_finished(1)
        assert first.edition == "iso2"
        assert first.ended.reason is EndReason.STOPPED_BY_STATION
        assert bench.secc.read.display.present_soc == 40
        assert bench.secc.read.evccid == first.evccid != ""
        assert bench.station.outlet.closings == 1, "by the duty cycle alone"
    mac = VEHICLE_MAC.hex(":")
    assert terminal.asked == ([(first.evccid, "", mac)] if autocharge else [(first.evccid,)])


async def test_autocharge_wants_an_authorizer_that_knows_it() -> None:
    with pytest.raises(ConfigError, match="authorize_autocharge") as refused:
        Bench(BasicMode.ONLY, autocharge=True)
    assert refused.value.key == "authorizer"


async def test_who_begins_to_talk_meanwhile_is_refused() -> None:
    bench = Bench(BasicMode.ONLY, target_soc=80.0)
    async with bench.plugged_in():
        await bench.until_charging()
        server = bench.secc.server
        assert server is not None
        (port,) = server.ports.values()
        reader, writer = await asyncio.open_connection(str(server.interface.address), port)
        with suppress(ConnectionResetError):
            assert await reader.read(1) == b""
        writer.close()
        assert not server.may_invite()
        await asyncio.sleep(1.0)
        assert max(bench.circuit.currents_a) > 15.0


@pytest.mark.parametrize(
    ("shown", "told"),
    [(53.3, False), (None, False), (52.6, False), (51.0, True)],
)
def test_a_duty_cycle_is_read_back_as_exactly_as_it_has_to_be(shown: float | None, told: bool) -> None:
    class Port:
        def listen(self, listener: Any) -> None: ...

        def show(self, action: Any) -> None: ...

        def shown(self) -> SetPilot:
            return SetPilot(Pilot.NOMINAL, shown)

    said: list[str] = []
    outputs = AssertedOutputs(Port())
    outputs.told = said.append
    outputs.show(SetPilot(Pilot.NOMINAL, 53.3))
    outputs.again()
    outputs.again()
    assert bool(said) is told
