/* SPDX-License-Identifier: Apache-2.0 */
#include "core/protect/losses.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static bool is_recent(const struct tc_loss *loss, uint64_t now_ns)
{
    return now_ns - loss->last_ns < TC_LOSSES_RECENT_NS;
}

/* Its index, or TC_LOSSES_MAX. */
static size_t find(const struct tc_losses *losses, const char *name)
{
    size_t i = 0;

    while (i < TC_LOSSES_MAX && strcmp(losses->list[i].name, name) != 0)
        i++;
    return i;
}

/* Its own place, else a free one, else that of the one whose losses are the oldest. */
static struct tc_loss *place_for(struct tc_losses *losses, const char *name)
{
    struct tc_loss *place = &losses->list[0];
    size_t known = find(losses, name);

    if (known < TC_LOSSES_MAX)
        return &losses->list[known];
    for (size_t i = 1; i < TC_LOSSES_MAX && place->name[0]; i++)
        if (!losses->list[i].name[0] || losses->list[i].last_ns < place->last_ns)
            place = &losses->list[i];
    memset(place, 0, sizeof(*place));
    snprintf(place->name, sizeof(place->name), "%s", name);
    return place;
}

void tc_losses_note(struct tc_losses *losses, const char *name, uint64_t total,
                    uint64_t now_ns)
{
    size_t known = find(losses, name);
    struct tc_loss *loss;

    if (total == (known < TC_LOSSES_MAX ? losses->list[known].total : 0))
        return;
    loss = place_for(losses, name);
    if (total < loss->total)
        loss->total = loss->from = 0;
    if (total) {
        if (!is_recent(loss, now_ns))
            loss->from = loss->total;
        loss->last_ns = now_ns;
    }
    loss->total = total;
}

void tc_losses_add(struct tc_losses *losses, const char *name, uint64_t n,
                   uint64_t now_ns)
{
    size_t known = find(losses, name);

    tc_losses_note(losses, name,
                   (known < TC_LOSSES_MAX ? losses->list[known].total : 0) + n, now_ns);
}

uint64_t tc_losses_recent(const struct tc_losses *losses, const char *name,
                          uint64_t now_ns)
{
    size_t known = find(losses, name);
    const struct tc_loss *loss = &losses->list[known];

    if (known == TC_LOSSES_MAX || !loss->last_ns || !is_recent(loss, now_ns))
        return 0;
    return loss->total - loss->from;
}
