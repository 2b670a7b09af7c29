"""The page in a real browser: what is visible at 1280 and at 400 px, dark and light, and on paper.

A copy of the page with a script that measures is shown by headless Chromium. ``V2G_SCREENSHOTS=FOLDER`` keeps
pictures and PDF for people.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from iso15118.trace.report.model import Report
from iso15118.trace.report.page import page

from .test_page import HOSTILE, bad, good, hostile

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="headless Chromium is not installed (apt-get install chromium)"
)

MEASURE = """
<script>
addEventListener("load", () => {
  const seen = (box) => box.width > 0 && box.height > 0;
  const text = (element) => element.textContent.replace(/\\s+/g, " ").trim();
  const wide = [], small = [];
  const width = document.documentElement.clientWidth;
  for (const one of document.querySelectorAll("body *")) {
    if (one.closest(".scroll") && !one.matches(".scroll")) continue;
    if (one.closest("svg")) continue;
    const box = one.getBoundingClientRect();
    if (seen(box) && (box.right > width + 1 || box.left < -1)) wide.push(one.tagName + "." + one.className + ": " + text(one).slice(0, 60));
    const own = [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (own && seen(box) && parseFloat(getComputedStyle(one).fontSize) < 11) small.push(one.tagName + "." + one.className);
  }
  const rgb = (value) => value.match(/[\\d.]+/g).map(Number);
  const light = (value) => { const [r, g, b] = rgb(value).map((c) => { c /= 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const back = (element) => { for (; element; element = element.parentElement) {
    const color = getComputedStyle(element).backgroundColor;
    if (rgb(color).length < 4 || rgb(color)[3] > 0) return color; } return "rgb(255, 255, 255)"; };
  const poor = [];
  const words = "h1, h2, h3, h4, p, dt, dd, td, th, li, small, .side, .lane span, .axis span, .y span, .verdict";
  for (const one of document.querySelectorAll(words)) {
    const box = one.getBoundingClientRect();
    if (!seen(box) || !text(one)) continue;
    const a = light(getComputedStyle(one).color), b = light(back(one));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.0) poor.push(one.tagName + "." + one.className + " " + ratio.toFixed(2) + ": " + text(one).slice(0, 40));
  }
  const overlap = [];
  for (const row of document.querySelectorAll(".axis, .y")) {
    const boxes = [...row.querySelectorAll("span")].map((one) => one.getBoundingClientRect()).filter(seen);
    const down = row.matches(".y");
    boxes.sort((a, b) => (down ? a.top - b.top : a.left - b.left));
    boxes.forEach((box, place) => { const next = boxes[place + 1];
      if (next && (down ? next.top < box.bottom - 1 : next.left < box.right + 1)) overlap.push(row.className + " " + place); });
  }
  const lines = [...document.querySelectorAll("svg path")].map((one) => one.getBoundingClientRect());
  const cause = document.querySelector(".cause").getBoundingClientRect();
  document.title = JSON.stringify({
    width, scroll: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight, wide, small, poor, overlap,
    plots: [...document.querySelectorAll(".plot svg")].map((one) => Math.round(one.getBoundingClientRect().width)),
    drawn: lines.filter((box) => box.width > 0 || box.height > 0).length,
    cause: Math.round(cause.top), shown: text(document.querySelector(".cause")),
    background: getComputedStyle(document.body).backgroundColor, alerted: document.querySelectorAll("img, body script").length,
  });
});
</script>"""


def browse(folder: Path, *options: str, source: Path) -> str:
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-extensions", "--no-first-run",
        "--disable-background-networking", f"--user-data-dir={folder / 'profile'}", *options, source.as_uri(),
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, timeout=120.0, check=True, cwd=folder)
    return run.stdout.decode()


def scheme(dark: bool) -> str:
    return f"--blink-settings=preferredColorScheme={0 if dark else 1}"


def framed(folder: Path, text: str, width: int) -> Path:
    """The page in a frame of that width: a window of a desktop is never as narrow as a phone."""
    inner = folder / "inner.html"
    inner.write_text(text, encoding="utf-8")
    outer = folder / f"outer{width}.html"
    outer.write_text(
        '<!DOCTYPE html><meta charset="utf-8">'
        f"<style>body {{ margin: 0 }} iframe {{ border: 0; width: {width}px; height: 6000px }}</style>"
        f'<iframe src="{inner.as_uri()}"></iframe>'
        '<script>addEventListener("message", (told) => { document.title = told.data; });</script>',
        encoding="utf-8",
    )
    return outer


def measured(folder: Path, which: str, width: int, *, dark: bool = False) -> dict[str, Any]:
    """What is on the screen."""
    report = REPORTS[which]()
    text = page(report)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert policy in text
    script = MEASURE.replace("document.title = JSON", "parent.postMessage(JSON").replace(
        "length,\n  });", 'length,\n  }), "*");'
    )
    text = text.replace(policy, f"{policy}; script-src 'unsafe-inline'").replace(
        "</body>", f"{script}</body>"
    )
    options = (
        "--virtual-time-budget=4000",
        f"--window-size={max(width, 500)},1200",
        scheme(dark),
        "--dump-dom",
    )
    said = browse(folder, *options, source=framed(folder, text, width))
    title = re.search(r"<title>(.*?)</title>", said, re.S)
    assert title is not None, said[:500]
    found: dict[str, Any] = json.loads(
        title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    )
    keep(folder, which, width, dark)
    return found


def keep(folder: Path, which: str, width: int, dark: bool) -> None:
    """Pictures for people, where somebody wants them."""
    if not (wanted := os.environ.get("V2G_SCREENSHOTS")):
        return
    name = f"{which}-{width}-{'dark' if dark else 'light'}"
    target = Path(wanted).resolve() / f"{name}.png"
    source = framed(folder, page(REPORTS[which]()), width)
    browse(
        folder, f"--window-size={max(width, 500)},4200", scheme(dark), f"--screenshot={target}", source=source
    )


@cache
def odd() -> Report:
    """What a peer wrote is hostile, and long."""
    report = hostile(HOSTILE * 3, "x" * 400)
    report.source, report.failure = "hostile.pcapng", ""
    return report


REPORTS = {"good": good, "bad": bad, "hostile": odd}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("which", REPORTS)
def test_everything_is_on_the_screen_and_can_be_read(
    tmp_path: Path, which: str, width: int, dark: bool
) -> None:
    found = measured(tmp_path, which, width, dark=dark)
    assert found["width"] == width
    assert found["scroll"] <= width, "nothing is wider than the screen"
    assert found["wide"] == []
    assert found["small"] == []
    assert found["poor"] == [], "contrast"
    assert found["overlap"] == []
    assert found["cause"] < 300, "the verdict is what one sees first"
    assert found["alerted"] == 1, "the script that measures, and nothing else"
    shade = [int(one) for one in re.findall(r"\d+", found["background"])[:3]]
    assert all(one < 60 for one in shade) if dark else all(one > 200 for one in shade)
    if which != "hostile":
        assert len(found["plots"]) == 4
        assert all(one > 0.7 * width - 60 for one in found["plots"])
        assert found["drawn"] > 10
    if which == "bad":
        assert "failed" in found["shown"]
        assert "RST from the secc" in found["shown"]


def colours(picture: bytes) -> int:
    """How many different lines of pixels a PNG has: a blank one has one."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    data, at = bytearray(), 8
    while at < len(picture):
        size, kind = struct.unpack(">I4s", picture[at : at + 8])
        data += picture[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    rows = zlib.decompress(bytes(data))
    line = len(rows) // height
    assert width > 0
    return len({rows[place : place + line] for place in range(0, len(rows), line)})


def test_the_page_itself_without_any_script_is_drawn(tmp_path: Path) -> None:
    source, target = tmp_path / "page.html", tmp_path / "page.png"
    source.write_text(page(bad()), encoding="utf-8")
    browse(tmp_path, "--window-size=1280,2000", f"--screenshot={target}", source=source)
    assert colours(target.read_bytes()) > 300


def test_on_paper_all_of_it_is_there(tmp_path: Path) -> None:
    source, target = tmp_path / "page.html", tmp_path / "page.pdf"
    source.write_text(page(bad()), encoding="utf-8")
    browse(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={target}", source=source)
    pdf = target.read_bytes()
    assert pdf.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 1 <= pages <= 12
    if wanted := os.environ.get("V2G_SCREENSHOTS"):
        shutil.copy(target, Path(wanted) / "failed.pdf")
