// SPDX-License-Identifier: Apache-2.0
// Owns: the page of the configuration in force. It is changed in files, by who may write them.
import { get } from "./api.js";
import { command, h, table, text } from "./dom.js";

export async function config(own) {
  const body = h("div");

  async function update() {
    const [{ yaml }, profiles] = await Promise.all([get("config"), get("profiles")]);
    const managed = profiles.items ?? [];

    body.replaceChildren(
      h("p", null, "This is in force now, defaults of the core included. It comes from ",
        h("code", null, "/etc/tocsin/tocsin.yaml"), " and the files in ",
        h("code", null, "/etc/tocsin/conf.d"), ", unless the agent was told otherwise."),
      h("ul", { class: "steps" },
        h("li", null, "Check what you have changed: ", command("sudo tocsin config validate")),
        h("li", null, "Put it in force: ", command("sudo tocsin config reload"))),
      h("h2", null, "Values"),
      h("pre", { class: "yaml card", tabindex: "0", "aria-label": "Configuration" }, yaml),
      h("h2", null, "Managed profiles"),
      managed.length
        ? table("Managed profiles", ["File", "State"], managed.map((p) => h("tr", null,
          h("td", { class: "path" }, text(p.file ?? p.name)), h("td", null, text(p.state ?? p.why ?? "")))))
        : h("p", { class: "quiet" }, `None in ${profiles.folder ?? "the managed folder"}.`));
  }

  own.append(body);
  await update();
  return { kinds: ["commands", "approvals"], update };
}
