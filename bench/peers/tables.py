"""The tables of the peers, as Markdown and JSON, and what became of the targets."""
import json
import os
import platform
import re
import subprocess
import sys
import time

import gateways as g
import peers
import plot
from report import processor, version

KINDS = {"whole": "Whole answers", "streamed": "Streams of {events} events"}
PAIRS = {"passed on": "passed on, OpenAI to OpenAI", "translated": "translated, OpenAI to Anthropic and back"}


def number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def short(value):
    """Three digits that tell something."""
    return number(value, 0 if value >= 100 else 1 if value >= 10 else 2)


def cells_of(row, figure, is_first=False):
    """One row of a table: a figure at each number of connections, or why there is none."""
    return ["–" if cell is None else figure(cell) if "failed" not in cell
            else f"**failed**: {cell['failed']}" if is_first else "–" for cell in row]


def table(points, about):
    """All numbers of connections of one kind of answer and one pair of formats."""
    kind, pair = points[0]["kind"], points[0]["pair"]
    counts = [point["connections"] for point in points]
    lines = [f"**{KINDS[kind].format(**about)}, {PAIRS[pair]}**", "",
             "| | " + " | ".join([f"p50 / p99 at {n}, ms" for n in counts] + [f"answers/s at {n}" for n in counts]
                                 + [f"µs CPU at {n}" for n in counts]
                                 + ["Weir's answers/s", "its CPU"]) + " |",
             "|---" * (3 * len(counts) + 3) + "|"]
    for name in points[0]["gateways"]:
        row = [point["gateways"].get(name) for point in points]
        last = [cell for cell in row if cell][-1]
        texts = cells_of(row, lambda cell: f"{short(cell['p50_us'] / 1e3)} / {short(cell['p99_us'] / 1e3)}",
                         is_first=True)
        texts += cells_of(row, lambda cell: number(cell["rate"]))
        texts += cells_of(row, lambda cell: number(cell["cpu_us"]) if name != "direct" else "")
        texts += [times(last.get("weir_rate")), times(last.get("cpu_of_weir") or None, " ×")]
        lines.append(f"| {peers.LABELS[name]} | " + " | ".join(texts) + " |")
    return "\n".join(lines) + "\n"


def times(value, sign=" ×"):
    return "" if value is None else short(value) + sign


def about_gateways(results):
    versions = results["about"]["versions"]
    lines = ["**What they are, and hold**", "",
             "| | version | first answer after, ms | memory at start, MB | after the load, MB | Weir's |",
             "|---|---|---|---|---|---|"]
    ours = results["gateways"]["weir"]["loaded_mb"]
    for name, row in results["gateways"].items():
        if name != "direct":
            lines.append(f"| {peers.LABELS[name]} | {versions[name]} | {number(row['start_ms'])} | "
                         f"{short(row['idle_mb'])} | {short(row['loaded_mb'])} | {times(row['loaded_mb'] / ours)} |")
    return "\n".join(lines) + "\n"


# --- targets ------------------------------------------------------------------

def best(row, key, is_better):
    """The gateway of another maker that is best in one figure: its name."""
    found = [name for name in row if name in peers.MAKERS and "failed" not in row[name]]
    return is_better(found, key=lambda name: row[name][key]) if found else None


def judged(what, want, have, who):
    verdict = "met" if have >= want else "**missed**"
    return f"| {what} | {want:g} × | {short(have)} × | {who} | {verdict} |"


def at_most(points, name):
    """A gateway's cell with the most connections that it was asked with, and their number."""
    last = [point for point in points if name in point["gateways"]]
    return (last[-1]["gateways"][name], last[-1]["connections"]) if last else ({"failed": ""}, 0)


