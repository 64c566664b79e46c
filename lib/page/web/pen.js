// One drawing, three ways: on the page's canvas, as a PNG, as an SVG.
const style = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const FONT = 'system-ui, "DejaVu Sans", sans-serif';

class CanvasPen {
  constructor(context) { this.c = context; }

  rect(x, y, w, h, fill, stroke, width = 1) {
    if (fill) { this.c.fillStyle = fill; this.c.fillRect(x, y, w, h); }
    if (stroke) { this.c.strokeStyle = stroke; this.c.lineWidth = width; this.c.setLineDash([]); this.c.strokeRect(x, y, w, h); }
  }

  line(points, stroke, width = 1, dash = []) {
    this.c.strokeStyle = stroke;
    this.c.lineWidth = width;
    this.c.setLineDash(dash);
    this.c.beginPath();
    points.forEach(([x, y], i) => i ? this.c.lineTo(x, y) : this.c.moveTo(x, y));
    this.c.stroke();
  }

  dot(x, y, r, fill, stroke) {
    this.c.beginPath();
    this.c.arc(x, y, r, 0, 7);
    this.c.setLineDash([]);
    if (fill) { this.c.fillStyle = fill; this.c.fill(); }
    if (stroke) { this.c.strokeStyle = stroke; this.c.lineWidth = 1.5; this.c.stroke(); }
  }

  text(string, x, y, { size = 11, align = "left", colour, bold = false, turn = 0 } = {}) {
    this.c.save();
    this.c.translate(x, y);
    this.c.rotate(turn * Math.PI / 180);
    this.c.font = (bold ? "600 " : "") + size + "px " + FONT;
    this.c.fillStyle = colour;
    this.c.textAlign = align;
    this.c.textBaseline = "middle";
    this.c.fillText(string, 0, 0);
    this.c.restore();
  }

  width(string, size = 11, bold = false) {
    this.c.font = (bold ? "600 " : "") + size + "px " + FONT;
    return this.c.measureText(string).width;
  }

  pixels(canvas, x, y, w, h) {
    this.c.imageSmoothingEnabled = false;
    this.c.drawImage(canvas, x, y, w, h);
  }
}

const escapeXml = text => String(text).replace(/[<>&"']/g, c => "&#" + c.charCodeAt(0) + ";")
  .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");
const short = v => String(Math.round(v * 100) / 100);

class SvgPen {
  constructor() {
    this.parts = [];
    this.ruler = new CanvasPen(document.createElement("canvas").getContext("2d"));
  }

  add(tag, attributes, text) {
    const list = Object.entries(attributes).filter(([, v]) => v !== undefined && v !== null && v !== "")
      .map(([k, v]) => ` ${k}="${typeof v === "number" ? short(v) : escapeXml(v)}"`).join("");
    this.parts.push(text === undefined ? `<${tag}${list}/>` : `<${tag}${list}>${escapeXml(text)}</${tag}>`);
  }

  rect(x, y, w, h, fill, stroke, width = 1) {
    this.add("rect", { x, y, width: w, height: h, fill: fill || "none", stroke, "stroke-width": stroke ? width : null,
      "shape-rendering": stroke ? null : "crispEdges" });
  }

  line(points, stroke, width = 1, dash = []) {
    this.add("polyline", { points: points.map(([x, y]) => short(x) + "," + short(y)).join(" "), fill: "none", stroke,
      "stroke-width": width, "stroke-dasharray": dash.join(" ") });
  }

  dot(x, y, r, fill, stroke) { this.add("circle", { cx: x, cy: y, r, fill: fill || "none", stroke }); }

  text(string, x, y, { size = 11, align = "left", colour, bold = false, turn = 0 } = {}) {
    this.add("text", { x, y, fill: colour, "font-size": size, "font-family": FONT, "font-weight": bold ? 600 : null,
      "text-anchor": { left: "start", right: "end", center: "middle" }[align], "dominant-baseline": "central",
      transform: turn ? `rotate(${turn} ${short(x)} ${short(y)})` : null, "xml:space": "preserve" }, string);
  }

  width(string, size, bold) { return this.ruler.width(string, size, bold); }

  pixels(canvas, x, y, w, h) {
    this.add("image", { x, y, width: w, height: h, href: canvas.toDataURL("image/png"), style: "image-rendering: pixelated",
      preserveAspectRatio: "none" });
  }

  whole(w, h, paper, title) {
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${short(w)}" height="${short(h)}" viewBox="0 0 ${short(w)} ${short(h)}">` +
      `<title>${escapeXml(title)}</title><rect width="100%" height="100%" fill="${escapeXml(paper)}"/>${this.parts.join("")}</svg>\n`;
  }
}

function download(blob, name) {
  const url = URL.createObjectURL(blob), a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 1e4);
}

const fileName = text => text.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 80) || "view";

