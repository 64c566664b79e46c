// The page as a whole: what changed decides what is drawn anew.
const VIEWS = [["tokens", "Token by token"], ["map", "Map"], ["rows", "Rows of the answer"]];

function attentionControls() {
  const box = document.getElementById("attention-controls");
  box.replaceChildren();
  if (state.rec < 0 || state.layer < 0) return;
  const recordings = recordingsFor(state.file), cases = fileOf(state.rec).recorded;
  if (recordings.length > 1)
    choice(box, "Recording", recordings.map(i => [i, fileOf(i).name]), state.rec, v => change({ rec: Number(v), kase: 0, query: -1 }));
  choice(box, "Case", cases.map((c, i) => [i, `${c.id} (${c.n} tokens)`]), state.kase, v => change({ kase: Number(v), query: -1 }));
  const tabs = element("div", { role: "group", "aria-label": "how attention is shown" });
  for (const [view, text] of VIEWS)
    tabs.append(element("button", { type: "button", text, "aria-pressed": String(state.view === view), onclick: () => change({ view }) }));
  box.append(tabs);
  if (state.view !== "tokens") return;
  const dense = cases[state.kase].maps === "dense" || cases[state.kase].maps === "rows";
  if (dense) choice(box, "Point at", [["keys", "a query: its keys light up"], ["queries", "a key: the queries that look at it"]],
      state.by, v => change({ by: v }));
  choice(box, "Shades", [["row", "of the row's largest"], ["one", "from 0 to 1"], ["log", "logarithmic, four decades"]], state.shade,
      v => change({ shade: v }));
}

const WHY = { none: "This recording holds no maps: record with --maps dense, rows, topk or pooled.",
  left: "The attention of this head on this case was left out: view it with --heads or --case, or with a larger --limit." };

// Is the recording of the very weights whose heads are shown? Of a study: of the checkpoint at the slider.
function tellWeights() {
  const line = document.getElementById("other-weights");
  if (!line) return;
  const file = fileOf(state.file), rest = fileOf(state.rec).facts;
  const own = file.weights ? file.weights[state.run * file.steps.length + state.step] : file.facts.weights_sha256;
  line.hidden = state.rec === state.file || !rest.weights_sha256 || !own || rest.weights_sha256 === own;
  line.textContent = line.hidden ? "" : `The recording is of other weights (${rest.model_name || "unnamed"}).`;
}

async function updateAttention() {
  const box = document.getElementById("attention"), turn = updateAttention.turn = (updateAttention.turn || 0) + 1;
  attentionControls();
  if (state.layer < 0) { box.replaceChildren(); return; }
  if (state.rec < 0) {
    box.replaceChildren(element("p", { class: "quiet",
        text: "No recording of such a model is among the files: needlescope record makes one, and view FILE RECORDING shows both." }));
    return;
  }
  const kase = fileOf(state.rec).recorded[state.kase];
  const [a, list] = await Promise.all([attention(state.rec, state.kase, state.layer, state.head), tokens(state.rec, state.kase)]);
  if (turn !== updateAttention.turn) return;
  box.replaceChildren();
  const rest = fileOf(state.rec).facts;
  box.append(element("p", { class: "quiet", id: "other-weights" }));
  tellWeights();
  if (!a || !a.rows.length) {
    box.append(element("p", { class: "quiet", text: kase.maps === "none" ? WHY.none : WHY.left }));
    return;
  }
  if (rest.generated) box.append(element("p", { class: "quiet", text: "The answer is what the model itself said behind the prompt." }));
  if (a.signed) box.append(element("p", { class: "quiet", text: "A recurrent layer: its rows are signed and do not sum to 1." }));
  ({ tokens: makeTokens, map: makeMap, rows: makeRows })[state.view](box, a, kase, list);
}

function factsTable(facts) {
  return element("table", {}, ...Object.entries(facts).map(([name, value]) => element("tr", {}, element("th", { text: name, scope: "row" }),
    element("td", { text: value }))));
}

function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name; else delete document.documentElement.dataset.theme;
  Object.assign(tokenView, { plus: style("plus"), minus: style("minus") });
  redrawAll();
}

function redrawAll() {
  for (const f of [headsView.figure, mapView.figure, rowsView.figure, conditionsView.figure, ...studyView.figures]) if (f) f.redraw();
}

function makeShell() {
  document.getElementById("names").textContent = tree.files.map(f => f.name).join(", ");
  document.title = tree.files[0].name + " – needlescope view";
  const note = document.getElementById("note"), help = document.getElementById("help"), button = document.getElementById("help-button");
  note.textContent = tree.note;
  note.hidden = !tree.note;
  button.addEventListener("click", () => { help.hidden = !help.hidden; button.setAttribute("aria-expanded", String(!help.hidden)); });
  document.getElementById("theme").addEventListener("change", event => setTheme(event.target.value));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(document.getElementById("theme").value));
  document.getElementById("facts").append(factsTable(tree.facts));
}

const any = (changed, ...names) => names.some(name => changed.has(name));

async function start() {
  makeShell();
  await readRamps();
  makeHeads();
  watch(changed => {
    if (any(changed, "file", "run", "score", "other", "orun")) headControls();
    headControls.follow();
    if (any(changed, "file", "run", "step", "score", "other", "orun", "ostep")) updateHeads();
    else if (any(changed, "layer", "head")) {
      headsView.figure.redraw();
      headFacts();
    }
    if (any(changed, "file", "rec", "kase", "layer", "head", "view", "by", "shade")) updateAttention();
    if (any(changed, "run", "step")) tellWeights();
    if (any(changed, "file", "run", "step", "score", "layer", "head")) updateStudy(changed);
    if (changed.has("file")) updateConditions();
  });
  const given = fromAddress();
  Object.assign(state, given);
  settle({ file: -1 }, "step" in given);
  if (state.layer >= 0) headsView.cursor = [state.layer, state.head];
  for (const f of watchers) f(new Set(Object.keys(state)));
}

start().catch(error => {
  const note = document.getElementById("note");
  note.hidden = false;
  note.textContent = "This page cannot be shown: " + error.message;
});
