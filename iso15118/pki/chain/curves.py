"""Domain parameters of the curves that ISO 15118 uses, where the library keeps them to itself.

Source: SEC 2, version 2.0, sections 2.4.2 and 2.6.1.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CURVES", "Curve"]


class Curve(NamedTuple):
    """y^2 = x^3 - 3 x + b modulo p, with a generator of the given order."""

    prime: int
    b: int
    order: int

    @property
    def octets(self) -> int:
        """Length of a coordinate or scalar."""
        return (self.prime.bit_length() + 7) // 8


CURVES = {
    "secp256r1": Curve(
        prime=0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
        b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        order=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    "secp521r1": Curve(
        prime=2**521 - 1,
        b=int(
            "0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF07"
            "3573DF883D2C34F1EF451FD46B503F00",
            16,
        ),
        order=int(
            "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D0"
            "3BB5C9B8899C47AEBB6FB71E91386409",
            16,
        ),
    ),
}
