// Token by token: a query is pointed at, and the keys that it looks at light up. Blocks of tokens; only those on the screen are coloured.
const BLOCK = 128, SHADES = 64;
const tokenView = { spans: [], shade: null, seen: new Set(), what: "text" };

// Without ink, or making what follows read another way: shown by their codes, as in figures.
const UNSEEN = /[\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
const visibleText = text => text.replace(/\n/g, "⏎\n").replace(/\r/g, "␍").replace(/\t/g,
    "→\t").replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g,
  c => String.fromCharCode(0x2400 + c.charCodeAt(0))).replace(UNSEEN, c => `‹${c.codePointAt(0).toString(16).toUpperCase().padStart(4,
    "0")}›`);
const spanKind = names => name => names.indexOf(name.replace(/\..*/, "")) % SPANS.length;

function spanNames(kase) {
  return [...new Set(kase.spans.map(s => s.name.replace(/\..*/, "")))];
}

// Of spans that hold a token the shortest: needle_answer lies within needle.
function spanAt(kase, i) {
  let best = null;
  for (const s of kase.spans) if (i >= s.begin && i < s.end && (!best || s.end - s.begin < best.end - best.begin)) best = s;
  return best;
}

function buildTokens(box, kase, texts, what) {
  const kind = spanKind(spanNames(kase));
  tokenView.spans = new Array(texts.length);
  tokenView.shade = new Int16Array(texts.length);
  tokenView.seen.clear();
  tokenView.observer = new IntersectionObserver(entries => {
    for (const e of entries) {
      const block = Number(e.target.dataset.block);
      if (e.isIntersecting) tokenView.seen.add(block); else tokenView.seen.delete(block);
      if (e.isIntersecting) paintBlock(block);
    }
  }, { root: box, rootMargin: "100px" });
  const blocks = [];
  for (let start = 0; start < texts.length; start += BLOCK) {
    const text = element("div", { class: "text" }), block = element("div", { class: "block", "data-block": start / BLOCK },
      element("div", { class: "at", text: String(start), "aria-hidden": "true" }), text);
    for (let i = start; i < Math.min(start + BLOCK, texts.length); i++) {
      const span = document.createElement("span"), of = spanAt(kase, i);
      span.className = "t" + (what === "text" ? "" : " id") + (of ? " s" + kind(of.name) : "");
      span.textContent = visibleText(texts[i]) || "∅";
      span.dataset.i = i;
      tokenView.spans[i] = span;
      text.append(span);
    }
    blocks.push(block);
  }
  box.replaceChildren(...blocks);
  for (const block of blocks) tokenView.observer.observe(block);
}

function paintBlock(block) {
  const { spans, shade, wanted } = tokenView;
  for (let i = block * BLOCK; i < Math.min((block + 1) * BLOCK, spans.length); i++) {
    const now = wanted ? wanted[i] : 0;
    if (shade[i] === now) continue;
    shade[i] = now;
    spans[i].style.backgroundColor = now === 0 ? "" : `rgba(${now > 0 ? tokenView.plus : tokenView.minus},${Math.abs(now) / SHADES * .85})`;
  }
}

// Weights -> shades in [-64, 64].
function shadesOf(weights, scale) {
  const out = new Int16Array(weights.length);
  let most = 0;
  for (const w of weights) if (Math.abs(w) > most) most = Math.abs(w);
  for (let i = 0; i < weights.length; i++) {
    const a = Math.abs(weights[i]);
    if (!(a > 0)) continue;
    const t = scale === "one" ? Math.min(a, 1) : scale === "log" ? Math.max(0, 1 + Math.log10(a / Math.max(most, 1e-12)) / 4) : a / most;
    out[i] = Math.sign(weights[i]) * Math.round(SHADES * t);
  }
  return out;
}

// The n largest by magnitude, without sorting all.
function largest(weights, n) {
  const list = [];
  for (let i = 0; i < weights.length; i++) {
    const a = Math.abs(weights[i]);
    if (!(a > 0) || (list.length === n && a <= Math.abs(weights[list[n - 1]]))) continue;
    let at = list.length;
    while (at > 0 && Math.abs(weights[list[at - 1]]) < a) at--;
    list.splice(at, 0, i);
    if (list.length > n) list.pop();
  }
  return list;
}

const quoted = (texts, i) => tokenView.what === "text" ? `“${visibleText(texts[i])}”` : texts[i];

function showQuery(position) {
  const { attention: a, texts, kase } = tokenView;
  if (!a || position < 0) return null;
  const place = a.find(position), byQueries = state.by === "queries" && (a.kind === "dense" || a.kind === "rows");
  const weights = byQueries ? a.column(position) : place < 0 ? null : a.row(place);
  tokenView.wanted = weights ? shadesOf(weights, state.shade) : null;
  for (const block of tokenView.seen) paintBlock(block);
  if (tokenView.marked !== undefined && tokenView.spans[tokenView.marked]) tokenView.spans[tokenView.marked].classList.remove("query");
  tokenView.marked = position;
  tokenView.spans[position].classList.add("query");
  showLargest(position, weights, byQueries, texts, kase);
  return weights;
}

function queryWords(position, weights, byQueries, texts) {
  if (!weights) return `position ${position}, ${quoted(texts, position)}: its row was not recorded`;
  const top = largest(weights, 3).map(i => `${number(weights[i])} ${byQueries ? "from" : "on"} ${i}, ${quoted(texts, i)}`).join("; ");
  return `${byQueries ? "key" : "query"} ${position}, ${quoted(texts, position)}: ${top || "nothing"}`;
}

