// SPDX-License-Identifier: Apache-2.0
// Owns: the list of alerts: what it is filtered by, which the agent does, and its pages.
import { get } from "./api.js";
import { alert_item } from "./alert.js";
import { badge, empty, h, number, say, severities, text, time } from "./dom.js";

const SHOWN = 50; // alerts of one page
const MOST = 1000; // that are asked for again when something has changed
const CASES = 5;

const spans = { "any time": 0, "last hour": 3600, "last day": 86400, "last week": 604800 };

function found(alert, words) {
  const all = [alert.title, alert.rule, alert.technique, alert.process, alert.command_line, alert.path].map((v) => text(v) ?? "");
  return all.join("\n").toLowerCase().includes(words.toLowerCase());
}

const choice = (id, label, names, f) => [h("label", { for: id }, label),
  h("select", { id, onchange: (e) => f(e.target.value) }, names.map((name) => h("option", { value: name }, name)))];

// Those of more than one alert: attacks rather than single matches.
function cases_of(all) {
  const several = all.filter((c) => c.alerts > 1).slice(0, CASES);

  return several.length > 0 && h("section", { "aria-labelledby": "cases" },
    h("h2", { id: "cases" }, "Cases"),
    h("ul", { class: "alerts" }, several.map((c) => h("li", { class: "card" },
      h("a", { class: "row", href: `#/case/${encodeURIComponent(c.id)}` }, badge(c.severity),
        h("span", { class: "grow" }, h("span", { class: "name" }, c.title)),
        h("span", { class: "quiet" }, `${number(c.alerts)} alerts`),
        h("span", { class: "when" }, time(c.last_seen_ns)))))));
}

export function alert_list() {
  const filter = { severity: "", state: "open", rule: "", seconds: 0, words: "" };
  const open = new Set();
  const cases = h("div");
  const list = h("ul", { class: "alerts" });
  const rule = h("span");
  const total = h("p", { class: "quiet", role: "status" });
  let alerts = [];
  let known = null; // ids of the alerts drawn before, with the same filter
  let next = null;

  const params = () => ({
    state: filter.state, severity: filter.severity, rule: filter.rule,
    since_ns: filter.seconds ? `${Date.now() - 1000 * filter.seconds}000000` : "",
  });
  const set = (name) => (value) => {
    filter[name] = value;
    alerts = [];
    known = null;
    update();
  };
  const acts = { again: () => update(), of_rule: set("rule") };

  function draw(count) {
    const seen = filter.words ? alerts.filter((a) => found(a, filter.words)) : alerts;

    list.replaceChildren(...seen.map((a) => alert_item(a, open, acts)));
    if (!seen.length)
      list.replaceChildren(h("li", null, alerts.length || filter.severity || filter.rule || filter.seconds || filter.state !== "open"
        ? empty("No alert is like that")
        : empty("No alerts", "What is found in files and in what programs do appears here within a second.")));
    if (count !== undefined) total.textContent = count > alerts.length ? `${number(alerts.length)} of ${number(count)}` : "";
    rule.replaceChildren(...filter.rule ? [h("button", { class: "small", type: "button", onclick: () => set("rule")("") }, `Rule: ${filter.rule} ✕`)] : []);
    older.hidden = !next;
    const fresh = known && alerts.filter((a) => !known.has(a.id));
    if (fresh?.length) say(`New alert: ${fresh[0].title}`);
    known = new Set(alerts.map((a) => a.id));
  }

  async function update() {
    const limit = Math.min(MOST, Math.max(SHOWN, alerts.length));
    const [answer, all] = await Promise.all([get("alerts", { limit, ...params() }), get("cases", { limit: 50, state: "open" })]);

    alerts = answer.items;
    next = answer.next;
    cases.replaceChildren(...[cases_of(all.items)].filter(Boolean));
    draw(answer.total);
  }

  async function go_on() {
    const answer = await get("alerts", { limit: SHOWN, before: next, ...params() });

    known = null;
    alerts = alerts.concat(answer.items);
    next = answer.next;
    draw(answer.total);
  }

  const older = h("button", { type: "button", hidden: true, onclick: go_on }, "Older");
  const own = h("div", null, cases, h("section", { "aria-labelledby": "alerts" },
    h("h2", { id: "alerts" }, "Alerts"),
    h("div", { class: "tools" },
      h("label", { for: "severity" }, "At least"),
      h("select", { id: "severity", onchange: (e) => set("severity")(e.target.value) },
        h("option", { value: "" }, "any severity"), severities.slice(0, 4).map((s) => h("option", null, s))),
      choice("state", "State", ["open", "closed", "all"], set("state")),
      choice("span", "Seen", Object.keys(spans), (name) => set("seconds")(spans[name])),
      h("label", { for: "words" }, "Find"),
      h("input", { id: "words", type: "search", oninput: (e) => {
        filter.words = e.target.value;
        draw();
      } }), rule),
    list, total, older));
  return { own, update };
}
