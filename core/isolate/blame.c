/* SPDX-License-Identifier: Apache-2.0 */
#include "core/isolate/blame.h"

#include <tocsin/plugin.h>

static bool identify(uint64_t plugin, const struct tocsin_event *event,
                     struct tc_blame_entry *ret_entry)
{
    *ret_entry = (struct tc_blame_entry){
        .plugin = plugin,
        .device = (uint64_t)tocsin_event_int(event, TOCSIN_FIELD_FILE_DEVICE, 0),
        .inode = (uint64_t)tocsin_event_int(event, TOCSIN_FIELD_FILE_INODE, 0),
        .mtime = (uint64_t)tocsin_event_int(event, TOCSIN_FIELD_FILE_MTIME, 0),
        .ctime = (uint64_t)tocsin_event_int(event, TOCSIN_FIELD_FILE_CTIME, 0)};
    return ret_entry->inode != 0;
}

static bool same(const struct tc_blame_entry *a, const struct tc_blame_entry *b)
{
    return a->plugin == b->plugin && a->device == b->device && a->inode == b->inode &&
           a->mtime == b->mtime && a->ctime == b->ctime;
}

static const struct tc_blame_entry *find(const struct tc_blame *blame,
                                         const struct tc_blame_entry *wanted)
{
    for (size_t i = 0; i < blame->count; i++)
        if (same(&blame->entries[i], wanted))
            return &blame->entries[i];
    return NULL;
}

void tc_blame_add(struct tc_blame *blame, uint64_t plugin,
                  const struct tocsin_event *event, bool alone)
{
    const struct tc_blame_entry *before;
    struct tc_blame_entry entry;

    if (!identify(plugin, event, &entry))
        return;
    before = find(blame, &entry);
    if (before) {
        blame->entries[before - blame->entries].certain = true;
        return;
    }
    entry.certain = alone;
    blame->entries[blame->next] = entry;
    blame->next = (blame->next + 1) % TC_BLAME_MAX;
    if (blame->count < TC_BLAME_MAX)
        blame->count++;
}

bool tc_blame_has(const struct tc_blame *blame, uint64_t plugin,
                  const struct tocsin_event *event)
{
    const struct tc_blame_entry *found;
    struct tc_blame_entry entry;

    if (!blame->count || !identify(plugin, event, &entry))
        return false;
    found = find(blame, &entry);
    return found && found->certain;
}
