"""The codec to and from message objects as a codec of this benchmark; the same words on stdin as
``cbv2g.c`` and ``peer.rs`` take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from iso15118 import exi

__all__ = ["main"]


def main(file: str) -> None:
    """Answer until stdin ends."""
    lines = [line.split() for line in Path(file).read_text().splitlines()]
    messages = [(schema, bytes.fromhex(octets)) for schema, octets in lines]
    for line in sys.stdin:
        verb, index, *calls = line.split()
        schema, octets = messages[int(index)]
        print(_answer(verb, schema, octets, int(calls[0]) if calls else 0), flush=True)


def _answer(verb: str, schema: str, octets: bytes, calls: int) -> str | int:
    message = exi.decode(schema, octets)
    match verb:
        case "decode":
            return _timed(lambda: exi.decode(schema, octets), calls)
        case "encode":
            return _timed(lambda: exi.encode(schema, message), calls)
        case _:
            return exi.encode(schema, message).hex()


def _timed(call: Callable[[], object], calls: int) -> int:
    began = time.perf_counter_ns()
    for _ in range(calls):
        call()
    return time.perf_counter_ns() - began


if __name__ == "__main__":
    main(sys.argv[1])
