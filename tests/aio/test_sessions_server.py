"""The server around the sessions: one at a time, idle and broken connections, plain
TCP, commands, observers."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from iso15118.aio import EvccClient, KeyLogFile, SeccServer, StreamLimits
from iso15118.aio.audience import Audience
from iso15118.errors import ConfigError, LinkError, MisuseError, TlsError
from iso15118.messages.iso20 import dc
from iso15118.sdp import Security
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode
from tests import clock
from tests.tls.rig import car, issued, station, strangers

from .rig import Raw
from .site import LOOPBACK, Plant, Stopper, evcc_config, evcc_tls, gone, secc_config, secc_tls, site
from .test_sessions_dropped import Charging

# -- who is let in
# ----------------------------------------------------------------------------------------------


async def test_a_second_connection_waits_until_the_first_session_is_over() -> None:
    plant = Plant()
    async with site(plant) as here:
        first = Charging(here)
        await first.under_power(plant)
        raw = await Raw.to(here.server.ports[Security.TLS])
        await raw.send(b"\x16\x03\x01")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await raw.receive()
        assert first.client.session is not None
        assert first.client.session.state == "DC_ChargeLoop"
        raw.reset()
        first.client.stop("enough")
        assert (await first.task).ended.reason is EndReason.STOPPED_BY_EV
        await here.charge()
        assert here.server.finished == 2


@pytest.mark.parametrize("how", ["close", "reset", "silence", "garbage", "plain text"])
async def test_a_connection_that_never_becomes_a_session_makes_way(how: str) -> None:
    limits = StreamLimits(handshake_s=0.2, linger_s=0.1)
    async with site(stream_limits=limits) as here:
        raw = await Raw.to(here.server.ports[Security.TLS])
        match how:
            case "close":
                raw.close()
            case "reset":
                raw.reset()
            case "garbage":
                await raw.send(bytes(100))
            case "plain text":
                await raw.send(bytes.fromhex("01fe800100000023") + bytes(35))
            case _:
                pass
        began = here.plant.clock()
        await here.charge()
        assert here.plant.clock() - began < 2.0
        assert here.server.finished == 1
        raw.close()


async def test_many_connections_do_not_keep_the_listener_from_living() -> None:
    limits = StreamLimits(handshake_s=0.05, linger_s=0.05)
    async with site(stream_limits=limits) as here:
        port = here.server.ports[Security.TLS]

        async def knock() -> bool:
            sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                async with asyncio.timeout(0.3):
                    await asyncio.get_running_loop().sock_connect(sock, ("::1", port))
                    await asyncio.sleep(0.3)
            except TimeoutError:
                return False  # beyond the backlog nobody is answered
            finally:
                sock.close()
            return True

        reached = sum(await asyncio.gather(*(knock() for _ in range(100))))
        assert reached < 50
        await here.charge()


async def test_discovery_is_answered_at_once_after_any_end() -> None:
    plant = Plant()
    requests: list[float] = []
    async with site(plant) as here:
        for how in ("stop", "cancel", "emergency"):
            charging = Charging(here)
            await charging.under_power(plant)
            match how:
                case "stop":
                    charging.client.stop("enough")
                case "cancel":
                    charging.task.cancel()
                case _:
                    here.server.emergency_shutdown("button")
            await asyncio.wait([charging.task])
            began = plant.clock()
            await here.charge(loops=1)
            requests.append(plant.clock() - began)
        # A discovery request that is not answered at once costs 0.25 s by itself; the cable check, 0.2 s.
        assert max(requests) < 0.45, requests
        assert here.server.finished == 6


async def test_the_next_session_begins_while_the_last_connection_is_kept_for_its_peer_to_close() -> None:
    async with site() as here:
        # This vehicle stops in the middle and does not close its connection.
        stopped = asyncio.Event()

        class Staying(here.client()._connection):  # type: ignore[misc]
            def close(self, grace_s: float = 0.0) -> None:
                stopped.set()

        stopper = Stopper(2)
        client = stopper.client = here.client(observer=stopper, connection=Staying)
        running = asyncio.create_task(client.run())
        await stopped.wait()
        first = await here.server.wait_finished(1)
        assert first.ended.reason is EndReason.STOPPED_BY_EV
        assert first.link is None  # [V2G20-1643] leaves the vehicle five seconds
        assert not running.done()
        await asyncio.sleep(0.5)  # its hardware is safe by now, and another one may have it
        await here.charge(loops=1, vehicle=here.plant.evcc)
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])


# -- trust
# ------------------------------------------------------------------------------------------------------


async def test_a_stranger_is_refused_with_a_type_and_no_session() -> None:
    async with site() as here:
        foreign = car(issued(), identities=[strangers(issued())])
        with pytest.raises(TlsError):
            await here.client(tls=foreign).run()
        assert here.server.finished == 0
        await here.charge()


async def test_a_strange_station_is_refused_with_a_type() -> None:
    foreign = station(issued(), identities=[strangers(issued())])
    async with site(tls=foreign) as here:
        with pytest.raises(TlsError):
            await here.client().run()
        assert here.server.finished == 0


async def test_plain_tcp_has_to_be_allowed_on_both_sides() -> None:
    plant = Plant()
    with pytest.raises(ConfigError, match="allow_plaintext"):
        SeccServer(secc_config(), plant.secc, LOOPBACK)
    with pytest.raises(ConfigError, match="allow_plaintext"):
        EvccClient(evcc_config(), plant.evcc, LOOPBACK)
    async with site(plant, config=secc_config(allow_plaintext=True), tls=None) as here:
        assert list(here.server.ports) == [Security.NONE]
        result = await here.charge(tls=None, config=evcc_config(allow_plaintext=True))
        assert result.tls is None
        with pytest.raises(LinkError, match="asked for TLS, the station offers NONE"):
            await here.client(config=evcc_config(timing=ONCE)).run()


async def test_tls_and_plain_tcp_have_a_port_each_and_one_session_between_them() -> None:
    async with site(config=secc_config(allow_plaintext=True)) as here:
        assert set(here.server.ports) == {Security.TLS, Security.NONE}
        secure = await here.charge()
        plain = await here.charge(tls=None, config=evcc_config(allow_plaintext=True))
        assert secure.tls is not None
        assert plain.tls is None
        charging = Charging(here)
        await charging.under_power(here.plant)
        config = evcc_config(allow_plaintext=True)
        other = here.client(tls=None, config=config, vehicle=other_car(), watch=None)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.run(), 0.2)
        charging.client.stop("enough")
        await charging.task


def other_car() -> Any:
    """A vehicle that waits at another cable."""
    return Plant().evcc


def test_contexts_of_the_wrong_side_are_refused() -> None:
    async def main() -> None:
        plant = Plant()
        with pytest.raises(ConfigError, match="client's context"):
            SeccServer(secc_config(), plant.secc, LOOPBACK, evcc_tls())
        with pytest.raises(ConfigError, match="server's context"):
            EvccClient(evcc_config(), plant.evcc, LOOPBACK, secc_tls())

    clock.run(main())


ONCE = evcc_config().timing.__class__(sdp_requests=1, sdp_retry=0.2)


async def test_nobody_there_is_a_link_error() -> None:
    plant = Plant()
    with pytest.raises(LinkError, match="no station answered"):
        await EvccClient(evcc_config(timing=ONCE), plant.evcc, LOOPBACK, evcc_tls(), sdp_port=9).run()
    with pytest.raises(LinkError, match="no TCP connection"):
        await EvccClient(evcc_config(), plant.evcc, LOOPBACK, evcc_tls(), station=(LOOPBACK.address, 9)).run()


async def test_secrets_are_logged_to_a_file_of_ones_own_on_request(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text("# there before\n")
    path.chmod(0o644)
    with KeyLogFile(path) as keylog:
        async with site(tls=station(issued(), keylog=keylog)) as here:
            await here.charge(loops=1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = path.read_text().splitlines()
    assert lines[0] == "# there before"
    labels = {line.split()[0] for line in lines[1:]}
    assert {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"} <= labels


@pytest.mark.parametrize("kind", ["directory", "link", "missing folder", "pipe"])
def test_a_key_log_goes_to_no_strange_place(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    match kind:
        case "directory":
            path.mkdir()
        case "link":
            path.symlink_to(tmp_path / "elsewhere.txt")
        case "missing folder":
            path = tmp_path / "nowhere" / "keys.txt"
        case _:
            os.mkfifo(path)
            os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(ConfigError, match="keylog"):
        KeyLogFile(path)
    assert not (tmp_path / "elsewhere.txt").exists()


# -- commands and news
# ------------------------------------------------------------------------------------------


async def test_the_station_stops_in_an_orderly_way() -> None:
    plant = Plant()
    async with site(plant) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        here.server.stop("shop closes")
        mine, theirs = await charging.task, await here.server.wait_finished(1)
        assert mine.ended.reason is EndReason.STOPPED_BY_STATION
        assert theirs.ended.reason is EndReason.STOPPED_BY_STATION
        assert plant.station.outlet.opened_under_load == 0


async def test_an_emergency_is_acted_on_before_the_call_returns() -> None:
    plant = Plant()
    async with site(plant) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        here.server.emergency_shutdown("button")
        assert plant.station.supply.mode.name in ("STOPPING", "OFF")
        assert plant.station.outlet.due is not None
        mine, theirs = await charging.task, await here.server.wait_finished(1)
        assert theirs.ended.reason is EndReason.EMERGENCY
        assert mine.ended.reason is EndReason.REFUSED


async def test_events_from_other_threads_are_handed_over() -> None:
    plant = Plant()
    async with site(plant) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        thread = threading.Thread(target=here.server.emergency_shutdown, args=("button",))
        thread.start()
        thread.join()
        theirs = await here.server.wait_finished(1)
        assert theirs.ended.reason is EndReason.EMERGENCY
        await charging.task


@pytest.mark.parametrize(
    "event",
    [
        ev.Connected(True),
        ev.MessageReceived(None),
        ev.SetPointChanged(float("nan")),
        ev.SetPointChanged(float("inf")),
        "stop",
        None,
    ],
    ids=repr,
)
async def test_what_is_no_event_for_a_session_is_refused_where_it_comes_from(event: Any) -> None:
    plant = Plant()
    async with site(plant) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        with pytest.raises(MisuseError):
            here.server.tell(event)
        charging.client.stop("enough")
        assert (await charging.task).ended.reason is EndReason.STOPPED_BY_EV


async def test_limits_that_are_lowered_hold_at_once_and_a_thousand_times_a_second() -> None:
    plant = Plant()
    async with site(plant) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        full = plant.station.kind.limits
        for step in range(1000):
            power = 3e6 - 2.9e6 * step / 999
            here.server.tell(
                ev.LimitsChanged(
                    full.__class__(
                        maximum_charge_power_w=power,
                        maximum_charge_current_a=full.maximum_charge_current_a,
                        maximum_voltage_v=full.maximum_voltage_v,
                    )
                )
            )
            assert plant.current_a * plant.circuit.outlet_v <= power * 1.001
        await asyncio.sleep(0.05)
        assert 0.0 < plant.current_a * plant.circuit.outlet_v <= 100_100.0
        charging.client.stop("enough")
        assert (await charging.task).ended.reason is EndReason.STOPPED_BY_EV


async def test_a_supply_that_is_derated_without_a_word_is_noticed() -> None:
    plant = Plant()
    async with site(plant, station=_without_energy(plant)) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        full = plant.station.kind.limits
        less = full.__class__(
            maximum_charge_power_w=200_000.0,
            maximum_charge_current_a=300.0,
            maximum_voltage_v=full.maximum_voltage_v,
        )
        plant.station.derate(less, plant.clock())
        told = asyncio.Event()

        def hear(now: float, what: Any) -> None:
            if type(what) is ev.LimitsChanged:
                told.set()

        assert here.server.sessions.driver is not None
        here.server.sessions.driver.audience = Audience(hear, None)
        await told.wait()
        charging.client.stop("enough")
        assert (await charging.task).ended.reason is EndReason.STOPPED_BY_EV


def _without_energy(plant: Plant) -> Any:
    from dataclasses import replace

    return replace(plant.secc, energy=None)


async def test_a_station_is_told_the_standing_set_point_and_signal_by_level() -> None:
    plant = Plant()
    async with site(plant) as here:
        here.server.tell(ev.SetPointChanged(100_000.0))
        result = await here.charge(loops=20, config=evcc_config(control_modes=(ControlMode.DYNAMIC,)))
        assert 50.0 < result.peak_power_kw <= 100.1


async def test_observers_hear_everything_and_may_fail() -> None:
    heard: list[Any] = []
    news: list[act.Notify] = []

    def failing(now: float, what: Any) -> None:
        heard.append(what)
        if len(heard) == 5:
            raise RuntimeError("the trace is full")

    def failing_news(what: act.Notify) -> None:
        news.append(what)
        raise RuntimeError("nobody listens")

    async with site(observer=failing, news=failing_news) as here:
        await here.charge()
    assert len(heard) == 5
    assert len(news) == 1

    heard.clear()
    everything: list[Any] = []
    async with site(observer=lambda now, what: everything.append(what)) as here:
        result = await here.charge(loops=3)
    sent = [what.message for what in everything if type(what) is act.Send]
    assert len(sent) == result.exchanges
    assert sum(type(message) is dc.DCChargeLoopRes for message in sent) == result.charge_loops
    entered = [what.state for what in everything if type(what) is act.StateEntered]
    assert ["Connecting", *entered] == list(result.states)
    assert any(type(what) is act.ChargingNeeds for what in everything)
    assert any(type(what) is ev.PowerMeasured for what in everything)
    assert type(everything[-1]).__name__ == "StreamEnd"


async def test_nothing_is_left_behind() -> None:
    def kept() -> tuple[int, int]:
        return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))

    async with site() as here:
        await here.charge(loops=1)
        await gone()
        before = kept()
        for _ in range(5):
            await here.charge(loops=1)
        await gone()
        assert kept() == before
