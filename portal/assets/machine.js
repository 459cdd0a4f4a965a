// SPDX-License-Identifier: Apache-2.0
// Owns: the page of this machine: what protects it, what is wrong and how to mend it, above its alerts.
import { change, get, session } from "./api.js";
import { alert_list } from "./alerts.js";
import { command, confirm, duration, h, number, say, text } from "./dom.js";

const subsystems = {
  endpoint_security_extension: "the system extension: it asks before a file is opened or executed",
  kernel_extension: "the kernel extension: it sees each execution, and ends what is bad",
};

const gates = {
  es_extension: "System extension", network_extension: "Network extension",
  network_filter: "Network filter", full_disk_access: "Full disk access",
};

// What the product promises, as health names it.
const promises = {
  real_time: "Real-time", scanning: "Scanning", behaviour: "Behaviour", record: "Record",
  quarantine: "Quarantine", network: "Network",
};

// ---- health and approval ----

const kept = (health) => h("ul", { class: "promises", "aria-label": "Promises" },
  Object.entries(health.promises ?? {}).map(([name, p]) =>
    h("li", { class: p.kept ? "kept" : "broken", title: p.cause ?? null },
      h("span", { "aria-hidden": "true" }, p.kept ? "✓ " : "✗ "), promises[name] ?? name,
      h("span", { class: "hidden" }, p.kept ? ": kept" : ": not kept"))));

function hero(health) {
  const good = health.healthy;
  const by = subsystems[health.real_time_protection_subsystem];

  return h("section", { class: `hero ${good ? "good" : "bad"}`, "aria-label": "Health" },
    h("div", { class: "mark", "aria-hidden": "true" }, good ? "✓" : "!"),
    h("div", null,
      h("p", { class: "title" }, good ? "This machine is protected" : "This machine needs attention"),
      h("p", null, by ? ["Protected by ", by, ` (${health.sensor_mechanism ?? "unknown"}).`]
        : "Nothing protects files in real time.",
      health.passive_mode_enabled && " Passive mode: what is found is reported, and not stopped."), kept(health)));
}

function issues(health) {
  const all = health.health_issues ?? [];

  return all.length && h("section", { "aria-labelledby": "issues" },
    h("h2", { id: "issues" }, "What to do"),
    h("ul", { class: "issues" }, all.map((i) => h("li", { class: "card" },
      h("p", null, text(i.text)), i.fix && (/^(sudo |tocsin |systemctl )/.test(i.fix)
        ? command(i.fix.startsWith("tocsin") ? `sudo ${i.fix}` : i.fix) : h("p", { class: "quiet" }, i.fix))))));
}

// The gate that is asked about now, with the time that is left.
function pending(approvals, act) {
  const gate = approvals.gates?.find((g) => g.state === "prompting");
  if (!gate) return null;
  const left = h("strong");
  const until = Date.now() + 1000 * (approvals.left_seconds ?? 0);
  const tick = () => {
    left.textContent = duration((until - Date.now()) / 1000);
  };

  tick();
  const section = h("section", { class: "card pending", "aria-labelledby": "pending" },
    h("h2", { id: "pending" }, `${gates[gate.gate] ?? gate.gate} waits for approval`),
    h("p", null, "Without it the kernel extension steps in, in ", left, "."),
    session.may_change
      ? h("div", { class: "actions" },
        h("button", { class: "primary", type: "button", onclick: () => act("grant", gate.gate) }, "Approve"),
        h("button", { type: "button", onclick: () => act("deny", gate.gate) }, "Deny"))
      : command(`sudo tocsin approval grant ${gate.gate}`));
  const timer = setInterval(() => (section.isConnected ? tick() : clearInterval(timer)), 1000);
  return section;
}

// "43 rules in force, 2 ..." as a tile has it.
const count = (status) => /^\d+/.exec(status ?? "")?.[0] ?? status ?? "none";

function facts(health, recent, threats) {
  const kept = threats.filter((t) => t.status === "quarantined").length;
  const tile = (name, value, href) => h("a", { class: "tile card", href },
    h("span", { class: "quiet" }, name), h("strong", null, value));

  return h("div", { class: "tiles" },
    tile("Alerts, last day", number(recent), "#/machine"),
    tile("In quarantine", number(kept), "#/history"),
    tile("Plugins", `${health.plugins_loaded}${health.plugins_failed ? `, ${health.plugins_failed} failed` : ""}`, "#/sensors"),
    tile("Events dropped", number(health.events_dropped), "#/sensors"),
    tile("YARA rules", count(health.definitions_status), "#/config"),
    tile("Behaviour rules", count(health.sigma_rules_status), "#/config"));
}

// ---- the page ----

export async function machine(own) {
  const top = h("div");
  const note = h("p", { class: "quiet" });
  const alerts = alert_list();

  async function answer(what, gate) {
    if (what === "deny" && !await confirm("Deny the extension?", "The kernel extension protects this machine then, and sees executions alone.", "Deny")) return;
    try {
      await change(`approval/${what}`, { gate });
      say(what === "grant" ? "Approved" : "Denied");
    } catch (error) {
      note.textContent = error.message;
    }
    await update();
  }

  async function update() {
    const day = `${Date.now() - 86400000}000000`;
    const [health, approvals, recent, threats] = await Promise.all([
      get("health"), get("approvals"), get("alerts", { limit: 0, since_ns: day }), get("threats", { limit: 500 }), alerts.update()]);

    top.replaceChildren(...[hero(health), pending(approvals, answer), issues(health), facts(health, recent.total, threats.items)].filter(Boolean));
  }

  own.append(top, note, alerts.own);
  await update();
  return { kinds: ["alerts", "threats", "approvals", "sensors", "health"], update };
}
