"""``iso15118 slac``: what happens on a control pilot before there is a network, in words."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from iso15118.cli.show import print_json
from iso15118.cli.terminal import echo
from iso15118.errors import ConfigError
from iso15118.link.slac.watch import Kind, Sentence, SlacWatch
from iso15118.printable import escaped

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="SLAC, the matching of a vehicle and a station over power line.",
)

_SUFFIXES = (".pcap", ".pcapng", ".cap", ".gz")
_STYLES = {
    Kind.FRAME: "dim",
    Kind.REFUSED: "red",
    Kind.CHOICE: "bold",
    Kind.MATCH: "bold green",
    Kind.LINK: "bold green",
    Kind.SUMMARY: "dim",
}


@app.callback()
def slac() -> None:
    """Keep ``watch`` a command of its own."""


@app.command()
def watch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IFACE|FILE", help="An interface (needs CAP_NET_RAW), or a pcap or pcapng file."
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON for each sentence.")
    ] = False,
    frames: Annotated[
        bool, typer.Option("--frames/--no-frames", help="Also a line for each frame, whatever it means.")
    ] = True,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Listen for so long (default: until a signal).")
    ] = None,
) -> None:
    """Show frames and the matching decision in words as they go by; read only, and keys are never shown."""
    out = _Output(_json if as_json else _for_people(), frames=frames)
    path = Path(source)
    if path.exists() or "/" in source or path.suffix in _SUFFIXES:
        if seconds is not None:
            raise ConfigError("--seconds", "a file has an end of its own", "leave it out")
        _read(path, out)
    else:
        _listen(source, out, seconds)
    out.tell(out.watch.finish())


def _read(path: Path, out: _Output) -> None:
    from iso15118.trace.reading.files import frames_in

    for at, data in frames_in(path):
        out.frame(data, at)


def _listen(interface: str, out: _Output, seconds: float | None) -> None:
    from iso15118.aio.plug.watch import run_watch

    def listening() -> None:
        echo(f"iso15118: listening on {interface}", err=True, flush=True)

    run_watch(interface, lambda data: out.frame(data, time.time()), seconds=seconds, listening=listening)


Print = Callable[[float, Sentence], None]


class _Output:
    """A listener whose sentences are printed; times count from the first frame."""

    def __init__(self, show: Print, *, frames: bool) -> None:
        self.watch = SlacWatch()
        self._show, self._frames = show, frames
        self._first: float | None = None

    def frame(self, data: bytes, at: float) -> None:
        self.tell(self.watch.handle(data, at))

    def tell(self, sentences: list[Sentence]) -> None:
        for sentence in sentences:
            if self._first is None:
                self._first = sentence.time
            if self._frames or sentence.kind is not Kind.FRAME:
                self._show(sentence.time - self._first, sentence)


def _json(since: float, sentence: Sentence) -> None:
    print_json(
        {"t": round(since, 6), "at": sentence.time, "kind": sentence.kind.value, "text": sentence.text}
        | sentence.data
    )
    sys.stdout.flush()


def _for_people() -> Print:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)

    def show(since: float, sentence: Sentence) -> None:
        indent = "" if sentence.kind is Kind.FRAME else "    "
        text = Text(f"{since:9.3f}  {indent}")
        refused = "refused: " if sentence.kind is Kind.REFUSED else ""
        console.print(text.append(escaped(refused + sentence.text), style=_STYLES.get(sentence.kind, "")))

    return show
