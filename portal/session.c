/* SPDX-License-Identifier: Apache-2.0 */
#include "portal/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "portal/link.h"

struct tc_sessions {
    uv_loop_t *loop;
    struct tc_session all[TC_SESSIONS_MAX]; /* free where `secret` is "" */
};

struct tc_sessions *tc_sessions_new(uv_loop_t *loop)
{
    struct tc_sessions *sessions = calloc(1, sizeof(*sessions));

    if (sessions)
        sessions->loop = loop;
    return sessions;
}

void tc_sessions_close(struct tc_sessions *sessions, struct tc_session *session)
{
    (void)sessions;
    tc_link_close(session->link);
    memset(session, 0, sizeof(*session));
}

void tc_sessions_free(struct tc_sessions *sessions)
{
    if (!sessions)
        return;
    for (size_t i = 0; i < TC_SESSIONS_MAX; i++)
        tc_sessions_close(sessions, &sessions->all[i]);
    free(sessions);
}

static bool make_secret(char ret[TC_SESSION_SECRET])
{
    uint8_t bytes[(TC_SESSION_SECRET - 1) / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

bool tc_session_secret_is(const char *a, const char *b)
{
    size_t len = strlen(a);
    unsigned differ = 0;

    if (len != TC_SESSION_SECRET - 1 || strlen(b) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        differ |= (unsigned)(a[i] ^ b[i]);
    return !differ;
}

static bool is_over(const struct tc_sessions *sessions, const struct tc_session *s)
{
    uint64_t now = uv_now(sessions->loop);

    if (!s->open)
        return now - s->made_ms >= TC_SESSION_TOKEN_MS;
    return now - s->made_ms >= TC_SESSION_LIFE_MS ||
           now - s->used_ms >= TC_SESSION_IDLE_MS;
}

static void drop_those_over(struct tc_sessions *sessions)
{
    for (size_t i = 0; i < TC_SESSIONS_MAX; i++)
        if (sessions->all[i].secret[0] && is_over(sessions, &sessions->all[i]))
            tc_sessions_close(sessions, &sessions->all[i]);
}

/* Whether `a` goes before `b`: viewers before operators, then who was not here for
 * longer.
 */
static bool goes_before(const struct tc_session *a, const struct tc_session *b)
{
    return !b || (a->role != b->role ? a->role < b->role : a->used_ms < b->used_ms);
}

/* A user who has many makes room himself, so that he logs out nobody else. */
static struct tc_session *make_room(struct tc_sessions *sessions, uid_t uid)
{
    struct tc_session *free_one = NULL, *any = NULL, *own = NULL;
    size_t count = 0;

    drop_those_over(sessions);
    for (size_t i = 0; i < TC_SESSIONS_MAX; i++) {
        struct tc_session *s = &sessions->all[i];

        if (!s->secret[0]) {
            free_one = free_one ? free_one : s;
            continue;
        }
        if (goes_before(s, any))
            any = s;
        count += s->uid == uid;
        if (s->uid == uid && goes_before(s, own))
            own = s;
    }
    if (count < TC_SESSIONS_OF_USER && free_one)
        return free_one;
    if (count >= TC_SESSIONS_OF_USER)
        any = own;
    tc_sessions_close(sessions, any);
    return any;
}

/* The agent that the operator was known to is no more; looking goes on. */
static void on_gone(void *arg, int err)
{
    struct tc_session *s = arg;

    (void)err;
    tc_link_close(s->link);
    s->link = NULL;
}

const struct tc_session *tc_sessions_add(struct tc_sessions *sessions, enum tc_role role,
                                         uid_t uid, const char *user, int fd)
{
    struct tc_session *s = make_room(sessions, uid);
    const struct tc_link_handlers handlers = {.gone = on_gone, .arg = s};

    if (!make_secret(s->secret) || !make_secret(s->csrf)) {
        memset(s, 0, sizeof(*s));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    if (fd >= 0 && tc_link_adopt(sessions->loop, fd, &handlers, &s->link)) {
        memset(s, 0, sizeof(*s));
        return NULL;
    }
    s->role = role;
    s->uid = uid;
    snprintf(s->user, sizeof(s->user), "%s", user);
    s->made_ms = s->used_ms = uv_now(sessions->loop);
    return s;
}

static struct tc_session *find(struct tc_sessions *sessions, const char *secret,
                               bool open)
{
    struct tc_session *found = NULL;

    drop_those_over(sessions);
    for (size_t i = 0; i < TC_SESSIONS_MAX; i++)
        if (sessions->all[i].open == open &&
            tc_session_secret_is(sessions->all[i].secret, secret))
            found = &sessions->all[i];
    if (found)
        found->used_ms = uv_now(sessions->loop);
    return found;
}

struct tc_session *tc_sessions_open(struct tc_sessions *sessions, const char *token)
{
    struct tc_session *s = find(sessions, token, false);

    if (!s || !make_secret(s->secret))
        return NULL;
    s->open = true;
    return s;
}

struct tc_session *tc_sessions_find(struct tc_sessions *sessions, const char *secret)
{
    return find(sessions, secret, true);
}
