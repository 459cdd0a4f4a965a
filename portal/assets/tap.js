// SPDX-License-Identifier: Apache-2.0
// Owns: the live tap: events of the agent's bus as they come, filtered by the agent.
import { Stream } from "./api.js";
import { date, empty, h, number, text } from "./dom.js";

const KEPT = 500;      // events on the page
const DRAW_MS = 100;   // drawn together
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

// What an event is about, in a line.
function about(e) {
  const v = e.event ?? {};
  const p = v.process ?? {};
  const parts = [
    v.file?.path, v.destination?.ip && `${v.destination.domain ?? v.destination.ip}:${v.destination.port}`,
    v.alert?.title, v.detection?.name, v.decision && `decision ${v.decision}`, v.reason, v.sensor && !p.pid && v.sensor,
    p.command_line ?? p.executable];

  return parts.map(text).filter(Boolean).join("  ·  ");
}

// `presets`: [[title, filter]] that one button each applies.
export function tap_view(topics, filter, presets = []) {
  const list = h("ol", { class: "tap", "aria-label": "Events, the newest first" });
  const none = empty("No event yet", "They appear here as they happen. Other topics, or a wider filter, show more.");
  const state = h("span", { class: "quiet", role: "status" });
  const events = [];
  let waiting = [];
  let paused = false;
  let missed = 0;
  let stream = null;
  let timer = null;

  function row(e) {
    const process = e.event?.process;
    const at = e.time_ns ?? e.event?.["@timestamp"];
    const pre = h("pre", { hidden: true, tabindex: "0", "aria-label": "Event" });
    const button = h("button", { class: "row", type: "button", "aria-expanded": "false", onclick: () => {
      pre.hidden = !pre.hidden;
      button.setAttribute("aria-expanded", String(!pre.hidden));
      if (!pre.textContent) pre.textContent = JSON.stringify(e, null, 2);
    } },
    h("span", { class: "when" }, at ? clock.format(date(at)) : ""), h("span", { class: "topic" }, e.topic),
    h("span", { class: "quiet" }, e.source), h("span", { class: "grow what" }, about(e)));

    return h("li", null, button, process?.pid && h("button", { class: "small follow", type: "button",
      "aria-label": `Follow process ${process.pid}`, onclick: () => follow(process.pid) }, `${process.pid}`), pre);
  }

  function draw() {
    timer = null;
    if (paused || !waiting.length) return;
    const fresh = waiting.slice(-KEPT).reverse();
    waiting = [];
    list.prepend(...fresh.map(row));
    none.hidden = true;
    while (list.children.length > KEPT) list.lastElementChild.remove();
    say_state();
  }

  function say_state() {
    state.textContent = `${number(events.length)} kept${missed ? `, ${number(missed)} missed` : ""}${paused ? ", paused" : ""}`;
  }

  function take(e) {
    missed += e.missed ?? 0;
    events.push(e);
    if (events.length > 10 * KEPT) events.splice(0, events.length - 10 * KEPT);
    waiting.push(e);
    if (waiting.length > KEPT) waiting.shift();
    timer ??= setTimeout(draw, DRAW_MS);
    if (paused) say_state();
  }

  function open() {
    stream?.close();
    list.replaceChildren();
    none.hidden = false;
    waiting = [];
    events.length = 0; // what is saved is what was asked for
    missed = 0;
    state.textContent = "Connecting…";
    stream = new Stream(`/api/tap?${new URLSearchParams({ topics: topics_in.value.trim(), filter: filter_in.value.trim() })}`, {
      connected: (there) => {
        if (!there) state.textContent = "Connecting again…";
      },
      events: {
        tapped: () => {
          state.textContent = "Waiting for events…";
        },
        refused: (why) => {
          state.textContent = why;
          stream.close();
        },
        event: take,
      },
    });
  }

  function follow(pid) {
    filter_in.value = `process.pid=${pid}`;
    topics_in.value = "*";
    open();
    filter_in.focus();
  }

  function save() {
    const blob = new Blob([events.map((e) => JSON.stringify(e) + "\n").join("")], { type: "application/x-ndjson" });
    const link = h("a", { href: URL.createObjectURL(blob), download: "tocsin-events.jsonl" });

    link.click();
    URL.revokeObjectURL(link.href);
  }

  const topics_in = h("input", { id: "topics", value: topics, spellcheck: "false", autocomplete: "off" });
  const filter_in = h("input", { id: "filter", value: filter, spellcheck: "false", autocomplete: "off", placeholder: "process.pid=1234" });
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    say_state();
    draw();
  } }, "Pause");
  const element = h("div", null,
    h("form", { class: "tools", onsubmit: (e) => {
      e.preventDefault();
      open();
    } },
    h("span", { class: "pair" }, h("label", { for: "topics" }, "Topics"), topics_in),
    h("span", { class: "pair" }, h("label", { for: "filter" }, "Filter"), filter_in),
    h("button", { class: "primary" }, "Apply"), pause,
    h("button", { type: "button", onclick: () => {
      events.length = 0;
      missed = 0;
      list.replaceChildren();
      none.hidden = false;
      say_state();
    } }, "Clear"),
    h("button", { type: "button", onclick: save }, "Save")),
    presets.length > 0 && h("div", { class: "actions" }, presets.map(([title, words]) =>
      h("button", { class: "small", type: "button", onclick: () => {
        filter_in.value = words;
        open();
      } }, title))),
    state, none, list);

  open();
  return { element, close: () => stream.close() };
}

export async function tap(own) {
  const view = tap_view("file.* process.* network.* verdict.* alert.* threat.*", "");

  own.append(h("p", { class: "quiet" }, "What the sensors see and the detectors say, as it happens. ",
    "A page that cannot keep up misses events, and says how many; the agent never waits for it."), view.element);
  return view;
}

