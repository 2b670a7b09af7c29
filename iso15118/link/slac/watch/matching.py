"""The second half of a matching process as a listener understands it: validation, the choice, the
network and its key, the link."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TypeVar

from msgspec import Struct

from iso15118.link.slac.attenuation import Finding
from iso15118.link.slac.frames import Frame, mac_text
from iso15118.link.slac.keys import nid_from_nmk
from iso15118.link.slac.messages import (
    SetKeyCnf,
    SetKeyReq,
    SlacMatchCnf,
    SlacMatchReq,
    ValidateCnf,
    ValidateReq,
    ValidateResult,
)

from .labels import Kind, Sentence
from .observations import Notebook, after
from .processes import Run

__all__ = ["Matching"]

Value = TypeVar("Value")

_TP_MATCH_SESSION = 0.5
_MOST_HOSTS = 64

_RESULTS = {
    ValidateResult.NOT_READY: "is not ready for a validation",
    ValidateResult.READY: "is ready to count toggles",
    ValidateResult.FAILURE: "declines the validation",
    ValidateResult.NOT_REQUIRED: "wants no validation: the vehicle may ask for the match",
}


class _Key(Struct):
    """A key on its way to a host's modem."""

    nonce: bytes
    nid: bytes
    sends: int = 1


class _NetworkOf(Struct):
    """Who handed a network out, in which run, and when."""

    run: Run
    station: bytes
    at: float


