"""Fresh messages through our codec and through EXIficient, out of the jar of the PyPI package
``iso15118``: the same octets, both ways.

``python -m tests.interop.exificient --seed N --count M``. One Java process serves the whole run. Each message
is made at random from the schemas (`tests.exi.second_opinion`), then: our octets and theirs are compared,
they read ours, we read theirs. Every set is tried with grammars that EXIficient makes of our schemas, and
those sets that the peer's own codec is built with, with its compiled grammars as well.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from lxml import etree

from iso15118 import exi
from iso15118.codegen.sets import SCHEMAS as OUR_SCHEMAS
from iso15118.codegen.sets import SETS
from iso15118.errors import ExiError
from iso15118.exi.codec import codec
from tests.exi import second_opinion as second
from tests.exi.places import allowed, lists, simple_places, with_list, without_maximum
from tests.interop.peer import CACHE, environment

SOURCE = Path(__file__).with_name("Exificient.java")
BUILT_IN = {
    "app": "CommonAppProtocol",
    "din": "DINSpec_70121",
    "iso2": "ISO15118_2Grammar",
    "iso20-common": "ISO15118_20_V2G_CI_CommonMessages",
    "iso20-ac": "ISO15118_20_V2G_CI_AC",
    "iso20-dc": "ISO15118_20_V2G_CI_DC",
    "iso20-wpt": "ISO15118_20_V2G_CI_WPT",
    "iso20-acdp": "ISO15118_20_V2G_CI_ACDP",
    "xmldsig-fragment": "XMLDSIG_Core_Schema_Grammar",
}
"""The grammars that the peer's codec is built with."""
ANY_URI = ("protocol_namespace", "algorithm", "uri", "type_", "type", "encoding", "target")
"""Fields of type anyURI."""
PACKAGE = "com.siemens.ct.exi.main.generatedgrammar"


class ExificientError(Exception):
    """What EXIficient answered instead of octets."""


