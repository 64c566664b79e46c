// The layer x head map: a score, its kind of layers, intervals and hits on hover; beside another one and their difference.
const headsView = { maps: [], cursor: [0, 0], counts: null };

// [0, 1] for what lies within it, symmetric where values are signed, else from the least to the most: as in figures.
function rangeOf(lists) {
  let lo = Infinity, hi = -Infinity;
  for (const list of lists)
    for (const v of list) if (Number.isFinite(v)) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
  if (lo > hi) return { lo: 0, hi: 1, ramp: "cividis" };
  if (lo >= 0 && hi <= 1) return { lo: 0, hi: 1, ramp: "cividis" };
  if (lo < 0) { const m = Math.max(-lo, hi); return { lo: -m, hi: m, ramp: "diverging" }; }
  return { lo, hi: hi > lo ? hi : lo + 1, ramp: "cividis" };
}

function signedRange(list) {
  let m = 0;
  for (const v of list) if (Number.isFinite(v)) m = Math.max(m, Math.abs(v));
  return { lo: -(m || 1), hi: m || 1, ramp: "diverging" };
}

const colourIn = (range, v) => Number.isFinite(v) ? level((v - range.lo) / (range.hi - range.lo)) : -1;

function kindColour(map, layer) {
  const kind = map.kinds[layer];
  if (kind !== "swa") return KINDS[kind] || KINDS.mlp;
  return WINDOWS[Math.min(map.windowList.indexOf(widest(map, layer)), WINDOWS.length - 1)] || WINDOWS[0];
}

function widest(map, layer) {
  let w = 0;
  for (let h = 0; h < map.heads; h++) w = Math.max(w, map.windows ? map.windows[layer * map.heads + h] : 0);
  return w;
}

function kindText(map, layer) {
  const kind = map.kinds[layer], w = widest(map, layer);
  return kind === "swa" ? "sliding window" + (w > 0 ? " of " + w : "") : kind === "mlp" ? "no attention" : kind === "full"
      ? "full attention"
    : kind;
}

const kindShort = (map, layer) => map.kinds[layer] === "swa" ? "SWA" + (widest(map, layer) > 0 ? " " + widest(map, layer) : "")
  : map.kinds[layer];

const isHead = (map, layer, head) => layer >= 0 && head >= 0 && layer < map.layers && head < map.heads && map.kinds[layer] !== "mlp"
  && !(map.windows && map.windows[layer * map.heads + head] < 0);

// ---- layout: panels beside each other where they fit ----
const LEFT = 36, RIGHT = 58, TOP = 20, BOTTOM = 34;

function layoutHeads(width) {
  const n = headsView.maps.length, first = headsView.maps[0];
  if (!first) return { height: 40, panels: [] };
  const room = k => width / k - LEFT - RIGHT;
  const columns = n > 1 && room(n) / first.heads >= 7 ? n : n > 1 && room(2) / first.heads >= 7 ? 2 : 1;
  const w = Math.max(2, Math.min(34, room(columns) / first.heads)), h = Math.max(Math.min(w, 20), Math.min(22, 9, 560 / first.layers), 5);
  const panelH = TOP + h * first.layers + BOTTOM, panelW = LEFT + w * first.heads + RIGHT;
  const step = Math.min(width / columns, panelW + 24);
  const panels = headsView.maps.map((map, i) => ({ map, x: (i % columns) * step + LEFT, y: Math.floor(i / columns) * panelH + TOP, w, h }));
  return { panels, height: Math.ceil(n / columns) * panelH + legendHeight(width), width };
}

function legendItems() {
  const map = headsView.maps[0], items = [];
  for (const kind of ["full", "swa", "recurrent", "mlp"])
    if (map.kinds.includes(kind) && kind !== "swa") items.push([kind === "mlp" ? "no attention" : kind, KINDS[kind]]);
    else if (map.kinds.includes(kind))
      map.windowList.slice(0, WINDOWS.length).forEach((w, i) => items.push([w > 0 ? `SWA (${w})` : "SWA", WINDOWS[i]]));
  return items;
}

const legendHeight = width => 18 * Math.ceil(legendItems().length * 110 / Math.max(width, 110));

// Two digits behind the point: what is less reads 0, as in the figures.
const cellText = v => String(Number(v.toFixed(Math.abs(v) >= 100 ? 0 : 2))).replace(/^(-?)0\./, "$1.");