function savePng(draw, w, h, name) {
  const scale = 3, canvas = document.createElement("canvas");
  canvas.width = Math.round(w * scale);
  canvas.height = Math.round(h * scale);
  const c = canvas.getContext("2d");
  c.scale(scale, scale);
  c.fillStyle = style("paper");
  c.fillRect(0, 0, w, h);
  draw(new CanvasPen(c));
  canvas.toBlob(blob => download(blob, fileName(name) + ".png"), "image/png");
}

function saveSvg(draw, w, h, name) {
  const pen = new SvgPen();
  draw(pen);
  download(new Blob([pen.whole(w, h, style("paper"), name)], { type: "image/svg+xml" }), fileName(name) + ".svg");
}

function element(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes))
    if (k === "text") e.textContent = v;
    else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v === true) e.setAttribute(k, "");
    else if (v !== false && v !== null && v !== undefined) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

// A canvas with its buttons. what.height(width), what.draw(pen, width, height); what.name() for files and who cannot see it.
class Figure {
  constructor(parent, what, label) {
    this.what = what;
    this.canvas = element("canvas", { tabindex: 0, role: "img", "aria-label": label });
    this.box = element("div", { class: "figure" }, this.canvas);
    const save = (name, how) => element("button", { type: "button", text: name, "aria-label": `Save as ${name}: ${label}`,
      onclick: () => how(pen => what.draw(pen, this.w, this.h), this.w, this.h, what.name ? what.name() : label) });
    this.box.append(element("div", { class: "save" }, save("PNG", savePng), save("SVG", saveSvg)));
    parent.append(this.box);
    new ResizeObserver(() => this.redraw()).observe(this.box);
  }

  redraw() {
    if (!this.asked) this.asked = requestAnimationFrame(() => { this.asked = 0; this.paint(); });
  }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    this.w = this.box.clientWidth;
    if (!this.w) return;
    this.h = Math.max(1, Math.ceil(this.what.height(this.w)));
    this.canvas.style.height = this.h + "px";
    this.canvas.width = Math.round(this.w * ratio);
    this.canvas.height = Math.round(this.h * ratio);
    const c = this.canvas.getContext("2d");
    c.scale(ratio, ratio);
    this.what.draw(new CanvasPen(c), this.w, this.h);
    if (this.what.painted) this.what.painted();
  }

  // The pointer in the figure's own units.
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
}

// ---- the tip by the pointer, and what a screen reader hears ----
const tip = {
  show(x, y, ...content) {
    const box = document.getElementById("tip");
    box.replaceChildren(...content);
    box.hidden = false;
    const w = box.offsetWidth, h = box.offsetHeight;
    box.style.left = Math.max(4, Math.min(x + 14, innerWidth - w - 8)) + "px";
    box.style.top = (y + 18 + h > innerHeight ? Math.max(4, y - h - 12) : y + 18) + "px";
  },
  hide() { document.getElementById("tip").hidden = true; },
};

let saying = 0;
function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => { document.getElementById("live").textContent = text; }, 120);
}

// ---- colours ----
const ramps = { cividis: null, diverging: null };
async function readRamps() {
  for (const name of Object.keys(ramps)) {
    const bytes = await rawBytes(tree.colours[name]);
    ramps[name] = { bytes, css: Array.from({ length: 256 }, (_, i) => `rgb(${bytes[3 * i]},${bytes[3 * i + 1]},${bytes[3 * i + 2]})`) };
  }
}
const level = t => Math.max(0, Math.min(255, Math.round(255 * t)));
// Dark or light letters, whichever stand out (WCAG's luminance).
function inkOn(name, i) {
  const linear = v => v <= 10 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const b = ramps[name].bytes, light = .2126 * linear(b[3 * i]) + .7152 * linear(b[3 * i + 1]) + .0722 * linear(b[3 * i + 2]);
  return light > .18 ? "#000" : "#fff";
}
const KINDS = { full: "#404040", recurrent: "#d97706", mlp: "#c8c8c8" }, WINDOWS = ["#56b4e9", "#0072b2", "#9ed6f0"];
const SPANS = ["#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#8a6d3b", "#7570b3", "#d55e00", "#0072b2"];
const LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7570b3", "#8a6d3b"];

function number(v, digits = 3) {
  if (v === null || v === undefined || Number.isNaN(v)) return "–";
  const a = Math.abs(v);
  return a !== 0 && (a < 1e-3 || a >= 1e5) ? v.toExponential(2) : String(Number(v.toFixed(a >= 100 ? 1 : digits)));
}
