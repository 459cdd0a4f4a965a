/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/forwards.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

bool tc_forwards_room(const struct tc_forwards *forwards, bool looks)
{
    return forwards->waiting < TC_FORWARDS_MAX &&
           (!looks || forwards->looking < TC_FORWARDS_LOOKING);
}

void tc_forwards_add(struct tc_forwards *forwards, struct tc_rpc_call *call, uint64_t id,
                     const char *plugin, bool looks, uint64_t now_ns)
{
    struct tc_forward *forward = forwards->slots;

    while (forward->call)
        forward++;
    assert(forward < forwards->slots + TC_FORWARDS_MAX);
    *forward = (struct tc_forward){.call = call, .id = id, .looks = looks};
    (void)snprintf(forward->plugin, sizeof(forward->plugin), "%s", plugin);
    tc_forwards_touch(forward, now_ns);
    forwards->waiting++;
    forwards->looking += looks;
}

struct tc_forward *tc_forwards_find(struct tc_forwards *forwards, uint64_t id,
                                    const char *plugin)
{
    for (size_t i = 0; i < TC_FORWARDS_MAX; i++) {
        struct tc_forward *forward = &forwards->slots[i];

        if (forward->call && forward->id == id && !strcmp(forward->plugin, plugin))
            return forward;
    }
    return NULL;
}

void tc_forwards_touch(struct tc_forward *forward, uint64_t now_ns)
{
    forward->until_ns = now_ns + TC_FORWARDS_SILENCE_NS;
}

void tc_forwards_remove(struct tc_forwards *forwards, struct tc_forward *forward)
{
    forward->call = NULL;
    forwards->waiting--;
    forwards->looking -= forward->looks;
}

uint64_t tc_forwards_due(const struct tc_forwards *forwards)
{
    uint64_t due = UINT64_MAX;

    for (size_t i = 0; i < TC_FORWARDS_MAX && forwards->waiting; i++)
        if (forwards->slots[i].call && forwards->slots[i].until_ns < due)
            due = forwards->slots[i].until_ns;
    return due;
}

struct tc_forward *tc_forwards_expire(struct tc_forwards *forwards, uint64_t now_ns)
{
    for (size_t i = 0; i < TC_FORWARDS_MAX && forwards->waiting; i++) {
        struct tc_forward *forward = &forwards->slots[i];

        if (forward->call && forward->until_ns <= now_ns) {
            forwards->expired++;
            return forward;
        }
    }
    return NULL;
}
