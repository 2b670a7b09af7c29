"""EXI to message objects and back, one message at a time, through the same two
functions that a session uses."""

from __future__ import annotations

from collections.abc import Iterator

from iso15118 import exi

from .figure import Figure, Scale, median, percentile, samples_ns
from .messages import Sample
from .messages_earlier import ALL_SAMPLES

__all__ = ["run"]


def run(scale: Scale) -> Iterator[Figure]:
    """Decoding and encoding of each sample."""
    clock_ns = median(samples_ns(lambda: None, scale.messages))
    for sample in ALL_SAMPLES:
        yield from _both_ways(sample, scale.messages, clock_ns)


def _both_ways(sample: Sample, times: int, clock_ns: float) -> Iterator[Figure]:
    schema, message = sample.schema, sample.message
    octets = exi.encode(schema, message)
    if exi.decode(schema, octets) != message:
        raise RuntimeError(f"{sample.name} does not come back as it was")
    for figure, call in (
        ("exi-decode", lambda: exi.decode(schema, octets)),
        ("exi-encode", lambda: exi.encode(schema, message)),
    ):
        taken = samples_ns(call, times)
        yield Figure(
            figure=figure,
            case=sample.name,
            value=median(taken),
            unit="ns",
            aim=sample.aim_ns,
            details={
                "size_bytes": len(octets),
                "p99_ns": percentile(taken, 99.0),
                "messages": times,
                "empty_call_ns": clock_ns,
            },
        )
