"""``python -m iso15118.session --causes``: the page ``docs/causes.md``, made of the table of causes."""

from __future__ import annotations

import argparse
import sys

from .causes import CAUSES, UNVERIFIED_MREC, Side
from .supervision import Rule

__all__ = ["main", "page"]

_HEAD = """\
# Why sessions end

Every end has a cause code: `SessionResult.cause.code`, key `cause` of `SessionResult.summary()` and of the results of `secc --json`
and `evcc --json`. It is finer than `SessionEnded.reason`, and stable. `print(result)` shows it in ten lines, with the side, the
timer by its name, the requirement and the last five messages.

- **side**: where to look first, and no verdict. `own`: whoever says so, its hardware, software or operator; `peer`: the other of the two.
- **MREC**: the Minimum Required Error Code of a station's report to its backend, where one fits by its public description
  ([sources](sources.md)). `CX012?`: that this is the code of a failed pre-charge is not confirmed by a public source.
- A broken rule of the supervision has the rule's name as its code ([safety](safety.md)).
- `loop-blocked` comes instead of a silent peer or stale readings when this program's event loop did not turn in the second before.

This page is made by `python -m iso15118.session --causes > docs/causes.md`.
"""
_SIDES = {
    Side.EVCC: "vehicle",
    Side.SECC: "station",
    Side.LINK: "between",
    Side.OWN: "own",
    Side.PEER: "peer",
}


def page() -> str:
    """The whole page."""
    lines, rules = [_HEAD.rstrip()], {rule.value for rule in Rule}
    last = ""
    for cause in CAUSES.values():
        title = (
            "By a rule of the supervision"
            if cause.code in rules
            else f"{cause.reason.name}: {cause.reason.value}"
        )
        if title != last:
            last = title
            lines += [
                f"\n## {title}\n",
                "| code | side | timer | requirement | MREC | meaning | what to try |",
                "|---|---|---|---|---|---|---|",
            ]
        wanted = " ".join(f"[{one}]" for one in cause.requirements)
        cells = (
            f"`{cause.code}`",
            _SIDES[cause.side],
            cause.timer,
            wanted,
            f"{cause.mrec}?" if cause.mrec in UNVERIFIED_MREC else cause.mrec,
            cause.meaning,
            cause.hint,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the page."""
    parser = argparse.ArgumentParser(prog="python -m iso15118.session", description=__doc__)
    parser.add_argument("--causes", action="store_true", required=True, help="print docs/causes.md")
    parser.parse_args()
    sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
