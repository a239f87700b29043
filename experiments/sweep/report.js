// Tables that sort by a click on a heading and filter by words; a link to a result shows its JSON.
function sortBy(table, column, head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = (row) => row.children[column].dataset.value ?? row.children[column].textContent;
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const x = value(a), y = value(b);
    if (x === "" || y === "") return (x === "") - (y === ""); // what is not there comes last
    return (isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y) * (down ? -1 : 1);
  });
  table.tBodies[0].append(...rows);
}
for (const table of document.querySelectorAll("table"))
  table.querySelectorAll("th button").forEach((button, column) =>
    button.addEventListener("click", () => sortBy(table, column, button.parentNode)));
for (const input of document.querySelectorAll("input[data-table]"))
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of document.getElementById(input.dataset.table).tBodies[0].rows)
      row.hidden = !words.every((word) => [...row.cells].some((cell) => cell.textContent.toLowerCase().includes(word)));
  });
let results;
function show() {
  const digest = location.hash.slice(1), pane = document.getElementById("source");
  results ??= JSON.parse(document.getElementById("results").textContent);
  if (!results[digest]) return;
  pane.textContent = `results/${digest}.json\n\n${JSON.stringify(results[digest], null, 1)}`;
  pane.hidden = false;
  pane.scrollIntoView();
}
addEventListener("hashchange", show);
show();
