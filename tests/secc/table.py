"""The station's table of ISO 15118-20 over DC messages, by the type of the request alone."""

from __future__ import annotations

from iso15118.secc.iso20.dc_part import DC
from iso15118.secc.iso20.machine import table_of
from iso15118.secc.iso20.replies import RESPONSES
from iso15118.secc.iso20.sequence import State

__all__ = ["PAIRS", "SEQUENCE", "SOURCES", "STATES"]

PAIRS: dict[type, type] = {
    request: response for request, (response, _) in (RESPONSES | dict(DC.responses)).items()
}
"""Request class -> response class."""
SEQUENCE: dict[State, dict[type, set[State]]] = {}
"""State -> request class -> the states that may follow, whatever the request means."""
SOURCES: list[str] = []

for state, rows in table_of(DC).items():
    listed = SEQUENCE.setdefault(state, {})
    for key, row in rows.items():
        listed.setdefault(key[0] if isinstance(key, tuple) else key, set()).update(row.next)
        SOURCES.append(row.source)

STATES = tuple(state for state in State if state in SEQUENCE)
"""States of this table, in the order in which a session passes them."""
