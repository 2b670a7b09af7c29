"""Entries printed: a line for people, a line of JSON, or XML; every character that a peer
chose is shown, not obeyed."""

from __future__ import annotations

import shutil
import sys
import textwrap
from datetime import UTC, datetime
from typing import Final

import msgspec

from iso15118.cli.as_xml import shown_as_xml
from iso15118.cli.terminal import echo, json_text, write_out
from iso15118.printable import escaped
from iso15118.trace.as_json import json_object
from iso15118.trace.entries import Entry, MessageEntry
from iso15118.trace.telling import name_of, said, values

__all__ = ["FOR_PEOPLE", "JSON", "XML", "Output"]

FOR_PEOPLE, JSON, XML = "people", "json", "xml"
_INDENT: Final = 50
"""Where the words begin."""

_DELETE: Final = b"\x7f"
_encode = msgspec.json.Encoder().encode


class Output:
    """Call ``show`` with entries as they come, then ``finish``. ``live``: each batch is to be seen at once.
    ``one``: a message alone, which has a line for each value."""

    def __init__(self, form: str, *, live: bool, one: bool) -> None:
        self._form, self._live, self._one = form, live, one
        self._began: float | None = None
        self._dated = False
        self.found = 0
        self._width = shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0

    def show(self, entries: list[Entry]) -> None:
        """Print a batch."""
        if not entries:
            return
        write_out("".join(self.texts(entries)), flush=self._live)

    def texts(self, entries: list[Entry]) -> list[str]:
        """What is printed, entry by entry."""
        self.found += len(entries)
        form = {JSON: self._json, XML: self._xml, FOR_PEOPLE: self._for_people}[self._form]
        return [form(one) for one in entries]

    def finish(self) -> None:
        """All was shown."""
        sys.stdout.flush()

    def _json(self, entry: Entry) -> str:
        line = _encode(json_object(entry))
        # The encoder has escaped what is below a space: only what is beyond ASCII needs a second look.
        if line.isascii() and _DELETE not in line:
            return line.decode("ascii") + "\n"
        return json_text(line.decode()) + "\n"

    # XML ---------------------------------------------------------------------------------------------------

    def _xml(self, entry: Entry) -> str:
        if not isinstance(entry, MessageEntry):
            return self._comment(f"{self._head(entry)} {name_of(entry)}: {said(entry)}", entry.notes)
        text, more = shown_as_xml(entry.value, entry.schema)
        notes = (*entry.notes, *more)
        if not self._one:
            return self._comment(f"{self._head(entry)} {entry.message}", notes) + text
        for note in notes:
            echo(f"iso15118: {note}", err=True)
        return text

    def _comment(self, text: str, notes: tuple[str, ...]) -> str:
        lines = [text, *(f"  {note}" for note in notes)]
        # Two hyphens would end the comment.
        return "".join(f"<!-- {escaped(line).replace('--', '- -')} -->\n" for line in lines)

    # Lines for people --------------------------------------------------------------------------------------

    def _head(self, entry: Entry) -> str:
        return f"{self._time(entry.t):>10}  {entry.sender}".rstrip()

    def _time(self, t: float | None) -> str:
        if t is None:
            return "-"
        if self._began is None:
            self._began = t
        return f"{t - self._began:.3f}"

    def _for_people(self, entry: Entry) -> str:
        if self._one:
            return self._alone(entry)
        dated = ""
        if not self._dated and entry.t is not None:
            self._dated = True
            dated = f"{_moment(entry.t)} is 0.000\n"
        head = f"{self._time(entry.t):>10}  {entry.sender:<4}  {name_of(entry):<30}"
        lines = [self._wrapped(f"{escaped(head)}  ", escaped(said(entry)))]
        lines += [self._wrapped(" " * 18 + "! ", escaped(note)) for note in entry.notes]
        return dated + "".join(f"{line}\n" for line in lines)

    def _wrapped(self, head: str, text: str) -> str:
        if self._width < _INDENT + 30 or len(head) + len(text) <= self._width:
            return (head + text).rstrip()
        indent = min(len(head), _INDENT)
        return textwrap.fill(
            text,
            self._width,
            initial_indent=head,
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )

    def _alone(self, entry: Entry) -> str:
        lines = [name_of(entry)]
        if isinstance(entry, MessageEntry):
            lines[0] += f" ({entry.schema})"
            if entry.session_id is not None:
                lines.append(f"  SessionID {entry.session_id.hex()}")
            lines += [f"  {name} {text}" for name, text in values(entry)]
        else:
            lines.append(f"  {said(entry)}")
        lines += [f"  ! {note}" for note in entry.notes]
        return "".join(f"{escaped(line)}\n" for line in lines)


def _moment(t: float) -> str:
    try:
        return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    except (OverflowError, ValueError, OSError):
        return f"{t:.6f} s"
