// An ablation or a patching: the set beside its controls, a row a mode and a measure.
const conditionsView = {};
const MEASURES = { first_accuracy: "first token right", rest_accuracy: "later tokens right", answered_share: "whole answer right",
    margin_mean:
  "margin of the gold logit", margin_first_mean: "its margin at the first token", loss: "loss on other text (nats)",
      set_recovery: "recovery",
set_flipped: "says the source's answer" };
const D_ROW = 24;
const dotsLeft = width => Math.min(150, Math.max(90, width * .3));

function conditionRows(c, values) {
  const modes = [...new Set(c.mode ? c.mode.filter((_, i) => c.kind[i] === "target" || c.kind[i] === "control") : [""])],
      none = c.kind.indexOf("none");
  return modes.map(mode => {
    const of = kind => values.map((v, i) => ({ v, i })).filter(o => c.kind[o.i] === kind && (!c.mode || c.mode[o.i] === mode)
        && Number.isFinite(o.v));
    return { mode, target: of("target"), control: of("control"), none: none < 0 ? NaN : values[none] };
  }).filter(row => row.target.length || row.control.length);
}

function drawConditions(pen, width) {
  const left = dotsLeft(width), W = width - left - 24, ink = style("ink"), soft = style("soft");
  let y = 4;
  for (const m of conditionsView.measures) {
    const all = m.rows.flatMap(r => [...r.target, ...r.control].map(o => o.v).concat(Number.isFinite(r.none) ? [r.none] : []));
    let lo = Math.min(...all), hi = Math.max(...all);
    if (lo >= 0 && hi <= 1) { lo = 0; hi = 1; } else if (lo === hi) { lo -= 1; hi += 1; }
    const x = v => left + (v - lo) / (hi - lo) * W;
    pen.text(m.title, left, y + 9, { bold: true, colour: ink });
    y += 20;
    m.top = y;
    for (const r of m.rows) {
      pen.text(r.mode || "set", left - 12, y + D_ROW / 2, { align: "right", colour: ink });
      pen.line([[left, y + D_ROW / 2], [left + W, y + D_ROW / 2]], style("line"));
      if (Number.isFinite(r.none)) pen.line([[x(r.none), y + 2], [x(r.none), y + D_ROW - 2]], ink, 2);
      for (const o of r.control) pen.dot(x(o.v), y + D_ROW / 2, 4, null, soft);
      for (const o of r.target) {
        const cx = x(o.v), cy = y + D_ROW / 2;
        pen.line([[cx - 6, cy], [cx, cy - 6], [cx + 6, cy], [cx, cy + 6], [cx - 6, cy]], style("mark"), 2.5);
      }
      y += D_ROW;
    }
    m.x = x;
    for (const t of [0, .5, 1]) pen.text(number(lo + t * (hi - lo), 2), x(lo + t * (hi - lo)), y + 6, { size: 10, align: "center",
        colour: soft });
    y += 22;
  }
  pen.text("◇ the heads of the set   ○ controls   | untouched", Math.min(left, width - 300), y + 6, { size: 11, colour: ink });
}

function conditionsTable(c) {
  const head = element("tr", {}, ...["condition", "mode", "heads", ...conditionsView.measures.map(m => m.title)].map((text,
      i) => element("th", { text,
    scope: "col", class: i > 2 ? "number" : "" })));
  const rows = c.kind.map((kind, i) => element("tr", {}, element("th", { text: kind, scope: "row" }), element("td", { text: c.mode
      ? c.mode[i] : "" }),
    element("td", { text: c.heads ? c.heads[i] : "" }), ...conditionsView.measures.map(m => element("td", { class: "number",
        text: number(m.values[i]) }))));
  return element("details", {}, element("summary", { text: `All ${c.kind.length} conditions` }), element("div", { class: "scroll",
      tabindex: 0,
    role: "region", "aria-label": "conditions" }, element("table", {}, head, ...rows)));
}

async function updateConditions() {
  const file = fileOf(state.file), c = file.conditions, panel = document.getElementById("conditions-panel"),
      box = document.getElementById("conditions");
  panel.hidden = !c || !c.kind;
  if (panel.hidden || conditionsView.of === state.file) return;
  conditionsView.of = state.file;
  const measures = await Promise.all(c.measures.map(async m => ({ title: MEASURES[m.name] || m.name,
      values: Array.from(await numbers(m.values)) })));
  conditionsView.measures = measures.map(m => ({ ...m, rows: conditionRows(c, m.values) })).filter(m => m.rows.length);
  box.replaceChildren();
  if (!conditionsView.measures.length) { box.append(element("p", { class: "quiet", text: "No set of heads was changed." })); return; }
  conditionsView.figure = new Figure(box, { height: () => conditionsView.measures.reduce((sum, m) => sum + 42 + m.rows.length * D_ROW,
      24), draw: drawConditions,
    name: () => "conditions" }, "The set beside its controls; the table below says the same");
  pointing(conditionsView.figure, event => {
    const [x, y] = conditionsView.figure.at(event);
    for (const m of conditionsView.measures) {
      const row = m.rows[Math.floor((y - m.top) / D_ROW)];
      if (!row || y < m.top) continue;
      const near = [...row.target, ...row.control].sort((a, b) => Math.abs(m.x(a.v) - x) - Math.abs(m.x(b.v) - x))[0];
      return near && Math.abs(m.x(near.v) - x) < 10 ? { m, near } : null;
    }
    return null;
  }, ({ m, near }) => [`${c.kind[near.i]}${c.mode && c.mode[near.i] ? ", " + c.mode[near.i] : ""}`,
      `heads ${c.heads ? c.heads[near.i] : ""}`,
    `${m.title}: ${number(near.v)}`], ({ near }) => {
    const first = c.heads ? c.heads[near.i].split(",")[0].split(".").map(Number) : [];
    if (first.length === 2) change({ layer: first[0], head: first[1] });
  });
  box.append(conditionsTable(c));
}
