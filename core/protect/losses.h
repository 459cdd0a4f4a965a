/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: who has lost events lately, and how many. Pure. */
#ifndef TC_CORE_LOSSES_H
#define TC_CORE_LOSSES_H

#include <stdint.h>

#define TC_LOSSES_MAX 64
#define TC_LOSSES_RECENT_MIN 10
#define TC_LOSSES_RECENT_NS (TC_LOSSES_RECENT_MIN * 60 * UINT64_C(1000000000))

/* Zeroed at first. */
struct tc_losses {
    struct tc_loss {
        char name[64];
        uint64_t total;   /* as last noted */
        uint64_t from;    /* the total before the losses that count as recent */
        uint64_t last_ns; /* when it last grew */
    } list[TC_LOSSES_MAX];
};

/* `name` has lost `total` events so far. A smaller total than before: it has begun anew.
 */
void tc_losses_note(struct tc_losses *losses, const char *name, uint64_t total,
                    uint64_t now_ns);

/* It has lost `n` more. */
void tc_losses_add(struct tc_losses *losses, const char *name, uint64_t n,
                   uint64_t now_ns);

/* How many it has lost since it last went TC_LOSSES_RECENT_NS without any; 0 once that
 * has passed again. */
uint64_t tc_losses_recent(const struct tc_losses *losses, const char *name,
                          uint64_t now_ns);

#endif
