// SPDX-License-Identifier: Apache-2.0
// Owns: the page of this machine: what protects it, what is wrong and how to mend it, and its alerts.
import { change, get, session } from "./api.js";
import { command, confirm, duration, empty, field, h, badge, number, say, severities, text, time } from "./dom.js";
import { techniques } from "./techniques.js";

const SHOWN = 50; // alerts of one page

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

function facts(health, alerts, threats) {
  const day = Date.now() - 86400000;
  const recent = alerts.filter((a) => Number(a.last_seen_ns) / 1e6 > day).length;
  const kept = threats.filter((t) => t.status === "quarantined").length;
  const tile = (name, value, href) => h("a", { class: "tile card", href },
    h("span", { class: "quiet" }, name), h("strong", null, value));

  return h("div", { class: "tiles" },
    tile("Alerts, last day", number(recent) + (recent === alerts.length && recent >= SHOWN ? "+" : ""), "#/machine"),
    tile("In quarantine", number(kept), "#/history"),
    tile("Plugins", `${health.plugins_loaded}${health.plugins_failed ? `, ${health.plugins_failed} failed` : ""}`, "#/sensors"),
    tile("Events dropped", number(health.events_dropped), "#/sensors"),
    tile("YARA rules", health.definitions_status ?? "none", "#/config"),
    tile("Behaviour rules", (health.sigma_rules_status ?? "none").split(",")[0], "#/config"));
}

// ---- alerts ----

// Readable text that hides in base64 on a command line: at least 16 letters, UTF-8 or UTF-16.
export function decoded(line) {
  const found = [];

  for (const [word] of String(line ?? "").matchAll(/[A-Za-z0-9+/]{16,}={0,2}/g)) {
    let bytes;
    try {
      bytes = Uint8Array.from(atob(word), (c) => c.charCodeAt(0));
    } catch {
      continue;
    }
    for (const coding of ["utf-8", "utf-16le"])
      try {
        const words = new TextDecoder(coding, { fatal: true }).decode(bytes);
        if (/^[\x20-\x7e\s]{8,}$/.test(words)) {
          found.push(words);
          break;
        }
      } catch {
        // not this coding
      }
  }
  return found;
}

function tree(process) {
  const chain = [...(process.ancestors ?? [])].reverse();
  if (!chain.length && process.parent) chain.push(process.parent);
  chain.push(process);
  return h("ol", { class: "tree", "aria-label": "Processes, the first ancestor first" },
    chain.map((p, i) => h("li", { class: i === chain.length - 1 ? "it" : null },
      h("span", { class: "depth", "aria-hidden": "true" }, "  ".repeat(i) + (i ? "└ " : "")),
      h("code", null, text(p.executable ?? p.name ?? "?")), h("span", { class: "quiet" }, ` ${p.pid}`),
      p.user && h("span", { class: "quiet" }, `, user ${p.user.name ?? p.user.id}`),
      p.command_line && h("div", { class: "line", tabindex: "0", role: "group", "aria-label": "Command line" }, h("code", null, text(p.command_line))))));
}

function next_steps(alert, event) {
  const steps = [];
  const pid = event.process?.pid;

  if (pid) steps.push(["See what the process does", `sudo tocsin tap 'process.*' --filter process.pid=${pid}`]);
  if (alert.category === "malware") steps.push(["See what was put away", "tocsin threat list"]);
  if (alert.path) steps.push(["Scan around it", `sudo tocsin scan custom --path '${String(text(alert.path)).replace(/\/[^/]*$/, "") || "/"}'`]);
  if (alert.severity === "critical" || alert.severity === "high")
    steps.push(["Cut the machine off, if it is an attack", "sudo tocsin isolate on --reason 'alert'"]);
  steps.push(["Read it on the terminal", `tocsin alert get ${alert.id}`]);
  return h("ul", { class: "steps" }, steps.map(([why, what]) => h("li", null, why, ": ", command(what))));
}

function details(alert) {
  const event = alert.event ?? {};
  const rule = event.rule ?? {};
  const process = event.process ?? {};
  const plain = decoded(text(process.command_line) ?? text(alert.command_line));
  const false_positives = rule.false_positives ?? [];

  return h("div", { class: "detail" },
    h("p", null, event.alert?.description ?? rule.description ?? ""),
    h("dl", null,
      field("Technique", techniques(alert.technique).map((t) => h("div", null, t.name || t.id, t.name && h("span", { class: "quiet" }, ` ${t.id}`)))),
      field("Rule", [rule.name ?? alert.rule, rule.author && h("span", { class: "quiet" }, ` by ${rule.author}`)]),
      field("Could also be", false_positives.length > 0 && false_positives.join("; ")),
      field("First seen", time(alert.time_ns)), field("Last seen", time(alert.last_seen_ns)),
      field("File", alert.path && h("code", null, text(alert.path))),
      field("SHA-256", (event.file?.hash?.sha256 ?? process.hash?.sha256) && h("code", null, event.file?.hash?.sha256 ?? process.hash.sha256)),
      field("Command line", alert.command_line && h("code", null, text(process.command_line ?? alert.command_line))),
      field("Base64 says", plain.length > 0 && plain.map((words) => h("pre", null, words))),
      field("Matched", event.matched?.fields?.map((f) => h("div", null, h("code", null, `${f.name} = ${text(f.value)}`))))),
    process.pid && [h("h3", null, "Processes"), tree(process)],
    alert.responses?.length > 0 && [h("h3", null, "Done about it"), h("ul", null, alert.responses.map((r) =>
      h("li", null, `${r.action}: ${r.status}`, r.reason && ` (${text(r.reason)})`, " ", time(r.time_ns))))],
    h("h3", null, "Next"), next_steps(alert, event),
    h("details", null, h("summary", null, "The whole event"),
      h("pre", { tabindex: "0", "aria-label": "Event" }, JSON.stringify(event, null, 2))));
}

