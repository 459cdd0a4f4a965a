/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the life of an event: one allocation holding header and data, counted references,
 * and the descriptor that is closed with the last of them.
 */
#ifndef TC_IPC_EVENT_H
#define TC_IPC_EVENT_H

#include <stdatomic.h>
#include <tocsin/plugin.h>

struct tc_topic;

/* `pub` is what plugins see, and comes first so that a pointer to it is one to this. */
struct tc_event {
    struct tocsin_event pub;
    const struct tc_topic *topic;
    struct tc_event *masked; /* mask.h: itself, or its twin; NULL: nobody has asked */
    atomic_uint refs;
    /* the encoded map follows */
};

/*
 * Makes an event of a draft: checks its data (tc_frame_check's errors), copies it, and
 * takes over draft->fd on success only (-EBADF for 0, 1 and 2, a forgotten
 * initialisation). `source` must outlive the event. One reference, the caller's. id,
 * source and topic of the draft are not looked at.
 */
int tc_event_new(const struct tocsin_event *draft, const struct tc_topic *topic,
                 const char *source, uint64_t id, struct tc_event **ret_event);

/* Any thread. */
void tc_event_ref(struct tc_event *event);
void tc_event_ref_many(struct tc_event *event, unsigned count);

/* Any thread; takes NULL. The last reference closes the descriptor and frees the event.
 */
void tc_event_unref(struct tc_event *event);

static inline struct tc_event *tc_event_of(const struct tocsin_event *pub)
{
    return (struct tc_event *)(uintptr_t)pub;
}

#endif
