// A study: the laziness figure with the slider's step, every head of a run over its steps, curves, losses and births. A click is the head
// at that step.
const studyView = { figures: [] };
const S_LEFT = 132, S_RIGHT = 54, S_TOP = 20;

const timeOf = (file, run, p) => file.births && file.births.axis === "tokens" ? file.tokens[run * file.steps.length + p] : file.steps[p];

// Runs in the order of figures: groups by window, in each by birth.
function runOrder(file) {
  const births = file.births;
  if (!births) return file.runs.map((r, i) => ({ run: i, group: "", first: i === 0 }));
  const at = r => { const b = births.runs[r].best; return !b || b.at === null ? Infinity : b.at; };
  const groups = births.groups.map((g, i) => ({ ...g, i })).sort((a, b) => (a.arm !== null && a.arm !== "swa") - (b.arm !== null
      && b.arm !== "swa")
    || (a.window === null ? Infinity : a.window) - (b.window === null ? Infinity : b.window));
  return groups.flatMap(g => [...g.runs].sort((a, b) => at(a) - at(b)).map((run, k) => ({ run, group: g.name, g: g.i, first: k === 0 })));
}

// The birth lies in (after, at]: as columns of steps.
function birthColumns(file, run, event) {
  if (!event) return null;
  const times = file.steps.map((_, p) => timeOf(file, run, p));
  if (event.at === null) return { never: true };
  let to = times.findIndex(t => t >= event.at);
  if (to < 0) to = times.length - 1;
  let from = to;
  while (from > 0 && times[from - 1] > event.after) from--;
  return { from, to };
}

const stepX = (file, width, p) => S_LEFT + p * (width - S_LEFT - S_RIGHT) / file.steps.length;

function drawSteps(pen, file, width, y) {
  const every = Math.max(1, Math.ceil(file.steps.length * 44 / (width - S_LEFT - S_RIGHT))), cell = stepX(file, width, 1) - S_LEFT;
  for (let p = 0; p < file.steps.length; p += every)
    pen.text(String(file.steps[p]), stepX(file, width, p) + cell / 2, y, { size: 10, align: "center", colour: style("soft") });
  pen.text("step", S_LEFT + (width - S_LEFT - S_RIGHT) / 2, y + 14, { size: 10, align: "center", colour: style("soft") });
}

function drawStepMark(pen, file, width, y, height) {
  const x = stepX(file, width, state.step), cell = stepX(file, width, 1) - S_LEFT;
  pen.rect(x, y, Math.max(cell, 1.5), height, null, style("mark"), 1.5);
}

// A band of rows over steps. rows: {label, values(p), event, run, group}.
function drawBand(pen, file, width, top, rows, range, h, title) {
  const cell = stepX(file, width, 1) - S_LEFT, ink = style("ink");
  pen.text(title, S_LEFT, top - 9, { bold: true, colour: ink });
  rows.forEach((row, i) => {
    const y = top + i * h;
    if (row.label) {
      let label = row.label;
      while (label.length > 4 && pen.width(label, 10) > S_LEFT - 10) label = label.slice(0, -2).replace(/…$/, "") + "…";
      pen.text(label, S_LEFT - 6, y + Math.max(h, 10) / 2, { size: 10, align: "right", colour: row.strong ? ink : style("soft") });
    }
    for (let p = 0; p < file.steps.length; p++) {
      const c = colourIn(range, row.values(p));
      pen.rect(S_LEFT + p * cell, y, cell + (p + 1 < file.steps.length), h - (h > 4 ? 1 : 0),
        c < 0 ? style("missing") : ramps[range.ramp].css[c]);
    }
    const b = row.event;
    if (b && b.never) pen.text("▷", S_LEFT + file.steps.length * cell + 3, y + h / 2, { size: 9, colour: ink });
    else if (b) {
      const x0 = S_LEFT + b.from * cell, x1 = S_LEFT + (b.to + 1) * cell;
      pen.rect(x0, y + h * .3, Math.max(2, x1 - x0 - cell * .5), Math.max(1.5, h * .4 - 1), "#fff", "#000", .5);
    }
    if (row.first && i) pen.line([[S_LEFT - 60, y - .5], [width - S_RIGHT, y - .5]], style("paper"), 2);
  });
}

const rowHeight = n => Math.max(4, Math.min(16, 360 / n));