function drawPanel(pen, p) {
  const { map, x, y, w, h } = p, ink = style("ink"), soft = style("soft"), W = w * map.heads, H = h * map.layers;
  let title = map.title;
  while (title.length > 8 && pen.width(title, 11, true) > W + LEFT + RIGHT - 4) title = title.slice(0, -2).replace(/…$/, "") + "…";
  pen.text(title, x - LEFT, y - 11, { bold: true, colour: ink });
  const stepL = Math.ceil(13 / h), stepH = Math.ceil(22 / w), texts = Array.from(map.values, cellText);
  const room = h >= 13 && texts.every((text, i) => !isHead(map, Math.floor(i / map.heads), i % map.heads) || pen.width(text, 10) <= w - 3);
  for (let l = 0; l < map.layers; l++) {
    pen.rect(x - 7, y + l * h, 5, h, kindColour(map, l));
    if (l % stepL === 0) pen.text(String(l), x - 10, y + (l + .5) * h, { align: "right", size: 10, colour: soft });
    for (let k = 0; k < map.heads; k++) {
      const c = isHead(map, l, k) ? colourIn(map.range, map.values[l * map.heads + k]) : -1;
      // a cell reaches below the next one: edges between two dots would let the paper through
      pen.rect(x + k * w, y + l * h, w + (k + 1 < map.heads), h + (l + 1 < map.layers),
        c < 0 ? style("missing") : ramps[map.range.ramp].css[c]);
      if (c >= 0 && room)
        pen.text(texts[l * map.heads + k], x + (k + .5) * w, y + (l + .5) * h,
          { align: "center", size: 10, colour: inkOn(map.range.ramp, c) });
    }
  }
  for (let k = 0; k < map.heads; k += stepH) pen.text(String(k), x + (k + .5) * w, y + H + 9, { align: "center", size: 10, colour: soft });
  pen.text("head", x + W / 2, y + H + 23, { align: "center", size: 10, colour: soft });
  pen.text("layer", x - 31, y + H / 2, { align: "center", size: 10, colour: soft, turn: -90 });
  if (map.said) drawBar(pen, map.range, x + W + 10, y, H, map.chance);
  for (let i = 0; !map.said && i < map.layers * map.heads; i++)
    pen.rect(x + i % map.heads * w, y + Math.floor(i / map.heads) * h, w, h, null, style("line"));
  for (const [l, k] of map.marks || []) pen.rect(x + k * w + 1, y + l * h + 1, w - 2, h - 2, null, style("mark"), 1);
  if (isHead(map, state.layer, state.head))
    pen.rect(x + state.head * w, y + state.layer * h, w, h, null, style("mark"), 2.5);
}

function drawBar(pen, range, x, y, height, chance) {
  const n = 48, soft = style("soft");
  for (let i = 0; i < n; i++) pen.rect(x, y + height * (1 - (i + 1) / n), 8, height / n + .6, ramps[range.ramp].css[level((i + .5) / n)]);
  for (const t of height > 60 ? [0, .5, 1] : [0, 1])
    pen.text(number(range.lo + t * (range.hi - range.lo), 2), x + 12, y + height * (1 - t) + (t === 0 ? -4 : t === 1 ? 4 : 0),
      { size: 10, colour: soft });
  if (chance !== null && chance !== undefined && chance > range.lo && chance < range.hi) {
    const at = y + height * (1 - (chance - range.lo) / (range.hi - range.lo));
    pen.line([[x - 2, at], [x + 10, at]], style("mark"), 1.5);
  }
}

function drawHeads(pen, width) {
  const layout = layoutHeads(width);
  for (const p of layout.panels) drawPanel(pen, p);
  if (!layout.panels.length) { pen.text("no score over heads in this file", 4, 20, { colour: style("soft") }); return; }
  let x = LEFT - 7, y = layout.height - legendHeight(width) + 8;
  for (const [text, colour] of legendItems()) {
    if (x + 100 > width && x > LEFT) { x = LEFT - 7; y += 18; }
    pen.rect(x, y - 5, 10, 10, colour);
    pen.text(text, x + 15, y, { colour: style("ink") });
    x += 27 + pen.width(text);
  }
}

function headAt(x, y) {
  for (const p of layoutHeads(headsView.figure.w).panels) {
    const k = Math.floor((x - p.x) / p.w), l = Math.floor((y - p.y) / p.h);
    if (k >= 0 && l >= 0 && k < p.map.heads && l < p.map.layers) return [l, k, p.map];
  }
  return null;
}