class Exificient:
    """The Java process. Raises ``OSError`` if there is no Java, or no package."""

    def __init__(self, cache: Path) -> None:
        if shutil.which("javac") is None:
            raise OSError(
                "EXIficient is driven by a class of ours, which needs a Java compiler (javac, 17 or later)"
            )
        jars = list(
            environment(cache).parents[1].glob("lib/python*/site-packages/iso15118/shared/EXICodec.jar")
        )
        if not jars:
            raise OSError(f"no EXICodec.jar in {cache}")
        self._folder = tempfile.TemporaryDirectory(prefix="exificient-")
        folder = Path(self._folder.name)
        subprocess.run(["javac", "-cp", str(jars[0]), "-d", str(folder), str(SOURCE)], check=True)
        self._process = subprocess.Popen(
            ["java", "-Xmx512m", "-cp", f"{jars[0]}:{folder}", "Exificient"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._made: set[str] = set()

    def _grammar(self, name: str) -> str:
        """Has a grammar made at its first use: "iso2/schema" from our schema,
        "iso2/built-in" as the peer has it."""
        if name not in self._made:
            schema, _, kind = name.partition("/")
            if kind == "schema":
                driver = Path(self._folder.name) / f"{schema}.xsd"
                files = next(one.files for one in SETS if one.name == schema)
                driver.write_text(_driver([OUR_SCHEMAS / file for file in files]))
                self._ask("grammar", name, "schema", str(driver))
            else:
                self._ask("grammar", name, "class", f"{PACKAGE}.{BUILT_IN[schema]}")
            self._made.add(name)
        return name

    def encode(self, grammar: str, xml: str, *, fragment: bool) -> bytes:
        return self._ask(
            "encode", self._grammar(grammar), "fragment" if fragment else "document", xml.encode().hex()
        )

    def decode(self, grammar: str, octets: bytes, *, fragment: bool) -> str:
        return self._ask(
            "decode", self._grammar(grammar), "fragment" if fragment else "document", octets.hex()
        ).decode()

    def _ask(self, *words: str) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\t".join(words) + "\n")
        self._process.stdin.flush()
        verdict, _, rest = self._process.stdout.readline().rstrip("\n").partition("\t")
        if verdict != "ok":
            raise ExificientError(rest or "the Java process ended")
        return bytes.fromhex(rest)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


def _driver(files: list[Path]) -> str:
    """A schema that imports others, since EXIficient takes one file."""
    imports = "".join(
        f'<xs:import namespace="{etree.parse(file).getroot().get("targetNamespace")}" schemaLocation="{file.as_uri()}"/>'
        for file in files
    )
    return f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'


@dataclass(frozen=True)
class Sample:
    """A message to try, and how it stands alone."""

    schema: str
    fragment: bool
    message: Any


def samples(seed: int, count: int) -> Iterator[Sample]:
    """Messages of every class of every set in turn, each different; every fifth goes on
    in lists as far as it may."""
    source = random.Random(seed)
    places = [
        (schema, fragment, shape)
        for schema in exi.SCHEMAS
        for fragment in (False, True)
        for shape in second.rooted(schema, fragment=fragment)
    ]
    source.shuffle(places)
    for number in range(count):
        schema, fragment, shape = places[number % len(places)]
        message = second.generate(schema, shape, source, long=source.random() < 0.2)
        # Nearly every message has an empty value somewhere, and there the two differ: most are tried without.
        yield Sample(schema, fragment, mended(message, fill=source.random() < 0.8))


def bounds() -> Iterator[Sample]:
    """Every value of every set at its bounds, every literal, and every list empty, with one
    item, nearly full and full."""
    for schema in exi.SCHEMAS:
        for place, type_ in simple_places(schema):
            for value in allowed(type_):
                yield Sample(schema, True, mended(place.message(value), fill=value not in ("", b"")))
        for place, minimum, maximum in lists(schema):
            message, item = with_list(place)
            full = maximum or 40
            for length in sorted({minimum, minimum + 1, full - 1, full}):
                tried = msgspec.structs.replace(message, **{place.name: (item,) * length})
                yield Sample(schema, True, mended(tried, fill=True))


def mended(value: Any, *, fill: bool, name: str = "") -> Any:
    """The same without what XML cannot carry: white space at the edges of an anyURI,
    which a reader of XML takes away.

    ``fill`` puts something into every empty string and binary as well; no type of the schemas forbids one.
    """
    if isinstance(value, msgspec.Struct):
        fields = value.__struct_fields__
        return type(value)(**{one: mended(getattr(value, one), fill=fill, name=one) for one in fields})
    if isinstance(value, tuple):
        return tuple(mended(item, fill=fill, name=name) for item in value)
    if isinstance(value, str) and name in ANY_URI:
        value = "~".join(value.split())
    if isinstance(value, str) and not value and fill:
        return "\N{ELECTRIC PLUG}"
    return b"\x00" if value == b"" and fill else value


def xml_of(sample: Sample, octets: bytes) -> str:
    """The message as XML, under the root element that our encoder took: some names
    are there in two namespaces."""
    engine = codec(sample.schema)
    roots = engine.roots(sample.fragment)
    width = (len(roots) + (1 if sample.fragment else 0)).bit_length()
    local, uri, _ = roots[int.from_bytes((octets + b"\0")[1:3], "big") >> 16 - width]
    element = etree.fromstring(exi.to_xml(sample.message, schema=sample.schema).encode())
    element.tag = f"{{{uri}}}{local}"
    return etree.tostring(element, encoding="unicode")


SAME = "same"
EMPTY = "empty values as EE"
FULL = "full lists as open ones"
NOT_READ = "full lists as open ones, others as full ones: not read"
OPEN = {"iso2": 16, "iso20-common": 1000, "iso20-wpt": 255}
"""From which maximum on a list is an open one in the grammars that the peer is built with."""


def try_one(peer: Exificient, schema_kind: str, sample: Sample) -> str:
    """What came of a message with "schema" or "built-in": one of the verdicts
    above, or "UNEXPLAINED: ..."."""
    schema, fragment, message = sample.schema, sample.fragment, sample.message
    grammar = f"{schema}/{schema_kind}"
    ours = exi.encode(schema, message, fragment=fragment)
    try:
        theirs = peer.encode(grammar, xml_of(sample, ours), fragment=fragment)
    except ExificientError as error:
        return f"UNEXPLAINED: they do not write it: {error}"
    opened = schema_kind == "built-in" and theirs != ours and theirs == _opened(sample)
    try:
        again, notes = exi.decode_with_notes(schema, theirs, fragment=fragment)
    except ExiError as error:
        return NOT_READ if opened else f"UNEXPLAINED: we do not read theirs: {error}"
    if again != message:
        return f"UNEXPLAINED: we read something else: {exi.diff(message, again)[:3]}"
    names = {note.partition(":")[0] for note in notes}
    verdict = {frozenset(): SAME, frozenset({"empty-by-end"}): EMPTY, frozenset({"open-array"}): FULL}.get(
        frozenset(names)
    )
    if verdict is None or (verdict == SAME) is not (theirs == ours) or (verdict == FULL) is not opened:
        return f"UNEXPLAINED: other octets, with the notes {notes}: {ours.hex()} {theirs.hex()}"
    try:
        read = exi.from_xml(schema, peer.decode(grammar, ours, fragment=fragment), fragment=fragment)
    except (ExificientError, ExiError) as error:
        # Such a grammar has no end for a list that is full.
        return FULL if opened else f"UNEXPLAINED: they do not read it: {error}"
    return (
        verdict
        if read == message
        else f"UNEXPLAINED: they read something else: {exi.diff(message, read)[:3]}"
    )


def _opened(sample: Sample) -> bytes | None:
    """The message as a grammar writes it in which long lists have no maximum."""
    if sample.schema not in OPEN:
        return None
    with without_maximum(sample.schema, OPEN[sample.schema]):
        return second.encode(sample.schema, sample.message, fragment=sample.fragment)


def main() -> int:
    """Exit status 0 if every difference is one that is known, 1 if not, 2 if it could not run."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.exificient", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000, help="messages to make (default %(default)s)")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder of the peer's environment (%(default)s)"
    )
    parser.add_argument("--bounds", action="store_true", help="every value and list at its bounds as well")
    asked = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    try:
        with Exificient(asked.cache.resolve()) as peer:
            for sample in chain(bounds() if asked.bounds else (), samples(asked.seed, asked.count)):
                for kind in ("schema", "built-in"):
                    if kind == "built-in" and sample.schema not in BUILT_IN:
                        continue
                    verdict = try_one(peer, kind, sample)
                    if verdict.startswith("UNEXPLAINED"):
                        print(f"{sample.schema}/{kind} {type(sample.message).__name__}: {verdict}")
                    group = f"{sample.schema:18}{'fragment' if sample.fragment else 'document'}  {kind:9}"
                    counts.setdefault(group, Counter())[
                        verdict.partition(": they")[0].partition(": we")[0]
                    ] += 1
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"cannot run: {error}", file=sys.stderr)
        return 2
    for group, counter in sorted(counts.items()):
        print(group, ", ".join(f"{number} {what}" for what, number in counter.most_common()))
    return 1 if any("UNEXPLAINED" in counter for counter in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
