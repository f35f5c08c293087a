#!/usr/bin/env python3
"""Plots the tables of docs/performance.md: lowest, median and highest of each row, and its ratio.

    bench/plot.py [PAGE [PART...]]

Of each part of the page (what stands between its marks) the tables with the
columns min, median and max become one picture beside the page,
performance-PART.svg.  The first column names a group of rows and the second a row of it.
The page is all that is read, so that picture and table cannot differ.
Standard library only.
"""

import dataclasses
import html
import math
import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "performance.md"
WIDTH, LEFT, RIGHT, ROW, TITLE, GAP, TOP = 860, 170, 150, 18, 20, 10, 34
COLOURS = ("reference", "first", "second", "third")
# a background of its own: what shows the picture may be light where the reader's system is dark
STYLE = """
  .ground { fill: #ffffff } text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: #24292f }
  .title { font-weight: 600 } .small { font-size: 11px; fill: #57606a } .grid { stroke: #d8dee4 }
  .reference { stroke: #6e7781; fill: #6e7781 } .first { stroke: #0550ae; fill: #0550ae }
  .second { stroke: #bc4c00; fill: #bc4c00 } .third { stroke: #1a7f37; fill: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #30363d }
    .reference { stroke: #9198a1; fill: #9198a1 } .first { stroke: #79c0ff; fill: #79c0ff }
    .second { stroke: #ffa657; fill: #ffa657 } .third { stroke: #7ee787; fill: #7ee787 }
  }
"""


@dataclasses.dataclass
class Figure:
    """A row of a table."""

    group: str
    name: str
    low: float
    median: float
    high: float
    ratio: str


def cells(line: str) -> list[str]:
    return [cell.strip().replace("**", "").replace("`", "") for cell in line.strip().strip("|").split("|")]


def number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value > 0 else None


def tables(lines: list[str]) -> list[list[list[str]]]:
    found: list[list[list[str]]] = []
    inside = False
    for line in lines:
        if not line.startswith("|"):
            inside = False
        elif inside:
            found[-1].append(cells(line))
        else:
            inside = True
            found.append([cells(line)])
    return found


def figures(lines: list[str]) -> list[Figure]:
    """The rows of all tables that have the three columns."""
    result = []
    for head, *rows in tables(lines):
        places = {name: place for place, title in enumerate(head) for name in ("min", "median", "max") if re.search(rf"(^|: ){name}$", title)}
        if len(places) != 3:
            continue
        ratios = [place for place, title in enumerate(head) if title.startswith("ratio")]
        # the client's tables say in their first title of how many tags they are, the signer's what is counted
        several = f"{head[0]}, " if head[0][:1].isdigit() else ""
        unit = head[places["min"]].partition(":")[0] if ":" in head[places["min"]] else ""
        for row in rows:
            low, median, high = (number(row[places[name]]) for name in ("min", "median", "max"))
            if low is None or median is None or high is None:
                continue
            group = f"{several}{row[0]}" + (f", {unit}" if unit else "")
            result.append(Figure(group, row[1], low, median, high, row[ratios[0]] if ratios else ""))
    return result


def colour(name: str, names: list[str]) -> str:
    """The reference is grey everywhere, nothing else is."""
    others = [other for other in names if other != "reference"]
    return "reference" if name == "reference" else COLOURS[1 + others.index(name) % 3]


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def picture(rows: list[Figure], title: str) -> str:
    groups = list(dict.fromkeys(row.group for row in rows))
    names = list(dict.fromkeys(row.name for row in rows))
    first = math.floor(math.log10(min(row.low for row in rows)))
    last = max(math.ceil(math.log10(max(row.high for row in rows))), first + 1)

    def across(value: float) -> float:
        return LEFT + (math.log10(value) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    height = TOP + len(groups) * (TITLE + GAP) + len(rows) * ROW + 30
    bottom = height - 24
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{html.escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        f'<text class="small" x="{WIDTH - RIGHT + 12}" y="18">median (ratio)</text>',
        f'<text class="small" x="{LEFT}" y="18">lowest to highest, dot: median; logarithmic</text>',
    ]
    for decade in range(first, last + 1):
        x = across(10.0**decade)
        out.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>')
        out.append(f'<text class="small" x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{shown(10.0**decade)}</text>')
    y = TOP
    for group in groups:
        out.append(f'<text class="title" x="12" y="{y + 13}">{html.escape(group)}</text>')
        y += TITLE
        for row in (row for row in rows if row.group == group):
            middle, kind = y + ROW / 2, colour(row.name, names)
            low, high = across(row.low), across(row.high)
            ratio = f" ({row.ratio})" if row.ratio not in ("", "–") else ""
            out.append(f'<text x="24" y="{middle + 4}">{html.escape(row.name)}</text>')
            out.append(f'<line class="{kind}" stroke-width="3" stroke-linecap="round" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>')
            out.append(f'<circle class="{kind}" cx="{across(row.median):.1f}" cy="{middle}" r="4.5"/>')
            out.append(f'<text x="{WIDTH - RIGHT + 12}" y="{middle + 4}">{shown(row.median)}{html.escape(ratio)}</text>')
            y += ROW
        y += GAP
    return "\n".join([*out, "</svg>"]) + "\n"


def main() -> None:
    page = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    text = page.read_text()
    for part, body in re.findall(r"^<!-- ([a-z0-9-]+):begin -->$(.*?)^<!-- \1:end -->$", text, re.M | re.S):
        rows = figures(body.splitlines())
        if rows and (len(sys.argv) < 3 or part in sys.argv[2:]):
            file = page.with_name(f"{page.stem}-{part}.svg")
            file.write_text(picture(rows, f"The tables of {page.name}, part {part}"))
            print(f"written to docs/{file.name}")


if __name__ == "__main__":
    main()
