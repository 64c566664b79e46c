// The map of a head: every cell is seen, however many there are. Levels of maxima, each half as long as the one before; what the window
// shows is drawn from the level that fits its pixels, so that zooming costs the same for 200 positions and 30,000.
const mapView = {};

// By magnitude where rows are signed; NaN counts as nothing there.
function larger(a, b) { return !(Math.abs(b) <= Math.abs(a)) && b === b ? b : a; }

function pyramid(cells, rows, columns) {
  const levels = [{ cells, rows, columns }];
  for (let l = levels[0]; l.rows > 1 || l.columns > 1;) {
    const r = Math.ceil(l.rows / 2), c = Math.ceil(l.columns / 2), out = new Float32Array(r * c);
    for (let i = 0; i < r; i++)
      for (let k = 0; k < c; k++) {
        const a = 2 * i * l.columns + 2 * k, right = 2 * k + 1 < l.columns, below = 2 * i + 1 < l.rows;
        let m = l.cells[a];
        if (right) m = larger(m, l.cells[a + 1]);
        if (below) m = larger(m, l.cells[a + l.columns]);
        if (below && right) m = larger(m, l.cells[a + l.columns + 1]);
        out[i * c + k] = m;
      }
    l = { cells: out, rows: r, columns: c };
    levels.push(l);
  }
  return levels;
}

const MOST_CELLS = 1 << 25;

// Cells [rows, columns] of what was recorded; of top-k a column stands for `fold` keys where there are too many.
function cellsOf(a) {
  if (a.kind !== "topk") return { cells: a.cells, rows: a.rows.length, columns: a.k, fold: 1 };
  let fold = 1;
  while (a.rows.length * Math.ceil(a.n / fold) > MOST_CELLS) fold *= 2;
  const columns = Math.ceil(a.n / fold), cells = new Float32Array(a.rows.length * columns);
  for (let i = 0; i < a.rows.length; i++)
    for (let j = i * a.k; j < (i + 1) * a.k; j++)
      if (a.keys[j] >= 0) {
        const at = i * columns + Math.floor(a.keys[j] / fold);
        cells[at] = larger(cells[at], a.cells[j]);
      }
  return { cells, rows: a.rows.length, columns, fold };
}

function mapRange(a, cells) {
  let most = 0;
  for (const v of cells) if (Math.abs(v) > most) most = Math.abs(v);
  return a.signed ? { lo: -(most || 1), hi: most || 1, ramp: "diverging" } : { lo: 0, hi: Math.max(most, 1e-6), ramp: "cividis" };
}

function levelOf(v) {
  const { range, scale, signed } = mapView;
  if (v !== v) return 0;
  if (scale === "log" && signed) {
    const t = Math.max(0, 1 + Math.log10(Math.abs(v) / range.hi) / 4);
    return level(.5 + .5 * Math.sign(v) * t);
  }
  if (scale === "log") return v <= 0 ? 0 : level(1 + Math.log10(v / range.hi) / 4);
  return level((v - range.lo) / (range.hi - range.lo));
}

// ---- the window: cells [x0, x1) x [y0, y1) ----
function wholeMap() { return { x0: 0, x1: mapView.columns, y0: 0, y1: mapView.rows }; }

function clampWindow(w) {
  const sx = Math.min(mapView.columns, Math.max(Math.min(4, mapView.columns), w.x1 - w.x0));
  const sy = Math.min(mapView.rows, Math.max(Math.min(4, mapView.rows), w.y1 - w.y0));
  const x0 = Math.max(0, Math.min(mapView.columns - sx, w.x0)), y0 = Math.max(0, Math.min(mapView.rows - sy, w.y0));
  return { x0, x1: x0 + sx, y0, y1: y0 + sy };
}

function zoom(factor, fx = .5, fy = .5) {
  const w = mapView.window, sx = (w.x1 - w.x0) * factor, sy = (w.y1 - w.y0) * factor;
  const x0 = w.x0 + (w.x1 - w.x0) * fx - sx * fx, y0 = w.y0 + (w.y1 - w.y0) * fy - sy * fy;
  mapView.window = clampWindow({ x0, x1: x0 + sx, y0, y1: y0 + sy });
  mapView.figure.redraw();
}

