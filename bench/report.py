"""The table, as Markdown and JSON, and the plot."""
import json
import os
import platform
import subprocess
import time
from xml.sax.saxutils import escape

COLUMNS = [
    ("cpu_us", "µs CPU", 1), ("ratio", "× HAProxy", 2), ("of_weir", "× without", 3), ("cpu_us_at_rate", "µs CPU at a fixed rate", 1),
    ("added_p50_us", "added p50, µs", 0), ("added_p99_us", "added p99, µs", 0),
    ("p50_us", "p50, µs", 0), ("p99_us", "p99, µs", 0), ("p99_alone_us", "p99 without them, µs", 0),
    ("peak_rps", "peak requests/s", 0), ("events_s", "events/s", 0), ("gap_p50_us", "between events p50, µs", 0),
    ("gap_p99_us", "p99, µs", 0), ("rss_mb", "RSS, MB", 1),
    ("idle_mb", "RSS at start, MB", 1), ("start_ms", "first answer after, ms", 0), ("dropped", "dropped", 0), ("errors", "errors", 0),
]
COLORS = {"haproxy": "#8b949e", "haproxy default": "#8b949e", "nginx": "#c9d1d9", "weir": "#0969da", "weir messages": "#0969da",
          "weir log": "#218bff"}
TRANSLATED = "#54aeff"


def cell(row, key, digits):
    value = row.get(key)
    if value is None:
        return ""
    text = f"{value:,.{digits}f}"
    if key == "peak_rps" and row.get("is_fair") is False:
        text += " †"
    return text


def table(name, rows):
    used = [column for column in COLUMNS if any(row.get(column[0]) is not None for row in rows.values())]
    if any("added_p50_us" in row for row in rows.values()):
        used = [column for column in used if column[0] not in ("p50_us", "p99_us")]
    lines = [f"**{name}**", "",
             "| | " + " | ".join(title for _, title, _ in used) + " |",
             "|---" * (len(used) + 1) + "|"]
    for variant, row in rows.items():
        lines.append(f"| {variant} | " + " | ".join(cell(row, key, d) for key, _, d in used) + " |")
        if row["first_error"]:
            lines.append(f"| | first error: {row['first_error']} |")
    if any(row.get("is_fair") is False and variant != "direct" for variant, row in rows.items()):
        lines += ["", "† `direct` is not twice as fast: here the load generator is the limit."]
    return "\n".join(lines) + "\n"


def plot(results):
    """Bars: processor time, as a multiple of HAProxy's."""
    groups = [(name, [(v, r["ratio"]) for v, r in rows.items() if r.get("ratio")])
              for name, rows in results.items()]
    groups = [(name, bars) for name, bars in groups if bars]
    height = sum(len(bars) * 18 + 34 for _, bars in groups) + 40
    scale = 520 / max([ratio for _, bars in groups for _, ratio in bars] + [1.5])
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 {height}" '
           'font-family="system-ui, sans-serif" font-size="12">',
           f'<rect width="820" height="{height}" fill="#ffffff"/>',
           '<text x="20" y="24" font-size="14" font-weight="600">'
           "Processor time of a hop, HAProxy = 1 (less is better)</text>"]
    y = 48
    for name, bars in groups:
        out.append(f'<text x="20" y="{y + 8}" font-weight="600">{escape(name)}</text>')
        y += 16
        for variant, ratio in bars:
            out.append(f'<text x="170" y="{y + 11}" text-anchor="end">{escape(variant)}</text>'
                       f'<rect x="180" y="{y}" width="{ratio * scale:.1f}" height="14" '
                       f'fill="{COLORS.get(variant, TRANSLATED)}"/>'
                       f'<text x="{186 + ratio * scale:.1f}" y="{y + 11}">{ratio:.2f}</text>')
            y += 18
        y += 18
    x = 180 + scale
    out.append(f'<line x1="{x:.1f}" y1="40" x2="{x:.1f}" y2="{y - 10}" stroke="#cf222e" '
               'stroke-dasharray="3 3"/></svg>')
    return "\n".join(out) + "\n"


def version(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.machine()


def write_report(results, about, folder):
    about = {**about, "date": time.strftime("%Y-%m-%d"), "processor": processor(),
             "kernel": platform.release(), "load_average": os.getloadavg()[0],
             "haproxy": version(["haproxy", "-v"]), "nginx": version(["nginx", "-v"])}
    os.makedirs(folder, exist_ok=True)
    head = (f"{about['date']}, {about['processor']}, Linux {about['kernel']}; {about['haproxy'].split(' - ')[0]}, "
            f"{about['nginx']}; medians of {about['rounds']} rounds in {about['seconds']} s; "
            f"load average at the end {about['load_average']:.1f}.\n")
    text = head + "\n" + "\n".join(table(name, rows) for name, rows in results.items())
    for name, content in (("results.md", text), ("results.svg", plot(results)),
                          ("results.json", json.dumps({"about": about, "points": results}, indent=1) + "\n")):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(content)
    print(text)
