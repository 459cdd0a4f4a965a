/* SPDX-License-Identifier: Apache-2.0 */
#include "kext_item.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tc_kext_item *tc_kext_item_new(const char *topic, const char *path)
{
    struct tc_kext_item *item = calloc(1, sizeof(*item));

    if (!item)
        return NULL;
    item->topic = topic;
    item->fd = -1;
    item->path = strdup(path);
    item->file.path = item->path;
    if (!item->path) {
        free(item);
        return NULL;
    }
    return item;
}

static void process_clear(struct tc_sensor_process *process)
{
    free(process->self.executable);
    free(process->parent.executable);
    free(process->command_line);
    memset(process, 0, sizeof(*process));
}

void tc_kext_item_free(struct tc_kext_item *item)
{
    if (!item)
        return;
    process_clear(&item->process);
    free(item->path);
    free(item->old_path);
    if (item->fd >= 0)
        close(item->fd);
    free(item);
}

/* False when a text that exists could not be copied. */
static bool copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

bool tc_kext_item_identify(struct tc_kext_item *item,
                           const struct tc_sensor_process *process)
{
    struct tc_sensor_process *copy = &item->process;

    *copy = *process;
    item->identified = copy_text(&copy->self.executable, process->self.executable);
    item->identified &= copy_text(&copy->parent.executable, process->parent.executable);
    item->identified &= copy_text(&copy->command_line, process->command_line);
    if (!item->identified)
        process_clear(copy);
    return item->identified;
}

void tc_kext_items_init(struct tc_kext_items *items)
{
    items->first = NULL;
    items->end = &items->first;
    items->count = 0;
}

void tc_kext_items_add(struct tc_kext_items *items, struct tc_kext_item *item)
{
    item->next = NULL;
    *items->end = item;
    items->end = &item->next;
    items->count++;
}

struct tc_kext_item *tc_kext_items_take(struct tc_kext_items *items)
{
    struct tc_kext_item *item = items->first;

    if (!item)
        return NULL;
    items->first = item->next;
    if (!items->first)
        items->end = &items->first;
    items->count--;
    return item;
}

void tc_kext_items_append(struct tc_kext_items *items, struct tc_kext_items *from)
{
    if (!from->first)
        return;
    *items->end = from->first;
    items->end = from->end;
    items->count += from->count;
    tc_kext_items_init(from);
}

void tc_kext_items_clear(struct tc_kext_items *items)
{
    struct tc_kext_item *item;

    while ((item = tc_kext_items_take(items)) != NULL)
        tc_kext_item_free(item);
}
