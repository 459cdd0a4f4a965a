// SPDX-License-Identifier: Apache-2.0
// Owns: the page of sensors: who held the slot of protection and when, the gates, and the plugins.
import { change, get, session } from "./api.js";
import { Chart, Rate } from "./chart.js";
import { badge, confirm, duration, empty, h, number, say, svg, table, text, time } from "./dom.js";

const EVERY_MS = 2000;

const gates = {
  es_extension: "System extension", network_extension: "Network extension",
  network_filter: "Network filter", full_disk_access: "Full disk access",
};

// ---- who held the slot ----

// [{sensor, from, to}] of the events, oldest first; sensor null: a gap.
function spans(events) {
  const all = [];
  let now = null;
  const begin = (sensor, at) => {
    if (now?.sensor === sensor) return;
    if (now) all.push({ ...now, to: at });
    now = { sensor, from: at };
  };

  for (const e of events) {
    const at = Number(e.time_ns);

    if (e.topic === "sensor.gap" && !e.event.to) begin(null, at);
    else if (e.topic === "sensor.gap") begin(e.event.sensor, at);
    else if (e.topic === "sensor.swapped") begin(e.event.to, at);
    else if (e.topic === "sensor.canary_ok" && !now) begin(e.event.sensor, at);
  }
  if (now) all.push({ ...now, to: Date.now() * 1e6 });
  return all;
}

function timeline(events) {
  const all = spans(events);
  if (!all.length) return empty("Nothing is known yet");
  const from = all[0].from;
  const whole = Math.max(1, all[all.length - 1].to - from);

  return h("figure", { class: "card timeline" },
    svg("svg", { viewBox: "0 0 1000 28", preserveAspectRatio: "none", role: "img",
      "aria-label": all.map((s) => `${s.sensor ?? "nobody"} for ${duration((s.to - s.from) / 1e9)}`).join(", ") },
    all.map((s) => svg("rect", { x: (1000 * (s.from - from)) / whole, y: 0, height: 28,
      width: Math.max(1.5, (1000 * (s.to - s.from)) / whole), class: `sensor-${s.sensor ?? "none"}` }))),
    h("figcaption", null, time(from), h("span", { class: "keys" },
      [...new Set(all.map((s) => s.sensor))].map((s) => h("span", { class: "key" },
        h("span", { class: `swatch sensor-${s ?? "none"}`, "aria-hidden": "true" }), s ?? "nobody"))),
    h("span", null, "now")));
}

function story(e) {
  const v = e.event;

  switch (e.topic) {
    case "sensor.swapped": return `${v.from} handed over to ${v.to}: ${v.reason ?? ""}`;
    case "sensor.gap": return v.to ? `Nobody protected for ${duration((Number(v.to) - Number(v.from)) / 1e9)}; then ${v.sensor} did, and looked again at what was written` : "Nobody protects";
    case "sensor.starting": return `${v.sensor} is started: ${v.reason ?? ""}`;
    case "sensor.canary_ok": return `${v.sensor} has proved that it protects`;
    case "sensor.crashed": return `${v.sensor} stopped unexpectedly: ${v.reason ?? ""}`;
    case "sensor.barred": return `${v.sensor} is left alone: ${v.reason ?? ""}`;
    case "sensor.overlap_begin": return `${v.from} and ${v.to} both protect, until ${v.to} does alone`;
    case "sensor.overlap_end": return `${v.from} and ${v.to} no longer both protect`;
    case "sensor.handover_aborted": return `${v.from} stays, ${v.to} was turned away: ${v.reason ?? ""}`;
    case "sensor.degraded": return `${v.sensor} protects less: ${v.reason ?? ""}`;
    default: return e.topic.replace(/^sensor\./, "").replaceAll("_", " ") + (v.sensor ? `: ${v.sensor}` : "");
  }
}

// ---- gates and plugins ----