function pan(dx, dy) {
  const w = mapView.window;
  mapView.window = clampWindow({ x0: w.x0 + dx, x1: w.x1 + dx, y0: w.y0 + dy, y1: w.y1 + dy });
  mapView.figure.redraw();
}

const MAP_LEFT = 56, MAP_TOP = 16, MAP_RIGHT = 52, MAP_BOTTOM = 36;
function mapBox(width) {
  const w = width - MAP_LEFT - MAP_RIGHT;
  const square = mapView.rows === mapView.columns, h = square ? Math.min(w, 620) : Math.max(60, Math.min(360, mapView.rows * 22));
  return { x: MAP_LEFT, y: MAP_TOP, w: square ? h : w, h };
}

// The window's cells as pixels.
function rasterMap(w, h) {
  const view = mapView.window, canvas = element("canvas", { width: w, height: h }), c = canvas.getContext("2d"),
      image = c.createImageData(w, h);
  const perX = (view.x1 - view.x0) / w, perY = (view.y1 - view.y0) / h;
  const depth = Math.max(0, Math.min(mapView.levels.length - 1, Math.floor(Math.log2(Math.max(1, Math.min(perX, perY))))));
  const { cells, rows, columns } = mapView.levels[depth], f = 2 ** depth, bytes = ramps[mapView.range.ramp].bytes;
  const from = new Int32Array(w), to = new Int32Array(w);
  for (let x = 0; x < w; x++) {
    from[x] = Math.min(columns - 1, Math.floor((view.x0 + x * perX) / f));
    to[x] = Math.max(from[x], Math.min(columns - 1, Math.ceil((view.x0 + (x + 1) * perX) / f) - 1));
  }
  for (let y = 0, at = 0; y < h; y++) {
    const a = Math.min(rows - 1, Math.floor((view.y0 + y * perY) / f)), b = Math.max(a, Math.min(rows - 1,
      Math.ceil((view.y0 + (y + 1) * perY) / f) - 1));
    for (let x = 0; x < w; x++, at += 4) {
      let m = cells[a * columns + from[x]];
      if (b > a || to[x] > from[x])
        for (let i = a; i <= b; i++) for (let k = from[x]; k <= to[x]; k++) m = larger(m, cells[i * columns + k]);
      const l = 3 * levelOf(m);
      image.data[at] = bytes[l];
      image.data[at + 1] = bytes[l + 1];
      image.data[at + 2] = bytes[l + 2];
      image.data[at + 3] = 255;
    }
  }
  c.putImageData(image, 0, 0);
  return canvas;
}

const keyAt = column => mapView.attention.pooled ? mapView.attention.rows[column] : column * mapView.fold;
const rowPosition = row => mapView.attention.rows[row];

function ticks(lo, hi, n) {
  const raw = (hi - lo) / n, base = 10 ** Math.floor(Math.log10(Math.max(raw, 1e-9))), step = Math.max(1, [1, 2, 5, 10].map(k => k * base)
    .find(s => s >= raw)), out = [];
  for (let v = Math.ceil(lo / step) * step; v < hi; v += step) out.push(v);
  return out;
}

function drawMap(pen, width) {
  const box = mapBox(width), w = mapView.window, ink = style("ink"), soft = style("soft"), ratio = pen instanceof SvgPen ? 2
    : Math.max(1, window.devicePixelRatio || 1);
  pen.pixels(rasterMap(Math.max(1, Math.round(box.w * ratio)), Math.max(1, Math.round(box.h * ratio))), box.x, box.y, box.w, box.h);
  pen.rect(box.x, box.y, box.w, box.h, null, style("line"));
  const x = c => box.x + (c - w.x0) / (w.x1 - w.x0) * box.w, y = r => box.y + (r - w.y0) / (w.y1 - w.y0) * box.h;
  const many = box.w / 70, down = Math.max(1, box.h / 26);
  for (const t of ticks(w.x0, w.x1, many)) {
    pen.line([[x(t + .5), box.y + box.h], [x(t + .5), box.y + box.h + 3]], soft);
    pen.text(String(keyAt(Math.floor(t))), x(t + .5), box.y + box.h + 11, { size: 10, align: "center", colour: soft });
  }
  for (const t of ticks(w.y0, w.y1, down)) {
    pen.line([[box.x - 10, y(t + .5)], [box.x - 7, y(t + .5)]], soft);
    pen.text(String(rowPosition(Math.floor(t))), box.x - 12, y(t + .5), { size: 10, align: "right", colour: soft });
  }
  pen.text("key", box.x + box.w / 2, box.y + box.h + 27, { align: "center", colour: ink });
  pen.text("query", 8, box.y + box.h / 2, { align: "center", colour: ink, turn: -90 });
  pen.text(`layer ${state.layer}, head ${state.head}${mapView.title}`, box.x, 6, { bold: true, colour: ink });
  drawMapSpans(pen, box, x, y);
  drawBar(pen, mapView.range, box.x + box.w + 8, box.y, Math.min(box.h, 220));
}

