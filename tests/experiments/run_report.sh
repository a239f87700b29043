#!/usr/bin/env bash
# The report of a store with results of every kind, in a browser at three widths: every plot is drawn, with its words, none
# overflows, tables sort and filter, and each number leads to its JSON. Skipped without Chromium or matplotlib.
set -uo pipefail
export TREFOIL=$1/trefoil PYTHONDONTWRITEBYTECODE=1
here=$(dirname "${BASH_SOURCE[0]}")
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ||
    { echo "skipped: no Chromium (experiments/setup.sh browser installs it)"; exit 77; }
/usr/bin/python3 -c 'import matplotlib, tomllib' 2>/dev/null ||
    { echo "skipped: /usr/bin/python3 has no matplotlib (experiments/setup.sh plots installs it)"; exit 77; }
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"

/usr/bin/python3 "$here/report_store.py" "$work/store" || exit 1
"$TREFOIL" sweep "$work/store" --report "$work/report.html" 2>"$work/err" || complain "--report: $(cat "$work/err")"
grep -qE '(src|href)="?https?:' "$work/report.html" && complain "the report loads something"

# What a reader would see and do, as a script at the end of the page; its findings are a line of the page's text.
cat >"$work/look.js" <<'JS'
const fault = [];
const fits = (box) => box.left >= -1 && box.right <= innerWidth + 1 && box.width > 150 && box.height > 100;
const plots = [...document.querySelectorAll("figure svg")];
for (const svg of plots) {
  const name = svg.parentNode.querySelector("b").textContent, words = svg.querySelectorAll("text");
  if (!fits(svg.getBoundingClientRect())) fault.push("does not fit: " + name);
  if (words.length < 4 || svg.querySelectorAll("path").length < 4) fault.push("is empty: " + name);
  const whole = svg.getBoundingClientRect();
  for (const word of words) {
    const box = word.getBoundingClientRect();
    if (box.width && (box.left < whole.left - 2 || box.right > whole.right + 2 || box.top < whole.top - 2 || box.bottom > whole.bottom + 2))
      fault.push(`"${word.textContent}" is cut: ${name}`);
  }
}
for (const svg of plots) {
  const marks = [...svg.querySelectorAll("[id^=legend] text")].map((word) => word.textContent);
  if (new Set(marks).size < marks.length) fault.push("two marks have one name: " + svg.parentNode.querySelector("b").textContent);
}
for (const cell of document.querySelectorAll("tr.failed td.error"))
  if (cell.getBoundingClientRect().height > 150) fault.push("a reason is a column of words");
if (!document.getElementById("table-profile-0") || !/planned for wan/.test(document.getElementById("table-profile").textContent)) fault.push("profiles");
if (document.documentElement.scrollWidth > innerWidth) fault.push("the page is wider than the window");
const table = document.getElementById("table-time"), heads = [...table.querySelectorAll("th button")];
const column = heads.findIndex((head) => head.textContent === "seconds");
const values = () => [...table.tBodies[0].rows].map((row) => Number(row.children[column].dataset.value));
heads[column].click();
if (values().some((v, i, all) => i && v < all[i - 1])) fault.push("seconds do not sort");
heads[column].click();
if (values().some((v, i, all) => i && v > all[i - 1])) fault.push("seconds do not sort downwards");
const filter = document.querySelector("input[data-table=table-time]");
filter.value = "paper lan";
filter.dispatchEvent(new Event("input"));
const seen = [...table.tBodies[0].rows].filter((row) => !row.hidden);
if (!seen.length || seen.some((row) => !/paper/.test(row.textContent) || !/lan/.test(row.textContent))) fault.push("the filter");
const link = document.querySelector("#table-cost td.from a");
location.hash = link.getAttribute("href");
show();
const source = document.getElementById("source");
if (source.hidden || !source.textContent.includes(link.getAttribute("href").slice(1))) fault.push("a link shows no JSON");
const bytes = JSON.parse(source.textContent.split("\n\n")[1]).figures.bytes;
if (![...link.closest("tr").children].some((cell) => Number(cell.dataset.value) === bytes)) fault.push("the JSON has another number");
const line = document.createElement("p");
line.id = "findings";
line.textContent = `width ${innerWidth} plots ${plots.length} faults ${fault.length}: ${fault.join("; ")}`;
document.body.append(line);
JS
{ sed 's|</body></html>$||' "$work/report.html" && echo "<script>" && cat "$work/look.js" && echo "</script></body></html>"; } >"$work/look.html"
expected=$(find "$work/report-plots" -name '*.svg' | wc -l)
[ "$expected" -ge 8 ] || complain "only $expected plots: $(ls "$work/report-plots")"
[ "$(find "$work/report-plots" -name '*.pdf' | wc -l)" = "$expected" ] || complain "not every plot is there as PDF"
for width in 500 900 1600; do
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" --window-size=$width,1000 \
        --virtual-time-budget=5000 --dump-dom "file://$work/look.html" 2>/dev/null | grep -o 'id="findings">[^<]*' >"$work/said"
    grep -q "width $width plots $expected faults 0: $" "$work/said" || complain "at $width: $(cat "$work/said")"
done
# On paper.
timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" --print-to-pdf="$work/report.pdf" \
    "file://$work/report.html" 2>/dev/null
[ "$(stat -c %s "$work/report.pdf" 2>/dev/null || echo 0)" -gt 20000 ] || complain "the report does not print"
conclude