function lazinessPanels() {
  const { file, series } = studyView, b = file.births, panels = [];
  if (b) panels.push({ title: `best head: ${b.score}`, of: run => series.best[run], event: run => b.runs[run].best, head: "best_head" });
  if (b && b.previous) panels.push({ title: `best previous-token head: ${b.previous}`, of: run => series.previous[run],
    event: run => b.runs[run].previous, head: "previous_head" });
  const accuracy = studyView.lines.find(l => l.name === "first_token_accuracy");
  if (accuracy) panels.push({ title: "accuracy of the answer's first token", of: run => accuracy.values.subarray(run * file.steps.length,
    (run + 1) * file.steps.length), event: () => null, head: null });
  return panels;
}

const lazinessHeight = () => studyView.panels.reduce((sum, p) => sum + p.height, 0) + 28;

function drawLaziness(pen, width) {
  const { file, order } = studyView;
  let top = S_TOP;
  for (const panel of studyView.panels) {
    const rows = order.map(o => ({ label: o.group ? (o.first ? o.group : "") : file.runs[o.run].name, strong: true, first: o.first
        && o.group,
      values: p => { const v = panel.of(o.run); return v ? v[p] : NaN; }, event: birthColumns(file, o.run, panel.event(o.run)) }));
    drawBand(pen, file, width, top, rows, { lo: 0, hi: 1, ramp: "cividis" }, rowHeight(order.length), panel.title);
    drawBar(pen, { lo: 0, hi: 1, ramp: "cividis" }, width - S_RIGHT + 14, top, panel.height - 26);
    order.forEach((o, i) => { if (o.run === state.run) pen.rect(S_LEFT - 3, top + i * rowHeight(order.length), 2,
        rowHeight(order.length) - 1,
      style("mark")); });
    panel.top = top;
    top += panel.height;
  }
  drawStepMark(pen, file, width, S_TOP - 2, top - S_TOP - 22);
  drawSteps(pen, file, width, top - 12);
}

function columnAt(x, width) {
  const p = Math.floor((x - S_LEFT) / (stepX(studyView.file, width, 1) - S_LEFT));
  return p >= 0 && p < studyView.file.steps.length ? p : -1;
}

function lazinessAt(event) {
  const f = studyView.laziness, [x, y] = f.at(event), p = columnAt(x, f.w), h = rowHeight(studyView.order.length);
  for (const panel of studyView.panels) {
    const i = Math.floor((y - panel.top) / h);
    if (p >= 0 && i >= 0 && i < studyView.order.length) return { panel, run: studyView.order[i].run, p };
  }
  return null;
}

function lazinessLines({ panel, run, p }) {
  const { file } = studyView, values = panel.of(run), of = file.births && panel.head ? file.births.runs[run] : null;
  const head = of && of[panel.head] && of[panel.head][p] >= 0 ? of[panel.head][p] : -1, event = panel.event(run);
  const lines = [`${file.runs[run].name} · ${stepText(file, run, p)}`, `${panel.title}: ${number(values ? values[p] : NaN)}`];
  if (head >= 0) lines.push(`head ${Math.floor(head / file.heads)}.${head % file.heads}`);
  if (event) lines.push(`born ${event.text}`);
  return lines;
}

function pointing(figure, at, lines, choose) {
  figure.canvas.addEventListener("pointermove", event => {
    const found = at(event);
    figure.canvas.style.cursor = found ? "pointer" : "";
    if (found) tip.show(event.clientX, event.clientY, ...lines(found).map(text => element("div", { text })));
    else tip.hide();
  });
  figure.canvas.addEventListener("pointerleave", () => tip.hide());
  figure.canvas.addEventListener("click", event => {
    const found = at(event);
    if (found) choose(found);
  });
}

// The arrows move the step and the run: what the pointer does, without one.
function stepKeys(canvas) {
  canvas.addEventListener("keydown", event => {
    const { file, order } = studyView, at = order.findIndex(o => o.run === state.run);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], run = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step) change({ step: within(state.step + step, file.steps.length) });
    else if (run) change({ run: order[within(at + run, order.length)].run, step: state.step });
    else return;
    event.preventDefault();
    say(`${file.runs[state.run].name}, ${stepText(file, state.run, state.step)}` + (studyView.panels.length ? ", " + lazinessLines({
      panel: studyView.panels[0], run: state.run, p: state.step }).slice(1).join(", ") : ""));
  });
}

function chooseAt({ panel, run, p }) {
  const { file } = studyView, heads = file.births && panel.head ? file.births.runs[run][panel.head] : null;
  const head = heads && heads[p] >= 0 ? heads[p] : -1;
  change({ run, step: p });
  change(head >= 0 ? { step: p, layer: Math.floor(head / file.heads), head: head % file.heads } : { step: p });
}