// ---- what a head says of itself ----
function headLines(map, l, k) {
  const i = l * map.heads + k, lines = [`layer ${l}, head ${k} · ${kindText(map, l)}`];
  if (!isHead(map, l, k)) return [lines[0], "there is no such head"];
  if (!map.said) return lines;
  let line = `${map.said}: ${number(map.values[i])}`;
  if (map.low && map.high && Number.isFinite(map.low[i])) line += ` [${number(map.low[i])}, ${number(map.high[i])}]`;
  const chance = map.chances ? map.chances[i] : map.chance;
  if (Number.isFinite(chance)) line += ` · chance ${number(chance)}`;
  lines.push(line);
  const counts = headsView.counts;
  if (counts && map === headsView.maps[0]) lines.push(hitsLine(counts, map, i));
  return lines;
}

function hitsOf(counts, size, i) {
  return Array.from({ length: counts.n }, (_, c) => ({ hits: counts.hits[c * size + i], of: counts.events ? counts.events[c * size + i]
      : NaN }));
}

function hitsLine(counts, map, i) {
  const list = hitsOf(counts, map.layers * map.heads, i);
  if (!counts.events) {
    const values = list.map(c => c.hits).filter(Number.isFinite);
    return values.length ? `${counts.name} of ${values.length} cases: ${number(Math.min(...values))} to ${number(Math.max(...values))}`
        : "no case says anything";
  }
  const all = list.filter(c => c.of > 0), full = all.filter(c => c.hits === c.of).length, some = all.filter(c => c.hits > 0).length;
  return `hits in ${some} of ${all.length} cases` + (some !== full ? ` (in all rows of ${full})` : "");
}

// A square a case: filled as far as its rows are hits.
function hitSquares(counts, map, i) {
  const list = hitsOf(counts, map.layers * map.heads, i).slice(0, 400), size = 7, across = 40;
  const canvas = element("canvas", { width: across * size, height: Math.ceil(list.length / across) * size }), c = canvas.getContext("2d");
  list.forEach((one, k) => {
    const t = one.of > 0 ? one.hits / one.of : NaN;
    c.fillStyle = Number.isFinite(t) ? ramps.cividis.css[level(t)] : style("missing");
    c.fillRect(k % across * size, Math.floor(k / across) * size, size - 1, size - 1);
  });
  return canvas;
}

function headTip(map, l, k) {
  const content = headLines(map, l, k).map(text => element("div", { text }));
  if (headsView.counts && headsView.counts.events && map === headsView.maps[0] && isHead(map, l, k))
    content.push(hitSquares(headsView.counts, map, l * map.heads + k));
  return content;
}

function moveHead(event) {
  const map = headsView.maps[0], [l, k] = headsView.cursor;
  const steps = { ArrowUp: [l - 1, k], ArrowDown: [l + 1, k], ArrowLeft: [l, k - 1], ArrowRight: [l, k + 1], Home: [l, 0],
    End: [l, map ? map.heads - 1 : 0] };
  if (!map) return;
  if (event.key === "Enter" || event.key === " ") {
    if (isHead(map, l, k)) change({ layer: l, head: k });
  } else if (steps[event.key]) {
    headsView.cursor = [within(steps[event.key][0], map.layers), within(steps[event.key][1], map.heads)];
    say(headLines(map, ...headsView.cursor).join(". "));
    headsView.drawCursor();
  } else return;
  event.preventDefault();
}

function makeHeads() {
  const box = document.getElementById("heads");
  const figure = new Figure(box, { height: w => layoutHeads(w).height, draw: (pen, w) => drawHeads(pen, w),
    name: () => "heads " + state.score, painted: () => headsView.drawCursor() }, "Map of heads, layer by head");
  headsView.figure = figure;
  const over = element("canvas", { "aria-hidden": "true" });
  figure.canvas.after(over);
  figure.canvas.setAttribute("role", "application");
  figure.canvas.setAttribute("aria-roledescription", "map of heads: the arrows move, Enter opens");
  headsView.drawCursor = () => {
    const ratio = window.devicePixelRatio || 1, panel = layoutHeads(figure.w).panels[0];
    over.width = figure.w * ratio;
    over.height = figure.h * ratio;
    over.style.height = figure.h + "px";
    if (!panel || document.activeElement !== figure.canvas) return;
    const c = over.getContext("2d"), [l, k] = headsView.cursor;
    c.scale(ratio, ratio);
    new CanvasPen(c).rect(panel.x + k * panel.w, panel.y + l * panel.h, panel.w, panel.h, null, style("focus"), 3);
  };
  figure.canvas.addEventListener("keydown", moveHead);
  for (const name of ["focus", "blur"]) figure.canvas.addEventListener(name, () => headsView.drawCursor());
  figure.canvas.addEventListener("pointermove", event => {
    const found = headAt(...figure.at(event));
    figure.canvas.style.cursor = found ? "pointer" : "";
    if (found) tip.show(event.clientX, event.clientY, ...headTip(found[2], found[0], found[1]));
    else tip.hide();
  });
  figure.canvas.addEventListener("pointerleave", () => tip.hide());
  figure.canvas.addEventListener("click", event => {
    const found = headAt(...figure.at(event));
    if (!found || !isHead(found[2], found[0], found[1])) return;
    headsView.cursor = [found[0], found[1]];
    change({ layer: found[0], head: found[1] });
  });
}