// One alert, which opens; what is open stays open when the list is drawn again.
function alert_item(alert, open) {
  const body = h("div", { id: `alert-${alert.id}`, hidden: true });
  const button = h("button", { class: "row", type: "button", "aria-expanded": "false", "aria-controls": body.id },
    badge(alert.severity),
    h("span", { class: "grow" }, h("span", { class: "name" }, alert.title),
      h("span", { class: "quiet what" }, text(alert.command_line ?? alert.process ?? alert.path ?? ""))),
    alert.count > 1 && h("span", { class: "quiet" }, `${number(alert.count)}×`),
    h("span", { class: "when" }, time(alert.last_seen_ns)));

  async function toggle(show) {
    button.setAttribute("aria-expanded", String(show));
    body.hidden = !show;
    if (!show) {
      open.delete(alert.id);
      return;
    }
    open.add(alert.id);
    try {
      body.replaceChildren(details(await get("alert", { id: alert.id })));
    } catch (error) {
      body.replaceChildren(h("p", { role: "alert" }, error.message));
    }
  }

  button.addEventListener("click", () => toggle(body.hidden));
  if (open.has(alert.id)) toggle(true);
  return h("li", { class: "card", "data-alert": alert.id, "data-title": alert.title }, button, body);
}

function wanted(alert, filter) {
  if (filter.severity && severities.indexOf(alert.severity) > severities.indexOf(filter.severity)) return false;
  if (!filter.words) return true;
  const all = [alert.title, alert.rule, alert.technique, alert.process, alert.command_line, alert.path].map((v) => text(v) ?? "");
  return all.join("\n").toLowerCase().includes(filter.words.toLowerCase());
}

// ---- the page ----

export async function machine(own) {
  const top = h("div");
  const list = h("ul", { class: "alerts" });
  const note = h("p", { class: "quiet" });
  const filter = { severity: "", words: "" };
  const open = new Set();
  let limit = SHOWN;
  let known = null; // ids of the alerts drawn before
  let alerts = [];

  async function answer(what, gate) {
    if (what === "deny" && !await confirm("Deny the extension?", "The kernel extension protects this machine then, and sees executions alone.", "Deny")) return;
    try {
      await change(`approval/${what}`, { gate });
      say(what === "grant" ? "Approved" : "Denied");
    } catch (error) {
      note.textContent = error.message;
    }
    await update(["health"]);
  }

  function draw_alerts() {
    const seen = alerts.filter((a) => wanted(a, filter));

    list.replaceChildren(...seen.map((a) => alert_item(a, open)));
    if (!seen.length)
      list.replaceChildren(h("li", null, alerts.length ? empty("No alert is like that")
        : empty("No alerts", "What is found in files and in what programs do appears here within a second.")));
    more.hidden = alerts.length < limit;
    const fresh = known && alerts.filter((a) => !known.has(a.id));
    if (fresh?.length) say(`New alert: ${fresh[0].title}`);
    known = new Set(alerts.map((a) => a.id));
  }

  async function update() {
    const [health, approvals, found, threats] = await Promise.all([
      get("health"), get("approvals"), get("alerts", { limit }), get("threats", { limit: 500 })]);

    alerts = found.items;
    top.replaceChildren(...[hero(health), pending(approvals, answer), issues(health), facts(health, alerts, threats.items)].filter(Boolean));
    draw_alerts();
  }

  const more = h("button", { type: "button", hidden: true, onclick: () => {
    limit += SHOWN;
    update();
  } }, "Show more");
  own.append(top, h("section", { "aria-labelledby": "alerts" },
    h("h2", { id: "alerts" }, "Alerts"),
    h("div", { class: "tools" },
      h("label", { for: "severity" }, "At least"),
      h("select", { id: "severity", onchange: (e) => {
        filter.severity = e.target.value;
        draw_alerts();
      } }, h("option", { value: "" }, "any severity"), severities.slice(0, 4).map((s) => h("option", null, s))),
      h("label", { for: "words" }, "Find"),
      h("input", { id: "words", type: "search", oninput: (e) => {
        filter.words = e.target.value;
        draw_alerts();
      } })),
    note, list, more));
  await update();
  return { kinds: ["alerts", "threats", "approvals", "sensors", "health"], update };
}
