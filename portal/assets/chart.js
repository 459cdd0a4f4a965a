// SPDX-License-Identifier: Apache-2.0
// Owns: a chart of the last minutes of one number, which draws itself as it is fed.
import { h, number, svg } from "./dom.js";

const KEPT = 90;
const W = 300;
const H = 64;

export class Chart {
  constructor(title, unit) {
    this.points = [];
    this.unit = unit;
    this.now = h("strong", null, h("span", { class: "quiet" }, "measuring…"));
    this.area = svg("path", { class: "area" });
    this.line = svg("path", { class: "line" });
    this.most = h("span", { class: "quiet" });
    this.element = h("figure", { class: "chart card" },
      h("figcaption", null, h("span", null, title), this.now),
      svg("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", role: "img",
        "aria-label": `${title}, the last minutes` }, this.area, this.line),
      this.most);
  }

  push(value) {
    if (!this.points.length) this.points.push(value); // a line needs two
    this.points.push(value);
    if (this.points.length > KEPT) this.points.shift();
    const top = Math.max(1, ...this.points);
    const at = (v, i) => `${(W * (i + KEPT - this.points.length)) / (KEPT - 1)},${H - 2 - ((H - 6) * v) / top}`;
    const path = this.points.map((v, i) => `${i ? "L" : "M"}${at(v, i)}`).join("");
    const from = (W * (KEPT - this.points.length)) / (KEPT - 1);

    this.line.setAttribute("d", path);
    this.area.setAttribute("d", `${path}L${W},${H}L${from},${H}Z`);
    this.now.textContent = `${number(Math.round(value * 10) / 10)} ${this.unit}`;
    this.most.textContent = `at most ${number(Math.round(Math.max(...this.points)))} ${this.unit}`;
  }
}

// The rise of a counter, a second.
export class Rate {
  constructor() {
    this.at = null;
  }

  of(count) {
    const now = performance.now();
    const before = this.at;

    this.at = { now, count };
    if (!before || count < before.count || now === before.now) return null;
    return (1000 * (count - before.count)) / (now - before.now);
  }
}
