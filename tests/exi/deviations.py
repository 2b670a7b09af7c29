"""Rows of the reference vectors that are not as the specification has them, each with the reason."""

from __future__ import annotations

UNDECODABLE = {
    "pub-0917": "no V2G message: test data of an EXI codec, filed under -2 since the first code happens to exist there",
    "pub-1022": "the names carry no namespace, so the codec that made it wrote an undeclared element (code 243) by its name",
    "pub-1024": "the same",
    "pub-1026": "the same",
    "pub-1032": "the same",
    "pub-iss02": "the charge loop of an old version of one code generator, whose grammar had two members too many",
    "pub-iss03": "cut off in the issue that quotes it; the other codec finds its end too early as well",
    "pub-iss04": "the same, in the middle of an octet",
}
"""No decoder of the schema can read these."""

NOT_ENCODED = {
    "pub-0434": "an empty eMAID where the schema wants 14 characters: a response that reports a failure",
    "pub-0435": "the same",
    "pub-0437": "an eMAID of 18 characters where the schema wants 15 at most",
    "pub-0442": "an empty eMAID again",
    "pub-0523": "EVSEID of 5 characters where the schema wants 7",
    "pub-0575": "the same",
    "pub-0887": "the same",
}
"""These are read with a note, and refused when they are to be written: the schema does not allow them."""

DIFFERENT = {
    "pub-0482": "an empty string coded as end of element; this codec writes characters of length 0",
    "pub-0692": "two octets after the end",
    "pub-iss05": "a value coded as text without type",
    "pub-trail00": "one octet 0 after the end, as this vehicle sends it",
    "pub-trail01": "the same",
}
"""These are read with a note, and written with other bytes."""
