#!/usr/bin/env python3
"""The picture of the peers: a point for each gateway on axes of powers of ten.

usage: bench/peers/plot.py   draws docs/peers.* anew from bench/results/peers.json
"""
import json
import math
import os
import sys
from xml.sax.saxutils import escape

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

import peers  # noqa: E402

STYLE = """\
  .card { fill: #ffffff; stroke: #d0d7de }
  text { fill: #1f2328; font-family: system-ui, 'DejaVu Sans', sans-serif; font-size: 13px }
  .title { font-size: 17px; font-weight: 600 }
  .panel { font-weight: 600 }
  .soft { fill: #59636e; font-size: 12px; font-weight: 400 }
  .ours { font-weight: 700 }
  .grid { stroke: #d8dee4 }
  .rule { stroke: #d0d7de }
  .other { fill: #6e7781; stroke: #6e7781 }
  .plain { fill: #afb8c1; stroke: #afb8c1 }
  .weir { fill: #0969da; stroke: #0969da }
  circle.ring { fill: none; stroke-width: 2 }
  .figure { stroke: #ffffff; stroke-width: 4; paint-order: stroke }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #30363d }
    text { fill: #e6edf3 }
    .soft { fill: #9198a1 }
    .figure { stroke: #0d1117 }
    .grid { stroke: #262c34 }
    .rule { stroke: #30363d }
    .other { fill: #9198a1; stroke: #9198a1 }
    .plain { fill: #59636e; stroke: #59636e }
    .weir { fill: #4493f8; stroke: #4493f8 }
  }
"""
WIDTH, LEFT, GAP, TOP, ROW = 960, 116, 46, 122, 34
PANEL = (WIDTH - LEFT - 40 - 2 * GAP) / 3
ROWS = ["weir", "switchyard", "portkey", "litellm", "haproxy", "nginx"]
SPLIT = 4  # from here on they look at nothing
COLOR = {"weir": "weir", "haproxy": "plain", "nginx": "plain"}


def figures(results, key):
    """{name: [passed on, translated]} of whole answers at 64 connections."""
    found = {name: [] for name in ROWS}
    for pair in ("passed on", "translated"):
        point = next(p for p in results["cells"]
                     if (p["kind"], p["pair"], p["connections"]) == ("whole", pair, 64))
        for name in ROWS:
            found[name].append(point["gateways"].get(name, {}).get(key))
    return found


def panels(results):
    memory = {name: [results["gateways"][name]["loaded_mb"]] for name in ROWS}
    return [("Requests per second", "more is better →", figures(results, "rate")),
            ("Processor time per request, µs", "← less is better", figures(results, "cpu_us")),
            ("Memory after the load, MB", "← less is better", memory)]


def span(values):
    """The powers of ten around all values."""
    known = [value for row in values.values() for value in row if value]
    return math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))


def height_of(row):
    return TOP + row * ROW + ROW / 2 + (14 if row >= SPLIT else 0)


def number(value):
    return "failed" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def tick(power):
    return f"{10 ** power:,}" if power < 4 else f"{10 ** (power - 3):,}k"


def label(values):
    """The figure of what is passed on, and of what is translated."""
    second = f'<tspan class="soft" dx="5">/ {number(values[1])}</tspan>' if len(values) == 2 else ""
    return number(values[0]) + second


def grid(left, low, high, bottom):
    out = []
    for power in range(low, high + 1):
        x = left + PANEL * (power - low) / (high - low)
        out.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 4}" x2="{x:.1f}" y2="{bottom}"/>'
                   f'<text class="soft" x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{tick(power)}</text>')
    return out


def points(left, low, high, values):
    out = []
    for row, name in enumerate(ROWS):
        y, kind, shapes = height_of(row), COLOR.get(name, "other"), [("", 4.5), (" ring", 7.5)]
        told = values[name][:1] if row >= SPLIT else values[name]
        places = [left + PANEL * (math.log10(value) - low) / (high - low) if value else None for value in told]
        for place, (ring, radius) in zip(places, shapes):
            if place is not None:
                out.append(f'<circle class="{kind}{ring}" cx="{place:.1f}" cy="{y}" r="{radius}"/>')
        known = [place for place in places if place is not None] or [left]
        is_right = max(known) > left + PANEL * 0.6
        x, anchor = (min(known) - 13, "end") if is_right else (max(known) + 13, "start")
        ours = " ours" if name == "weir" else ""
        out.append(f'<text class="figure{ours}" x="{x:.1f}" y="{y + 4.5}" text-anchor="{anchor}">{label(told)}</text>')
    return out


def draw(results):
    bottom = height_of(len(ROWS) - 1) + ROW / 2
    height = bottom + 62
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
           f'width="{WIDTH}" height="{height:.0f}" role="img">',
           "<title>Weir beside other gateways: requests per second, processor time and memory</title>",
           f"<style>\n{STYLE}</style>",
           f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="8"/>',
           '<text class="title" x="24" y="34">Weir beside other gateways, each on one processor core</text>',
           '<text class="soft" x="24" y="56">Chats of 4 KB on 64 connections; axes in powers of ten</text>']
    for row, name in enumerate(ROWS):
        ours = ' class="ours"' if name == "weir" else ""
        out.append(f'<text{ours} x="24" y="{height_of(row) + 4.5}">{escape(peers.LABELS[name])}</text>')
    y = (height_of(SPLIT - 1) + height_of(SPLIT)) / 2
    out.append(f'<line class="rule" x1="24" y1="{y}" x2="{WIDTH - 24}" y2="{y}"/>')
    for index, (title, hint, values) in enumerate(panels(results)):
        left = LEFT + index * (PANEL + GAP)
        low, high = span(values)
        out.append(f'<text class="panel" x="{left:.1f}" y="{TOP - 36}">{title}</text>'
                   f'<text class="soft" x="{left + PANEL:.1f}" y="{bottom + 18}" text-anchor="end">{hint}</text>')
        out += grid(left, low, high, bottom) + points(left, low, high, values)
    return "\n".join(out + legend(results, bottom + 44)) + "\n</svg>\n"


def legend(results, y):
    about = results["about"]
    return [f'<circle class="other" cx="30" cy="{y - 4}" r="4.5"/>'
            f'<text class="soft" x="42" y="{y}">passed on, OpenAI to OpenAI&#160;&#160;/</text>'
            f'<circle class="other ring" cx="246" cy="{y - 4}" r="6.5"/>'
            f'<text class="soft" x="260" y="{y}">translated, OpenAI to Anthropic and back</text>'
            f'<text class="soft" x="{WIDTH - 24}" y="{y}" text-anchor="end">'
            f'HAProxy and nginx only pass on, unread; {about["date"]}</text>']


if __name__ == "__main__":
    import tables
    with open(os.path.join(os.path.dirname(HERE), "results", "peers.json"), encoding="utf-8") as file:
        tables.draw(json.load(file))
