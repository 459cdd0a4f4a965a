// SPDX-License-Identifier: Apache-2.0
// Owns: which page is shown, who is logged in, and telling the page shown that something changed.
import { Stream, begin, change, session } from "./api.js";
import { failed, h, say } from "./dom.js";
import { the_case } from "./case.js";
import { config } from "./config.js";
import { history } from "./history.js";
import { machine } from "./machine.js";
import { network } from "./network.js";
import { sensors } from "./sensors.js";
import { tap } from "./tap.js";

// A page is a function: page(main) draws itself and returns {kinds, update, close}. `update(kinds)` is called
// when something of those kinds has changed.
const pages = {
  machine: ["Machine", machine],
  history: ["Protection history", history],
  sensors: ["Sensors", sensors],
  tap: ["Live tap", tap],
  network: ["Network", network],
  config: ["Configuration", config],
};
// Those that others lead to, and which of the above they are a part of.
const inner = { case: ["Case", the_case, "machine"] };

const main = document.getElementById("main");
const banner = document.getElementById("banner");
let shown = null;

function warn(words) {
  banner.hidden = !words;
  banner.textContent = words ?? "";
}

// What goes wrong in these scripts is said, not hidden in the console.
addEventListener("error", (e) => warn(`Something went wrong on this page: ${e.message}`));
addEventListener("unhandledrejection", (e) => warn(`Something went wrong on this page: ${e.reason?.message}`));

function draw_nav(current) {
  document.getElementById("nav").replaceChildren(...Object.entries(pages).map(([id, [title]]) =>
    h("a", { href: `#/${id}`, "aria-current": id === current ? "page" : null }, title)));
  document.querySelector("#nav [aria-current]").scrollIntoView({ block: "nearest", inline: "center" });
}

function draw_who() {
  document.getElementById("who").replaceChildren(
    h("span", { class: "quiet" }, `${session.user}, ${session.role}`),
    h("button", { class: "small", type: "button", onclick: async () => {
      await change("logout");
      location.replace("/login");
    } }, "Log out"));
}

async function show() {
  const id = location.hash.replace(/^#\/?/, "").split("/")[0] || "machine";
  const [title, page, part_of] = inner[id] ?? pages[id] ?? pages.machine;

  shown?.close?.();
  shown = null;
  draw_nav(part_of ?? (pages[id] ? id : "machine"));
  document.title = `${title} – Tocsin`;
  const own = h("div", { class: "page" });
  const loading = h("p", { class: "quiet loading" }, "Loading…");
  main.replaceChildren(h("h1", null, title), loading, own);
  try {
    const made = await page(own);
    if (own.isConnected) shown = made;
    else made?.close?.();
  } catch (error) {
    own.replaceChildren(failed(error, show));
  }
  loading.remove();
}

async function changed(kinds) {
  if (!shown?.kinds?.some((k) => kinds.includes(k))) return;
  try {
    await shown.update(kinds);
  } catch (error) {
    if (error.code !== "gone" && error.code !== "away") throw error;
  }
}

const all = ["alerts", "threats", "approvals", "sensors", "network", "commands", "health"];
let was_away = false;

function agent_is(there) {
  warn(there ? null : "The agent does not answer. What you see is what was known last; this page goes on by itself when it is back.");
  if (there && was_away) {
    say("The agent is back");
    begin().then(draw_who);
    if (shown) changed(all);
    else show(); // it could not be drawn while the agent was away
  }
  was_away = !there;
}

await begin();
draw_who();
addEventListener("hashchange", async () => {
  await show();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
});
await show();
new Stream("/api/changes", {
  connected: (there) => {
    if (!there) {
      was_away = true;
      warn("The portal does not answer. It is asked again in a moment.");
    }
  },
  events: { agent: agent_is, changed },
});
