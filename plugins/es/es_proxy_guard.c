/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "es_proxy_child.h"

#define END_CHECK_MS 10

struct guard {
    const struct tc_es_proxy_config *config;
    struct tc_es_proxy_shared *shared;
    uint32_t turns; /* of the reader, when they last moved */
    uint64_t moved_ns;
};

static bool has_waiting(const struct tc_es_proxy_shared *shared)
{
    struct pollfd group = {.fd = GROUP, .events = POLLIN};

    for (size_t i = 0; i < TC_ES_PROXY_PENDING_MAX; i++)
        if (atomic_load(&shared->waiting[i]) >= 0)
            return true;
    return poll(&group, 1, 0) > 0;
}

/* In one call for too long; or it does not turn although somebody waits: it was stopped,
 * or is dead. */
static bool is_stuck(struct guard *g)
{
    uint64_t since_ns = atomic_load(&g->shared->busy_since_ns),
             now = tc_es_proxy_now_ns();
    uint32_t turns = atomic_load(&g->shared->turns);

    if (since_ns)
        return now > since_ns + TC_ES_PROXY_STUCK_MS * NS_PER_MS;
    if (turns != g->turns || !has_waiting(g->shared)) {
        g->turns = turns;
        g->moved_ns = now;
    }
    return now > g->moved_ns + TC_ES_PROXY_STUCK_MS * NS_PER_MS;
}

/*
 * Whoever has been asked about gets the default answer. What the kernel's queue holds is
 * refused: with as many descriptors as the guard may have, each read fails to get one,
 * and the kernel refuses the question, without a look at the file.
 */
static void answer_all(struct guard *g)
{
    struct pollfd group = {.fd = GROUP, .events = POLLIN};
    struct fanotify_event_metadata event;

    for (size_t i = 0; i < TC_ES_PROXY_PENDING_MAX; i++) {
        int fd = atomic_exchange(&g->shared->waiting[i], -1);

        if (fd >= 0)
            tc_es_proxy_respond(fd, g->config->on_timeout_allow);
    }
    while (poll(&group, 1, 0) > 0)
        if (read(GROUP, &event, sizeof(event)) < 0 && errno == EAGAIN)
            return;
}

static void give_up(struct guard *g)
{
    atomic_store(&g->shared->given_up, true);
    tc_es_proxy_unmark_all();
    answer_all(g);
}

/* Until the reader ends or the agent lets go, since a question that was on its way when
 * the marks went comes after them. */
static void stand_in(struct guard *g)
{
    struct pollfd agent = {.fd = AGENT};

    give_up(g);
    if (send(AGENT, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return; /* it is gone */
    while (!atomic_load(&g->shared->ended) && !poll(&agent, 1, CHECK_MS))
        answer_all(g);
}

_Noreturn void tc_es_proxy_guard(const struct tc_es_proxy_config *config,
                                 struct tc_es_proxy_shared *shared)
{
    const struct rlimit two = {.rlim_cur = 2, .rlim_max = 2};
    struct guard g = {
        .config = config, .shared = shared, .moved_ns = tc_es_proxy_now_ns()};
    struct pollfd agent = {.fd = AGENT};

    if (setrlimit(RLIMIT_NOFILE, &two))
        _exit(1);
    while (!poll(&agent, 1, CHECK_MS) && !atomic_load(&shared->ended))
        if (is_stuck(&g))
            stand_in(&g);
    /* The agent is gone, or lets go: the reader has as long as ever to end. */
    for (int left = TC_ES_PROXY_STUCK_MS; left > 0 && !atomic_load(&shared->ended);
         left -= END_CHECK_MS)
        poll(NULL, 0, END_CHECK_MS);
    if (!atomic_load(&shared->ended))
        give_up(&g);
    _exit(0);
}
