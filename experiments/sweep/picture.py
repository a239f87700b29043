"""Makes one SVG of a store's main plots, two in a row, as README shows it: picture.py STORE OUT.svg [HEADING]..."""
import html
import pathlib
import re
import sys

import figures
import plots
from store import Store

WIDTH, TITLE, GAP = 480, 26, 24
HEADINGS = ("Accuracy against bytes", "Bytes by tokens a text")


def placed(text, x, y):
    """A plot's SVG as a part of a larger one; its height."""
    wide, high = (float(v) for v in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups())
    height = WIDTH * high / wide
    text = re.sub(r'<svg[^>]*>', f'<svg x="{x}" y="{y}" width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {wide} {high}">', text, count=1, flags=re.S)
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S), height


def main():
    store, out, headings = Store(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:] or HEADINGS
    plt = plots.load()
    if not plt:
        sys.exit("picture.py: needs Debian's python3-matplotlib")
    drawn = {heading: figure for heading, _, figure in figures.all_of(plt, list(store.all()), None) if figure}
    missing = [h for h in headings if h not in drawn]
    if missing:
        sys.exit(f"picture.py: the store has no plot '{missing[0]}'; it has {', '.join(drawn)}")
    parts, y = [], GAP
    for at in range(0, len(headings), 2):
        heights = []
        for column, heading in enumerate(headings[at:at + 2]):
            x = GAP + column * (WIDTH + GAP)
            text, height = placed(plots.svg_of(plt, drawn[heading]), x, y + TITLE)
            heights.append(height)
            parts.append(f'<text x="{x}" y="{y + 14}" font-weight="bold">{html.escape(heading)}</text>{text}')
        y += TITLE + max(heights) + GAP
    size = f'width="{2 * WIDTH + 3 * GAP}" height="{y:.0f}"'
    out.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size} font-family="DejaVu Sans, sans-serif" '
                   f'font-size="14"><rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>\n', encoding="utf-8")


main()
