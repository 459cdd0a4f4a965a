/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_items.h"

#include <errno.h>
#include <stdlib.h>

void tc_trace_items_init(struct tc_trace_items *items)
{
    STAILQ_INIT(&items->list);
    items->count = items->bytes = 0;
}

void tc_trace_items_clear(struct tc_trace_items *items)
{
    struct tc_trace_item *item;

    while ((item = tc_trace_items_take(items)) != NULL)
        tc_trace_item_free(item);
}

int tc_trace_items_add(struct tc_trace_items *items, const char *topic, uint64_t time_ns,
                       uint8_t *data, size_t len)
{
    struct tc_trace_item *item = malloc(sizeof(*item));

    if (!item) {
        free(data);
        return -ENOMEM;
    }
    *item = (struct tc_trace_item){
        .topic = topic, .time_ns = time_ns, .data = data, .len = len};
    STAILQ_INSERT_TAIL(&items->list, item, next);
    items->count++;
    items->bytes += len;
    return 0;
}

struct tc_trace_item *tc_trace_items_take(struct tc_trace_items *items)
{
    struct tc_trace_item *item = STAILQ_FIRST(&items->list);

    if (!item)
        return NULL;
    STAILQ_REMOVE_HEAD(&items->list, next);
    items->count--;
    items->bytes -= item->len;
    return item;
}

void tc_trace_item_free(struct tc_trace_item *item)
{
    if (item)
        free(item->data);
    free(item);
}

void tc_trace_items_append(struct tc_trace_items *to, struct tc_trace_items *from)
{
    STAILQ_CONCAT(&to->list, &from->list);
    to->count += from->count;
    to->bytes += from->bytes;
    tc_trace_items_init(from);
}
