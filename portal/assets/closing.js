// SPDX-License-Identifier: Apache-2.0
// Owns: closing an alert or a case, with a note, and opening it again.
import { change } from "./api.js";
import { h, say } from "./dom.js";

// The note; null: it is not to be closed.
function ask(what) {
  return new Promise((resolve) => {
    const note = h("input", { id: "note", maxlength: 1000, autocomplete: "off" });
    const dialog = h("dialog", { "aria-labelledby": "ask", onclose: () => {
      resolve(dialog.returnValue === "yes" ? note.value : null);
      dialog.remove();
    } },
    h("form", { method: "dialog" }, h("h2", { id: "ask" }, `Close the ${what}?`),
      h("p", null, what === "case" ? "All its alerts that are open are closed." : "Lists leave it out.",
        " What matches again is open again."),
      h("p", null, h("label", { for: "note" }, "Note")), note,
      h("div", { class: "actions" },
        h("button", { value: "no", type: "button", onclick: () => dialog.close("no") }, "Cancel"),
        h("button", { value: "yes", class: "primary" }, "Close it"))));
    document.body.append(dialog);
    dialog.showModal();
    note.focus();
  });
}

async function tell(path, params, words, again) {
  try {
    await change(path, params);
    say(words);
  } catch (error) {
    say(error.message);
    throw error;
  }
  await again();
}

export async function close(what, id, again) {
  const note = await ask(what);
  if (note !== null) await tell(`${what}/close`, { id, note }, "Closed", again);
}

export const reopen = (what, id, again) => tell(`${what}/reopen`, { id }, "Open again", again);
