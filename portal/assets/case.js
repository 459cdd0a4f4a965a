// SPDX-License-Identifier: Apache-2.0
// Owns: the page of one case: what happened in order of time, and the processes of all its alerts as one tree.
import { get, session } from "./api.js";
import { alert_item } from "./alert.js";
import { close, reopen } from "./closing.js";
import { badge, failed, field, h, number, text, time } from "./dom.js";

// ---- who ----

// Each process once, below its parent, with the numbers of the alerts that it caused.
function family(alerts) {
  const all = new Map();
  const place = (p) => {
    const key = `${p.pid} ${p.start}`;
    const known = all.get(key) ?? { ...p, key, above: null, alerts: [] };

    known.command_line ??= p.command_line;
    known.executable ??= p.executable;
    all.set(key, known);
    return known;
  };
  const is_below = (p, other) => p && (p === other || is_below(p.above, other));

  alerts.forEach((alert, i) => {
    const process = alert.event?.process;
    if (!process?.pid) return;
    let child = place(process);
    child.alerts.push(i + 1);
    for (const p of process.ancestors ?? [process.parent].filter(Boolean)) {
      const parent = place(p);
      if (!child.above && !is_below(parent, child)) child.above = parent;
      child = parent;
    }
  });
  return [...all.values()];
}

function tree(all) {
  const lines = [];
  const draw = (above, depth) => all.filter((p) => p.above === above).forEach((p) => {
    lines.push(h("li", { class: p.alerts.length ? "it" : null },
      h("span", { class: "depth", "aria-hidden": "true" }, "  ".repeat(depth) + (depth ? "└ " : "")),
      h("code", null, text(p.executable ?? p.name ?? "?")), h("span", { class: "quiet" }, ` ${p.pid}`),
      p.alerts.length > 0 && h("span", { class: "quiet" }, ` alert ${p.alerts.join(", ")}`),
      p.command_line && h("div", { class: "line", tabindex: "0", role: "group", "aria-label": "Command line" }, h("code", null, text(p.command_line)))));
    draw(p, depth + 1);
  });

  draw(null, 0);
  return h("ol", { class: "tree", "aria-label": "Processes, the first ancestor first" }, lines);
}

// ---- what happened when ----

function moments(found, open, acts) {
  const number_of = (id) => found.timeline.findIndex((a) => a.id === id) + 1;
  const line = (ns, order, n, ...what) => ({ ns, order, element: h("li", { class: "card moment" }, time(ns), " ", n > 0 && `alert ${n}: `, what) });

  return [
    ...found.timeline.map((a, i) => ({ ns: a.time_ns, order: 0, element: alert_item({ ...a, title: `${i + 1}. ${a.title}`, last_seen_ns: a.time_ns }, open, acts) })),
    ...found.responses.map((r) => line(r.time_ns, 1, number_of(r.alert), `${r.action}: ${r.status}`, r.reason && `, ${text(r.reason)}`)),
    ...found.threats.map((t) => line(t.first_seen_ns, 2, number_of(t.id), t.name, " in ", h("code", null, text(t.path)))),
    ...found.threats.filter((t) => t.remediated_ns).map((t) => line(t.remediated_ns, 3, number_of(t.id), badge(t.status), " ", h("code", null, text(t.path)))),
  ].sort((a, b) => Number(a.ns) - Number(b.ns) || a.order - b.order).map((m) => m.element);
}

// ---- the page ----

export async function the_case(own) {
  const id = decodeURIComponent(location.hash.split("/")[2] ?? "latest");
  const open = new Set();
  const acts = { again: () => update() };

  async function update() {
    let found;
    try {
      found = await get("case", { id });
    } catch (error) {
      own.replaceChildren(failed(error));
      return;
    }
    own.replaceChildren(
      h("p", null, h("a", { href: "#/machine" }, "All alerts")),
      h("section", { class: "card", "aria-labelledby": "what" },
        h("h2", { id: "what" }, badge(found.severity), " ", found.title),
        h("dl", null, field("State", found.state), field("Alerts", number(found.alerts)),
          field("First seen", time(found.first_seen_ns)), field("Last seen", time(found.last_seen_ns)), field("Id", h("code", null, found.id))),
        session.may_change && h("div", { class: "actions" }, found.state === "open"
          ? h("button", { class: "primary", type: "button", onclick: () => close("case", found.id, update) }, "Close the case")
          : h("button", { type: "button", onclick: () => reopen("case", found.id, update) }, "Open it again"))),
      h("section", { "aria-labelledby": "timeline" }, h("h2", { id: "timeline" }, "Timeline"),
        h("ol", { class: "alerts" }, moments(found, open, acts)),
        found.truncated && h("p", { class: "quiet" }, "There is more: ", h("code", null, `tocsin alert list --state all --case ${found.id}`))),
      h("section", { "aria-labelledby": "who-did-it" }, h("h2", { id: "who-did-it" }, "Processes"), tree(family(found.timeline))));
  }

  await update();
  return { kinds: ["alerts", "threats"], update };
}
