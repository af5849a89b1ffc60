// Comfort only: the page is complete without it.
"use strict";
const openAt = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
  if (!target) return;
  target.scrollIntoView();
  const first = target.closest("details")?.querySelector("summary");
  if (first) first.focus({ preventScroll: true });
};
addEventListener("hashchange", openAt);
openAt();

// Arrow keys in a matrix; Tab leaves it.
for (const matrix of document.querySelectorAll(".matrix")) {
  const grid = [...matrix.tBodies[0].rows].map((row) => [...row.cells].slice(1).map((cell) => cell.querySelector("a")));
  const links = grid.flat().filter(Boolean);
  const choose = (link) => links.forEach((other) => { other.tabIndex = other === link ? 0 : -1; });
  if (links.length) choose(links[0]);
  matrix.addEventListener("focusin", (event) => { if (links.includes(event.target)) choose(event.target); });
  matrix.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -Infinity], End: [0, Infinity] }[event.key];
    const i = grid.findIndex((row) => row.includes(event.target));
    if (!step || i < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const j = grid[i].indexOf(event.target);
    if (Number.isFinite(step[1])) {
      for (let a = i + step[0], b = j + step[1]; grid[a] && b >= 0 && b < grid[a].length; a += step[0], b += step[1])
        if (grid[a][b]) { grid[a][b].focus(); break; }
    } else {
      const row = grid[i].filter(Boolean);
      row[step[1] < 0 ? 0 : row.length - 1].focus();
    }
  });
}
for (const hint of document.querySelectorAll(".hint")) hint.hidden = false;

if (navigator.clipboard) for (const box of document.querySelectorAll(".command")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(box.querySelector("code").textContent);
    button.textContent = "Copied";
  });
  box.append(button);
}