class Matching:
    """From CM_VALIDATE.REQ to the link, one method for each message."""

    def __init__(self, book: Notebook) -> None:
        self.book = book
        self._keys: OrderedDict[bytes, _Key] = OrderedDict()
        self._networks: OrderedDict[bytes, _NetworkOf] = OrderedDict()
        self._joined: OrderedDict[bytes, bytes] = OrderedDict()
        self._links: OrderedDict[bytes, bool] = OrderedDict()

    # -- validation; these messages carry no run identifier

    def validate_req(self, frame: Frame, message: ValidateReq) -> Iterator[Sentence]:
        """Step 1 or step 2."""
        run = self.book.runs.latest(frame.source)
        if run is None:
            return
        station = mac_text(frame.destination)
        run.validating = frame.destination
        if message.result is not ValidateResult.READY:
            text = f"EV {mac_text(run.vehicle)} gives up the validation with EVSE {station}"
        elif message.timer == 0:
            reason = run.judged(self.book.settings).reason
            text = f"EV {mac_text(run.vehicle)} asks EVSE {station} for a validation ({reason})"
        else:
            window = (message.timer + 1) * 100
            text = f"EV {mac_text(run.vehicle)} toggles the pilot, and EVSE {station} counts for {window} ms"
        yield self.book.tell(Kind.VALIDATION, run, text, station=station, timer=message.timer)

    def validate_cnf(self, frame: Frame, message: ValidateCnf) -> Iterator[Sentence]:
        """What the station makes of it."""
        run = self.book.runs.latest(frame.destination)
        if run is None:
            return
        station = mac_text(frame.source)
        if run.validating != frame.source:
            yield self.book.refuse(
                f"EVSE {station} answers a validation that EV {mac_text(run.vehicle)} did not ask it for",
                {"vehicle": mac_text(run.vehicle), "station": station},
            )
            return
        counted = f"has seen {message.toggle_num} toggles of the pilot"
        text = f"EVSE {station} {_RESULTS.get(message.result, counted)}"
        data: dict[str, object] = {"station": station, "result": message.result.name.lower()}
        if message.result is ValidateResult.SUCCESS:
            data["toggles"] = message.toggle_num
        yield self.book.tell(Kind.VALIDATION, run, text, **data)

    # -- the match

    def match_req(self, frame: Frame, message: SlacMatchReq, now: float) -> Iterator[Sentence]:
        """The vehicle has chosen."""
        run = self.book.run(frame.source, message.run_id, now)
        if run is None:
            yield self.book.wrong_run(frame, frame.source, message.run_id)
            return
        if message.pev_mac != frame.source or message.evse_mac != frame.destination:
            yield self.book.refuse(
                f"CM_SLAC_MATCH.REQ of EV {mac_text(frame.source)} names {mac_text(message.pev_mac)} and "
                f"{mac_text(message.evse_mac)}, and went to {mac_text(frame.destination)}: the station ignores it",
                {"vehicle": mac_text(run.vehicle), "station": mac_text(frame.destination)},
            )
            return
        again = run.chosen == message.evse_mac
        answered = [s.accepted_at for s in run.stations.values() if s.accepted_at is not None]
        run.station(message.evse_mac)
        run.choices = run.choices + 1 if again else 1
        run.chosen, run.chosen_at = message.evse_mac, now
        station = mac_text(message.evse_mac)
        if again:
            text = f"EV {mac_text(run.vehicle)} asks EVSE {station} for the match, time {run.choices}"
        else:
            took = now - max(answered) if answered and run.validating is None else None
            late = after(took, _TP_MATCH_SESSION, "its last answer")
            text = f"EV {mac_text(run.vehicle)} chooses EVSE {station}{late}: {self._why(run)}"
        data = {"ranking": [mac_text(s.mac) for s, _ in run.ranked()], "requests": run.choices}
        yield self.book.tell(Kind.CHOICE, run, text, station=station, **data)

    def _why(self, run: Run) -> str:
        ranked = run.ranked()
        place = next((n for n, (s, _) in enumerate(ranked) if s.mac == run.chosen), None)
        if place is None:
            return "what it heard of the sounds was not seen"
        mean = f"{ranked[place][1]:.1f} dB"
        if run.validating == run.chosen:
            return f"{mean}, after a validation"
        if place > 0:
            nearer = ", ".join(f"EVSE {mac_text(s.mac)} {answer:.1f} dB" for s, answer in ranked[:place])
            return f"{mean}, although {nearer} is nearer"
        choice = run.judged(self.book.settings)
        of = f"the nearest of {len(ranked)}" if len(ranked) > 1 else "the only one whose result was seen"
        doubt = "" if choice.finding is Finding.FOUND else f"; by our thresholds {choice.finding.value}"
        return f"{mean}, {of}{doubt}"

    def match_cnf(self, frame: Frame, message: SlacMatchCnf, now: float) -> Iterator[Sentence]:
        """The station agrees, and hands its network out."""
        run = self.book.run(frame.destination, message.run_id, now)
        if run is None:
            yield self.book.wrong_run(frame, frame.destination, message.run_id)
            return
        if message.pev_mac != frame.destination or message.evse_mac != frame.source:
            yield self.book.refuse(
                f"CM_SLAC_MATCH.CNF of {self.book.who(frame.source)} names {mac_text(message.pev_mac)} and "
                f"{mac_text(message.evse_mac)}, and went to {mac_text(frame.destination)}: the vehicle ignores it",
                {"vehicle": mac_text(run.vehicle), "station": mac_text(frame.source)},
            )
            return
        if run.chosen is not None and run.chosen != frame.source:
            yield self.book.refuse(
                f"EVSE {mac_text(frame.source)} confirms a match, and EV {mac_text(run.vehicle)} has chosen "
                f"{mac_text(run.chosen)}: the vehicle ignores it",
                {"vehicle": mac_text(run.vehicle), "station": mac_text(frame.source)},
            )
            return
        run.station(frame.source)
        took = now - run.chosen_at if run.chosen is not None else None
        again, run.matched, run.matched_at = run.matched == frame.source, frame.source, now
        _remember(self._networks, message.nid, _NetworkOf(run, frame.source, now))
        derived = nid_from_nmk(message.nmk, message.nid[6] >> 4) == message.nid
        follows = "follows" if derived else "does not follow"
        text = (
            f"EVSE {mac_text(frame.source)} confirms the match{' again' if again else ''}"
            f"{after(took, self.book.timing.tt_match_response)}: network {message.nid.hex()}, which {follows} from its key"
        )
        yield self.book.tell(
            Kind.MATCH,
            run,
            text,
            station=mac_text(frame.source),
            nid=message.nid.hex(),
            nid_follows_from_key=derived,
            seconds=took,
        )

    # -- modems

    def set_key_req(self, frame: Frame, message: SetKeyReq) -> Iterator[Sentence]:
        """A host puts its modem into a network."""
        host, pending = frame.source, self._keys.get(frame.source)
        sends = pending.sends + 1 if pending is not None and pending.nid == message.nid else 1
        _remember(self._keys, host, _Key(message.my_nonce, message.nid, sends))
        times = f", time {sends}" if sends > 1 else ""
        text = f"{self.book.who(host)} sets the key of network {message.nid.hex()} on its modem{times}{self._whose(host, message.nid)}"
        yield self.book.say(
            Kind.KEY, text, {"host": mac_text(host), "nid": message.nid.hex(), "sends": sends}
        )

    def _whose(self, host: bytes, nid: bytes) -> str:
        network = self._networks.get(nid)
        if network is not None and network.run.vehicle == host:
            return f": it joins EVSE {mac_text(network.station)}"
        if self._joined.get(host) is not None and self._joined.get(host) != nid:
            return ": it leaves the network it was in"
        return ""

    def set_key_cnf(self, frame: Frame, message: SetKeyCnf) -> Iterator[Sentence]:
        """Whether the modem took it."""
        host = frame.destination
        pending = self._keys.get(host)
        data: dict[str, object] = {"host": mac_text(host), "result": message.result}
        if pending is None or pending.nonce != message.your_nonce:
            text = f"a modem confirms to {self.book.who(host)} a key that was not seen on its way"
            yield self.book.refuse(text, data)
            return
        taken = self.book.settings.key_acceptance.accepts(message.result)
        verdict = "took" if taken else "refuses"
        how = self.book.settings.key_acceptance.value
        text = (
            f"the modem of {self.book.who(host)} {verdict} the key (result {message.result}, read as {how})"
        )
        if taken:
            del self._keys[host]
            _remember(self._joined, host, pending.nid)
        yield self.book.say(Kind.KEY, text, {**data, "nid": pending.nid.hex(), "taken": taken})

    def link_status(self, frame: Frame, up: bool, now: float) -> Iterator[Sentence]:
        """What a modem says of its link; told when it changes."""
        host = frame.destination
        before = self._links.get(host)
        _remember(self._links, host, up)
        if before is up or (before is None and not up):
            return
        data: dict[str, object] = {"host": mac_text(host), "up": up}
        text = f"the modem of {self.book.who(host)} sees the link {'up' if up else 'down'}"
        network = self._networks.get(self._joined.get(host, b""))
        if up and network is not None:
            network.run.linked = True
            text += f", {now - network.at:.2f} s after the match with EVSE {mac_text(network.station)}"
            data["seconds"] = now - network.at
        yield self.book.say(Kind.LINK, text, data)


def _remember(where: OrderedDict[bytes, Value], key: bytes, value: Value) -> None:
    """The newest few only: anybody may send any number."""
    where.pop(key, None)
    where[key] = value
    if len(where) > _MOST_HOSTS:
        where.popitem(last=False)
