/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the life of an event: one allocation holding header and data, counted references,
 * and the descriptor that is closed with the last of them.
 */
#include "ipc/event.h"

#include "ipc/frame.h"
#include "ipc/topic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int tc_event_new(const struct tocsin_event *draft, const struct tc_topic *topic,
                 const char *source, uint64_t id, struct tc_event **ret_event)
{
    struct tc_event *event;
    int r;

    if (draft->fd >= 0 && draft->fd <= STDERR_FILENO)
        return -EBADF;
    r = tc_frame_check(draft->data, draft->len);
    if (r < 0)
        return r;
    event = malloc(sizeof(*event) + draft->len);
    if (!event)
        return -ENOMEM;
    event->pub = (struct tocsin_event){
        .size = sizeof(event->pub),
        .flags = draft->flags,
        .id = id,
        .reply_to = draft->reply_to,
        .time_ns = draft->time_ns,
        .deadline_ns = draft->deadline_ns,
        .fd = draft->fd < 0 ? -1 : draft->fd,
        .topic = topic->name,
        .source = source,
        .data = memcpy(event + 1, draft->data, draft->len),
        .len = draft->len,
    };
    event->topic = topic;
    event->masked = NULL;
    atomic_init(&event->refs, 1);
    *ret_event = event;
    return 0;
}

void tc_event_ref(struct tc_event *event)
{
    tc_event_ref_many(event, 1);
}

void tc_event_ref_many(struct tc_event *event, unsigned count)
{
    /* Relaxed: who can add a reference holds one, and got it with all that it guards. */
    atomic_fetch_add_explicit(&event->refs, count, memory_order_relaxed);
}

void tc_event_unref(struct tc_event *event)
{
    if (!event)
        return;
    /* A holder who sees 1 is alone: nobody is left who could add to it meanwhile. */
    if (atomic_load_explicit(&event->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&event->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (event->pub.fd >= 0)
        close(event->pub.fd);
    if (event->masked != event)
        tc_event_unref(event->masked);
    free(event);
}
