/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the socket by which `tocsin portal login` asks for a login link.
 *
 * Whoever can connect to the agent's control socket may log in, with what that connection
 * may do: the command connects to the agent, and hands that connection over (SCM_RIGHTS).
 * The agent knows whose it is, by the kernel, for as long as it lasts. So the portal
 * itself can change nothing, and nobody can do more through it than without it.
 *
 * One SOCK_SEQPACKET message each way: "login NAME", or "look NAME" for a session that
 * changes nothing, with one descriptor; and the link, or "error: " and a sentence. The
 * loop's thread.
 */
#ifndef TC_PORTAL_LOGIN_H
#define TC_PORTAL_LOGIN_H

#include <uv.h>

struct tc_login;
struct tc_sessions;
struct tc_upstream;

struct tc_login_options {
    const char *path; /* of the socket: made, mode 0666, in the place of one left over */
    struct tc_sessions *sessions;
    const struct tc_upstream *upstream; /* what agent a connection has to lead to */
    unsigned port;                      /* of the link */
};

/* Listens. `options` is copied. On failure the reason is in `why`. */
int tc_login_start(uv_loop_t *loop, const struct tc_login_options *options,
                   struct tc_login **ret_login, char why[256]);

/* Takes NULL. */
void tc_login_stop(struct tc_login *login);

#endif
