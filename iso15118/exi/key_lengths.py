"""Keys of contract installation whose length the schema fixes, and the standard's own text
does not: left to who uses them.

DHPublicKey is of 133 octets by the schema, and of 56, not padded, where the agreement is X448 [V2G20-2495];
encrypted keys of other lengths than the schema's are seen in the field. EXI puts no length facet on the wire.
So these values are read and written at any length, everything else of their message is held to the schema,
and ``pnc.contract_key`` refuses what is no key.
"""

from __future__ import annotations

import msgspec

from iso15118.messages.iso20.common_messages import CertificateInstallationRes, SignedInstallationData

__all__ = ["at_schema_lengths"]

_SCHEMA_OCTETS = {
    "dh_public_key": 133,
    "secp521_encrypted_private_key": 94,
    "x448_encrypted_private_key": 84,
    "tpm_encrypted_private_key": 206,
}


def at_schema_lengths(schema: str, message: object) -> msgspec.Struct | None:
    """``message`` with those keys put at the schema's lengths, so that the rest can be checked; None if there
    is no such key in it, or all have their length.
    """
    if schema != "iso20-common":
        return None
    if isinstance(message, CertificateInstallationRes):
        data = at_schema_lengths(schema, message.signed_installation_data)
        return None if data is None else msgspec.structs.replace(message, signed_installation_data=data)
    if not isinstance(message, SignedInstallationData):
        return None
    changes = {
        name: bytes(octets)
        for name, octets in _SCHEMA_OCTETS.items()
        if isinstance(value := getattr(message, name), bytes) and len(value) != octets
    }
    return msgspec.structs.replace(message, **changes) if changes else None
