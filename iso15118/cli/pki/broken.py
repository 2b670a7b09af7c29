"""``pki cases``, ``break`` and ``serve-ocsp``: what is wrong on purpose."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, get_args

import msgspec
import typer

from iso15118.aio.net.ocsp_listener import run_ocsp
from iso15118.cli.pki.common import (
    Algorithm,
    AsJson,
    Directory,
    Existing,
    Force,
    app,
    check_empty,
    print_json,
    say,
)
from iso15118.cli.terminal import echo
from iso15118.errors import ConfigError
from iso15118.pki import load
from iso15118.pki.cases import Area, all_cases, find_case, variants
from iso15118.pki.cases.write import write_case
from iso15118.pki.status.responder import ANSWERS, OcspResponder


@app.command()
def cases(
    area: Annotated[str | None, typer.Option(help=f"{', '.join(get_args(Area))}.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the named negative cases."""
    if area is not None and area not in get_args(Area):
        raise ConfigError("--area", f"{area!r} is none", f"one of {', '.join(get_args(Area))}")
    listed = [one for one in all_cases().values() if area in (None, one.area)]
    if as_json:
        print_json([msgspec.to_builtins(one) for one in listed])
        return
    for one in listed:
        expected = ", ".join(one.expect.codes) or "accepted"
        echo(f"{one.name:<36}{one.area:<14}{expected:<40}{one.about}")
    echo(f"{len(listed)} cases")


@app.command(name="break")
def break_(
    directory: Directory,
    case: Annotated[str, typer.Option(help="Name of the case; see pki cases.")],
    role: Annotated[
        str | None, typer.Option(help="Role whose chain is broken (default: the first it applies to).")
    ] = None,
    edition: Annotated[str | None, typer.Option(help="iso2 or iso20.")] = None,
    algorithm: Algorithm = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a complete PKI with exactly one defect, and what a receiver must say to it."""
    check_empty(directory, force)
    fitting = [
        one
        for one in variants(find_case(case))
        if role in (None, one.role) and edition in (None, one.edition) and algorithm in (None, one.algorithm)
    ]
    if not fitting:
        known = sorted({f"{one.role}/{one.edition}/{one.algorithm}" for one in variants(find_case(case))})
        raise ConfigError("case", f"{case!r} does not apply to that", f"it applies to {', '.join(known)}")
    chosen = next((one for one in fitting if edition is None and one.edition == "iso20"), fitting[0])
    result = write_case(chosen, directory, at=datetime.now(UTC).replace(microsecond=0))
    expected = result["expected"]
    said = "accepted" if expected["accepted"] else f"refused with {', '.join(expected['codes'])}"
    say(
        as_json,
        result,
        f"{directory}: {result['about']} ({chosen.role}, {chosen.algorithm}); must be {said}",
    )


@app.command(name="serve-ocsp")
def serve_ocsp(
    directory: Existing,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 for any.")] = 8080,
    answer: Annotated[str, typer.Option(help=f"What is said: {', '.join(ANSWERS)}.")] = "good",
    say: Annotated[
        list[str] | None, typer.Option(help="NAME=ANSWER for one certificate; may be given again.")
    ] = None,
    delay: Annotated[float, typer.Option(min=0, max=600, help="Seconds before each answer.")] = 0.0,
    slow: Annotated[
        float, typer.Option(min=0, max=600, help="Seconds before an answer that is slow.")
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Answer OCSP requests about a test PKI over HTTP, rightly or wrongly, until interrupted."""
    script = dict(one.partition("=")[::2] for one in say or ())
    responder = OcspResponder(load(directory), answer=answer, script=script, slow_s=slow)  # type: ignore[arg-type]

    def started(at: str, on: int) -> None:
        # Not ``say``: that is the option.
        print_json({"url": f"http://{at}:{on}/", "answer": answer}) if as_json else echo(
            f"http://{at}:{on}/ answers {answer}"
        )
        sys.stdout.flush()

    with suppress(KeyboardInterrupt):
        run_ocsp(
            responder,
            host=host,
            port=port,
            delay=delay,
            started=started,
        )
