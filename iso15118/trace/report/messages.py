"""The part of a page with every message: runs of equal exchanges, and in them each message with its fields.

Entries in, markup out; every text is escaped.
"""

from __future__ import annotations

from typing import Final

from iso15118.trace.entries import EVCC, SECC, MessageEntry
from iso15118.trace.telling import name_of, said, values

from .cards import side_badge
from .drawing import TimeAxis, number, text
from .model import Run, Session, Shown

__all__ = ["messages"]

_FIELD: Final = 2000
"""Characters of a field that are shown."""


def messages(session: Session, axis: TimeAxis | None) -> str:
    """All that is kept of the conversation, in order."""
    if not session.runs:
        return ""
    body = "".join(_run(one, axis) for one in session.runs)
    more = ""
    if session.runs_left_out:
        more = f"<p class=note>{number(session.runs_left_out)} further entries are left out: iso15118 decode shows all of them.</p>"
    return f'<h3>Messages</h3><div class="card messages">{body}{more}</div>'


def _run(run: Run, axis: TimeAxis | None) -> str:
    shown = [*run.shown, *run.tail]
    first = shown[0]
    found = sum(one.finding is not None for one in shown)
    codes = dict.fromkeys(
        one.entry.response_code
        for one in shown
        if isinstance(one.entry, MessageEntry) and one.entry.response_code is not None
    )
    told = ", ".join(code for code in codes if code)
    mark = f' <span class="found">{found} deviation{"s" if found > 1 else ""}</span>' if found else ""
    head = (
        f'<span class="t">{_time(first, axis)}</span> <b>{text(run.name)}</b> <small>{number(run.count)}'
        f" {'entries' if run.count > 1 else 'entry'}{f', {text(told)}' if told else ''}</small>{mark}"
    )
    parts = [_message(one, axis) for one in run.shown]
    if run.left_out:
        parts.append(
            f'<p class="note">{number(run.left_out)} more of the same: iso15118 decode shows them.</p>'
        )
    parts += [_message(one, axis) for one in run.tail]
    return f"<details class=run{' open' if found else ''}><summary>{head}</summary>{''.join(parts)}</details>"


def _message(one: Shown, axis: TimeAxis | None) -> str:
    entry = one.entry
    latency = ""
    if one.latency is not None and one.limit is not None:
        late = " class=bad" if one.latency > one.limit.seconds else ""
        latency = f" <small{late}>{one.latency * 1000.0:.1f} of {one.limit.seconds * 1000.0:g} ms</small>"
    code = ""
    if isinstance(entry, MessageEntry) and entry.response_code is not None:
        bad = " class=bad" if entry.response_code.lower().startswith("failed") else ""
        code = f" <span{bad}>{text(entry.response_code)}</span>"
    sender = side_badge(entry.sender if entry.sender in (EVCC, SECC) else "")
    found = f' <span class="found">{text(one.finding.rule)}</span>' if one.finding is not None else ""
    head = f'<span class="t">{_time(one, axis)}</span> {sender} {text(name_of(entry))}{code}{latency}{found}'
    rows = [(name, value) for name, value in _fields(entry)]
    rows += [("note", note) for note in entry.notes]
    rows.append(("packet", str(entry.number)))
    body = "".join(f"<dt>{text(name)}</dt><dd>{text(value[:_FIELD])}</dd>" for name, value in rows)
    return f"<details class=msg><summary>{head}</summary><dl>{body}</dl></details>"


def _fields(entry: object) -> list[tuple[str, str]]:
    if isinstance(entry, MessageEntry):
        header = [] if entry.session_id is None else [("SessionID", entry.session_id.hex())]
        return [*header, *values(entry)]
    return [("content", said(entry))]  # type: ignore[arg-type]


def _time(one: Shown, axis: TimeAxis | None) -> str:
    t = one.entry.t
    return "" if t is None or axis is None else axis.text(t)
