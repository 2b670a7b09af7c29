"""Two ends and a power line for the tests of the link: machines with repeatable randomness, and
a hand that plays a peer."""

from __future__ import annotations

import random

from iso15118.link.primitives import DutyChanged, PowerOn
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.events import FrameReceived, SendFrame
from iso15118.link.slac.evse import EvseSlac
from iso15118.link.slac.frames import BROADCAST, Frame
from iso15118.link.slac.keys import Draw
from iso15118.link.slac.messages import (
    AttenCharInd,
    AttenCharRsp,
    AttenProfileInd,
    Message,
    MnbcSoundInd,
    QualcommLinkStatusCnf,
    SetKeyCnf,
    SetKeyReq,
    SlacMatchReq,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
)
from iso15118.link.slac.settings import SlacSettings, SlacTiming
from iso15118.session.actions import Action
from iso15118.session.events import SignalChanged, SignalState
from iso15118.simulation.link_bench import LinkBench, LinkEnd
from iso15118.simulation.modem import PlcModem, PowerLine

CAR, CAR2 = b"\x02CAR_1", b"\x02CAR_2"
EVSE, EVSE2 = b"\x02EVSE1", b"\x02EVSE2"
MODEM = b"\x02MODEM"
RUN = b"run-id-1"


def modem_for(host: bytes, *, measures: bool) -> PlcModem:
    return PlcModem(host, b"\x06" + host[1:], measures=measures)


def add_station(
    bench: LinkBench,
    mac: bytes = EVSE,
    *,
    settings: SlacSettings | None = None,
    timing: SlacTiming | None = None,
    modem: PlcModem | None = None,
) -> LinkEnd:
    machine = EvseSlac(mac, settings=settings, timing=timing, draw=random.Random(mac).randbytes)
    return bench.station(mac.decode()[1:], machine, modem or modem_for(mac, measures=True))


def add_vehicle(
    bench: LinkBench,
    mac: bytes = CAR,
    *,
    settings: SlacSettings | None = None,
    timing: SlacTiming | None = None,
    modem: PlcModem | None = None,
) -> LinkEnd:
    machine = EvSlac(mac, settings=settings, timing=timing, draw=random.Random(mac).randbytes)
    return bench.vehicle(mac.decode()[1:], machine, modem or modem_for(mac, measures=False))


class Pair:
    """One vehicle, one station, one bench; the station's modem has its key when the plug goes in."""

    def __init__(
        self,
        line: PowerLine | None = None,
        *,
        ev_settings: SlacSettings | None = None,
        evse_settings: SlacSettings | None = None,
        ev_modem: PlcModem | None = None,
        evse_modem: PlcModem | None = None,
    ) -> None:
        self.bench = LinkBench(line)
        self.station = add_station(self.bench, settings=evse_settings, modem=evse_modem)
        self.vehicle = add_vehicle(self.bench, settings=ev_settings, modem=ev_modem)
        self.bench.run(1.0)

    def plug_in(self, attenuation_db: float = 15.0) -> None:
        self.bench.plug_in(self.vehicle, self.station, attenuation_db)

    @property
    def linked(self) -> bool:
        return self.vehicle.ready and self.station.ready

    def match(self, within_s: float = 30.0) -> float:
        """Plug in and run until both ends are ready; the seconds it took."""
        start = self.bench.now
        self.plug_in()
        assert self.bench.run(within_s, lambda: self.linked), self.bench.notes()
        return self.bench.now - start


def sent(actions: list[Action]) -> list[Message]:
    """The messages among actions."""
    return [action.frame.message for action in actions if isinstance(action, SendFrame)]


def kinds(actions: list[Action]) -> list[str]:
    """The names of the messages among actions."""
    return [type(message).__name__ for message in sent(actions)]


def run_ids(bench: LinkBench, kind: type[SlacParmReq | AttenCharRsp]) -> set[bytes]:
    """The run identifiers that messages of this kind carried."""
    return {
        action.frame.message.run_id
        for _, _, action in bench.journal
        if isinstance(action, SendFrame) and isinstance(action.frame.message, kind)
    }


def run_to(machine: EvSlac | EvseSlac, now: float) -> list[tuple[float, Action]]:
    """Let the machine's own time pass up to ``now``, inclusive; its actions with their times."""
    done: list[tuple[float, Action]] = []
    while (at := machine.deadline) is not None and at <= now:
        done += [(at, action) for action in machine.handle_timeout(at)]
    return done


