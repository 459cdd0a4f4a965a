// SPDX-License-Identifier: Apache-2.0
// Owns: making elements, and how times, sizes and severities are shown. Text only ever becomes a
// text node, so whatever a path or a command line holds is shown and never run.

// h("p", {class: "x", onclick: f}, "text", [more], null): an element.
export function h(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

const NS = "http://www.w3.org/2000/svg";

export function svg(tag, props, ...children) {
  const e = document.createElementNS(NS, tag);
  for (const [key, value] of Object.entries(props ?? {})) e.setAttribute(key, value);
  e.append(...children.flat(Infinity));
  return e;
}

// The agent's times are nanoseconds.
export const date = (ns) => new Date(Number(ns) / 1e6);

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const hour = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export function time(ns) {
  if (!ns) return "–";
  const d = date(ns);
  const today = d.toDateString() === new Date().toDateString();
  return h("time", { datetime: d.toISOString(), title: full.format(d) },
    today ? hour.format(d) : full.format(d));
}

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const i = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 2 ** (10 * i)).toFixed(1)} ${"KMGT"[i - 1]}iB`;
}

export const number = (n) => Number(n ?? 0).toLocaleString();

export const severities = ["critical", "high", "medium", "low", "informational"];

export const badge = (text, kind) => h("span", { class: `badge ${kind ?? text}` }, text);

// Bytes that are no text come as {"$bin", "$text"}.
export const text = (v) => (v && typeof v === "object" && "$text" in v ? v.$text : v);

export function field(name, value) {
  if (value === null || value === undefined || value === false || value === "" || value.length === 0) return null;
  return [h("dt", null, name), h("dd", null, value)];
}

export const say = (words) => {
  document.getElementById("said").textContent = words;
};

// A command to run, with a button that copies it.
export function command(words) {
  return h("span", { class: "copy" }, h("code", null, words),
    h("button", {
      class: "small", type: "button", "aria-label": `Copy: ${words}`,
      onclick: async (e) => {
        try {
          await navigator.clipboard.writeText(words);
          e.target.textContent = "Copied";
          say("Copied");
        } catch {
          e.target.textContent = "Not allowed";
        }
      },
    }, "Copy"));
}

// Asks before something is changed; true when it is to be done.
export function confirm(title, what, act) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "ask", onclose: () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    } },
    h("form", { method: "dialog" }, h("h2", { id: "ask" }, title), h("p", null, what),
      h("div", { class: "actions" },
        h("button", { value: "no" }, "Cancel"),
        h("button", { value: "yes", class: "primary" }, act))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

export const empty = (title, why) =>
  h("div", { class: "empty" }, h("p", { class: "title" }, title), why && h("p", null, why));

export const failed = (error, again) =>
  h("div", { class: "empty bad", role: "alert" }, h("p", { class: "title" }, "This cannot be shown"),
    h("p", null, error.message), h("p", null, h("button", { type: "button", onclick: again }, "Try again")));

// A table, which on a narrow screen has a line for each cell, with its column's head before it.
export function table(caption, heads, rows) {
  for (const row of rows)
    [...row.cells].forEach((cell, i) => cell.setAttribute("data-head", heads[i] ?? ""));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", null, h("caption", { class: "hidden" }, caption),
      h("thead", null, h("tr", null, heads.map((t) => h("th", { scope: "col" }, t)))),
      h("tbody", null, rows)));
}
