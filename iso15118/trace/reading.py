"""Ethernet frames out of capture files (pcap, pcapng, also gzipped), one after the other, with their times.

The reader is ``scapy``'s, which is optional and loaded here only.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from iso15118.errors import ConfigError

__all__ = ["frames_in"]

_ETHERNET = 1  # LINKTYPE_ETHERNET
_GZIP = b"\x1f\x8b"


def frames_in(path: Path) -> Iterator[tuple[float, bytes]]:
    """Time in seconds since 1970 and bytes of every frame, in the order of the file.

    Raises ``ConfigError`` where ``scapy`` is not installed, and for a file that cannot be read, is no capture, or has something else than
    Ethernet in it.
    """
    try:
        from scapy.error import Scapy_Exception
        from scapy.utils import RawPcapReader
    except ImportError as error:
        raise ConfigError(
            str(path), "reading capture files needs scapy", "pip install 'iso15118-stack[capture]'"
        ) from error
    try:
        with _plain(path) as file:
            opened: Any = file  # scapy's annotation knows names only
            reader: Any = RawPcapReader(opened)
            for data, about in reader:
                linktype = getattr(about, "linktype", None) or getattr(reader, "linktype", None)
                if linktype != _ETHERNET:
                    raise ConfigError(
                        str(path),
                        f"has frames of link type {linktype}",
                        "capture on one interface, not on 'any': only Ethernet can be read",
                    )
                yield _time(about, nano=bool(getattr(reader, "nano", False))), bytes(data)
    except Scapy_Exception as error:
        raise ConfigError(str(path), "is no capture file", "a pcap or pcapng file") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from error


def _plain(path: Path) -> IO[bytes]:
    file = path.open("rb")
    zipped = file.read(2) == _GZIP
    file.seek(0)
    if not zipped:
        return file
    file.close()
    return cast("IO[bytes]", gzip.open(path, "rb"))


def _time(about: Any, *, nano: bool) -> float:
    if hasattr(about, "tshigh"):
        ticks = ((about.tshigh or 0) << 32) + (about.tslow or 0)
        return float(ticks / (about.tsresol or 1_000_000))
    return float(about.sec + about.usec * (1e-9 if nano else 1e-6))
