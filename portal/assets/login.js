// SPDX-License-Identifier: Apache-2.0
// Owns: using up a login link. The token is in the fragment, so that it is in no request's address.
const state = document.getElementById("state");
const token = location.hash.slice(1);

if (token) {
  history.replaceState(null, "", "/login");
  state.textContent = "Logging in…";
  try {
    const answer = await fetch("/api/login", {
      method: "POST",
      body: new URLSearchParams({ token }),
    });
    if (answer.ok) location.replace("/");
    else state.textContent = (await answer.json()).error + ".";
  } catch {
    state.textContent = "The portal does not answer.";
  }
}
