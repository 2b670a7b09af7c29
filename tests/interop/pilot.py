"""The control pilot between processes: the plug is in one of them, and each end holds its side of it over
a Unix socket, line by line.

Unix sockets by path do not care for network namespaces, as a pilot wire does not. Lines to an end:
``{"signal": "B"}``, ``{"duty": 5.0}``; from it: ``{"role": "station"}`` first, then ``{"pilot":
"FIVE_PERCENT"}`` or ``{"show": "C"}``.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iso15118.link.ports import Listener
from iso15118.link.primitives import DutyChanged, Pilot, SetPilot, ShowState
from iso15118.session.actions import Action
from iso15118.session.events import Event, SignalChanged, SignalState
from iso15118.simulation.ccs_plug import Plug

__all__ = ["PilotServer", "RemotePilot"]


class RemotePilot:
    """One end's side: a ``BasicSignalling``. ``role``: "station" or "vehicle". Make it
    within a running event loop."""

    def __init__(self, path: Path, role: str) -> None:
        self._listeners: list[Listener] = []
        self._states: dict[type[Event], Event] = {}
        self._unread = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._say({"role": role})
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def listen(self, listener: Listener) -> None:
        """Push changes, and the present state."""
        self._listeners.append(listener)
        for event in tuple(self._states.values()):
            listener(event)

    def show(self, action: Action) -> None:
        """``SetPilot`` of a station, ``ShowState`` of a vehicle."""
        if isinstance(action, SetPilot):
            self._say({"pilot": action.pilot.name})
        elif isinstance(action, ShowState):
            self._say({"show": action.state.name})

    def _say(self, what: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(what).encode() + b"\n")

    def _readable(self) -> None:
        data = self._socket.recv(4096)
        if not data:  # whoever holds the plug is gone
            self._loop.remove_reader(self._socket.fileno())
            return
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            event: Event = (
                SignalChanged(SignalState[said["signal"]]) if "signal" in said else DutyChanged(said["duty"])
            )
            self._states[type(event)] = event
            for listener in self._listeners:
                listener(event)


class PilotServer:
    """The plug's side. ``heard`` is called with everything that an end does to the pilot."""

    def __init__(self, plug: Plug, heard: Callable[[str, str], None]) -> None:
        self._plug, self._heard = plug, heard
        self._writers: dict[str, asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self.attached = {"station": asyncio.Event(), "vehicle": asyncio.Event()}
        plug.to_station = lambda event: self._tell("station", event)
        plug.to_vehicle = lambda event: self._tell("vehicle", event)

    async def open(self, path: Path) -> None:
        """Listen at this path."""
        self._server = await asyncio.start_unix_server(self._serve, str(path))

    def close(self) -> None:
        """Let go of both ends."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers.values():
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        role = json.loads(await reader.readline())["role"]
        self._writers[role] = writer
        self._tell(role, SignalChanged(self._plug.signal))
        if role == "vehicle" and self._plug.plugged and self._plug.pilot is Pilot.FIVE_PERCENT:
            self._tell(role, DutyChanged(5.0))
        self.attached[role].set()
        while line := await reader.readline():
            said = json.loads(line)
            if role == "station" and "pilot" in said:
                self._heard(role, f"pilot: {Pilot[said['pilot']].value}")
                self._plug.set_pilot(Pilot[said["pilot"]])
            elif role == "vehicle" and "show" in said:
                self._heard(role, f"shows state {said['show']}")
                self._plug.show(SignalState[said["show"]])
        self.attached[role].clear()
        self._writers.pop(role, None)
        writer.close()

    def _tell(self, role: str, event: Event) -> None:
        writer = self._writers.get(role)
        if writer is None:
            return
        if isinstance(event, SignalChanged):
            said: dict[str, Any] = {"signal": event.state.name}
        elif isinstance(event, DutyChanged):
            said = {"duty": event.percent}
        else:
            return
        writer.write(json.dumps(said).encode() + b"\n")