// The spans of the case as bands along both edges.
function drawMapSpans(pen, box, x, y) {
  const a = mapView.attention, kase = mapView.kase, names = spanNames(kase), kind = spanKind(names);
  const column = position => a.pooled ? a.find(position) : position / mapView.fold;
  for (const s of kase.spans) {
    const x0 = Math.max(box.x, x(column(s.begin))), x1 = Math.min(box.x + box.w, x(a.pooled ? column(s.end - 1) + 1
        : s.end / mapView.fold));
    if (x1 > x0) pen.rect(x0, box.y - 5, Math.max(1.5, x1 - x0), 4, SPANS[kind(s.name)]);
    let r0 = -1, r1 = -1;
    a.rows.forEach((at, i) => { if (at >= s.begin && at < s.end) { if (r0 < 0) r0 = i; r1 = i + 1; } });
    const y0 = Math.max(box.y, y(r0)), y1 = Math.min(box.y + box.h, y(r1));
    if (r0 >= 0 && y1 > y0) pen.rect(box.x - 6, y0, 4, Math.max(1.5, y1 - y0), SPANS[kind(s.name)]);
  }
}

function cellAt(px, py) {
  const box = mapBox(mapView.figure.w), w = mapView.window;
  const column = Math.floor(w.x0 + (px - box.x) / box.w * (w.x1 - w.x0)), row = Math.floor(w.y0 + (py - box.y) / box.h * (w.y1 - w.y0));
  return px >= box.x && py >= box.y && px < box.x + box.w && py < box.y + box.h && column < mapView.columns && row < mapView.rows ? [row,
      column]
    : null;
}

function cellLines(row, column) {
  const a = mapView.attention, value = mapView.levels[0].cells[row * mapView.columns + column], texts = mapView.texts;
  const end = (i, list) => i + 1 < list.length ? list[i + 1] - 1 : a.n - 1;
  if (a.pooled)
    return [`queries ${a.rows[row]} to ${end(row, a.rows)}, keys ${a.rows[column]} to ${end(column, a.rows)}`,
      `largest cell: ${number(value, 4)}`];
  const q = rowPosition(row), k = column * mapView.fold, of = spanAt(mapView.kase, k);
  return [`query ${q} ${quoted(texts, q)}`,
      `key ${k}${mapView.fold > 1 ? " to " + (Math.min(a.n, k + mapView.fold) - 1) : ""} ${quoted(texts, k)}` +
    (of ? ` · ${of.name}` : ""), k > q ? "a key behind the query" : `weight ${number(value, 4)}` + (a.kind === "topk" && !(value !== 0)
    ? " (or not among the largest)" : "")];
}

function drawCross() {
  const f = mapView.figure, over = mapView.over, ratio = window.devicePixelRatio || 1, box = mapBox(f.w), w = mapView.window;
  if (over.width !== Math.round(f.w * ratio) || over.height !== Math.round(f.h * ratio)) {
    over.width = Math.round(f.w * ratio);
    over.height = Math.round(f.h * ratio);
    over.style.height = f.h + "px";
  }
  const c = over.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, f.w, f.h);
  if (!mapView.cross) return;
  const [r, k] = mapView.cross, cw = box.w / (w.x1 - w.x0), ch = box.h / (w.y1 - w.y0);
  const x = box.x + (k - w.x0) * cw, y = box.y + (r - w.y0) * ch;
  if (x < box.x - 1 || y < box.y - 1 || x > box.x + box.w || y > box.y + box.h) return;
  c.strokeStyle = style("mark");
  c.strokeRect(box.x, y, box.w, Math.max(1, ch));
  c.strokeRect(x, box.y, Math.max(1, cw), box.h);
}

