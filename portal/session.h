/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: who is logged in: one-time tokens, sessions, and each operator's own connection
 * to the agent. Nobody has rights here: a session may change what the connection that was
 * handed over at its login may (portal/login.h). The loop's thread.
 */
#ifndef TC_PORTAL_SESSION_H
#define TC_PORTAL_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct tc_link;
struct tc_sessions;

#define TC_SESSION_SECRET 65                  /* 32 random bytes in hex, and the NUL */
#define TC_SESSIONS_MAX 64                    /* the one unused for longest makes room, */
#define TC_SESSIONS_OF_USER 32                /* one of a user's own beyond so many */
#define TC_SESSION_TOKEN_MS (2 * 60 * 1000)   /* a login link is good for so long */
#define TC_SESSION_IDLE_MS (60 * 60 * 1000)   /* a session that nobody uses */
#define TC_SESSION_LIFE_MS (12 * 3600 * 1000) /* any session */

enum tc_role {
    TC_ROLE_VIEWER,
    TC_ROLE_OPERATOR,
};

struct tc_session {
    char secret[TC_SESSION_SECRET]; /* the cookie's value; the token until it is used */
    char csrf[TC_SESSION_SECRET];   /* what a change has to bring along */
    char user[64];                  /* who logged in, by name or number, for people */
    uid_t uid;                      /* of that login, by the kernel */
    enum tc_role role;
    struct tc_link *link; /* an operator's; NULL: the agent it led to has gone */
    bool open;            /* the token has been used */
    uint64_t made_ms, used_ms;
};

/* `loop` is for the connections and the clock. NULL: no memory. */
struct tc_sessions *tc_sessions_new(uv_loop_t *loop);
void tc_sessions_free(struct tc_sessions *sessions);

/*
 * A login that waits for its token. `fd`, a connected control socket, is the session's
 * now, -1 for a viewer's. NULL: no random numbers, or the socket is of no use; it is
 * closed then.
 */
const struct tc_session *tc_sessions_add(struct tc_sessions *sessions, enum tc_role role,
                                         uid_t uid, const char *user, int fd);

/* Uses a token up: the session that it opens, with a new secret; NULL: no such token. */
struct tc_session *tc_sessions_open(struct tc_sessions *sessions, const char *token);

/* The open session of that secret, used just now; NULL: there is none. */
struct tc_session *tc_sessions_find(struct tc_sessions *sessions, const char *secret);

void tc_sessions_close(struct tc_sessions *sessions, struct tc_session *session);

/* Whether two secrets are the same, in a time that does not depend on where they differ.
 */
bool tc_session_secret_is(const char *a, const char *b);

#endif