def judge_speed(points):
    row, what = points[-1]["gateways"], f"{points[0]['kind']}, {points[0]['pair']}"
    count = points[-1]["connections"]
    fast, light = best(row, "rate", max), best(row, "cpu_us", min)
    lines = []
    if fast:
        lines.append(judged(f"{what}, {count}: answers/s", 3, row[fast]["weir_rate"], peers.LABELS[fast]))
        lines.append(judged(f"{what}, {count}: CPU", 3, row[light]["cpu_of_weir"], peers.LABELS[light]))
    slow, count = at_most(points, "litellm")
    if "failed" not in slow:
        lines.append(judged(f"{what}, {count}: answers/s", 50, slow["weir_rate"], peers.LABELS["litellm"]))
        lines.append(judged(f"{what}, {count}: CPU", 50, slow["cpu_of_weir"], peers.LABELS["litellm"]))
    return lines


def targets(results):
    lines = ["**Against the targets**, at the most connections", "",
             "| | wanted | measured | beside | |", "|---|---|---|---|---|"]
    for points in by_question(results["cells"]):
        if "failed" not in points[-1]["gateways"]["weir"]:
            lines += judge_speed(points)
    whole = results["gateways"]
    for key, what in (("idle_mb", "memory at start"), ("loaded_mb", "memory after the load")):
        lean = best(whole, key, min)
        if lean:
            lines.append(judged(what, 10, whole[lean][key] / whole["weir"][key], peers.LABELS[lean]))
    return "\n".join(lines) + "\n"


# --- all of it ----------------------------------------------------------------

def locked(path, pattern):
    with open(os.path.join(peers.HERE, path), encoding="utf-8") as file:
        return re.search(pattern, file.read(), re.MULTILINE).group(1)


def versions():
    return {
        "weir": version([os.path.join(g.BUILD, "weir"), "version"]).removeprefix("weir ").split()[0],
        "switchyard": locked("switchyard.txt", r"^nemo-switchyard==(\S+)"),
        "portkey": locked("portkey/package.json", r'gateway": "([^"]+)"') + ", Node " + version(["node", "-v"]),
        "litellm": locked("litellm.txt", r"^litellm==(\S+)") + ", Python "
        + version([os.path.join(peers.TOOLS, "litellm/bin/python"), "-V"]).split()[-1],
        "nginx": version(["nginx", "-v"]).split("/")[-1],
        "haproxy": version(["haproxy", "-v"]).split()[2],
        "direct": "",
    }


def by_question(cells):
    """The points of each kind of answer and pair of formats, by their connections."""
    keys = dict.fromkeys((point["kind"], point["pair"]) for point in cells)
    return [[point for point in cells if (point["kind"], point["pair"]) == key] for key in keys]


def text_of(results):
    about = results["about"]
    tables = [table(points, about) for points in by_question(results["cells"])]
    head = (f"{about['date']}, {about['processor']}, Linux {about['kernel']}; medians of {about['rounds']} rounds in "
            f"{about['seconds']} s; load average before {about['load_before']:.1f}.\n")
    absent = "".join(f"- Not here: {name}: {why}.\n" for name, why in peers.ABSENT.items())
    return "\n".join([head, about_gateways(results), *tables, targets(results), absent])


def write(results, is_all):
    folder = os.path.join(g.HERE, "results")
    results["about"] |= {"date": time.strftime("%Y-%m-%d"), "processor": processor(),
                         "kernel": platform.release(), "versions": versions()}
    text = text_of(results)
    print(text)
    if not is_all:
        print("bench: some were left out, so the files are as they were", file=sys.stderr)
        return
    for name, content in (("peers.json", json.dumps(results, indent=1, ensure_ascii=False) + "\n"),
                          ("peers.md", text)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(content)
    draw(results)


def draw(results):
    picture = os.path.join(g.ROOT, "docs", "peers")
    with open(picture + ".svg", "w", encoding="utf-8") as file:
        file.write(plot.draw(results))
    subprocess.run(["rsvg-convert", "--zoom", "2", picture + ".svg", "-o", picture + ".png"], check=True)
