"""How a report looks: one style sheet, for light and dark, for screens, phones and paper."""

from __future__ import annotations

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root { color-scheme: light dark; --page: #fbfbf9; --card: #ffffff; --ink: #1b1b19; --soft: #62615c; --grid: #e6e5e0;
  --zero: #a3a29b; --line: #2a6fc9; --state0: #cfe0f6; --state1: #e6eefa; --good: #1a7f45; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #161615; --card: #1f1f1d; --ink: #f1f0ec; --soft: #a9a8a1;
  --grid: #33332f; --zero: #6d6c66; --line: #6ea8f0; --state0: #2b4c78; --state1: #223850; --good: #5cc98a; --bad: #f28b82; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 20px 48px; max-width: 1060px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 2px; } h2 { font-size: 1.1rem; margin: 32px 0 8px; }
h3 { font-size: .95rem; margin: 14px 0 0; font-weight: 600; } h3 small, p.note, .tile span { color: var(--soft); font-weight: 400; }
p { margin: 4px 0; } p.note { font-size: .87rem; }
.result { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 18px 0 0; }
.tile, .card { background: var(--card); border: 1px solid var(--grid); border-radius: 8px; padding: 10px 14px; }
.tile span { display: block; font-size: .83rem; } .tile { white-space: nowrap; } .tile b { font-size: 1.2rem; font-weight: 600; }
.card { overflow-x: auto; } .card svg { display: block; width: 100%; min-width: 640px; height: auto; }
svg text { font: 11.5px system-ui, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg text.role { font-weight: 600; fill: var(--ink); } svg text.in { fill: var(--ink); pointer-events: none; }
svg .grid { stroke: var(--grid); } svg .zero { stroke: var(--zero); }
svg .line { fill: none; stroke: var(--line); stroke-width: 2; stroke-linejoin: round; }
svg .state0 { fill: var(--state0); } svg .state1 { fill: var(--state1); } svg .state0:hover, svg .state1:hover { stroke: var(--line); }
svg .pointer { fill: var(--line); opacity: 0; } svg .pointer:hover { opacity: .14; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; padding: 3px 12px 3px 0; vertical-align: top; }
tr { border-top: 1px solid var(--grid); } thead tr { border: 0; } th { font-weight: 600; color: var(--soft); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } td.wide { overflow-wrap: anywhere; }
details { margin-top: 10px; } summary { cursor: pointer; color: var(--soft); }
@media print { body { max-width: none; } .card { break-inside: avoid; } }
"""
