"""``iso15118 secc`` with a file of several connectors: each has its server, hardware and certificates,
and all share one process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from iso15118.aio.net.interface import interface_index, require_interface
from iso15118.aio.output import by_thread
from iso15118.aio.results import SessionResult
from iso15118.aio.run import Clock, Sleep, side_by_side
from iso15118.aio.run_site import run_site
from iso15118.aio.secc import SeccServer
from iso15118.cli.configured import Asking
from iso15118.cli.ending import ExitStatus
from iso15118.cli.link import tell_link
from iso15118.cli.prepared import PreparedConnector
from iso15118.cli.recorded import Kept
from iso15118.cli.session import exit_status, listen_to, tell
from iso15118.cli.terminal import echo_soon, json_line
from iso15118.errors import ConfigError, LinkError
from iso15118.settings.connectors import TABLE, OneConnector
from iso15118.settings.wireless import place_of

if TYPE_CHECKING:
    from iso15118.aio.plug.plugged_secc import PluggedSecc

__all__ = ["serve_connectors"]


def serve_connectors(
    connectors: tuple[OneConnector, ...], *, sessions: int | None, kept: Kept, as_json: bool
) -> int:
    """Serve until ``sessions`` have ended or a signal comes, printing each one; the exit status.

    A connector whose interface cannot be used is waited for, whatever its ``wait_for_interface``, while the
    others serve. Raises ``LinkError`` where no connector has an interface and none is to wait for it,
    otherwise as ``iso15118 secc`` does.
    """
    status: int = ExitStatus.OK
    with by_thread(), ExitStack() as stack:
        _check_interfaces(connectors)
        prepared: dict[str, PreparedConnector] = {}
        asking = Asking()  # of one for all: a file that several have is asked for once
        for number, one in enumerate(connectors):
            try:
                prepared[one.name] = PreparedConnector(one.settings, kept, stack, asking, name=one.name)
            except ConfigError as error:
                raise ConfigError(f"{TABLE}[{number}].{error.key}", error.reason, error.hint) from error
        asking.over()

        def made(sleep: Sleep, clock: Clock) -> Mapping[str, SeccServer | PluggedSecc]:
            return {name: _server(one, sleep, clock) for name, one in prepared.items()}

        def listening(name: str, server: SeccServer | PluggedSecc) -> None:
            if isinstance(server, SeccServer):  # one with a plug says so itself
                prepared[name].tell_listening(server)

        def finished(name: str, result: SessionResult) -> None:
            nonlocal status
            summary = prepared[name].summary(result)
            status = exit_status(summary) or status
            echo_soon(json_line(summary)) if as_json else tell(summary)

        run_site(
            made,
            sessions=sessions,
            listening=listening,
            finished=finished,
            beside=partial(side_by_side, *(one.beside for one in prepared.values())),
        )
    return status


def _check_interfaces(connectors: tuple[OneConnector, ...]) -> None:
    """One that is missing keeps nobody else from serving; where all are, that is a mistake,
    unless it is to be waited for."""
    missing: list[LinkError] = []
    seen: dict[tuple[int, int], str] = {}
    for number, one in enumerate(connectors):
        try:
            require_interface(one.settings.interface)
        except LinkError as error:
            missing.append(error)
            echo_soon(f"iso15118: {one.name}: {error}", err=True)
            continue
        index = interface_index(one.settings.interface)
        other = seen.setdefault((index, one.settings.sdp_port), one.name)
        if other != one.name:  # one interface by two of its names
            raise ConfigError(
                f"{TABLE}[{number}].interface",
                f"{one.settings.interface!r} is the interface of connector {other!r} by another name",
                "an interface for each connector",
            )
    waits = any(one.settings.wait_for_interface for one in connectors)
    if len(missing) == len(connectors) and not waits:
        raise missing[0]


def _server(one: PreparedConnector, sleep: Sleep, clock: Clock) -> SeccServer | PluggedSecc:
    settings = one.settings
    listened = listen_to(one.reported, one.words)
    if one.link is None:
        return SeccServer(
            settings.session,
            one.ports(sleep, clock),
            settings.interface,
            one.secured.tls,
            port=settings.port or None,
            sdp_port=settings.sdp_port,
            observer=listened,
            connection=one.connection,
            recorder=one.recorder,
            wait_for_interface=True,
            place=place_of(settings.wireless),
        )
    from iso15118.aio.plug.plugged_secc import PluggedSecc  # with everything below IP

    return PluggedSecc(
        settings.session,
        one.ports(sleep, clock),
        settings.interface,
        one.secured.tls,
        one.link(),
        port=settings.port or None,
        sdp_port=settings.sdp_port,
        observer=listened,
        listening=one.tell_listening,
        news=partial(tell_link, words=one.words),
        connection=one.connection,
        recorder=one.recorder,
    )