// ---- every head of the run over its steps ----
function stripRows() {
  const { file, all } = studyView, rows = [], size = file.layers * file.heads, P = file.steps.length;
  const windows = studyView.windows[state.run];
  for (let l = 0; l < file.layers; l++)
    for (let h = 0; h < file.heads; h++)
      if (windows[l * file.heads + h] >= 0 && file.runs[state.run].kinds[l] && file.runs[state.run].kinds[l] !== "mlp")
        rows.push({ label: h === 0 ? "layer " + l : "", l, h, first: h === 0, values: p => all[(state.run * P + p) * size
            + l * file.heads + h] });
  return rows;
}

const stripRowHeight = () => Math.max(3, Math.min(14, 420 / Math.max(1, stripRows().length)));

function drawStrip(pen, width) {
  const { file } = studyView, rows = stripRows(), h = stripRowHeight();
  if (h < 9) rows.forEach(r => { if (r.l % Math.ceil(10 / (h * file.heads)) !== 0) r.label = ""; });
  drawBand(pen, file, width, S_TOP, rows, studyView.range, h, `${state.score}, every head of ${file.runs[state.run].name}`);
  const at = rows.findIndex(r => r.l === state.layer && r.h === state.head);
  if (at >= 0) pen.rect(S_LEFT, S_TOP + at * h, width - S_LEFT - S_RIGHT, h, null, style("mark"), 1.5);
  drawStepMark(pen, file, width, S_TOP - 2, rows.length * h + 2);
  drawBar(pen, studyView.range, width - S_RIGHT + 14, S_TOP, Math.min(200, rows.length * h));
  drawSteps(pen, file, width, S_TOP + rows.length * h + 10);
}

function stripAt(event) {
  const f = studyView.strip, [x, y] = f.at(event), p = columnAt(x, f.w), rows = stripRows(), i = Math.floor((y - S_TOP) / stripRowHeight());
  return p >= 0 && i >= 0 && i < rows.length ? { ...rows[i], p } : null;
}

// ---- curves: a thin line a run, nothing averaged ----
const C_H = 230;

function curveData() {
  const { file, lines, series } = studyView, name = studyView.curve, P = file.steps.length;
  if (name === "best") return { title: `best head: ${file.births.score}`, of: run => series.best[run] };
  const line = lines.find(l => l.name === name);
  return { title: name, of: run => line.values.subarray(run * P, (run + 1) * P) };
}

function curveFrame(width) {
  const { file, order } = studyView, data = curveData();
  let lo = Infinity, hi = -Infinity, x0 = Infinity, x1 = -Infinity;
  for (const { run } of order)
    file.steps.forEach((_, p) => {
      const v = data.of(run) ? data.of(run)[p] : NaN, t = timeOf(file, run, p);
      if (!Number.isFinite(v) || t < 0) return;
      lo = Math.min(lo, v); hi = Math.max(hi, v); x0 = Math.min(x0, t); x1 = Math.max(x1, t);
    });
  if (lo > hi) { lo = 0; hi = 1; x0 = 0; x1 = 1; }
  if (lo >= 0 && hi <= 1) { lo = 0; hi = 1; }
  const W = width - S_LEFT - S_RIGHT, H = C_H - 60;
  return { data, lo, hi, x0, x1, W, H, x: t => S_LEFT + (x1 > x0 ? (t - x0) / (x1 - x0) : .5) * W, y: v => S_TOP + (hi > lo
      ? (hi - v) / (hi - lo) : .5) * H };
}

const groupColour = o => LINES[(o.g || 0) % LINES.length];

