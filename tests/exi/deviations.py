"""Rows of the reference vectors that are not as the specification has them, each with the reason."""

from __future__ import annotations

UNDECODABLE = {
    "pub-iss03": "cut off in the issue that quotes it; the other codec finds its end too early as well",
}
"""No decoder can read these."""

NOT_ENCODED = {
    "pub-1246": "DHPublicKey of 2 octets where the schema wants 133: a test of another project; read, but not written",
    "pub-1525": "the same element alone",
}
"""These are read with a note, and refused when they are to be written: the schema does not allow them."""

DIFFERENT: dict[str, str] = {}
"""These are read, and written with other bytes."""