function prepare(map, title, range) {
  const windowList = [];
  for (let l = 0; l < map.layers; l++)
    if (map.kinds[l] === "swa" && !windowList.includes(widest(map, l))) windowList.push(widest(map, l));
  return { ...map, title, range, windowList, said: map.score.name, chance: map.score.chance };
}

// Heads that an intervention is about are outlined.
function targets(file) {
  const c = file.conditions, at = c && c.kind ? c.kind.indexOf("target") : -1;
  return at < 0 || !c.heads ? [] : c.heads[at].split(",").map(word => word.split(".").map(Number)).filter(h => h.length === 2);
}

async function updateHeads() {
  const turn = updateHeads.turn = (updateHeads.turn || 0) + 1;
  const one = await snapshot(state.file, state.run, state.step, state.score);
  const two = state.other >= 0 ? await snapshot(state.other, state.orun, state.ostep, state.score) : null;
  if (turn !== updateHeads.turn) return;
  headsView.maps = [];
  headsView.counts = null;
  if (one && two) {
    const range = rangeOf([one.values, two.values]), values = one.values.map((v, i) => v - two.values[i]);
    headsView.maps = [prepare(one, one.label, range), prepare(two, two.label, range),
      { ...prepare({ ...one, values, low: null, high: null, chances: null }, "difference: first − second", signedRange(values)),
        said: "difference", chance: null }];
  } else if (one) headsView.maps = [{ ...prepare(one, one.label, rangeOf([one.values])), marks: targets(one.file) }];
  headsView.figure.redraw();
  bestTable();
  headFacts();
  const counts = await countsOf(state.file, state.run, state.step, state.score);
  if (turn === updateHeads.turn) {
    headsView.counts = counts;
    headFacts();
  }
}

// The ten best, as buttons: the way in for who does not point.
function bestTable() {
  const box = document.getElementById("best"), map = headsView.maps[0], best = map ? map.score.best : "none";
  const title = document.getElementById("best-title");
  title.textContent = best === "none" ? "Largest values" : "Best heads";
  title.hidden = !map || !map.said;
  if (title.hidden) { box.replaceChildren(); return; }
  const nothing = best === "smallest" ? Infinity : best === "largest" ? Math.max(0, map.score.lo || 0) : -Infinity;
  const list = Array.from(map.values, (v, i) => [v, i]).filter(([v, i]) => Number.isFinite(v) && isHead(map, Math.floor(i / map.heads),
    i % map.heads) && (best === "smallest" ? v < nothing : v > nothing))
    .sort((a, b) => best === "smallest" ? a[0] - b[0] : b[0] - a[0]).slice(0, 10);
  const rows = list.map(([v, i]) => {
    const l = Math.floor(i / map.heads), k = i % map.heads;
    const cells = [element("td", {}, element("button", { type: "button", text: `${l}.${k}`, "aria-label": `open layer ${l}, head ${k}`,
      onclick: () => change({ layer: l, head: k }) })), element("td", { class: "number", text: number(v) }),
    ...(map.low ? [element("td", { class: "number", text: Number.isFinite(map.low[i]) ? `${number(map.low[i])} to ${number(map.high[i])}`
      : "" })] : []), element("td", { text: kindShort(map, l) })];
    return element("tr", {}, ...cells);
  });
  const head = element("tr", {}, ...["head", map.said, ...(map.low ? ["95 %"] : []), "layer"].map((text, i, all) => element("th", { text,
    scope: "col", class: i > 0 && i < all.length - 1 ? "number" : "" })));
  box.replaceChildren(list.length ? element("table", {}, head, ...rows) : element("p", { class: "quiet",
      text: "no head scores anything here" }));
}

