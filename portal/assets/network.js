// SPDX-License-Identifier: Apache-2.0
// Owns: the page of the network extension: what it does, isolation, indicators, and flows as they come.
import { change, get, session } from "./api.js";
import { badge, command, confirm, empty, field, h, number, say, table, text, time } from "./dom.js";
import { tap_view } from "./tap.js";

function state_card(n) {
  const c = n.counters ?? {};
  const tile = (name, value) => h("div", { class: "tile card" }, h("span", { class: "quiet" }, name), h("strong", null, value));

  return [h("dl", { class: "card" },
    field("State", [badge(n.state), n.reason && ` ${text(n.reason)}`]),
    field("Mechanism", n.mechanism), field("Enforcement", n.enforcement),
    field("Queue", n.queue && (n.queue.used ? `used: ${n.queue.reason}` : "not needed")),
    field("Self-test", n.selftest && [n.selftest.ok ? "passed " : `failed: ${text(n.selftest.reason)} `, time(n.selftest.time_ns)])),
  h("div", { class: "tiles" }, tile("Flows", number(c.flows)), tile("Allowed", number(c.allowed)), tile("Denied", number(c.denied)),
    tile("Audited", number(c.audited)), tile("Lost", number(c.lost)))];
}

function isolation_card(isolation, act) {
  const on = isolation?.isolated;

  return h("section", { class: `card ${on ? "pending" : ""}`, "aria-labelledby": "isolation" },
    h("h2", { id: "isolation" }, on ? "This machine is cut off" : "Isolation"),
    h("p", null, on ? ["Nothing but what is allowed goes in or out.", isolation.reason && ` Reason: ${text(isolation.reason)}`]
      : "Cut this machine off from others, but for what is allowed, while an attack is looked at."),
    session.may_change && h("div", { class: "actions" }, on
      ? h("button", { class: "primary", type: "button", onclick: () => act("release") }, "Release")
      : h("button", { type: "button", onclick: () => act("isolate") }, "Isolate")));
}

export async function network(own) {
  const body = h("div");
  const note = h("p", { class: "quiet", role: "status" });
  let flows = null;

  async function act(what) {
    const on = what === "isolate";

    if (!await confirm(on ? "Isolate this machine?" : "Release this machine?",
      on ? "Connections end, new ones are refused. These pages, on the machine itself, go on." : "Everything that is not on a list goes through again.",
      on ? "Isolate" : "Release")) return;
    try {
      await change(`network/${what}`);
      say("Done");
      note.textContent = "";
    } catch (error) {
      note.textContent = error.message;
    }
    await update();
  }

  async function update() {
    const plugin = (await get("plugins")).items?.find((p) => p.name === "netfilter");

    if (plugin?.state !== "running") {
      body.replaceChildren(empty("The network extension does not run",
        plugin ? [text(plugin.why) || "It is switched off.", " ", command("sudo tocsin plugin enable netfilter")]
          : ["Write ", h("code", null, "netfilter: {}"), " below ", h("code", null, "plugins:"), " in the configuration, then: ",
            command("sudo tocsin config reload")]));
      return;
    }
    const status = await get("network");
    const list = await get("indicators").catch(() => ({ indicators: [] }));
    const indicators = list.indicators ?? [];
    body.replaceChildren(...state_card(status), isolation_card(status.isolation, act), note,
      h("h2", null, "Indicators"),
      indicators.length ? table("Indicators", ["Value", "Kind", "Action", "Why", "Ends"], indicators.slice(0, 200).map((i) => h("tr", null,
        h("td", null, h("code", null, text(i.value))), h("td", null, i.kind), h("td", null, badge(i.action)),
        h("td", null, text(i.reason ?? "")), h("td", null, i.expires_ns ? time(i.expires_ns) : "never"))))
        : empty("No indicators", ["They block an address, a network, a domain or a host: ", command("sudo tocsin indicator add")]),
      indicators.length > 200 && h("p", { class: "quiet" }, `The first 200 of ${number(indicators.length)}.`) || "");
    if (!flows) {
      flows = tap_view("network.*", "", [["All", ""], ["Blocked", "decision=deny"], ["Going out", "network.direction=egress"], ["Coming in", "network.direction=ingress"]]);
      own.append(h("h2", null, "Flows, live"), flows.element);
    }
  }

  own.append(body);
  await update();
  return { kinds: ["network"], update, close: () => flows?.close() };
}