function drawCurves(pen, width) {
  const { file, order } = studyView, f = curveFrame(width), ink = style("ink"), soft = style("soft");
  pen.text(f.data.title, S_LEFT, S_TOP - 10, { bold: true, colour: ink });
  pen.rect(S_LEFT, S_TOP, f.W, f.H, null, style("line"));
  for (const t of [0, .5, 1]) pen.text(number(f.lo + t * (f.hi - f.lo), 2), S_LEFT - 6, f.y(f.lo + t * (f.hi - f.lo)), { size: 10,
      align: "right", colour: soft });
  for (const t of ticks(f.x0, f.x1 + 1, f.W / 80)) pen.text(t.toLocaleString("en"), f.x(t), S_TOP + f.H + 10, { size: 10,
      align: "center", colour: soft });
  pen.text(file.births && file.births.axis === "tokens" ? "tokens" : "step", S_LEFT + f.W / 2, S_TOP + f.H + 24, { size: 10,
      align: "center", colour: soft });
  if (studyView.curve === "best") pen.line([[S_LEFT, f.y(file.births.theta)], [S_LEFT + f.W, f.y(file.births.theta)]], soft, 1, [4, 3]);
  for (const o of order) {
    const values = f.data.of(o.run), points = [];
    file.steps.forEach((_, p) => { if (values && Number.isFinite(values[p])) points.push([f.x(timeOf(file, o.run, p)), f.y(values[p])]); });
    if (points.length) pen.line(points, groupColour(o), o.run === state.run ? 3 : 1);
  }
  const now = timeOf(file, state.run, state.step);
  if (now >= f.x0 && now <= f.x1) pen.line([[f.x(now), S_TOP], [f.x(now), S_TOP + f.H]], style("mark"), 1.5);
  drawCurveLegend(pen, width, S_TOP + f.H + 40);
}

function drawCurveLegend(pen, width, y) {
  let x = S_LEFT;
  for (const o of studyView.order.filter(one => one.first && one.group)) {
    const w = pen.width(o.group, 10) + 30;
    if (x + w > width) { x = S_LEFT; y += 14; }
    pen.line([[x, y], [x + 14, y]], groupColour(o), 2);
    pen.text(o.group, x + 18, y, { size: 10, colour: style("ink") });
    x += w;
  }
}

function curveHeight(width) {
  const names = studyView.order.filter(o => o.first && o.group).length;
  return C_H + 14 * Math.ceil(names * 150 / Math.max(150, width - S_LEFT));
}

function curveAt(event) {
  const { file, order } = studyView, fig = studyView.curves, [x, y] = fig.at(event), f = curveFrame(fig.w);
  let best = null, distance = 20;
  for (const { run } of order)
    file.steps.forEach((_, p) => {
      const v = f.data.of(run) ? f.data.of(run)[p] : NaN, d = Number.isFinite(v) ? Math.hypot(f.x(timeOf(file, run, p)) - x, f.y(v) - y)
          : Infinity;
      if (d < distance) { distance = d; best = { run, p, v, title: f.data.title }; }
    });
  return best;
}

// ---- births ----
function birthsTable(file) {
  const b = file.births;
  if (!b) return element("p", { class: "quiet", text: file.no_births ? "No births: " + file.no_births : "No births." });
  const head = element("tr", {}, ...["runs", "born", `median birth (${b.axis})`, "95 % over seeds", "each run"].map(text => element("th",
      { text, scope: "col" })));
  const seen = [...new Set(studyView.order.map(o => o.g))];
  const rows = seen.map(i => b.groups[i]).map(g => element("tr", {}, element("th", { text: g.name, scope: "row" }),
    element("td", { text: `${g.born} of ${g.runs.length}` }), element("td", { text: g.median }),
    element("td", { text: g.low === null ? "fewer than 5 seeds" : `${number(g.low)} to ${g.high === null ? "never" : number(g.high)}` }),
    element("td", {}, ...g.runs.map(r => element("button", { type: "button", text: b.runs[r].best ? b.runs[r].best.text : "–",
        title: file.runs[r].name,
      "aria-label": `${file.runs[r].name}: born ${b.runs[r].best ? b.runs[r].best.text : "nothing measured"}`,
          onclick: () => chooseBirth(r) })))));
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "births" }, element("table", {}, element("caption", {
    text: `A birth: ${b.score} of a head at ${number(b.theta)} or above for ${b.persist} measured checkpoints in a row.` }), head,
        ...rows));
}

function chooseBirth(run) {
  const { file } = studyView, event = file.births.runs[run].best;
  const columns = birthColumns(file, run, event), p = columns && !columns.never ? columns.to : lastStep(file, run);
  change({ run, step: p });
  const head = file.births.runs[run].best_head ? file.births.runs[run].best_head[p] : -1;
  change(head >= 0 ? { step: p, layer: Math.floor(head / file.heads), head: head % file.heads } : { step: p });
}

// ---- the whole ----
async function readStudy(file) {
  const b = file.births, of = key => Promise.all(b ? b.runs.map(r => numbers(r[key] || null)) : []);
  const [best, previous, lines, windows] = await Promise.all([of("best_score"), of("previous_score"),
    Promise.all(file.series.map(async s => ({ name: s.name, values: await numbers(s.values) }))),
    Promise.all(file.runs.map(r => numbers(r.windows)))]);
  return { series: { best, previous }, lines: lines.filter(l => l.values.some(Number.isFinite)), windows };
}

