/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the portal gives up before it answers anybody: root, every capability, the
 * file system (Landlock), new TCP sockets, and all system calls but those that it uses
 * (seccomp).
 */
#ifndef TC_PORTAL_CONFINE_H
#define TC_PORTAL_CONFINE_H

/*
 * For good, after tc_sandbox_no_uring, which is before the loop is made. `user` is whom
 * to become when root runs this; one that is not known here is replaced by "nobody".
 * `socket` is the agent's: its group comes along, as whoever reads from the agent has to
 * be in it. On failure the reason is in `why`; where only Landlock is missing in the
 * kernel, that is no failure. Errors: negative errno.
 */
int tc_confine(const char *user, const char *socket, char why[256]);

#endif
