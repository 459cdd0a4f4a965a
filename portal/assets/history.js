// SPDX-License-Identifier: Apache-2.0
// Owns: the page of protection history: what was found in files, and what was done about it.
import { change, get, session } from "./api.js";
import { badge, command, confirm, empty, field, h, number, say, table, text, time } from "./dom.js";

const states = ["all", "detected", "quarantined", "restored", "removed", "allowed", "failed"];

const acts = {
  restore: ["Restore", "The file goes back to where it was, and is allowed from now on."],
  remove: ["Remove for good", "The file is deleted from quarantine. It cannot be had back."],
  allow: ["Allow", "Files with this content are not stopped any more, wherever they are."],
};

function possible(threat) {
  if (threat.status === "quarantined") return ["restore", "remove", "allow"];
  return threat.status === "detected" || threat.status === "failed" ? ["allow"] : [];
}

export async function history(own) {
  let state = "all";
  const list = h("div");
  const note = h("p", { class: "quiet" });

  async function act(what, threat) {
    const [title, means] = acts[what];

    if (!await confirm(`${title}: ${threat.name}`, `${text(threat.path)}. ${means}`, title)) return;
    try {
      await change(`threat/${what}`, { id: threat.id });
      say(`${title}: done`);
      await update();
    } catch (error) {
      note.textContent = `${title}: ${error.message}`;
    }
  }

  async function expand(row, threat, button) {
    const open = button.getAttribute("aria-expanded") === "true";

    button.setAttribute("aria-expanded", String(!open));
    if (open) {
      row.nextElementSibling.remove();
      return;
    }
    const [t, commands] = await Promise.all([get("threat", { id: threat.id }),
      get("events", { topic: "agent.command", limit: 500 })]);
    const d = t.detected ?? {};
    const done = commands.items.filter((c) => c.event.params?.id === t.id && c.event.allowed);
    row.after(h("tr", { class: "detail" }, h("td", { colspan: "6" }, h("dl", null,
      field("What it is", d.rule?.description ?? d.rule?.name),
      field("Paths", t.paths?.map((p) => h("div", null, h("code", null, text(p))))),
      field("SHA-256", t.sha256 && h("code", null, t.sha256)),
      field("By", t.process && [h("code", null, text(t.process)), ` (process ${t.pid}, user ${t.user})`]),
      field("Command line", t.command_line && h("code", null, text(t.command_line))),
      field("Found", time(t.first_seen_ns)), field("Last seen", time(t.last_seen_ns)),
      field("Reason", text(t.reason)),
      field("Done by hand", done.map((c) => h("div", null, time(c.time_ns),
        ` ${c.event.method.replace("av.", "")}, by user ${c.event.user_id}, process ${c.event.pid}`))),
      field("Reference", d.rule?.reference && h("code", null, d.rule.reference)),
      field("On the terminal", [command(`tocsin threat get ${t.id}`),
        t.status === "quarantined" && h("div", null, command(`sudo tocsin threat quarantine restore ${t.id} --to FILE`))])))));

  }

  function row(threat) {
    const button = h("button", { class: "link", type: "button", "aria-expanded": "false",
      onclick: () => expand(tr, threat, button) }, threat.name);
    const tr = h("tr", null,
      h("td", null, time(threat.last_seen_ns)),
      h("td", null, badge(threat.severity)),
      h("td", null, button),
      h("td", { class: "path" }, text(threat.path)),
      h("td", null, badge(threat.status), threat.count > 1 && ` ${number(threat.count)}×`),
      h("td", { class: "actions" }, session.may_change && possible(threat).map((what) =>
        h("button", { class: "small", type: "button", onclick: () => act(what, threat) },
          acts[what][0]))));
    return tr;
  }

  async function update() {
    const { items, truncated } = await get("threats", { limit: 500 });
    const seen = items.filter((t) => state === "all" || t.status === state);

    note.textContent = truncated || items.length === 500 ? `The newest ${items.length} are shown.` : "";
    list.replaceChildren(seen.length
      ? table("Threats", ["Last seen", "Severity", "Threat", "File", "State", "Actions"], seen.map(row))
      : items.length ? empty(`Nothing is ${state}`)
        : empty("Nothing was found", "What the scanner finds in files is listed here, with what was done about it."));
  }

  const choose = h("select", { id: "state", onchange: (e) => {
    state = e.target.value;
    update();
  } }, states.map((s) => h("option", null, s)));
  own.append(h("div", { class: "tools" }, h("label", { for: "state" }, "State"), choose), note, list);
  await update();
  return { kinds: ["threats"], update };
}
