"""Links the words of docs/glossary.md where each of them first stands on a page: ``python -m
tools.glossary`` mends all pages.

First means: in running text. Headings, code, and what is a link already do not count.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

__all__ = ["GENERATED", "linked", "pages", "terms", "unlinked"]

ROOT: Final = Path(__file__).resolve().parents[1]
GLOSSARY: Final = ROOT / "docs" / "glossary.md"
GENERATED: Final = ("states.md", "interop.md", "causes.md")
"""Pages that commands write."""
_SKIP: Final = re.compile(
    r"^```.*?^```$|^#.*?$|^    .*?$|`[^`]*`|!?\[[^\]]*\]\([^)]*\)|<[^>\n]*>|https?://\S+",
    re.MULTILINE | re.DOTALL,
)


def terms() -> dict[str, str]:
    """Word -> its anchor."""
    words = re.findall(r"^## (.*)$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    return {word: re.sub(r"[^\w -]", "", word).lower().replace(" ", "-") for word in words}


def pages() -> list[Path]:
    """Those that are held to it."""
    found = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name not in GENERATED)
    return [path for path in found if path != GLOSSARY]


def unlinked(text: str) -> list[tuple[int, str]]:
    """Where words stand for the first time without a link: place and word."""
    skipped = [(found.start(), found.end(), found.group()) for found in _SKIP.finditer(text)]
    there = {
        word
        for word, anchor in terms().items()
        if any(f"[{word}](glossary.md#{anchor})" in one[2] for one in skipped)
    }
    missing = []
    for word in set(terms()) - there:
        for found in re.finditer(rf"(?<![\w/*.-]){re.escape(word)}(?![\w/*-])", text):
            if not any(start <= found.start() < end for start, end, _ in skipped):
                missing.append((found.start(), word))
                break
    return sorted(missing)


def linked(text: str) -> str:
    """The page with those links."""
    anchors = terms()
    for place, word in reversed(unlinked(text)):
        text = f"{text[:place]}[{word}](glossary.md#{anchors[word]}){text[place + len(word) :]}"
    return text


def main() -> int:
    """The command."""
    for path in pages():
        text = path.read_text(encoding="utf-8")
        if (mended := linked(text)) != text:
            path.write_text(mended, encoding="utf-8")
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
