// SPDX-License-Identifier: Apache-2.0
// Owns: the page of the configuration in force: each value, and where it is from. It is changed in
// files, by who may write them.
import { get } from "./api.js";
import { command, empty, h, table, text } from "./dom.js";

// The part of a key that values stand together by: "plugins.es", "verdict", "mode".
function group(key) {
  const parts = key.split(".");
  return parts[0] === "plugins" ? parts.slice(0, 2).join(".") : parts[0];
}

function row(v, first) {
  return h("tr", { class: v.from === "default" ? "default" : "" },
    h("th", { scope: "row", class: `key-name ${first ? "" : "again"}` }, h("code", null, v.key)),
    h("td", { class: "value" }, h("code", null, text(v.value))),
    h("td", { class: "from" }, v.from === "default" ? h("span", { class: "quiet" }, "default")
      : v.from.startsWith("/") ? h("code", null, text(v.from)) : text(v.from)));
}

export async function config(own) {
  const list = h("div");
  const managed = h("div");
  const filter = { words: "", set: false };
  let values = [];

  function draw() {
    const words = filter.words.toLowerCase();
    const seen = values.filter((v) => (!filter.set || v.from !== "default") &&
      `${v.key} ${v.value} ${v.from}`.toLowerCase().includes(words));

    list.replaceChildren(seen.length
      ? table("Values", ["Key", "Value", "From"], seen.map((v, i) => row(v, !i || group(seen[i - 1].key) !== group(v.key))))
      : empty(filter.words ? "No value is like that" : "Every value is its default"));
  }

  async function update() {
    const [shown, profiles] = await Promise.all([get("config"), get("profiles")]);
    const files = profiles.items ?? [];

    values = shown.values ?? [];
    draw();
    managed.replaceChildren(files.length
      ? table("Managed profiles", ["File", "State"], files.map((p) => h("tr", null,
        h("td", { class: "path" }, text(p.file ?? p.name)), h("td", null, text(p.state ?? p.why ?? "")))))
      : h("p", { class: "quiet" }, `None in ${profiles.folder ?? "the managed folder"}.`));
  }

  own.append(
    h("p", null, "What is in force now, and the file and line that each value is from. It is changed in these files: check with ",
      command("sudo tocsin config validate"), " and put in force with ", command("sudo tocsin config reload")),
    h("h2", null, "Values"),
    h("div", { class: "tools" },
      h("label", { for: "words" }, "Find"),
      h("input", { id: "words", type: "search", oninput: (e) => {
        filter.words = e.target.value;
        draw();
      } }),
      h("label", { class: "check" }, h("input", { type: "checkbox", id: "set", onchange: (e) => {
        filter.set = e.target.checked;
        draw();
      } }), "Only what is set")),
    list, h("h2", null, "Managed profiles"), managed);
  await update();
  return { kinds: ["commands", "approvals"], update };
}
