"""How a report looks: one style sheet, for light and dark, for screens, phones and paper."""

from __future__ import annotations

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root { color-scheme: light dark; --page: #fafaf8; --card: #ffffff; --ink: #1b1b19; --soft: #5d5c57; --grid: #e2e1dc;
  --zero: #9b9a93; --evcc: #b4530a; --secc: #1d5fbf; --evcc-soft: #fbe6d2; --secc-soft: #dce8fa; --evcc-more: #f6d3b1;
  --secc-more: #c3d8f6; --good: #17703c; --bad: #b3261e; --open: #8a6100; --mark: #d0271d; }
@media (prefers-color-scheme: dark) { :root { --page: #151514; --card: #1e1e1c; --ink: #f0efeb; --soft: #aeada6;
  --grid: #353531; --zero: #74736c; --evcc: #f0a05c; --secc: #7cb0f5; --evcc-soft: #4a3019; --secc-soft: #22364f;
  --evcc-more: #5c3d21; --secc-more: #2b4668; --good: #5cc98a; --bad: #f58d84; --open: #e0b34c; --mark: #ff7a70; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 20px 18px 48px; max-width: 1080px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 2px; } h2 { font-size: 1.15rem; margin: 30px 0 8px; }
h3 { font-size: 1rem; margin: 20px 0 6px; } h4 { font-size: .92rem; margin: 14px 0 4px; }
p { margin: 4px 0; } .note, small { color: var(--soft); font-size: .86rem; font-weight: 400; }
ul, ol { margin: 4px 0; padding-left: 1.3em; }
.card { background: var(--card); border: 1px solid var(--grid); border-radius: 8px; padding: 10px 14px; margin: 8px 0; }
.cause { border-left: 5px solid var(--soft); } .cause.failed { border-left-color: var(--bad); }
.cause.ok { border-left-color: var(--good); } .cause.undecidable { border-left-color: var(--open); }
.verdict { font-weight: 700; } .failed .verdict, .bad { color: var(--bad); } .ok .verdict, .good { color: var(--good); }
.undecidable .verdict, .open { color: var(--open); }
.cause h2 { margin: 0 0 6px; }
dl { display: grid; grid-template-columns: fit-content(34%) minmax(0, 1fr); gap: 3px 14px; margin: 6px 0; }
dt { color: var(--soft); } dd { margin: 0; min-width: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(152px, 1fr)); gap: 8px; margin: 10px 0; }
.tile { background: var(--card); border: 1px solid var(--grid); border-radius: 8px; padding: 7px 12px; min-width: 0; }
.tile span { display: block; font-size: .82rem; color: var(--soft); } .tile b { font-size: 1.05rem; font-weight: 600; }
.side { display: inline-block; min-width: 3.1em; text-align: center;
  border-radius: 4px; padding: 0 5px; font-size: .8rem; font-weight: 600; }
.side.evcc { background: var(--evcc-soft); color: var(--evcc); } .side.secc { background: var(--secc-soft); color: var(--secc); }
.side.other { background: var(--grid); color: var(--soft); }
.chart { display: grid; grid-template-columns: 54px minmax(0, 1fr); column-gap: 6px; margin: 2px 0 0; }
.chart .y { position: relative; } .chart .y span { position: absolute; right: 0; transform: translateY(-50%); }
.chart .y span, .axis span { font-size: 11.5px; line-height: 1; color: var(--soft);
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.plot { position: relative; height: 150px; min-width: 0; } .plot svg { display: block; width: 100%; height: 100%; overflow: visible; }
.axis { position: relative; height: 18px; } .axis span { position: absolute; top: 4px; transform: translateX(-50%); }
.axis span.first { transform: none; } .axis span.last { transform: translateX(-100%); }
.lane { position: relative; height: 26px; min-width: 0; }
.lanes .name { font-size: 12px; font-weight: 600; text-align: right; line-height: 26px; }
.lane span { position: absolute; top: 2px; bottom: 2px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; border-radius: 2px;
  font-size: 11.5px; line-height: 22px; padding: 0 3px; min-width: 1px; }
.lane span.thin { padding: 0; } .lane.evcc span { background: var(--evcc-soft); } .lane.evcc span.odd { background: var(--evcc-more); }
.lane.secc span { background: var(--secc-soft); } .lane.secc span.odd { background: var(--secc-more); }
.lane i { position: absolute; top: 0; bottom: 0; width: 2px; background: var(--mark); }
svg line, svg path { vector-effect: non-scaling-stroke; } svg .grid { stroke: var(--grid); stroke-width: 1; }
svg .zero { stroke: var(--zero); stroke-width: 1; } svg .mark { stroke: var(--mark); stroke-width: 2; }
svg path { fill: none; stroke-linejoin: round; } svg .evcc { stroke: var(--evcc); } svg .secc { stroke: var(--secc); }
svg .measured { stroke-width: 2; } svg .target { stroke-width: 1.6; stroke-dasharray: 6 3; }
svg .limit, svg .least { stroke-width: 1.6; stroke-dasharray: 2 3; }
svg .pointer { fill: var(--soft); opacity: 0; } svg .pointer:hover { opacity: .16; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: .82rem; color: var(--soft); margin: 0 0 2px 60px; }
.legend svg { width: 26px; height: 8px; vertical-align: middle; margin-right: 4px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
td, th { text-align: left; padding: 3px 12px 3px 0; vertical-align: top; } tr { border-top: 1px solid var(--grid); }
thead tr { border: 0; } th { font-weight: 600; color: var(--soft); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
details { margin: 0; } summary { cursor: pointer; padding: 2px 0; } details.more > summary { color: var(--soft); }
.run > summary { border-top: 1px solid var(--grid); } .run .msg { margin-left: 14px; } .run { font-size: .9rem; }
.msg summary { display: block; } .msg summary::before { content: "+ "; color: var(--soft); } .msg[open] summary::before { content: "- "; }
.msg dl { margin: 2px 0 8px 14px; font-size: .86rem; } .t { font-variant-numeric: tabular-nums; color: var(--soft); }
.found { color: var(--bad); font-weight: 600; }
@media (max-width: 560px) { body { padding: 12px 10px 36px; font-size: 14.5px; } .card { padding: 9px 10px; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: 5px; } .axis span.odd { display: none; }
  .chart { grid-template-columns: 42px minmax(0, 1fr); column-gap: 4px; } .legend { margin-left: 46px; } .plot { height: 130px; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); } .run .msg { margin-left: 4px; } td, th { padding-right: 8px; }
  .hide-small { display: none; } }
@media print { :root { --page: #fff; --card: #fff; } body { max-width: none; padding: 0; font-size: 11px; }
  .card, .tile, .chart { break-inside: avoid; } .messages.card { break-inside: auto; } .pointer { display: none; }
  details.run::details-content { content-visibility: visible; display: block; height: auto; } h2, h3 { break-after: avoid; }
  .lane span, .side, svg path, svg line { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
