/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the wording of alert.raised: which fields it has (docs/events.md), and that it
 * never grows beyond what an event may hold. Pure.
 */
#ifndef TC_EDR_WRITE_H
#define TC_EDR_WRITE_H

#include <tocsin/plugin.h>

#include "alerts/edr_alerts.h"
#include "process/edr_machine.h"
#include "process/edr_process.h"

/* An alert that is to be reported. Borrowed. */
struct tc_edr_news {
    const struct tc_edr_alert *alert;
    const struct tc_edr_machine *machine;
    uint64_t now_ns; /* since the epoch */

    /* The match that is reported; all NULL or 0 when only the count has grown. */
    const struct tc_sigma_rule *rule;
    const struct tc_sigma_match *match;
    const struct tocsin_event *event;
    const struct tc_edr_link *chain; /* of the event's process */
    size_t chain_len;
};

/* Writes the whole event into an empty writer that grows; see w->error. */
void tc_edr_write_alert(struct tocsin_writer *w, const struct tc_edr_news *news);

#endif
