/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_items.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

void tc_nf_items_init(struct tc_nf_items *items)
{
    STAILQ_INIT(&items->list);
    items->count = items->bytes = 0;
    items->awaited = false;
}

void tc_nf_items_clear(struct tc_nf_items *items)
{
    struct tc_nf_item *item;

    while ((item = tc_nf_items_take(items)) != NULL)
        free(item);
}

int tc_nf_items_add(struct tc_nf_items *items, const struct tc_nf_item *head,
                    const struct tocsin_writer *w)
{
    struct tc_nf_item *item;

    if (w->error)
        return w->error;
    item = malloc(sizeof(*item) + w->len);
    if (!item)
        return -ENOMEM;
    *item = *head;
    item->len = w->len;
    memcpy(item->data, w->buf, w->len);
    STAILQ_INSERT_TAIL(&items->list, item, next);
    items->count++;
    items->bytes += item->len;
    items->awaited |= item->ticket != 0;
    return 0;
}

struct tc_nf_item *tc_nf_items_take(struct tc_nf_items *items)
{
    struct tc_nf_item *item = STAILQ_FIRST(&items->list);

    if (!item)
        return NULL;
    STAILQ_REMOVE_HEAD(&items->list, next);
    items->count--;
    items->bytes -= item->len;
    return item;
}

void tc_nf_items_append(struct tc_nf_items *to, struct tc_nf_items *from)
{
    STAILQ_CONCAT(&to->list, &from->list);
    to->count += from->count;
    to->bytes += from->bytes;
    to->awaited |= from->awaited;
    tc_nf_items_init(from);
}
