// The rows of the answer: each row that says a token of it, over all keys, with needle, distractors and question marked; and how much of it
// lies where.
const rowsView = {};
const ROW_H = 26, ROWS_TOP = 26, ROWS_LEFT = 120, ROWS_RIGHT = 52;

function answerRows(a, kase) {
  return Array.from(a.rows, (at, i) => ({ at, i })).filter(r => r.at >= kase.prompt - 1);
}

const saidBy = (r, texts) => r.at + 1 < texts.length ? quoted(texts, r.at + 1) : "the answer's last";

function massIn(weights, kase, first) {
  let sum = 0, any = false;
  const seen = new Uint8Array(weights.length);
  for (const s of kase.spans)
    if (s.name.replace(/\..*/, "") === first)
      for (let i = s.begin; i < s.end; i++) { any = true; if (!seen[i]) { seen[i] = 1; sum += weights[i]; } }
  return any ? sum : NaN;
}

// The largest of the cells below each pixel.
function stripOf(weights, w) {
  const out = new Float32Array(w);
  for (let i = 0; i < weights.length; i++) {
    const x0 = Math.floor(i * w / weights.length), x1 = Math.max(x0 + 1, Math.ceil((i + 1) * w / weights.length));
    for (let x = x0; x < x1 && x < w; x++) out[x] = larger(out[x], weights[i]);
  }
  return out;
}

function drawRows(pen, width) {
  const { list, kase, texts, range } = rowsView, W = width - ROWS_LEFT - ROWS_RIGHT, ink = style("ink"), names = spanNames(kase);
  const kind = spanKind(names), n = kase.n, bytes = ramps[range.ramp].bytes, wide = Math.max(1, Math.round(W * 2));
  pen.text(`layer ${state.layer}, head ${state.head}: rows of the answer`, ROWS_LEFT, 7, { bold: true, colour: ink });
  for (const s of kase.spans)
    pen.rect(ROWS_LEFT + s.begin / n * W, ROWS_TOP - 8, Math.max(1.5, (s.end - s.begin) / n * W), 5, SPANS[kind(s.name)]);
  list.forEach((r, row) => {
    const y = ROWS_TOP + row * ROW_H, strip = stripOf(r.weights, wide), canvas = element("canvas", { width: wide, height: 1 });
    const c = canvas.getContext("2d"), image = c.createImageData(wide, 1);
    for (let x = 0; x < wide; x++) {
      const l = 3 * level((strip[x] - range.lo) / (range.hi - range.lo));
      image.data.set([bytes[l], bytes[l + 1], bytes[l + 2], 255], 4 * x);
    }
    c.putImageData(image, 0, 0);
    pen.pixels(canvas, ROWS_LEFT, y, W, ROW_H - 4);
    let label = r.at + 1 < texts.length ? `${r.at} → ${saidBy(r, texts).replace(/\n/g, "")}` : `${r.at}, the last`;
    while (label.length > 6 && pen.width(label) > ROWS_LEFT - 10) label = label.slice(0, -2).replace(/…$/, "") + "…";
    pen.text(label, ROWS_LEFT - 6, y + (ROW_H - 4) / 2, { align: "right", colour: ink });
  });
  const bottom = ROWS_TOP + list.length * ROW_H;
  for (const t of ticks(0, n, W / 70)) pen.text(String(t), ROWS_LEFT + (t + .5) / n * W, bottom + 7, { align: "center", size: 10,
    colour: style("soft") });
  pen.text("key", ROWS_LEFT + W / 2, bottom + 21, { align: "center", size: 10, colour: style("soft") });
  drawBar(pen, range, ROWS_LEFT + W + 8, ROWS_TOP, Math.max(30, list.length * ROW_H - 4));
}

function rowUnder(event) {
  const [x, y] = rowsView.figure.at(event), W = rowsView.figure.w - ROWS_LEFT - ROWS_RIGHT;
  const row = Math.floor((y - ROWS_TOP) / ROW_H), key = Math.floor((x - ROWS_LEFT) / W * rowsView.kase.n);
  return row >= 0 && row < rowsView.list.length && key >= 0 && key < rowsView.kase.n ? [rowsView.list[row], key] : null;
}

function rowsTable(list, kase, texts) {
  const names = ["needle", "distractor", "question"].filter(name => kase.spans.some(s => s.name.replace(/\..*/, "") === name));
  const head = element("tr", {}, ...["query", "says", ...names, "first token", "largest keys"].map((text, i) => element("th", { text,
    scope: "col", class: i > 1 && i < names.length + 3 ? "number" : "" })));
  const rows = list.map(r => element("tr", {}, element("th", { scope: "row" }, element("button", { type: "button", text: String(r.at),
    "aria-label": `show query ${r.at} among the tokens`, onclick: () => change({ query: r.at, view: "tokens" }) })),
  element("td", { text: saidBy(r, texts) }), ...names.map(name => element("td", { class: "number", text: number(massIn(r.weights, kase,
      name)) })),
  element("td", { class: "number", text: number(r.weights[0]) }),
  element("td", { text: largest(r.weights, 3).map(i => `${number(r.weights[i])} on ${quoted(texts, i)} at ${i}` + (spanAt(kase, i)
    ? ` (${spanAt(kase, i).name})` : "")).join("; ") })));
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "rows of the answer" }, element("table", {}, head,
      ...rows));
}

function makeRows(box, a, kase, list) {
  tokenView.what = list.what;
  const rows = a.pooled ? [] : answerRows(a, kase);
  if (!rows.length) {
    box.append(element("p", { class: "quiet", text: a.pooled ? "Pooled maps hold no single rows: the map shows their blocks."
      : "No row of the answer was recorded." }));
    return;
  }
  let most = 0;
  for (const r of rows) {
    r.weights = a.row(r.i);
    for (const w of r.weights) if (Math.abs(w) > most) most = Math.abs(w);
  }
  Object.assign(rowsView, { list: rows, kase, texts: list.texts, range: a.signed ? { lo: -most || -1, hi: most || 1, ramp: "diverging" }
    : { lo: 0, hi: most || 1, ramp: "cividis" } });
  box.append(legendOf(kase));
  rowsView.figure = new Figure(box, { height: () => ROWS_TOP + rows.length * ROW_H + 30, draw: drawRows,
    name: () => `answer rows layer ${state.layer} head ${state.head} case ${kase.id}` },
        "Rows of the answer over all keys; the table below says the same");
  rowsView.figure.canvas.addEventListener("pointermove", event => {
    const found = rowUnder(event);
    if (!found) { tip.hide(); return; }
    const [r, key] = found, of = spanAt(kase, key);
    tip.show(event.clientX, event.clientY, ...[`query ${r.at} ${quoted(list.texts, r.at)}, says ${saidBy(r, list.texts)}`,
      `key ${key} ${quoted(list.texts, key)}${of ? " · " + of.name : ""}`,
          `weight ${number(r.weights[key], 4)}`].map(text => element("div", { text })));
  });
  rowsView.figure.canvas.addEventListener("pointerleave", () => tip.hide());
  rowsView.figure.canvas.addEventListener("click", event => {
    const found = rowUnder(event);
    if (found) change({ query: found[0].at, view: "tokens" });
  });
  box.append(rowsTable(rows, kase, list.texts));
}
