"""Ends that could mislead: what was dropped before a silence, an alert in the last octets, a station that
goes after the handshake."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct

import pytest

from iso15118 import exi
from iso15118.aio import EvccClient
from iso15118.aio.logs import flush
from iso15118.aio.net.ending import Ending, StreamLimits
from iso15118.aio.net.network import listen_tcp
from iso15118.cli.ending import ExitStatus, report
from iso15118.errors import LinkTimeoutError, TlsError
from iso15118.messages.iso20.common_messages import SessionSetupRes
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.sdp import Security
from iso15118.session.actions import EndReason
from iso15118.session.services import ServiceID
from iso15118.timing import Timing
from iso15118.v2gtp import PayloadType, encode_frame
from tests.sample_messages import SAP_REQ, SAP_RES, SETUP
from tests.tls.rig import car, issued, station

from .rig import LOOPBACK, Owner, Raw, make_stream
from .site import QUICK_PORTS, Plant, evcc_config, evcc_tls, secc_config, site


async def test_a_message_in_the_frame_of_an_older_edition_is_said_at_once_and_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with site(tls=None, config=secc_config(allow_plaintext=True)) as here:
        raw = await Raw.to(here.server.ports[Security.NONE])
        negotiation = SAP_REQ
        await raw.send(encode_frame(PayloadType.SAP, exi.encode("app", negotiation)))
        await raw.receive()
        await raw.send(encode_frame(PayloadType.SAP, exi.encode("iso20-common", SETUP)))
        await asyncio.sleep(0.1)
        raw.close()
        result = await here.server.wait_finished(1)
    assert flush(60.0)
    for text in (caplog.text, result.ended.detail):
        assert "0x8001" in text
        assert "dropped" in text
        assert "V2G2-800" in text
        assert "0x8002" in text


async def test_a_vehicle_says_that_the_answer_came_in_the_frame_of_an_older_edition(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    listener = listen_tcp(LOOPBACK)
    timing = Timing(message_timeout=0.2)
    client = EvccClient(
        evcc_config(services=(ServiceID.DC,), allow_plaintext=True, timing=timing),
        Plant().evcc,
        LOOPBACK,
        None,
        station=(LOOPBACK.address, listener.getsockname()[1]),
        port_limits=QUICK_PORTS,
    )
    running = asyncio.create_task(client.run())
    sock, _ = await asyncio.get_running_loop().sock_accept(listener)
    raw = Raw(sock)
    await raw.receive()
    await raw.send(encode_frame(PayloadType.SAP, exi.encode("app", SAP_RES)))
    await raw.receive()
    answer = SessionSetupRes(
        header=SETUP.header, response_code=ResponseCode.OK_NewSessionEstablished, evseid="DE*ABC*E1"
    )
    await raw.send(encode_frame(PayloadType.SAP, exi.encode("iso20-common", answer)))
    result = await running
    raw.close()
    listener.close()
    assert flush(60.0)
    assert result.ended.reason is EndReason.TIMEOUT
    for text in (caplog.text, result.ended.detail):
        assert "0x8001" in text
        assert "dropped" in text
        assert "V2G2-800" in text
        assert "0x8002" in text


async def test_an_alert_before_a_reset_is_read() -> None:
    """The station refuses and resets while the vehicle is writing: what the kernel still holds says why."""
    owner, refused = Owner(), car(issued())
    tls = refused.connect()
    here, there = socket.socketpair()
    stream = make_stream(owner, lambda: tls)
    loop = asyncio.get_running_loop()
    here.setblocking(False)
    await loop.create_connection(lambda: stream, sock=here)
    # A fatal handshake_failure in the clear, which answers any ClientHello; the pump does not get to read it.
    there.sendall(bytes([0x15, 0x03, 0x03, 0, 2, 2, 40]))
    stream.connection_lost(ConnectionResetError("reset by peer"))
    end = owner.ends[0]
    assert end.ending is Ending.TLS_ALERT
    assert "handshake_failure" in str(end)
    there.close()
    transport = stream._transport
    assert transport is not None
    transport.abort()
    await asyncio.sleep(0.01)


async def test_a_handshake_that_takes_too_long_is_a_timeout_and_exits_so() -> None:
    listener = listen_tcp(LOOPBACK)
    plant = Plant()
    client = EvccClient(
        evcc_config(),
        plant.evcc,
        LOOPBACK,
        evcc_tls(),
        station=(LOOPBACK.address, listener.getsockname()[1]),
        port_limits=QUICK_PORTS,
        stream_limits=StreamLimits(handshake_s=0.1, linger_s=0.1),
    )
    with pytest.raises(LinkTimeoutError) as caught:
        await client.run()
    listener.close()
    assert report(caught.value) is ExitStatus.TIMEOUT


async def test_a_station_that_goes_right_after_the_handshake_has_a_likely_cause() -> None:
    listener = listen_tcp(LOOPBACK)
    loop = asyncio.get_running_loop()

    async def agree_and_go() -> None:
        sock, _ = await loop.sock_accept(listener)
        tls = station(issued()).connect()
        while not tls.handshake_complete:
            tls.receive_data(await loop.sock_recv(sock, 65536))
            await loop.sock_sendall(sock, tls.data_to_send())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    going = asyncio.create_task(agree_and_go())
    client = EvccClient(
        evcc_config(),
        Plant().evcc,
        LOOPBACK,
        evcc_tls(),
        station=(LOOPBACK.address, listener.getsockname()[1]),
        port_limits=QUICK_PORTS,
    )
    result = await client.run()
    await going
    listener.close()
    assert result.ended.reason is EndReason.PEER_VANISHED
    assert "certificate" in result.ended.detail
    assert "right after the TLS handshake" in result.ended.detail


def test_errors_name_the_setting_that_helps(capsys: pytest.CaptureFixture[str]) -> None:
    error = TlsError("secc certificates: status-missing: nothing says whether it is revoked", alert="x")
    assert report(error) is ExitStatus.TRUST
    assert "tls.revocation" in capsys.readouterr().err