async function updateStudy(changed) {
  const file = fileOf(state.file), panel = document.getElementById("study-panel");
  panel.hidden = file.kind !== "study";
  if (panel.hidden) { studyView.of = -1; return; }
  if (studyView.of !== state.file) {
    studyView.of = state.file;
    Object.assign(studyView, { file, order: runOrder(file), panels: [] }, await readStudy(file));
    if (studyView.of === state.file) await buildStudy(file);
  }
  if (changed.has("score") || changed.has("file") || !studyView.all) {
    const score = scoreOf(file, state.score);
    studyView.all = await numbers(score.values);
    studyView.range = rangeOf([studyView.all]);
  }
  studyView.follow();
  for (const f of studyView.figures) f.redraw();
}

async function buildStudy(file) {
  const box = document.getElementById("study"), bar = document.getElementById("study-controls");
  studyView.all = await numbers(scoreOf(file, state.score).values);
  studyView.range = rangeOf([studyView.all]);
  studyView.panels = lazinessPanels();
  for (const p of studyView.panels) p.height = studyView.order.length * rowHeight(studyView.order.length) + 26;
  bar.replaceChildren();
  const s = slider(bar, "Step", file, state.run, state.step, step => change({ step }));
  const play = element("button", { type: "button", text: "Play", onclick: () => playSteps(play, file) });
  bar.append(play);
  studyView.follow = () => { s.input.value = state.step; s.text.textContent = stepText(file, state.run, state.step);
    s.input.setAttribute("aria-valuetext", s.text.textContent); };
  box.replaceChildren();
  studyView.figures = [];
  if (studyView.panels.length) {
    studyView.laziness = new Figure(box, { height: lazinessHeight, draw: drawLaziness, name: () => "laziness" },
      "Runs over training: the arrows move the step and the run");
    pointing(studyView.laziness, lazinessAt, lazinessLines, chooseAt);
    stepKeys(studyView.laziness.canvas);
    studyView.figures.push(studyView.laziness);
  }
  const pair = element("div", { class: "pair" }), left = element("div"), right = element("div");
  box.append(pair);
  pair.append(left, right);
  studyView.strip = new Figure(left, { height: () => S_TOP + stripRows().length * stripRowHeight() + 34, draw: drawStrip,
      name: () => "heads over steps" },
    "Every head of the run over training: the arrows move the step and the run");
  pointing(studyView.strip, stripAt, c => [`layer ${c.l}, head ${c.h} · ${stepText(file, state.run, c.p)}`,
      `${state.score}: ${number(c.values(c.p))}`],
    c => change({ step: c.p, layer: c.l, head: c.h }));
  stepKeys(studyView.strip.canvas);
  studyView.figures.push(studyView.strip);
  buildCurves(right, file);
  box.append(element("h3", { text: "Births" }), birthsTable(file));
}

function buildCurves(box, file) {
  const options = [...(file.births ? [["best", "best head: " + file.births.score]] : []), ...studyView.lines.map(l => [l.name, l.name])];
  if (!options.length) return;
  const bar = element("div", { class: "controls" });
  studyView.curve = options[0][0];
  choice(bar, "Curves", options, studyView.curve, v => { studyView.curve = v; studyView.curves.redraw(); });
  box.append(bar);
  studyView.curves = new Figure(box, { height: curveHeight, draw: drawCurves, name: () => "curves " + studyView.curve },
      "Curves over training, a line a run");
  pointing(studyView.curves, curveAt, c => [`${file.runs[c.run].name} · ${stepText(file, c.run, c.p)}`, `${c.title}: ${number(c.v)}`],
    c => { change({ run: c.run, step: c.p }); change({ step: c.p }); });
  stepKeys(studyView.curves.canvas);
  studyView.figures.push(studyView.curves);
}

function playSteps(button, file) {
  if (studyView.playing) { clearInterval(studyView.playing); studyView.playing = 0; button.textContent = "Play"; return; }
  const slow = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (state.step === file.steps.length - 1) change({ step: 0 });
  button.textContent = "Stop";
  studyView.playing = setInterval(() => {
    if (state.step < file.steps.length - 1 && studyView.of === state.file) change({ step: state.step + 1 });
    else { clearInterval(studyView.playing); studyView.playing = 0; button.textContent = "Play"; }
  }, slow ? 1000 : 250);
}
