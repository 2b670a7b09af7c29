# mypy: ignore-errors
"""The Java codec behind the PyPI package ``iso15118``, by that package's Python API; run by the
Python of its own environment.

The same words on stdin as ``cbv2g.c`` and ``peer.rs`` take.
"""

import os
import sys
import time
from pathlib import Path

from iso15118.shared.exi_codec import EXI
from iso15118.shared.exificient_exi_codec import ExificientEXICodec
from iso15118.shared.messages.enums import Namespace
from iso15118.shared.settings import load_shared_settings

NAMESPACES = {
    "app": Namespace.SAP,
    "din": Namespace.DIN_MSG_DEF,
    "iso2": Namespace.ISO_V2_MSG_DEF,
    "iso20-common": Namespace.ISO_V20_COMMON_MSG,
    "iso20-ac": Namespace.ISO_V20_AC,
    "iso20-dc": Namespace.ISO_V20_DC,
}


def main(file):
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # the package prints, and so does its Java process
    lines = [line.split() for line in Path(file).read_text().splitlines()]
    os.environ["MESSAGE_LOG_JSON"] = "false"  # it would log every message
    load_shared_settings(None)
    codec = EXI()
    codec.set_exi_codec(ExificientEXICodec())
    for line in sys.stdin:
        verb, index, *calls = line.split()
        schema, octets = lines[int(index)]
        try:
            answer = measure(codec, verb, NAMESPACES[schema], bytes.fromhex(octets), int(*calls or [0]))
        except Exception as error:
            answer = f"error {type(error).__name__}: {error.__cause__!r}".replace("\n", " ")[:300]
        print(answer, file=answers)


def measure(codec, verb, namespace, octets, calls):
    message = codec.from_exi(octets, namespace)
    if verb == "same":
        return codec.to_exi(message, namespace).hex()
    began = time.perf_counter_ns()
    for _ in range(calls):
        if verb == "decode":
            codec.from_exi(octets, namespace)
        else:
            codec.to_exi(message, namespace)
    return time.perf_counter_ns() - began


if __name__ == "__main__":
    main(sys.argv[1])
