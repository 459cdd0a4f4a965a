// SPDX-License-Identifier: Apache-2.0
// Owns: how one alert is shown: a row of a list, which opens.
import { get, session } from "./api.js";
import { close, reopen } from "./closing.js";
import { badge, command, field, h, number, text, time } from "./dom.js";
import { techniques } from "./techniques.js";

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

// What the matches of one alert differ in.
const several = (name, all, more) => all?.length > 0 && field(name, [all.map((v) => h("div", null, h("code", null, text(v)))),
  more > 0 && h("div", { class: "quiet" }, `and ${number(more)} matches with others`)]);

function done_with(alert, again) {
  const who = alert.closed_by === 0 ? "root" : `user ${alert.closed_by}`;

  return h("div", { class: "actions" },
    alert.note && h("p", { class: "quiet" }, alert.state === "closed" ? "Closed" : "Was closed", ` by ${who}: `, text(alert.note)),
    session.may_change && (alert.state === "closed"
      ? h("button", { type: "button", onclick: () => reopen("alert", alert.id, again) }, "Open again")
      : h("button", { type: "button", onclick: () => close("alert", alert.id, again) }, "Close")),
    alert.case && h("a", { href: `#/case/${encodeURIComponent(alert.case)}` }, "The case, as one timeline"));
}

function details(alert, acts) {
  const event = alert.event ?? {};
  const rule = event.rule ?? {};
  const process = event.process ?? {};
  const plain = decoded(text(process.command_line) ?? text(alert.command_line));
  const false_positives = rule.false_positives ?? [];

  return h("div", { class: "detail" },
    h("p", null, event.alert?.description ?? rule.description ?? ""), done_with(alert, acts.again),
    h("dl", null,
      field("Technique", techniques(alert.technique).map((t) => h("div", null, t.name || t.id, t.name && h("span", { class: "quiet" }, ` ${t.id}`)))),
      field("Rule", alert.rule && [rule.name ?? alert.rule, rule.author && h("span", { class: "quiet" }, ` by ${rule.author}`), " ",
        acts.of_rule && h("button", { class: "small", type: "button", onclick: () => acts.of_rule(alert.rule) }, "Only this rule")]),
      field("Could also be", false_positives.length > 0 && false_positives.join("; ")),
      field("First seen", time(alert.time_ns)), field("Last seen", time(alert.last_seen_ns)),
      field("File", alert.path && h("code", null, text(alert.path))),
      field("SHA-256", (event.file?.hash?.sha256 ?? process.hash?.sha256) && h("code", null, event.file?.hash?.sha256 ?? process.hash.sha256)),
      field("Command line", alert.command_line && h("code", null, text(process.command_line ?? alert.command_line))),
      field("Base64 says", plain.length > 0 && plain.map((words) => h("pre", null, words))),
      several("Command lines", alert.matches?.command_lines, alert.matches?.command_lines_more),
      several("Paths", alert.matches?.paths, alert.matches?.paths_more),
      several("Addresses", alert.matches?.addresses, alert.matches?.addresses_more),
      field("Matched", event.matched?.fields?.map((f) => h("div", null, h("code", null, `${f.name} = ${text(f.value)}`))))),
    process.pid && [h("h3", null, "Processes"), tree(process)],
    alert.responses?.length > 0 && [h("h3", null, "Done about it"), h("ul", null, alert.responses.map((r) =>
      h("li", null, `${r.action}: ${r.status}`, r.reason && ` (${text(r.reason)})`, " ", time(r.time_ns))))],
    h("h3", null, "Next"), next_steps(alert, event),
    h("details", null, h("summary", null, "The whole event"),
      h("pre", { tabindex: "0", "aria-label": "Event" }, JSON.stringify(event, null, 2))));
}

// One alert, which opens; what is open stays open when the list is drawn again. `acts`: again(), after it has changed,
// and of_rule(name).
export function alert_item(alert, open, acts) {
  const body = h("div", { id: `alert-${alert.id}`, hidden: true });
  const button = h("button", { class: "row", type: "button", "aria-expanded": "false", "aria-controls": body.id },
    badge(alert.severity),
    h("span", { class: "grow" }, h("span", { class: "name" }, alert.title),
      h("span", { class: "quiet what" }, text(alert.command_line ?? alert.process ?? alert.path ?? ""))),
    alert.state === "closed" && h("span", { class: "badge closed" }, "closed"),
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
      body.replaceChildren(details(await get("alert", { id: alert.id }), acts));
    } catch (error) {
      body.replaceChildren(h("p", { role: "alert" }, error.message));
    }
  }

  button.addEventListener("click", () => toggle(body.hidden));
  if (open.has(alert.id)) toggle(true);
  return h("li", { class: "card", "data-alert": alert.id, "data-title": alert.title }, button, body);
}
