"""The Rust half: EXI (rust/native/src/exi.rs) and TLS connections (rust/native/src/tls.rs)."""

from collections.abc import Callable
from typing import Literal, final

import msgspec

__all__ = ["Codec", "TlsConnection", "TlsContext", "TlsInfo"]

# ---- tls.rs: used through iso15118.tls, which documents it
# --------------------------------------------------------------

@final
class TlsContext:
    def __new__(
        cls,
        *,
        role: Literal["client", "server"],
        min_version: Literal["TLSv1.2", "TLSv1.3"],
        max_version: Literal["TLSv1.2", "TLSv1.3"],
        cipher_suites: list[str],
        groups: list[str],
        signature_schemes: list[str],
        client_certificate: Literal["required", "optional", "none"],
        identities: list[tuple[list[bytes], bytes, bytes | None]],
        authorities: list[bytes],
        named_authority_required: bool,
        status_request: bool,
        max_fragment_length: int | None,
        older: tuple[list[str], list[str], list[str]] | None,
        trusted_ca_keys: bytes | None,
        trusted_ca_choice: Callable[[bytes], int | None] | None,
        staples: Callable[[int], list[bytes | None]] | None,
        keylog: bool,
        check: Callable[
            [list[bytes], list[bytes] | None, str],
            tuple[str, str] | tuple[list[bytes], bytes | None] | None,
        ]
        | None,
    ) -> TlsContext: ...

@final
class TlsConnection:
    def __new__(cls, context: TlsContext, *, beside_newer: bool = False) -> TlsConnection: ...
    def receive(self, ciphertext: bytes) -> bytes: ...
    def write(self, plaintext: bytes) -> None: ...
    def encrypt(self, plaintext: bytes) -> bytes: ...
    def update_keys(self, peer_too: bool) -> None: ...
    def take_outgoing(self) -> bytes: ...
    def close(self) -> None: ...
    def end_of_stream(self) -> None: ...
    def take_keylog(self) -> list[str]: ...
    @property
    def handshake_complete(self) -> bool: ...
    @property
    def info(self) -> TlsInfo | None: ...
    @property
    def peer_closed(self) -> bool: ...
    @property
    def alert_sent(self) -> str | None: ...
    @property
    def alert_received(self) -> str | None: ...

@final
class TlsInfo:
    @property
    def version(self) -> str: ...
    @property
    def cipher(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def signature(self) -> str | None: ...
    @property
    def peer_signature(self) -> str | None: ...
    @property
    def peer_chain(self) -> list[bytes]: ...
    @property
    def verified(self) -> tuple[list[bytes], bytes | None] | None: ...
    @property
    def staples(self) -> list[bytes]: ...
    @property
    def trusted_ca_keys(self) -> bytes | None: ...
    @property
    def peer_authorities(self) -> list[bytes]: ...

# ---- exi.rs: used through iso15118.exi, which documents it
# --------------------------------------------------------------

@final
class Codec:
    """The messages of one schema set, from and to EXI; every bad input is an `iso15118.errors.ExiError`.

    `open_arrays` reads full arrays with the codes of one that may go on, `any_length` takes strings and
    binaries shorter or
    longer than their type allows, `strict` refuses trailing octets and padding that is not zero.
    `decode_with_notes` also names the deviations it
    bore with, as "name: detail" with one of the names trailing-octets, padding, empty-by-end, untyped-
    characters,
    empty-abstract, open-array, short, long. `root` is the local name of the root element
    where several hold the same class; `any_length` writes binaries shorter or longer than their type allows.
    Of an unsuitable table only the constructor complains; classes that do
    not fit the
    tables are found at the first use. A root of simple type is no message, and refused.
    """

    def __new__(cls, tables: bytes) -> Codec: ...
    @property
    def schema(self) -> str: ...
    def decode(
        self,
        data: bytes | bytearray | memoryview,
        fragment: bool = False,
        open_arrays: bool = False,
        any_length: bool = False,
        strict: bool = False,
    ) -> msgspec.Struct: ...
    def decode_with_notes(
        self,
        data: bytes | bytearray | memoryview,
        fragment: bool = False,
        open_arrays: bool = False,
        any_length: bool = False,
        strict: bool = False,
    ) -> tuple[msgspec.Struct, list[str]]: ...
    def encode(
        self,
        message: object,
        fragment: bool = False,
        root: str | None = None,
        any_length: bool = False,
    ) -> bytes: ...
    def roots(self, fragment: bool = False) -> list[tuple[str, str, type[object] | None]]:
        """Local name, namespace and message class (None for a bare value) of the root elements, in code
        order."""
