"""The listener itself: one frame in, what it is and what it means out, and a summary at the end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from iso15118.errors import SlacError
from iso15118.link.slac.frames import Frame, mac_text, mmtype_in, parse_frame
from iso15118.link.slac.messages import (
    AttenCharInd,
    AttenCharRsp,
    AttenProfileInd,
    LumissilLinkStatusCnf,
    MnbcSoundInd,
    Opaque,
    QualcommLinkStatusCnf,
    SetKeyCnf,
    SetKeyReq,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
    ValidateCnf,
    ValidateReq,
)
from iso15118.link.slac.settings import SlacSettings, SlacTiming

from .discovery import Search
from .labels import Kind, Sentence, frame_data, message_name
from .matching import Matching
from .observations import Notebook

__all__ = ["SlacWatch"]

_SAME_FRAME_S = 0.01  # repetitions are at least 20 ms apart
_MOST_REMEMBERED = 64


class SlacWatch:
    """``handle`` each frame with its time in seconds of any clock, ``finish`` at the end. ``settings`` and
    ``timing``: by what thresholds and times the choice is judged."""

    def __init__(self, settings: SlacSettings | None = None, timing: SlacTiming | None = None) -> None:
        self._book = Notebook(settings or SlacSettings(), timing or SlacTiming())
        self._search, self._matching = Search(self._book), Matching(self._book)
        self._seen: OrderedDict[bytes, float] = OrderedDict()
        self.frames = 0
        self.foreign = 0
        """Management messages that are none of SLAC's."""

    @property
    def refused(self) -> int:
        """Frames that were malformed, or out of place."""
        return self._book.refused

    def handle(self, data: bytes, now: float) -> list[Sentence]:
        """A frame went by. Frames of other protocols say nothing. Never raises for
        anything that is on a wire."""
        mmtype = mmtype_in(data)
        if mmtype is None or self._again(data, now):
            return []
        book = self._book
        book.now = now
        self.frames += 1
        try:
            frame = parse_frame(data)
        except SlacError as error:
            about: dict[str, object] = {
                "from": mac_text(data[6:12]),
                "to": mac_text(data[:6]),
                "mmtype": f"0x{mmtype:04x}",
                "reason": str(error),
            }
            text = f"{book.who(data[6:12])} -> {book.who(data[:6])}: {message_name(mmtype)} is malformed: {error}"
            return [book.refuse(text, about)]
        told = frame_data(frame)
        if isinstance(frame.message, Opaque):
            self.foreign += 1
            text = f"{self._line(frame)}, none of SLAC's messages"
            return [book.say(Kind.FRAME, text, told | {"slac": False})]
        # What the frame means comes first, since it may tell who the two are.
        meaning = list(self._meaning(frame, now))
        while (forgotten := book.runs.crowded()) is not None:
            if not forgotten.told:
                meaning.append(book.outcome(forgotten))
        return [book.say(Kind.FRAME, self._line(frame), told | {"slac": True}), *meaning]

    def finish(self) -> list[Sentence]:
        """Nothing more comes: what became of every run, and how many frames there were."""
        book = self._book
        counts: dict[str, object] = {
            "frames": self.frames,
            "refused": self.refused,
            "foreign": self.foreign,
        }
        text = f"{self.frames} frames, {self.refused} refused, {self.foreign} none of SLAC's"
        untold = [book.outcome(run) for run in book.runs.all() if not run.told]
        return [*untold, book.say(Kind.SUMMARY, text, counts)]

    def _line(self, frame: Frame) -> str:
        book = self._book
        return f"{book.who(frame.source)} -> {book.who(frame.destination)}: {message_name(frame.mmtype)}"

    def _again(self, data: bytes, now: float) -> bool:
        """Whether this is the frame just seen: it comes twice where both ends of
        its way are in one capture."""
        earlier = self._seen.pop(data, None)
        self._seen[data] = now
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return earlier is not None and abs(now - earlier) < _SAME_FRAME_S

    def _meaning(self, frame: Frame, now: float) -> Iterator[Sentence]:
        match frame.message:
            case SlacParmReq() as message:
                return self._search.parm_req(frame, message, now)
            case SlacParmCnf() as message:
                return self._search.parm_cnf(frame, message, now)
            case StartAttenCharInd() as message:
                return self._search.start_atten_char(frame, message, now)
            case MnbcSoundInd() as message:
                return self._search.sound(frame, message, now)
            case AttenProfileInd() as message:
                return self._search.profile(message)
            case AttenCharInd() as message:
                return self._search.atten_char_ind(frame, message, now)
            case AttenCharRsp() as message:
                return self._search.atten_char_rsp(frame, message, now)
            case ValidateReq() as message:
                return self._matching.validate_req(frame, message)
            case ValidateCnf() as message:
                return self._matching.validate_cnf(frame, message)
            case SlacMatchReq() as message:
                return self._matching.match_req(frame, message, now)
            case SlacMatchCnf() as message:
                return self._matching.match_cnf(frame, message, now)
            case SetKeyReq() as message:
                return self._matching.set_key_req(frame, message)
            case SetKeyCnf() as message:
                return self._matching.set_key_cnf(frame, message)
            case QualcommLinkStatusCnf() | LumissilLinkStatusCnf() as message:
                return self._matching.link_status(frame, message.link_status == 1, now)
        return iter(())
