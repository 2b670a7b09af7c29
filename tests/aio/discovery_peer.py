"""One end of discovery in a process of its own, for tests that put it into a network
namespace. Prints JSON lines.

``serve INTERFACE PORT`` answers until its input ends; ``find INTERFACE`` looks for a station once.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from iso15118.aio.net.network import find_interface
from iso15118.aio.net.sdp import discover, serve_sdp
from iso15118.errors import LinkError
from iso15118.sdp import Answer, Ignored, Origin, Security
from iso15118.timing import Timing


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


async def serve(name: str, port: int) -> None:
    def heard(origin: Origin, outcome: Answer | Ignored) -> None:
        say(origin=str(origin), answered=isinstance(outcome, Answer), reason=getattr(outcome, "reason", ""))

    listener = await serve_sdp(find_interface(name), {Security.TLS: port}, on_request=heard)
    say(listening=listener.port)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    listener.close()


async def find(name: str) -> None:
    interface = find_interface(name)
    try:
        found = await discover(interface, timing=Timing(sdp_retry=0.1, sdp_requests=10))
    except LinkError as error:
        say(error=str(error))
    else:
        response = found.response
        say(
            address=str(response.address),
            port=response.port,
            scope=found.origin.scope_id,
            index=interface.index,
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", name, port]:
            asyncio.run(serve(name, int(port)))
        case ["find", name]:
            asyncio.run(find(name))
