/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one connection to the agent's control socket on a libuv loop: calls and their
 * answers, and the notifications that come between them. Must not: know a method, or
 * connect again. The loop's thread.
 */
#ifndef TC_PORTAL_LINK_H
#define TC_PORTAL_LINK_H

#include <msgpack.h>
#include <uv.h>

struct tc_link;
struct tc_pack;

/* What became of a call. Valid during the callback. */
struct tc_link_answer {
    const msgpack_object *result; /* a map; NULL: refused, or never answered */
    char code[32];                /* as in ipc/rpc.h; "gone": the agent went away */
    char message[512];
};

typedef void (*tc_link_answer_fn)(void *arg, const struct tc_link_answer *answer);

struct tc_link_handlers {
    void (*up)(void *arg); /* it may be called now; not of one that was adopted */
    /*
     * It is of no use any more: a negative errno. Calls that waited have been answered
     * with "gone". Close it, now or later.
     */
    void (*gone)(void *arg, int err);
    /* A notification; valid during the callback. May be NULL. */
    void (*notified)(void *arg, const char *method, const msgpack_object *params);
    void *arg;
};

/* Connects to the socket at `path`; `up` or `gone` follows. -ENOMEM, or that of the
 * socket. */
int tc_link_open(uv_loop_t *loop, const char *path,
                 const struct tc_link_handlers *handlers, struct tc_link **ret_link);

/* The same with a connected socket, which is the link's now: an error has closed it. */
int tc_link_adopt(uv_loop_t *loop, int fd, const struct tc_link_handlers *handlers,
                  struct tc_link **ret_link);

/*
 * Calls a method with the map that was packed (NULL: an empty one), which stays the
 * caller's. If this returns 0 `done` follows once, never from within. -ENOTCONN: it is
 * not up; -EINVAL: what was packed is no map; -ENOMEM.
 */
int tc_link_call(struct tc_link *link, const char *method, const struct tc_pack *params,
                 tc_link_answer_fn done, void *arg);

/* Takes NULL. Calls that wait are answered with "gone" from within; nothing else comes.
 */
void tc_link_close(struct tc_link *link);

/* The user of the process at the other end (SO_PEERCRED): the agent's. -errno: unknown.
 */
int tc_link_peer(const struct tc_link *link, uv_uid_t *ret_uid);

#endif