function showLargest(position, weights, byQueries, texts, kase) {
  const chips = tokenView.chips, list = weights ? largest(weights, 8) : [];
  chips.replaceChildren(element("b", { text: `${byQueries ? "key" : "query"} ${position}: ${quoted(texts, position)}` }),
    ...list.map(i => element("span", { text: `${number(weights[i])}  ${quoted(texts, i)} at ${i}` + (spanAt(kase, i)
      ? " · " + spanAt(kase, i).name : "") })));
  if (!weights) chips.append(element("i", { class: "quiet", text: "its row was not recorded" }));
}

const tokenUnder = event => {
  const t = event.target.closest ? event.target.closest(".t") : null;
  return t ? Number(t.dataset.i) : -1;
};

function moveQuery(event) {
  const a = tokenView.attention, step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -16, ArrowDown: 16, PageUp: -32, PageDown: 32 }[event.key];
  if (!a) return;
  let to = state.query < 0 ? a.rows[a.rows.length - 1] : state.query;
  if (event.key === "Home") to = a.rows[0];
  else if (event.key === "End") to = a.rows[a.rows.length - 1];
  else if (step === undefined) return;
  else if (state.by === "queries" || a.kind === "dense") to = within(to + step, a.n);
  else to = a.rows[within(a.nearest(to) + Math.sign(step), a.rows.length)];
  event.preventDefault();
  change({ query: to });
  tokenView.spans[to].scrollIntoView({ block: "nearest" });
  const weights = showQuery(to);
  say(queryWords(to, weights, state.by === "queries", tokenView.texts));
}

function legendOf(kase) {
  const names = spanNames(kase), box = element("div", { class: "legend" });
  names.forEach((name, i) => {
    const s = element("span", {}, element("b", { text: name }));
    s.style.borderColor = SPANS[i % SPANS.length];
    box.append(s);
  });
  return box;
}

function makeTokens(box, a, kase, list) {
  Object.assign(tokenView, { attention: a, texts: list.texts, kase, what: list.what, wanted: null, marked: undefined, plus: style("plus"),
    minus: style("minus") });
  tokenView.box = element("div", { class: "tokens", tabindex: 0, role: "application", "aria-roledescription":
    "tokens: the arrows move the query", "aria-label": `The ${list.texts.length} tokens of case ${kase.id}` });
  tokenView.chips = element("div", { class: "chips" });
  buildTokens(tokenView.box, kase, list.texts, list.what);
  if (a.kind !== "dense") tokenView.spans.forEach((s, i) => { if (a.find(i) < 0) s.classList.add("without"); });
  tokenView.box.addEventListener("keydown", moveQuery);
  tokenView.box.addEventListener("pointerover", event => {
    const i = tokenUnder(event);
    if (i >= 0) showQuery(i);
  });
  tokenView.box.addEventListener("pointerleave", () => showQuery(state.query));
  tokenView.box.addEventListener("click", event => {
    const i = tokenUnder(event);
    if (i >= 0) change({ query: i });
  });
  box.append(legendOf(kase), tokenView.chips, tokenView.box, tokenButtons());
  const usual = a.find(state.query) >= 0 ? state.query : a.rows[a.nearest(kase.prompt - 1)];
  if (state.query !== usual) change({ query: usual });
  tokenView.spans[usual].scrollIntoView({ block: "nearest" });
  showQuery(usual);
}

// ---- what is seen, as a figure ----
function tokenButtons() {
  const draw = pen => {
    const frame = tokenView.box.getBoundingClientRect(), ink = style("ink");
    pen.text(`layer ${state.layer}, head ${state.head}, ${state.by === "queries" ? "key" : "query"} ${tokenView.marked}`, 4, 10,
      { bold: true, colour: ink });
    for (const block of tokenView.seen)
      for (let i = block * BLOCK; i < Math.min((block + 1) * BLOCK, tokenView.spans.length); i++) drawToken(pen, i, frame, ink);
  };
  const size = () => [tokenView.box.clientWidth, tokenView.box.clientHeight + 22];
  const name = () => `tokens layer ${state.layer} head ${state.head} query ${tokenView.marked}`;
  return element("div", { class: "save" }, element("button", { type: "button", text: "PNG", "aria-label": "Save as PNG: tokens",
    onclick: () => savePng(draw, ...size(), name()) }), element("button", { type: "button", text: "SVG",
        "aria-label": "Save as SVG: tokens",
    onclick: () => saveSvg(draw, ...size(), name()) }));
}

function drawToken(pen, i, frame, ink) {
  const span = tokenView.spans[i], line = getComputedStyle(span).borderBottomColor;
  for (const box of span.getClientRects()) {
    const x = box.left - frame.left, y = box.top - frame.top + 20;
    if (y < 20 || box.bottom > frame.bottom) continue;
    if (tokenView.shade[i]) pen.rect(x, y, box.width, box.height, span.style.backgroundColor);
    if (!line.endsWith(", 0)")) pen.rect(x, y + box.height - 2, box.width, 2, line);
    if (i === tokenView.marked) pen.rect(x, y, box.width, box.height, null, style("mark"), 2);
  }
  const first = span.getClientRects()[0];
  if (first && first.top >= frame.top && first.bottom <= frame.bottom)
    pen.text(span.textContent.replace(/\n/g, ""), first.left - frame.left, first.top - frame.top + 20 + first.height / 2,
      { size: 14, colour: ink });
}