def frame(source: bytes, message: Message, destination: bytes = BROADCAST) -> FrameReceived:
    return FrameReceived(Frame(destination, source, message).to_bytes())


class AtEvse:
    """A station's machine with its modem keyed and the pilot at B at time 0, played by
    hand as vehicle and modem."""

    def __init__(
        self,
        settings: SlacSettings | None = None,
        timing: SlacTiming | None = None,
        draw: Draw | None = None,
    ) -> None:
        self.evse = EvseSlac(EVSE, settings=settings, timing=timing, draw=draw or random.Random(5).randbytes)
        self.confirm_key(self.evse.handle(PowerOn(), -1.0), -1.0)
        self.evse.handle(SignalChanged(SignalState.B), 0.0)

    def confirm_key(self, actions: list[Action], now: float, result: int = 1) -> SetKeyReq | None:
        for message in sent(actions):
            if isinstance(message, SetKeyReq):
                self.evse.handle(frame(MODEM, SetKeyCnf(result, b"mmmm", message.my_nonce), EVSE), now)
                return message
        return None

    def hear(
        self, message: Message, now: float, source: bytes = CAR, destination: bytes = EVSE
    ) -> list[Action]:
        broadcast = isinstance(message, SlacParmReq | StartAttenCharInd | MnbcSoundInd | AttenProfileInd)
        return self.evse.handle(frame(source, message, BROADCAST if broadcast else destination), now)

    def up_to_sounds(self, now: float = 0.0, run: bytes = RUN, source: bytes = CAR) -> None:
        assert kinds(self.hear(SlacParmReq(run), now, source)) == ["SlacParmCnf"]
        self.hear(StartAttenCharInd(run, source), now + 0.1, source)

    def up_to_atten_char(self, now: float = 0.0, run: bytes = RUN, source: bytes = CAR) -> list[Action]:
        """The answer to the tenth profile, at 0.2 s."""
        self.up_to_sounds(now, run, source)
        actions: list[Action] = []
        for _ in range(10):
            actions = self.hear(AttenProfileInd(source, bytes([20] * 58)), now + 0.2, MODEM)
        return actions

    def up_to_match(self, now: float = 0.0, run: bytes = RUN, source: bytes = CAR) -> None:
        assert kinds(self.up_to_atten_char(now, run, source)) == ["AttenCharInd"]
        self.hear(AttenCharRsp(source, run), now + 0.25, source)

    def match(self, now: float, run: bytes = RUN, source: bytes = CAR) -> list[Action]:
        return self.hear(SlacMatchReq(source, EVSE, run), now, source)

    def link(self, up: bool, now: float) -> list[Action]:
        """What the modem says to the question that is due by now."""
        self.evse.handle_timeout(now)
        return self.evse.handle(frame(MODEM, QualcommLinkStatusCnf(int(up)), EVSE), now)


class AtEv:
    """A vehicle's machine that begins to match at time 0, played by hand as stations and modem."""

    def __init__(
        self,
        settings: SlacSettings | None = None,
        timing: SlacTiming | None = None,
        draw: Draw | None = None,
    ) -> None:
        self.ev = EvSlac(CAR, settings=settings, timing=timing, draw=draw or random.Random(6).randbytes)
        self.ev.handle(PowerOn(), 0.0)
        self.ev.handle(SignalChanged(SignalState.B), 0.0)
        self.first = self.ev.handle(DutyChanged(5.0), 0.0)
        request = sent(self.first)[0]
        assert isinstance(request, SlacParmReq)
        self.run = request.run_id

    def link(self, up: bool, now: float) -> list[Action]:
        """What the modem says to the question that is due by now."""
        self.ev.handle_timeout(now)
        return self.hear(QualcommLinkStatusCnf(int(up)), now, MODEM)

    def hear(self, message: Message, now: float, source: bytes = EVSE) -> list[Action]:
        return self.ev.handle(frame(source, message, CAR), now)

    def announce(self, now: float, source: bytes = EVSE) -> list[Action]:
        return self.hear(SlacParmCnf(self.run, CAR), now, source)

    def attenuation(self, decibels: int, now: float, source: bytes = EVSE) -> list[Action]:
        return self.hear(AttenCharInd(CAR, self.run, 10, bytes([decibels] * 58)), now, source)

    def up_to_results(self, *sources: bytes) -> float:
        """All sounds are out; the time."""
        for source in sources or (EVSE,):
            self.announce(0.05, source)
        run_to(self.ev, 0.5)
        return 0.5
