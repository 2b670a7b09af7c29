"""TLS as a listener hears it: records of both directions in, handshake messages, alerts and
opened application data out.

Without secrets the hellos, the certificates of TLS 1.2 and alerts are open; with them everything is, also
behind a gap and where the capture began in the middle.
"""

from __future__ import annotations

import re
from typing import Final, Protocol, TypeAlias

from .handshakes import Told, alert, tell
from .records import Budget, ClosedError, Keys, Keys12, Keys13, candidates_13
from .secrets import Secrets, Session
from .suites import SUITES, Suite
from .tcp import Room

__all__ = ["Above", "Moment", "TlsTalk", "is_record"]

Moment: TypeAlias = tuple[float | None, int]
"""Time and number of a packet."""

_CHANGE, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_MOST_RECORD: Final = (1 << 14) + 2048
_LONGEST_HANDSHAKE: Final = 1 << 18
_MOST_CANDIDATES: Final = 64
_LATE_START: Final = 1 << 16
"""Records that may have passed before the capture began."""
_SMALLEST_RECORD: Final = 22
_HEADER: Final = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]", re.DOTALL)


class Above(Protocol):
    """Who gets what is found. ``moment`` is set while a record that waited for its secrets is opened."""

    moment: Moment

    def tls_told(self, direction: int, told: Told, version: str | None, decrypted: bool) -> None:
        """A handshake message or an alert."""

    def tls_data(self, direction: int, data: bytes) -> None:
        """Application data."""

    def tls_client(self, direction: int) -> None:
        """This direction is the client's."""


def is_record(beginning: bytes) -> bool:
    """Whether a stream that begins so is TLS: the head of a record."""
    return len(beginning) >= 3 and 20 <= beginning[0] <= 23 and beginning[1] == 3 and beginning[2] <= 4


class _Side:
    __slots__ = (
        "buffer",
        "changed",
        "closed",
        "failures",
        "handshake",
        "keys",
        "known",
        "lost",
        "protected",
        "search",
        "settled",
    )

    def __init__(self) -> None:
        self.buffer = b""
        self.handshake = bytearray()
        self.protected = False
        self.changed = False
        """ChangeCipherSpec was seen."""
        self.keys: list[Keys] = []
        """The ones in use first, then those of later stages."""
        self.known = -1
        """The version of the secrets that ``keys`` were made from."""
        self.search = 0
        """Records that may be missing."""
        self.lost = False
        self.closed = 0
        self.failures = 0
        self.settled = False
        """Of keys that might have been its own, these proved to be."""


