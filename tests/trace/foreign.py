"""Captures of other people's vehicles and stations: everything in them decodes, and is the same
octets when it is encoded again.

``python -m tests.trace.foreign FILE...`` prints a line for each file, and what does not come back.
The captures are fetched by whoever wants to look, and are not kept here; docs/decode.md says where
those that were looked at are.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.trace.entries import Layer, MessageEntry, V2gtpEntry
from iso15118.trace.reading.files import entries_of, open_capture

__all__ = ["Report", "look"]


class Report:
    """What a capture shows. ``different``: messages that are other octets when encoded again;
    ``unread``: frames that have none."""

    def __init__(self, path: Path) -> None:
        self.layers: Counter[str] = Counter()
        self.editions: Counter[str] = Counter()
        self.different: list[str] = []
        self.unread: list[str] = []
        self.notes: Counter[str] = Counter()
        reader = open_capture(path)
        for entry in entries_of(path, reader=reader):
            self.layers[entry.layer.value] += 1
            self.notes.update(entry.notes)
            if isinstance(entry, MessageEntry):
                self.editions[entry.edition] += 1
                self._again(entry)
            elif isinstance(entry, V2gtpEntry):
                self.unread.append(
                    f"packet {entry.number}: {'; '.join(entry.notes)}: {entry.payload[:40].hex()}"
                )
        self.facts, self.streams = reader.facts, reader.streams

    def _again(self, entry: MessageEntry) -> None:
        try:
            octets = exi.encode(entry.schema, entry.value)
        except ExiError as error:
            self.different.append(f"packet {entry.number}: {entry.message}: {error}")
            return
        if octets != entry.exi:
            self.different.append(
                f"packet {entry.number}: {entry.message}: {'; '.join(entry.notes) or entry.exi.hex()}"
            )


def look(path: Path) -> Report:
    """At a capture."""
    return Report(path)


def main(arguments: Sequence[str]) -> int:
    """1 if anything does not come back."""
    status = messages = 0
    for name in arguments:
        report = Report(Path(name))
        messages += report.layers[Layer.MESSAGE.value]
        sys.stdout.write(
            f"{Path(name).name}: {dict(report.layers)}, {dict(report.editions)}, {len(report.different)} different, "
            f"{len(report.unread)} unread{'' if report.facts.broken is None else ', ' + report.facts.broken}\n"
        )
        for line in [*report.different[:5], *report.unread[:5]]:
            sys.stdout.write(f"    {line}\n")
        status |= bool(report.different or report.unread)
    sys.stdout.write(f"{len(arguments)} captures, {messages} messages\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
