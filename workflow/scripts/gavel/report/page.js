"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
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

  // On a phone, the links of the navigation are a menu.
  const menu = document.getElementById("menu");
  if (menu) {
    const nav = menu.closest("nav");
    const open = (yes) => {
      nav.classList.toggle("open", yes);
      menu.setAttribute("aria-expanded", String(yes));
    };
    menu.addEventListener("click", () => open(!nav.classList.contains("open")));
    nav.querySelector(".links").addEventListener("click", () => open(false));
    nav.addEventListener("keydown", (event) => { if (event.key === "Escape") { open(false); menu.focus(); } });
  }

  // One run in all figures: chosen from the list, or by a click on one of its marks.
  const chooser = document.getElementById("highlight");
  const marks = [...document.querySelectorAll("svg [data-run]")];
  const kindOf = (mark) => mark.dataset.run.split(", ")[0];
  const kinds = [...new Set(marks.map(kindOf))];
  if (chooser && kinds.length > 1) {
    chooser.append(...kinds.map((kind) => new Option(kind, kind)));
    chooser.closest("label").hidden = false;
    const rows = [...document.querySelectorAll("tbody tr")].map((row) => [row, row.cells[0]?.firstChild?.textContent.trim() ?? ""]);
    const highlight = (kind) => {
      chooser.value = kind;
      root.classList.toggle("highlighting", kind !== "");
      for (const mark of marks) mark.classList.toggle("on", kindOf(mark) === kind);
      for (const [row, name] of rows) row.classList.toggle("on", kind !== "" && name.split(", ")[0] === kind);
    };
    chooser.addEventListener("change", () => highlight(chooser.value));
    for (const mark of marks) mark.addEventListener("click", () => highlight(chooser.value === kindOf(mark) ? "" : kindOf(mark)));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const body = table.tBodies[0];
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
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

  const WRITERS = {
    Markdown: (rows) => rows.map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
      .toSpliced(1, 0, `|${" --- |".repeat(rows[0].length)}`).join("\n"),
    LaTeX: (rows) => {
      const marks = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "λ": "$\\lambda$", "Δ": "$\\Delta$", "−": "$-$", "≤": "$\\leq$", "★": "$\\star$" };
      const escaped = (cell) => cell.replace(/[\\~^λΔ−≤★]|[&%$#_{}]/g, (mark) => marks[mark] ?? `\\${mark}`);
      const lines = rows.map((row) => `${row.map(escaped).join(" & ")} \\\\`);
      return ["\\begin{tabular}{l" + "r".repeat(rows[0].length - 1) + "}", "\\hline", lines[0], "\\hline", ...lines.slice(1), "\\hline", "\\end{tabular}"].join("\n");
    },
    CSV: (rows) => rows.map((row) => row.map((cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")).join("\n"),
  };
  const words = (cell) => {
    const small = cell.querySelector("small");
    const text = [...cell.childNodes].filter((node) => node !== small).map((node) => node.textContent).join("").replace(/\s+/g, " ").trim();
    return small ? `${text} (${small.textContent.trim()})` : text;
  };
  const copied = async (text) => {
    try { await navigator.clipboard.writeText(text); } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  for (const table of document.querySelectorAll("table")) {
    if (!table.tBodies[0].rows.length) continue;
    const line = Object.assign(document.createElement("p"), { className: "copy" });
    line.append("Copy as ");
    for (const [name, write] of Object.entries(WRITERS)) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.addEventListener("click", async () => {
        const rows = [...table.querySelectorAll("thead tr:last-child, tbody tr")].map((row) => [...row.cells].map(words));
        const groups = [...table.querySelectorAll(".groups th")].flatMap((group) => Array(group.colSpan).fill(words(group)));
        rows[0] = rows[0].map((title, column) => (groups[column] ? `${groups[column]}: ${title}` : title));
        await copied(write(rows));
        button.textContent = "copied";
        setTimeout(() => { button.textContent = name; }, 1500);
      });
      line.append(button);
    }
    table.closest(".scroll").after(line);
  }

  const stale = document.getElementById("stale");
  if (stale) {
    const { epoch, seconds } = stale.dataset;
    stale.hidden = Date.now() / 1000 - epoch < 3 * seconds + 10;
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

  // Printing opens everything; the summary is what is unfolded of the first sections. `?summary` in the address is for
  // `chromium --headless --print-to-pdf`.
  root.classList.toggle("summary", location.search === "?summary");
  addEventListener("beforeprint", () => {
    if (root.classList.contains("summary")) return;
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });
  document.getElementById("print-summary")?.addEventListener("click", () => {
    root.classList.add("summary");
    print();
    root.classList.remove("summary");
  });

  // Cards under a form with selects and a search field. A card has parts, each with the `values` that the selects
  // filter by and the `text` that is searched; it is listed while a part matches, and shows the parts that do.
  const browse = (form, size, cards) => {
    const list = form.nextElementSibling;
    const more = list.nextElementSibling;
    const selects = [...form.querySelectorAll("select")];
    const search = form.querySelector("input[type=search]");
    let most = size;
    const show = () => {
      const wanted = selects.filter((select) => select.value);
      const words = search.value.trim().toLowerCase();
      const matches = (part) => wanted.every((select) => part.values[select.dataset.key] === select.value) && part.text.includes(words);
      const found = cards.map((card) => ({ card, parts: card.parts.filter(matches) })).filter(({ parts }) => parts.length);
      list.replaceChildren(...found.slice(0, most).map(({ card, parts }) => card.show(parts)));
      more.hidden = found.length <= most;
      form.querySelector("output").textContent = `${Math.min(most, found.length)} of ${found.length} shown`;
    };
    for (const select of selects) {
      const values = [...new Set(cards.flatMap((card) => card.parts.map((part) => part.values[select.dataset.key])))];
      values.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      select.append(...values.map((value) => new Option(value, value)));
      select.closest("label").hidden = values.length < 2;
    }
    form.addEventListener("input", () => { most = size; show(); });
    form.addEventListener("submit", (event) => event.preventDefault());
    more.addEventListener("click", () => { most += size; show(); });
    form.classList.add("ready");
    show();
  };

  const samples = document.getElementById("filters");
  if (samples) {
    browse(samples, 3, [...document.querySelectorAll("#cards .card")].map((card) => (
      { parts: [{ values: card.dataset, text: card.textContent.toLowerCase() }], show: () => card }
    )));
  }

  const make = (tag, properties, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const followed = document.getElementById("followed");
  if (!followed) return;
  const { runs, questions } = JSON.parse(followed.textContent);
  const RIGHT = new Map([[1, "right"], [0, "wrong"]]);
  const column = ({ run, truth, score, judge, verifier, response, finished, control }) => {
    const scored = score === null ? "not asked" : judge === "none" ? score.toFixed(2) : `was ${judge} (${score.toFixed(2)})`;
    const mark = { right: "✓ right", wrong: "✗ wrong", unknown: "truth unknown" }[truth];
    return make("div", { className: `run ${truth}` },
      make("h4", { textContent: run }),
      make("p", { className: "said" },
        make("span", { className: "tag", textContent: mark }), ` · ${control ? "control's reward" : "judge"} ${scored}`,
        verifier === "none" ? "" : ` · verifier: ${verifier}`, finished ? "" : " · cut at the limit"),
      make("pre", { textContent: response }));
  };
  const followedCard = (question) => {
    const parts = question.responses.map(([run, text, step, truth, score, judge, verifier, finished, control]) => {
      const values = {
        pool: question.pool, kind: question.kind ?? "none", run: runs[run], step: String(step), truth: RIGHT.get(truth) ?? "unknown",
        judge: RIGHT.get(judge) ?? "none", verifier: RIGHT.get(verifier) ?? "none",
      };
      const response = question.texts[text];
      return { values, step, text: `${question.question} ${response}`.toLowerCase(), score, response, finished, control };
    });
    const slider = make("input", { type: "range", min: 0, step: 1 });
    const at = make("output", {});
    const chosen = make("label", { className: "step" }, "step ", slider, at);
    const columns = make("div", { className: "runs scroll", tabIndex: 0, role: "region", ariaLabel: "responses by run" });
    const about = [question.pool, question.kind, question.id].filter(Boolean).join(" · ");
    const gold = question.gold === null ? "gold unknown" : `gold ${question.gold}`;
    const card = make("article", { className: "card question" },
      make("header", {}, make("span", { textContent: about }), make("span", { className: "score", textContent: gold })),
      make("p", { textContent: question.question }), chosen, columns);
    let matching = [], steps = [], wanted = null;
    const show = () => {
      const step = steps[slider.value];
      at.textContent = ` ${step}`;
      slider.ariaValueText = `step ${step}`;
      columns.replaceChildren(...matching.filter((part) => part.step === step).map((part) => column({ ...part.values, ...part })));
    };
    slider.addEventListener("input", () => { wanted = steps[slider.value]; show(); });
    return {
      parts,
      show: (found) => {
        matching = found;
        steps = [...new Set(found.map((part) => part.step))].sort((a, b) => a - b);
        const columnsAt = steps.map((step) => found.filter((part) => part.step === step).length);
        slider.max = steps.length - 1;
        // Until the reader chooses a step: the last of those that most runs share.
        slider.value = steps.includes(wanted) ? steps.indexOf(wanted) : columnsAt.lastIndexOf(Math.max(...columnsAt));
        slider.hidden = steps.length < 2;
        show();
        return card;
      },
    };
  };
  browse(document.getElementById("followed-filters"), 3, questions.map(followedCard));
})();
