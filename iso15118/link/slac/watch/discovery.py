"""The first half of a matching process as a listener understands it: who looks, who offers, who sounds,
and who hears whom how well."""

from __future__ import annotations

from collections.abc import Iterator

from iso15118.link.slac.attenuation import GROUPS, average, mean
from iso15118.link.slac.frames import Frame, mac_text
from iso15118.link.slac.messages import (
    AttenCharInd,
    AttenCharRsp,
    AttenProfileInd,
    MnbcSoundInd,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
)

from .labels import Kind, Sentence
from .observations import Notebook, after
from .processes import MOST_PROFILES, Run

__all__ = ["Search"]


class Search:
    """From CM_SLAC_PARM.REQ to CM_ATTEN_CHAR.RSP, one method for each message."""

    def __init__(self, book: Notebook) -> None:
        self.book = book

    def parm_req(self, frame: Frame, message: SlacParmReq, now: float) -> Iterator[Sentence]:
        vehicle = frame.source
        run = self.book.runs.find(vehicle, message.run_id)
        before = self.book.runs.latest(vehicle)
        again = run is not None and not run.announcements
        if run is None or not again:
            if before is not None and not before.told:
                yield self.book.outcome(before)
            run = self.book.runs.begin(vehicle, message.run_id, now, from_start=True)
        run.requests += 1
        run.requested_at = now
        text = f"EV {mac_text(vehicle)} looks for stations"
        if again:
            text += f", time {run.requests}"
        elif before is not None:
            text += ", all over again"
        yield self.book.tell(Kind.SEARCH, run, f"{text} (run {message.run_id.hex()})", requests=run.requests)

    def parm_cnf(self, frame: Frame, message: SlacParmCnf, now: float) -> Iterator[Sentence]:
        run = self.book.run(frame.destination, message.run_id, now)
        if run is None:
            yield self.book.wrong_run(frame, frame.destination, message.run_id)
            return
        station = run.station(frame.source)
        took = now - run.requested_at if run.requests else None
        station.offered_at = now
        wants = f"wants {message.num_sounds} sounds within {message.time_out * 100} ms"
        text = (
            f"EVSE {mac_text(frame.source)} answers{after(took, self.book.timing.tt_match_response)}, {wants}"
        )
        if message.resp_type != 1 or message.forwarding_sta != frame.destination:
            text += "; RESP_TYPE or FORWARDING_STA are not as the standard fixes them"
        yield self.book.tell(
            Kind.OFFER, run, text, station=mac_text(frame.source), sounds=message.num_sounds, seconds=took
        )

    def start_atten_char(self, frame: Frame, message: StartAttenCharInd, now: float) -> Iterator[Sentence]:
        run = self.book.run(frame.source, message.run_id, now)
        if run is None:
            yield self.book.wrong_run(frame, frame.source, message.run_id)
            return
        run.announcements += 1
        if message.resp_type != 1 or message.forwarding_sta != frame.source or message.num_sounds == 0:
            yield self.book.refuse(
                f"the announcement of EV {mac_text(frame.source)} has RESP_TYPE {message.resp_type}, "
                f"FORWARDING_STA {mac_text(message.forwarding_sta)}, {message.num_sounds} sounds: stations ignore it",
                {"vehicle": mac_text(frame.source)},
            )
        elif run.announced_at is None:
            run.announced_at = now
            text = f"EV {mac_text(frame.source)} announces {message.num_sounds} sounds"
            if message.time_out != 6:
                text += f" within {message.time_out * 100} ms, where 600 is the standard's; some stations ignore that"
            yield self.book.tell(Kind.SOUNDS, run, text, announced=message.num_sounds)

    def sound(self, frame: Frame, message: MnbcSoundInd, now: float) -> Iterator[Sentence]:
        run = self.book.run(frame.source, message.run_id, now)
        if run is None:
            yield self.book.wrong_run(frame, frame.source, message.run_id)
            return
        run.sounds += 1
        if message.remaining == 0:
            since = None if run.announced_at is None else now - run.announced_at
            after = "" if since is None else f", the last one {since * 1000:.0f} ms after the announcement"
            text = f"EV {mac_text(frame.source)} has sounded {run.sounds} times{after}"
            yield self.book.tell(Kind.SOUNDS, run, text, sounds=run.sounds, seconds=since)

    def profile(self, message: AttenProfileInd) -> Iterator[Sentence]:
        run = self.book.runs.sounding(message.pev_mac)
        if len(message.aag) != GROUPS:
            if run is not None:
                run.empty_profiles += 1
            yield self.book.refuse(
                f"a profile of EV {mac_text(message.pev_mac)} has {len(message.aag)} groups instead of {GROUPS}: it does not count",
                {"vehicle": mac_text(message.pev_mac), "groups": len(message.aag)},
            )
        elif run is not None and len(run.profiles) < MOST_PROFILES:
            run.profiles.append(message.aag)

    def atten_char_ind(self, frame: Frame, message: AttenCharInd, now: float) -> Iterator[Sentence]:
        run = self.book.run(frame.destination, message.run_id, now)
        if run is None or message.source_address != frame.destination:
            yield self.book.wrong_run(frame, frame.destination, message.run_id)
            return
        if len(message.aag) != GROUPS or message.num_sounds == 0:
            yield self.book.refuse(
                f"the result of EVSE {mac_text(frame.source)} has {len(message.aag)} groups of {message.num_sounds} sounds: "
                "nothing to choose by",
                {"vehicle": mac_text(run.vehicle), "station": mac_text(frame.source)},
            )
            return
        station = run.station(frame.source)
        again, station.answer = station.answer is not None, mean(message.aag)
        station.told_at = now
        since = None if run.announced_at is None else now - run.announced_at
        text = (
            f"EVSE {mac_text(frame.source)} hears EV {mac_text(run.vehicle)} with {station.answer:.1f} dB "
            f"({min(message.aag)} to {max(message.aag)} dB over {GROUPS} groups, {message.num_sounds} sounds)"
        )
        text += (
            ", said again"
            if again
            else after(since, self.book.timing.tt_ev_atten_results, "the announcement")
        )
        measured: float | None = None
        if run.profiles:
            measured = mean(average(run.profiles))
            text += f"; {len(run.profiles)} profiles on this side average {measured:.1f} dB"
        yield self.book.tell(
            Kind.ATTENUATION,
            run,
            text,
            station=mac_text(frame.source),
            mean_db=round(station.answer, 3),
            sounds=message.num_sounds,
            profiles=len(run.profiles),
            profiles_mean_db=None if measured is None else round(measured, 3),
        )
        if not again:
            yield self._nearest(run)

    def _nearest(self, run: Run) -> Sentence:
        ranked = run.ranked()
        order = [f"EVSE {mac_text(station.mac)} {answer:.1f} dB" for station, answer in ranked]
        choice = run.judged(self.book.settings)
        data = [{"station": mac_text(station.mac), "mean_db": round(answer, 3)} for station, answer in ranked]
        text = f"nearest so far: {', then '.join(order)}: {choice.finding.value}, {choice.reason}"
        return self.book.tell(Kind.NEAREST, run, text, ranking=data, finding=choice.finding.value)

    def atten_char_rsp(self, frame: Frame, message: AttenCharRsp, now: float) -> Iterator[Sentence]:
        run = self.book.run(frame.source, message.run_id, now)
        if run is None or message.source_address != frame.source:
            yield self.book.wrong_run(frame, frame.source, message.run_id)
            return
        station = run.station(frame.destination)
        station.accepted_at = now
        took = None if station.told_at is None else now - station.told_at
        if message.result != 0:
            yield self.book.refuse(
                f"EV {mac_text(run.vehicle)} refuses the result, {message.result}: the station gives up",
                {"vehicle": mac_text(run.vehicle), "station": mac_text(frame.destination)},
            )
            return
        text = f"EV {mac_text(run.vehicle)} has the result of EVSE {mac_text(frame.destination)}"
        text += after(took, self.book.timing.tt_match_response)
        yield self.book.tell(Kind.ATTENUATION, run, text, station=mac_text(frame.destination), seconds=took)
