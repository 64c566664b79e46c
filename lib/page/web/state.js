// What is looked at: one object, kept in the address so that a link leads back. Every part redraws on its own what has changed.
const state = { file: 0, run: 0, step: 0, score: "", layer: -1, head: -1, rec: -1, kase: 0, view: "tokens", query: -1, by: "keys",
    shade: "row",
  other: -1, orun: 0, ostep: 0 };
const watchers = [];
const watch = f => watchers.push(f);

function change(changes) {
  const before = { ...state };
  Object.assign(state, changes);
  settle(before, "step" in changes);
  const changed = new Set(Object.keys(state).filter(k => state[k] !== before[k]));
  if (!changed.size) return;
  for (const f of watchers) f(changed);
  const words = Object.entries(state).filter(([, v]) => v !== "" && v !== -1).map(([k, v]) => k + "=" + encodeURIComponent(v));
  try { history.replaceState(null, "", "#" + words.join("&")); } catch (_) { /* a page inside a page has no address */ }
}

// What the address says; of a place that there is not, settle takes the nearest.
function fromAddress() {
  const changes = {};
  for (const word of location.hash.slice(1).split("&")) {
    const [key, value = ""] = word.split("=");
    let text = value;
    try { text = decodeURIComponent(value); } catch (_) { continue; }
    if (!Object.hasOwn(state, key)) continue;
    if (typeof state[key] !== "number") changes[key] = text;
    else if (/^-?\d{1,9}$/.test(text)) changes[key] = Number(text);
  }
  return changes;
}

const fileOf = i => tree.files[i];
const scoreOf = (file, name) => file.scores.find(s => s.name === name);
const usualOf = file => file.usual || (file.scores.length ? file.scores[0].name : "");
const within = (i, n) => Math.max(0, Math.min(n - 1, i));
const lastStep = (file, run) => {
  let p = file.steps.length - 1;
  while (p > 0 && file.status[run * file.steps.length + p] !== 1) p--;
  return p;
};

// Recordings of models of this shape: those of the very weights first.
function recordingsFor(i) {
  const of = fileOf(i), list = tree.files.map((f, k) => k).filter(k => fileOf(k).recorded && fileOf(k).layers === of.layers
    && fileOf(k).heads === of.heads);
  const known = (of.weights || [of.facts.weights_sha256]).filter(Boolean);
  const same = k => k === i ? 2 : known.includes(fileOf(k).facts.weights_sha256) ? 1 : 0;
  return list.sort((a, b) => same(b) - same(a));
}

// Whatever was asked for becomes something that is there.
function settle(before, stepGiven) {
  state.file = within(state.file, tree.files.length);
  const file = fileOf(state.file), moved = state.file !== before.file;
  state.run = within(state.run, file.runs.length);
  if (!stepGiven && (moved || state.run !== before.run)) state.step = lastStep(file, state.run);
  state.step = within(state.step, file.steps.length);
  if (!scoreOf(file, state.score)) state.score = usualOf(file);
  if (state.layer < 0 || state.head < 0 || state.layer >= file.layers || state.head >= file.heads) state.layer = state.head = -1;
  if (!["tokens", "map", "rows"].includes(state.view)) state.view = "tokens";
  const recordings = recordingsFor(state.file);
  if (!recordings.includes(state.rec)) state.rec = recordings.length ? recordings[0] : -1;
  const cases = state.rec >= 0 ? fileOf(state.rec).recorded : [];
  state.kase = within(state.kase, Math.max(1, cases.length));
  if (cases.length && (state.query < 0 || state.query >= cases[state.kase].n)) state.query = -1;
  const other = state.other >= 0 && state.other < tree.files.length ? fileOf(state.other) : null;
  if (!other || other.layers !== file.layers || other.heads !== file.heads || !scoreOf(other, state.score)) state.other = -1;
  else {
    state.orun = within(state.orun, other.runs.length);
    state.ostep = within(state.ostep, other.steps.length);
  }
}

// One map of numbers over layers and heads: of a file, a run, a step, a score. A file without a score has heads all the same.
async function snapshot(fileIndex, run, step, name) {
  const file = fileOf(fileIndex), score = scoreOf(file, name);
  const size = file.layers * file.heads, start = (run * file.steps.length + step) * size;
  if (!score && file.scores.length) return null;
  if (!score) return { file, score: { name: "", best: "none" }, run, step, layers: file.layers, heads: file.heads,
    values: new Float32Array(size).fill(NaN), windows: await numbers(file.runs[run].windows), kinds: file.runs[run].kinds,
    label: labelOf(fileIndex, run, step) };
  const [values, chances, low, high, windows] = await Promise.all([numbers(score.values), numbers(score.chances), numbers(score.low),
    numbers(score.high), numbers(file.runs[run].windows)]);
  return { file, score, run, step, layers: file.layers, heads: file.heads, values: values.subarray(start, start + size),
    chances: chances ? chances.subarray(start, start + size) : null, low, high, windows, kinds: file.runs[run].kinds,
    label: labelOf(fileIndex, run, step) };
}

function labelOf(fileIndex, run, step) {
  const file = fileOf(fileIndex), parts = [];
  if (tree.files.length > 1) parts.push(file.name);
  if (file.kind === "study") parts.push(file.runs[run].name, "step " + file.steps[step]);
  else if (file.runs[run].name && tree.files.length === 1) parts.push(file.runs[run].name);
  return parts.join(", ") || file.name;
}

// What each case gave each head at this checkpoint: {name, hits, events} over (case, layer, head), or null.
async function countsOf(fileIndex, run, step, name) {
  const file = fileOf(fileIndex), score = scoreOf(file, name), list = score && score.counted && file.counts && file.counts[score.counted];
  if (!list) return null;
  const at = run * file.steps.length + step, events = score.counted.replace(/_hits$/, "_events");
  const [hits, of] = await Promise.all([numbers(list[at]), events !== score.counted && file.counts[events]
    ? numbers(file.counts[events][at]) : null]);
  return hits ? { name: score.counted, hits, events: of, n: file.cases.n } : null;
}

// A labelled control that says its choice to the state.
function choice(parent, label, options, value, onchange, wide) {
  const select = element("select", {}, ...options.map(([v, text]) => element("option", { value: v, text })));
  select.value = String(value);
  select.addEventListener("change", () => onchange(select.value));
  parent.append(element("label", { class: wide ? "wide" : "" }, label + " ", select));
  return select;
}

function stepText(file, run, step) {
  const t = file.tokens[run * file.steps.length + step];
  return "step " + file.steps[step] + (t >= 0 ? ", " + t.toLocaleString("en") + " tokens" : "");
}

function slider(parent, label, file, run, step, onstep) {
  const input = element("input", { type: "range", min: 0, max: file.steps.length - 1, value: step, "aria-valuetext": stepText(file, run,
      step) });
  const text = element("output", { text: stepText(file, run, step) });
  input.addEventListener("input", () => onstep(Number(input.value)));
  parent.append(element("label", { class: "wide" }, label + " ", input, text));
  return { input, text };
}