function gate_row(g, act) {
  const button = (what, title) => h("button", { class: "small", type: "button", onclick: () => act(what, g.gate) }, title);

  return h("tr", null, h("th", { scope: "row" }, gates[g.gate] ?? g.gate),
    h("td", null, badge(g.state)), h("td", null, text(g.source) || "–"),
    h("td", null, text(g.extension_state ?? "")),
    h("td", { class: "actions" }, session.may_change && (g.state === "granted"
      ? button("revoke", "Revoke") : [button("grant", "Approve"), button("deny", "Deny")])));
}

function plugin_row(p, rate) {
  return h("tr", null, h("th", { scope: "row" }, p.name, h("div", { class: "quiet" }, p.summary)),
    h("td", null, badge(p.state), p.why && h("div", { class: "quiet" }, text(p.why))),
    h("td", null, p.version), h("td", { class: "n" }, rate === null ? "–" : number(Math.round(rate))),
    h("td", { class: "n" }, number(p.delivered)), h("td", { class: `n ${p.dropped ? "bad" : ""}` }, number(p.dropped)));
}

// ---- the page ----

export async function sensors(own) {
  const slot = h("div");
  const gate_box = h("div");
  const plugin_box = h("div");
  const note = h("p", { class: "quiet", role: "status" });
  const charts = { events: new Chart("Events on the bus", "a second"), verdicts: new Chart("Questions", "a second"),
    dropped: new Chart("Dropped", "a second") };
  const rates = { events: new Rate(), verdicts: new Rate(), dropped: new Rate() };
  const plugin_rates = new Map();

  async function act(what, gate) {
    if (what !== "grant" && !await confirm(`${what === "deny" ? "Deny" : "Revoke"}: ${gates[gate] ?? gate}?`,
      "Another sensor takes over, or nobody, if there is none.", what === "deny" ? "Deny" : "Revoke")) return;
    try {
      await change(`approval/${what}`, { gate });
      say("Done");
      note.textContent = "";
    } catch (error) {
      note.textContent = error.message;
    }
    await update();
  }

  async function sample() {
    const s = await get("statistics");
    const push = (name, count) => {
      const r = rates[name].of(count);
      if (r !== null) charts[name].push(r);
    };

    push("events", s.bus.published);
    push("verdicts", s.verdict.asked);
    push("dropped", s.bus.dropped);
    plugin_box.replaceChildren(table("Plugins", ["Plugin", "State", "Version", "Events a second", "Events", "Dropped"],
      s.plugins.map((p) => {
        if (!plugin_rates.has(p.name)) plugin_rates.set(p.name, new Rate());
        return plugin_row(p, plugin_rates.get(p.name).of(p.delivered));
      })));
  }

  async function update() {
    const [events, approvals] = await Promise.all([get("events", { topic: "sensor.*", limit: 200 }), get("approvals")]);

    slot.replaceChildren(timeline([...events.items].reverse()),
      h("ol", { class: "story" }, events.items.slice(0, 12).map((e) =>
        h("li", null, time(e.time_ns), " ", h("span", null, story(e))))));
    gate_box.replaceChildren(table("Gates", ["Gate", "State", "By", "Extension", "Actions"], approvals.gates.map((g) => gate_row(g, act))));
  }

  own.append(h("h2", null, "Who protects"), slot, h("h2", null, "Now"),
    h("div", { class: "charts" }, Object.values(charts).map((c) => c.element)),
    h("h2", null, "Approvals"), note, gate_box, h("h2", null, "Plugins"), plugin_box);
  await Promise.all([update(), sample()]);
  const again = () => !document.hidden && sample().catch(() => {});
  const soon = setTimeout(again, EVERY_MS / 4); // a rate needs two
  const timer = setInterval(again, EVERY_MS);
  return { kinds: ["sensors", "approvals"], update, close: () => {
    clearTimeout(soon);
    clearInterval(timer);
  } };
}