// ---- the controls ----
function headControls() {
  const box = document.getElementById("controls"), file = fileOf(state.file);
  box.replaceChildren();
  if (tree.files.length > 1)
    choice(box, "File", tree.files.map((f, i) => [i, f.name]), state.file, v => change({ file: Number(v) }));
  if (file.runs.length > 1)
    choice(box, "Run", file.runs.map((r, i) => [i, r.name]), state.run, v => change({ run: Number(v) }));
  if (file.scores.length) choice(box, "Score", file.scores.map(s => [s.name, s.name]), state.score, v => change({ score: v }));
  if (file.steps.length > 1) {
    const s = slider(box, "Step", file, state.run, state.step, step => change({ step }));
    headControls.follow = () => {
      s.input.value = state.step;
      s.text.textContent = stepText(file, state.run, state.step);
      s.input.setAttribute("aria-valuetext", s.text.textContent);
    };
  } else headControls.follow = () => {};
  compareControls(box, file);
}

function compareControls(box, file) {
  const can = tree.files.map((f, i) => i).filter(i => fileOf(i).layers === file.layers && fileOf(i).heads === file.heads
    && scoreOf(fileOf(i), state.score) && (i !== state.file || file.runs.length * file.steps.length > 1));
  if (!can.length) return;
  choice(box, "Compare with", [[-1, "nothing"], ...can.map(i => [i, i === state.file ? "another step" : fileOf(i).name])], state.other,
    v => change({ other: Number(v), orun: Number(v) === state.file ? state.run : 0, ostep: 0 }));
  if (state.other < 0) return;
  const other = fileOf(state.other);
  if (other.runs.length > 1)
    choice(box, "its run", other.runs.map((r, i) => [i, r.name]), state.orun, v => change({ orun: Number(v) }));
  if (other.steps.length > 1) {
    const s = slider(box, "its step", other, state.orun, state.ostep, ostep => {
      s.text.textContent = stepText(other, state.orun, ostep);
      change({ ostep });
    });
  }
}

// ---- the head that was chosen ----
async function headFacts() {
  const box = document.getElementById("head-facts"), map = headsView.maps[0], title = document.getElementById("head-title");
  const cases = document.getElementById("head-cases");
  if (!map || !isHead(map, state.layer, state.head)) {
    title.textContent = "Head";
    box.replaceChildren(element("p", { class: "quiet", text: "Choose a head in the map" + (map && map.said ? ", or one of the best." : ".") }));
    cases.replaceChildren();
    return;
  }
  const i = state.layer * map.heads + state.head;
  title.textContent = `Layer ${state.layer}, head ${state.head}`;
  const turn = headFacts.turn = (headFacts.turn || 0) + 1;
  const all = await Promise.all(map.file.scores.map(s => snapshot(state.file, state.run, state.step, s.name)));
  if (turn !== headFacts.turn) return;
  const rows = all.map(s => element("tr", {}, element("th", { text: s.score.name, scope: "row" }),
    element("td", { class: "number", text: number(s.values[i]) }),
    element("td", { class: "number", text: s.low && Number.isFinite(s.low[i]) ? `${number(s.low[i])} to ${number(s.high[i])}` : "" })));
  box.replaceChildren(element("p", { text: headLines(map, state.layer, state.head).join("\n").replace(/^.*?· /, "") }),
    element("details", { hidden: !rows.length }, element("summary", { text: "All scores of this head" }),
      element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "all scores of this head" }, element("table", {},
          ...rows))));
  box.firstChild.style.whiteSpace = "pre-line";
  caseTable(cases, map, i);
}

function caseTable(box, map, i) {
  const counts = headsView.counts, of = map.file.cases;
  if (!counts) { box.replaceChildren(); return; }
  Promise.all(["length", "depth", "distance", "first_right"].map(name => numbers(of[name]))).then(columns => {
    const names = ["length", "depth", "distance", "first token right"].filter((_, c) => columns[c]);
    columns = columns.filter(Boolean);
    const list = hitsOf(counts, map.layers * map.heads, i), most = 500;
    const rows = list.slice(0, most).map((one, c) => element("tr", {}, element("th", { text: of.case_id ? of.case_id[c] : String(c),
        scope: "row" }),
      element("td", { class: "number", text: counts.events ? `${number(one.hits)} of ${number(one.of)}` : number(one.hits) }),
      ...columns.map(col => element("td", { class: "number", text: number(col[c]) }))));
    const head = element("tr", {}, ...["case", counts.events ? "hits" : counts.name, ...names].map((text, k) => element("th", { text,
        scope: "col",
      class: k ? "number" : "" })));
    box.replaceChildren(element("details", {}, element("summary",
        { text: `Case by case (${list.length}${list.length > most ? ", the first " + most
      : ""})` }), element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "case by case" },
        element("table", {}, head, ...rows))));
  });
}
