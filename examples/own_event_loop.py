"""The station's session without any driver: events and the time go in, actions and a deadline come out.

This is all a charger team needs that has an event loop, a radio of its own or a test bench: no thread,
no socket, no clock is hidden in it. Messages are typed values; ``iso15118.channel.MessageChannel``
turns them into bytes and back.
"""

from __future__ import annotations

from iso15118 import SeccConfig, SeccSession, StationLimits
from iso15118.channel import MessageChannel, Received
from iso15118.messages.app import AppProtocol, SupportedAppProtocolReq
from iso15118.messages.iso20.common_messages import SessionSetupReq
from iso15118.messages.iso20.common_types import MessageHeader
from iso15118.session.actions import Action, CloseTransport, Send, UseSchema
from iso15118.session.events import Connected, MessageReceived


def main() -> None:
    limits = StationLimits(
        maximum_charge_power_w=400_000.0, maximum_charge_current_a=500.0, maximum_voltage_v=1000.0
    )
    session = SeccSession(SeccConfig(), limits)
    station, vehicle = MessageChannel(), MessageChannel()  # both ends of a connection, as bytes
    now = 100.0  # seconds of whatever clock you have

    def carry_out(actions: list[Action]) -> None:
        """What a driver does. Hardware requests stand before the answer that depends
        on them: keep their order."""
        for action in actions:
            match action:
                case Send(message):
                    data = station.encode(message)
                    print(f"  send {type(message).__name__}, {len(data)} bytes")
                    for item in vehicle.receive_data(data):
                        print(
                            f"  the vehicle reads {item.message.response_code.value}"
                            if isinstance(item, Received)
                            else item
                        )
                case UseSchema(edition):
                    station.select(edition)
                    vehicle.select(edition)
                case CloseTransport():
                    print("  close the connection")
                case other:
                    print(f"  {other}")

    def arrives(message: object) -> None:
        print(f"at {now:.1f} s comes {type(message).__name__}")
        for item in station.receive_data(vehicle.encode(message)):
            if isinstance(item, Received):
                carry_out(session.handle(MessageReceived(item.message), now))

    carry_out(session.handle(Connected(secure=True), now))
    protocol = AppProtocol(
        protocol_namespace="urn:iso:std:iso:15118:-20:DC",
        version_number_major=1,
        version_number_minor=0,
        schema_id=1,
        priority=1,
    )
    arrives(SupportedAppProtocolReq(app_protocol=(protocol,)))
    now += 0.1
    arrives(
        SessionSetupReq(
            header=MessageHeader(session_id=bytes(8), time_stamp=1_790_000_000), evccid="WMIV123456789ABCDEX"
        )
    )

    # The vehicle falls silent. The session says until when it waits, and what to do then.
    deadline = session.deadline
    print(f"waiting for {session.state} until {deadline:.1f} s" if deadline is not None else "no deadline")
    if deadline is not None:
        carry_out(session.handle_timeout(deadline))
    print(f"ended: {session.ended}")


if __name__ == "__main__":
    main()
