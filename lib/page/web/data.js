"use strict";
// Numbers of the page: blocks of base64 behind the script, inflated when they are needed, each exactly what the file holds.
const tree = JSON.parse(document.getElementById("tree").textContent);
const wait = ms => new Promise(done => setTimeout(done, ms));

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

// A block may not be parsed yet: it is whole once something stands behind it.
async function blockText(id) {
  for (;;) {
    const element = document.getElementById("b" + id);
    if (element && (element.nextElementSibling || document.readyState !== "loading")) return element.textContent;
    if (document.readyState !== "loading") throw new Error("block " + id + " is missing: the page was cut short");
    await wait(5);
  }
}

async function inflate(bytes) {
  if (!window.DecompressionStream) throw new Error("this browser cannot inflate (DecompressionStream): take a newer one");
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer());
}

let halves = null;
function halfTable() {
  if (halves) return halves;
  halves = new Float32Array(65536);
  for (let i = 0; i < 65536; i++) {
    const exponent = i >> 10 & 31, fraction = i & 1023, sign = i >> 15 ? -1 : 1;
    halves[i] = sign * (exponent === 31 ? (fraction ? NaN : Infinity) : exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024)
      : fraction * 2 ** -24);
  }
  return halves;
}

// Planes of bytes -> numbers: u8 (255 is no number), f16, f32, i32.
function unpack(raw, type, n) {
  if (type === "u8") return Float32Array.from(raw, v => v === 255 ? NaN : v);
  if (type === "f16") {
    const table = halfTable(), out = new Float32Array(n);
    for (let i = 0; i < n; i++) out[i] = table[raw[i] | raw[n + i] << 8];
    return out;
  }
  const bits = new Uint32Array(n);
  for (let i = 0; i < n; i++) bits[i] = raw[i] | raw[n + i] << 8 | raw[2 * n + i] << 16 | raw[3 * n + i] << 24;
  return type === "f32" ? new Float32Array(bits.buffer) : new Int32Array(bits.buffer);
}

const KEPT = 256 << 20;                      // bytes of unpacked numbers that are kept; the oldest go first
const cache = new Map();
let cached = 0;

function remember(id, promise, bytes) {
  cache.set(id, { promise, bytes });
  cached += bytes;
  for (const [old, entry] of cache) {
    if (cached <= KEPT || old === id) break;
    cache.delete(old);
    cached -= entry.bytes;
  }
}

// null stays null: what the limit left out.
function numbers(reference) {
  if (!reference) return Promise.resolve(null);
  const there = cache.get(reference.b);
  if (there) return there.promise;
  const promise = blockText(reference.b).then(fromBase64).then(inflate).then(raw => unpack(raw, reference.t, reference.n));
  remember(reference.b, promise, 4 * reference.n);
  return promise;
}

async function textsOf(reference) {
  return JSON.parse(new TextDecoder().decode(await inflate(fromBase64(await blockText(reference.b)))));
}

const rawBytes = async reference => inflate(fromBase64(await blockText(reference.b)));

// ---- the attention of a head on a case, whatever the form it was recorded in ----
// rows: query positions, ascending; row(i): weights over keys of the i-th of them.
class Attention {
  constructor(kase, cells, keys, signed) {
    this.kind = kase.maps;
    this.n = kase.n;
    this.k = kase.k;
    this.cells = cells;
    this.keys = keys;
    this.signed = signed;
    this.rows = kase.rows ? Int32Array.from(kase.rows) : Int32Array.from({ length: kase.n }, (_, i) => i);
    this.place = new Map(Array.from(this.rows, (at, i) => [at, i]));
  }

  get pooled() { return this.kind === "pooled"; }

  // Of pooled maps the block that holds the position.
  find(position) {
    if (position < 0) return -1;
    if (!this.pooled) return this.place.has(position) ? this.place.get(position) : -1;
    let i = this.rows.length - 1;
    while (i > 0 && this.rows[i] > position) i--;
    return i;
  }

  nearest(position) {
    let best = 0;
    for (let i = 1; i < this.rows.length; i++)
      if (Math.abs(this.rows[i] - position) < Math.abs(this.rows[best] - position)) best = i;
    return best;
  }

  row(i) {
    if (this.kind === "dense" || this.kind === "rows") return this.cells.subarray(i * this.k, (i + 1) * this.k);
    const out = new Float32Array(this.n);
    if (this.pooled)
      for (let j = 0; j < this.rows.length; j++)
        out.fill(this.cells[i * this.k + j], this.rows[j], j + 1 < this.rows.length ? this.rows[j + 1] : this.n);
    else
      for (let j = i * this.k; j < (i + 1) * this.k; j++)
        if (this.keys[j] >= 0) out[this.keys[j]] = this.cells[j];
    return out;
  }

  // What the queries give this key: only where whole rows are there.
  column(key) {
    const out = new Float32Array(this.n);
    if (this.kind === "dense" || this.kind === "rows")
      for (let i = 0; i < this.rows.length; i++) out[this.rows[i]] = this.cells[i * this.k + key];
    return out;
  }
}

const attentions = { key: null, promise: null };
function attention(file, kase, layer, head) {
  const key = [file, kase, layer, head].join();
  if (attentions.key === key) return attentions.promise;
  const of = tree.files[file].recorded[kase], map = of.attention && of.attention[layer + "." + head];
  attentions.key = key;
  attentions.promise = !map || !map.v ? Promise.resolve(null) : (async () => {
    const [cells, keys] = await Promise.all([numbers(map.v), numbers(map.keys)]);
    if (of.maps === "topk" && !keys) return null;
    return new Attention(of, cells, keys, tree.files[file].runs[0].kinds[layer] === "recurrent");
  })();
  return attentions.promise;
}

// Texts of a case's tokens, else their ids, else their places.
const tokenLists = new Map();
function tokens(file, kase) {
  const of = tree.files[file].recorded[kase], key = file + "," + kase;
  if (!tokenLists.has(key)) tokenLists.set(key, (async () => {
    if (of.texts) return { texts: await textsOf(of.texts), what: "text" };
    const ids = await numbers(of.ids);
    return { texts: Array.from(ids || { length: of.n }, (id, i) => String(ids ? id : i)), what: ids ? "id" : "place" };
  })());
  return tokenLists.get(key);
}
