// SPDX-License-Identifier: Apache-2.0
// Owns: the way to the portal: asking, changing, and hearing of changes. Times are nanoseconds since the
// epoch, of which a number here keeps all but the last three digits.

export class Refused extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

export const session = { token: "", may_change: false, role: "viewer", user: "" };

async function take(answer) {
  const body = await answer.json();
  if (answer.ok) return body;
  if (answer.status === 401) location.replace("/login");
  throw new Refused(body.error, body.code);
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused("The portal does not answer. It is asked again in a moment.", "away");
  }
  return take(answer);
}

export const get = (path, params) =>
  ask(`/api/${path}${params ? "?" + new URLSearchParams(params) : ""}`);

export const change = (path, params) =>
  ask(`/api/${path}`, {
    method: "POST",
    headers: { "X-Tocsin-Token": session.token },
    body: new URLSearchParams(params ?? {}),
  });

export async function begin() {
  Object.assign(session, await get("session"));
  return session;
}

// A stream of events that is there while the page is seen: a browser has six connections for one
// portal, over all its tabs. It is begun again by itself, later and later while that fails.
export class Stream {
  constructor(path, handlers) {
    this.path = path;
    this.handlers = handlers;
    this.wait = 1000;
    this.watch = () => (document.hidden ? this.pause() : this.open());
    document.addEventListener("visibilitychange", this.watch);
    if (!document.hidden) this.open();
  }

  open() {
    if (this.source || this.closed) return;
    clearTimeout(this.timer);
    this.source = new EventSource(this.path);
    this.source.onopen = () => {
      this.wait = 1000;
      this.handlers.connected?.(true);
    };
    this.source.onerror = () => {
      this.pause();
      this.handlers.connected?.(false);
      this.timer = setTimeout(() => !document.hidden && this.open(), this.wait);
      this.wait = Math.min(2 * this.wait, 30000);
    };
    for (const [name, f] of Object.entries(this.handlers.events))
      this.source.addEventListener(name, (e) => f(JSON.parse(e.data)));
  }

  pause() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  close() {
    this.closed = true;
    this.pause();
    document.removeEventListener("visibilitychange", this.watch);
  }
}