function mapKeys(event) {
  const w = mapView.window, [r, k] = mapView.cross || [mapView.rows - 1, 0];
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }, m = moves[event.key];
  if (event.key === "+" || event.key === "=") zoom(.5);
  else if (event.key === "-") zoom(2);
  else if (event.key === "0") { mapView.window = wholeMap(); mapView.figure.redraw(); }
  else if (m && event.shiftKey) pan(m[1] * (w.x1 - w.x0) / 8, m[0] * (w.y1 - w.y0) / 8);
  else if (m) {
    mapView.cross = [within(r + m[0], mapView.rows), within(k + m[1], mapView.columns)];
    say(cellLines(...mapView.cross).join(", "));
    drawCross();
  } else return;
  event.preventDefault();
}

function mapPointer(canvas) {
  let drag = null;
  canvas.addEventListener("pointerdown", event => {
    drag = { x: event.clientX, y: event.clientY, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointerup", event => {
    const found = cellAt(...mapView.figure.at(event));
    if (drag && !drag.moved && found && !mapView.attention.pooled) change({ query: rowPosition(found[0]) });
    drag = null;
  });
  canvas.addEventListener("pointermove", event => {
    const box = mapBox(mapView.figure.w), w = mapView.window;
    if (drag && (drag.moved || Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 3)) {
      drag.moved = true;
      pan((drag.x - event.clientX) / box.w * (w.x1 - w.x0), (drag.y - event.clientY) / box.h * (w.y1 - w.y0));
      drag.x = event.clientX;
      drag.y = event.clientY;
      tip.hide();
      return;
    }
    mapView.cross = cellAt(...mapView.figure.at(event));
    drawCross();
    if (mapView.cross) tip.show(event.clientX, event.clientY, ...cellLines(...mapView.cross).map(text => element("div", { text })));
    else tip.hide();
  });
  canvas.addEventListener("pointerleave", () => { mapView.cross = null; drawCross(); tip.hide(); });
  canvas.addEventListener("wheel", event => {
    const [x, y] = mapView.figure.at(event), box = mapBox(mapView.figure.w);
    event.preventDefault();
    zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300))), (x - box.x) / box.w, (y - box.y) / box.h);
  }, { passive: false });
}

function makeMap(parent, a, kase, list) {
  const { cells, rows, columns, fold } = cellsOf(a);
  Object.assign(mapView, { attention: a, kase, texts: list.texts, rows, columns, fold, signed: a.signed, scale: "linear", cross: null,
    levels: pyramid(cells, rows, columns), range: mapRange(a, cells), title: a.pooled ? " (largest cell of each block)" : a.kind === "topk"
      ? ` (the ${a.k} largest keys of each row)` : "" });
  tokenView.what = list.what;
  mapView.window = wholeMap();
  const bar = element("div", { class: "controls" });
  choice(bar, "Colours", [["linear", "linear"], ["log", "logarithmic, four decades"]], "linear", v => { mapView.scale = v;
    mapView.figure.redraw(); });
  for (const [text, act] of [["Zoom in", () => zoom(.5)], ["Zoom out", () => zoom(2)], ["All of it", () => { mapView.window = wholeMap();
    mapView.figure.redraw(); }]]) bar.append(element("button", { type: "button", text, onclick: act }));
  parent.append(bar, legendOf(kase));
  mapView.figure = new Figure(parent, { height: w => mapBox(w).h + MAP_TOP + MAP_BOTTOM, draw: (pen, w) => drawMap(pen, w),
    name: () => `map layer ${state.layer} head ${state.head} case ${kase.id}`, painted: drawCross },
  `Attention map of layer ${state.layer}, head ${state.head}: the arrows move the cell, plus and minus zoom`);
  mapView.over = element("canvas", { "aria-hidden": "true" });
  mapView.figure.canvas.after(mapView.over);
  mapView.figure.canvas.setAttribute("role", "application");
  mapView.figure.canvas.addEventListener("keydown", mapKeys);
  mapPointer(mapView.figure.canvas);
}
