"use strict";
(() => {
  const root = document.documentElement;
  // Some browsers deny storage to pages opened from disk; the theme then lasts until the page is closed.
  const remember = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("gavel-theme");
      localStorage.setItem("gavel-theme", value);
    } catch { /* not stored */ }
    return null;
  };
  const saved = remember();
  if (saved) root.dataset.theme = saved;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remember(root.dataset.theme);
  });

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const body = table.tBodies[0];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const numeric = [...body.rows].some((row) => row.cells[column].classList.contains("number"));
        // The first click sorts numbers in descending order and names in ascending order.
        const down = head.ariaSort ? head.ariaSort === "ascending" : numeric;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column].dataset.sort ?? "";
        const value = (row) => (key(row) === "-inf" ? -Infinity : Number(key(row)));
        const order = numeric ? (a, b) => value(a) - value(b) || 0 : (a, b) => key(a).localeCompare(key(b), "en", { numeric: true });
        body.append(...[...body.rows].sort((a, b) => (down ? order(b, a) : order(a, b))));
      });
    });
  }

  // A link into a folded part opens it.
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let part = target.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });

  const filters = document.getElementById("filters");
  if (!filters) return;
  const cards = [...document.querySelectorAll("#cards .card")];
  const selects = [...filters.querySelectorAll("select")];
  const more = document.getElementById("more");
  const PAGE = 6;
  let most = PAGE;
  for (const select of selects) {
    for (const value of [...new Set(cards.map((card) => card.dataset[select.dataset.key]))].sort()) {
      select.append(new Option(value, value));
    }
    select.addEventListener("change", () => { most = PAGE; show(); });
  }
  const show = () => {
    const found = cards.filter((card) => selects.every((select) => !select.value || card.dataset[select.dataset.key] === select.value));
    for (const card of cards) card.hidden = true;
    for (const card of found.slice(0, most)) card.hidden = false;
    more.hidden = found.length <= most;
    document.getElementById("shown").textContent = `${Math.min(most, found.length)} of ${found.length} shown`;
  };
  more.addEventListener("click", () => { most += PAGE; show(); });
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.classList.add("ready");
  show();
})();