class TlsTalk:
    """One connection. ``hold``: octets of protected records that may wait for secrets still to come, as
    long as there is ``room``."""

    def __init__(self, above: Above, secrets: Secrets, budget: Budget, hold: int, room: Room) -> None:
        self._above, self._secrets, self._budget, self._room = above, secrets, budget, room
        self._sides = (_Side(), _Side())
        self._client: int | None = None
        self._client_random: bytes | None = None
        self._server_random: bytes | None = None
        self._suite: Suite | None = None
        self._suite_number: int | None = None
        self._encrypt_then_mac = False
        self._hold = hold
        self._held: list[tuple[int, int, bytes, bytes, Moment]] = []
        self._held_octets = 0
        self.version: str | None = None
        self.session: Session | None = None

    @property
    def suite(self) -> int | None:
        """Number of the suite agreed."""
        return self._suite_number

    @property
    def client_random(self) -> bytes | None:
        """What secrets are found by."""
        return self._client_random

    def closed(self, direction: int) -> int:
        """Records of this direction that could not be opened."""
        return self._sides[direction].closed

    def waits(self) -> bool:
        """Records wait for secrets."""
        return bool(self._held)

    def feed(self, direction: int, data: bytes) -> None:
        """More of one direction."""
        side = self._sides[direction]
        buffer = side.buffer + data if side.buffer else data
        if side.lost:
            buffer = self._found_again(side, buffer)
        at, end = 0, len(buffer)
        while at + 5 <= end:
            length = buffer[at + 3] << 8 | buffer[at + 4]
            if (
                not (20 <= buffer[at] <= 23 and buffer[at + 1] == 3 and buffer[at + 2] <= 4)
                or length > _MOST_RECORD
            ):
                side.lost = True
                side.search += 1
                side.handshake.clear()
                buffer, at = self._found_again(side, buffer[at + 1 :]), 0
                end = len(buffer)
                continue
            stop = at + 5 + length
            if stop > end:
                break
            self._record(direction, side, buffer[at], buffer[at : at + 5], buffer[at + 5 : stop])
            at = stop
        side.buffer = buffer[at:] if at else buffer

    def gap(self, direction: int, missing: int) -> None:
        """Octets are missing: what was incomplete is lost, and where the next
        record begins is to be found."""
        side = self._sides[direction]
        side.search += (missing + len(side.buffer)) // _SMALLEST_RECORD + 2
        side.buffer = b""
        side.handshake.clear()
        side.lost = True

    def retry(self) -> None:
        """There are new secrets."""
        if self._held and any(side.known != self._secrets.version for side in self._sides):
            held = self._take_held()
            now = self._above.moment
            for direction, kind, header, body, moment in held:
                self._above.moment = moment
                side = self._sides[direction]
                side.closed -= 1
                self._protected(direction, side, kind, header, body)
            self._above.moment = now

    def drop(self) -> None:
        """Nothing more will come."""
        self._take_held()

    def _take_held(self) -> list[tuple[int, int, bytes, bytes, Moment]]:
        held, self._held = self._held, []
        self._room.left += self._held_octets
        self._held_octets = 0
        return held

    def _found_again(self, side: _Side, buffer: bytes) -> bytes:
        """From where a record may begin; what is behind it is the proof: another record, or the end."""
        unproven: int | None = None
        for match in _HEADER.finditer(buffer):
            at = match.start()
            length = int.from_bytes(buffer[at + 3 : at + 5], "big")
            behind = at + 5 + length
            if not 0 < length <= _MOST_RECORD:
                continue
            # Segments begin with a record more often than not, and so does what follows a gap.
            if (
                behind == len(buffer)
                or is_record(buffer[behind : behind + 3])
                or (at == 0 and behind > len(buffer))
            ):
                side.lost = False
                return buffer[at:]
            if unproven is None and behind > len(buffer):
                unproven = at
        return buffer[-4:] if unproven is None else buffer[unproven:]

    # Records -----------------------------------------------------------------------------------------------

    def _record(self, direction: int, side: _Side, kind: int, header: bytes, body: bytes) -> None:
        if side.protected:
            if kind == _DATA or self.version != "TLSv1.3":
                if kind != _CHANGE:
                    self._protected(direction, side, kind, header, body)
                return
            if kind == _CHANGE:  # it means nothing in TLS 1.3
                return
        if kind == _HANDSHAKE and side.changed and self.version is None:
            side.protected = (
                True  # TLS 1.2 whose ServerHello is missing: nothing else comes encrypted in such a record
            )
            self._protected(direction, side, kind, header, body)
        elif kind == _HANDSHAKE:
            self._handshake(direction, side, body, decrypted=False)
        elif kind == _ALERT:
            if len(body) == 2:
                self._above.tls_told(direction, alert(body), self.version, False)
            else:
                self._protected(direction, side, kind, header, body)
        elif kind == _CHANGE:
            side.changed = True
            side.protected = self.version is not None and self.version != "TLSv1.3"
        else:
            side.protected = True
            self._protected(direction, side, kind, header, body)

    def _protected(self, direction: int, side: _Side, kind: int, header: bytes, body: bytes) -> None:
        if side.known != self._secrets.version and not side.keys:
            side.known = self._secrets.version
            side.keys = self._keys(direction, side)
        found = self._opened(direction, side, kind, header, body)
        if found is None:
            self._stays_closed(direction, side, kind, header, body)
            return
        inner, content = found
        if inner == _DATA:
            self._above.tls_data(direction, content)
        elif inner == _HANDSHAKE:
            self._handshake(direction, side, content, decrypted=True)
        elif inner == _ALERT:
            self._above.tls_told(direction, alert(content), self.version, True)

    def _opened(
        self, direction: int, side: _Side, kind: int, header: bytes, body: bytes
    ) -> tuple[int, bytes] | None:
        for place, keys in enumerate(side.keys):
            try:
                found = keys.open(kind, header, body)
            except ClosedError:
                continue
            self._settle(direction, side, place)
            return found
        if side.search:
            for place, keys in enumerate(side.keys):
                opened = keys.search(kind, header, body, side.search, self._budget)
                if opened is not None:
                    self._settle(direction, side, place)
                    return opened
        if side.keys:
            side.keys[0].number += 1
            side.failures += 1
        return None

    def _settle(self, direction: int, side: _Side, place: int) -> None:
        side.search = 0
        keys = side.keys[place]
        if isinstance(keys, _Candidate13) and not side.settled:
            self._late(direction, side, keys)
        elif place:
            side.keys = side.keys[place:]

    def _late(self, direction: int, side: _Side, keys: _Candidate13) -> None:
        """The secrets say what the hellos would have said."""
        side.settled = True
        side.keys = [keys, *(keys.later() if keys.early else ())]
        if self._client is None:
            self._client = direction if keys.of_client else 1 - direction
            self._above.tls_client(self._client)
        self.version = self.version or "TLSv1.3"
        self._suite = self._suite or keys.suite
        self.session = keys.session
        self._client_random = self._client_random or keys.session.random

    def _stays_closed(self, direction: int, side: _Side, kind: int, header: bytes, body: bytes) -> None:
        side.closed += 1
        first = side.closed == 1
        size = len(body)
        if not side.keys and self._held_octets + size <= self._hold and size <= self._room.left:
            self._held.append((direction, kind, header, body, self._above.moment))
            self._held_octets += size
            self._room.left -= size
        if first or (side.failures == 1 and side.keys):
            told = Told(name="ApplicationData", content={"octets": len(body)})
            told.notes.append(self._why_closed(side))
            self._above.tls_told(direction, told, self.version, False)

    def _why_closed(self, side: _Side) -> str:
        random = f" {self._client_random.hex()}" if self._client_random is not None else ""
        if side.keys:
            return "a record does not open with the secrets that there are: they are wrong, or records before it are missing"
        if self._suite_number is not None and self._suite is None:
            return f"stays closed: cipher suite {self._suite_number:04x} is not read"
        if self.version not in ("TLSv1.3", "TLSv1.2", None):
            return f"stays closed: {self.version} is not read"
        if self._client_random is None:
            return "stays closed: the ClientHello that names its secrets is not in the capture"
        if self._secrets.of(self._client_random) is None:
            return f"stays closed: no secrets for client random{random}"
        if self._server_random is None:
            return "stays closed: the ServerHello is not in the capture"
        return f"stays closed: the secrets for client random{random} are not those of {self.version}"

    # Keys --------------------------------------------------------------------------------------------------

    def _keys(self, direction: int, side: _Side) -> list[Keys]:
        session = self._secrets.of(self._client_random)
        if self.version == "TLSv1.2":
            return self._keys_12(direction, session)
        if self.version not in ("TLSv1.3", None):
            return []
        if session is not None and self._suite is not None and self._client is not None:
            self.session = session
            who = "CLIENT" if direction == self._client else "SERVER"
            labels = [f"{who}_HANDSHAKE_TRAFFIC_SECRET", f"{who}_TRAFFIC_SECRET_0"]
            return [Keys13(self._suite, session[label]) for label in labels if label in session]
        # A hello is missing: the secrets are tried, and tell which they are.
        sessions = [session] if session is not None else [] if self._client_random else self._secrets.all()
        if not sessions:
            return []
        side.search = max(side.search, _LATE_START if self._client_random is None else 0)
        return [one for some in sessions[:_MOST_CANDIDATES] for one in self._candidates(some, direction)]

    def _candidates(self, session: Session, direction: int) -> list[Keys]:
        known = None if self._client is None else ("CLIENT" if direction == self._client else "SERVER")
        found: list[Keys] = []
        for stage in ("TRAFFIC_SECRET_0", "HANDSHAKE_TRAFFIC_SECRET"):
            for who in ("CLIENT", "SERVER"):
                secret = session.get(f"{who}_{stage}")
                if secret is None or known not in (None, who):
                    continue
                suites = [self._suite] if self._suite is not None else candidates_13(secret)
                found += [_Candidate13(suite, secret, session, who) for suite in suites]
        return found

    def _keys_12(self, direction: int, session: Session | None) -> list[Keys]:
        suite = self._suite
        if session is None or suite is None or suite.version != "TLSv1.2" or self._client is None:
            return []
        master = session.get("CLIENT_RANDOM")
        if master is None or self._client_random is None or self._server_random is None:
            return []
        self.session = session
        block = (master, self._client_random, self._server_random)
        return [Keys12(suite, block, direction == self._client, self._encrypt_then_mac)]

    # Handshake ---------------------------------------------------------------------------------------------

    def _handshake(self, direction: int, side: _Side, content: bytes, *, decrypted: bool) -> None:
        waiting = side.handshake
        waiting += content
        while len(waiting) >= 4:
            end = 4 + int.from_bytes(waiting[1:4], "big")
            if end > _LONGEST_HANDSHAKE:
                waiting.clear()
                return
            if len(waiting) < end:
                return
            message = bytes(waiting[:end])
            del waiting[:end]
            told = tell(message, self.version)
            self._learn(direction, side, message[0], told, decrypted)
            self._above.tls_told(direction, told, self.version, decrypted)

    def _learn(self, direction: int, side: _Side, kind: int, told: Told, decrypted: bool) -> None:
        if kind == 1 and not decrypted:
            self._client, self._client_random = direction, told.random
            self._above.tls_client(direction)
        elif kind == 2 and not decrypted:
            if self._client is None:
                self._client = 1 - direction
                self._above.tls_client(self._client)
            self.version, self._suite_number = told.version, told.suite
            self._suite = SUITES.get(told.suite) if told.suite is not None else None
            self._server_random, self._encrypt_then_mac = told.random, told.encrypt_then_mac
            if self.version == "TLSv1.3" and not told.retry:
                for one in self._sides:
                    one.protected = True
        elif kind == 20 and decrypted and self.version == "TLSv1.3" and len(side.keys) > 1:
            side.keys = side.keys[1:]
        elif kind == 24 and decrypted and side.keys and isinstance(side.keys[0], Keys13):
            side.keys = [side.keys[0].updated()]


class _Candidate13(Keys13):
    """Keys that may be those of a direction."""

    def __init__(self, suite: Suite, secret: bytes, session: Session, who: str) -> None:
        super().__init__(suite, secret)
        self.session, self._who = session, who
        self.of_client = who == "CLIENT"
        self.early = secret == session.get(f"{who}_HANDSHAKE_TRAFFIC_SECRET")

    def later(self) -> list[Keys]:
        """Of the stage behind the handshake."""
        secret = self.session.get(f"{self._who}_TRAFFIC_SECRET_0")
        return [] if secret is None else [Keys13(self.suite, secret)]
