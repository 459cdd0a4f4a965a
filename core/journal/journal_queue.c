/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the events that wait to be stored, a lane for each source, and whose are lost
 * when there are too many. Under the journal's lock. Must not: wait, or know SQL.
 */
#include "core/journal/journal_thread.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/event.h"

static struct tc_journal_lane *lane_of(struct tc_journal *journal, const char *source)
{
    struct tc_journal_lane *lane = journal->lanes;

    for (; lane < journal->lanes + journal->lanes_len; lane++)
        if (!strncmp(lane->source, source, sizeof(lane->source) - 1))
            return lane;
    if (lane == journal->lanes + TC_JOURNAL_LANES_MAX)
        return lane - 1;
    (void)snprintf(lane->source, sizeof(lane->source), "%s", source);
    STAILQ_INIT(&lane->list);
    journal->lanes_len++;
    return lane;
}

/* The lane whose first event is the oldest of all; the first lane when all are empty. */
static size_t first_lane(const struct tc_journal *journal)
{
    const struct tc_journal_pending *oldest = NULL, *entry;
    size_t found = 0;

    for (size_t i = 0; i < journal->lanes_len; i++) {
        entry = STAILQ_FIRST(&journal->lanes[i].list);
        if (!entry || (oldest && oldest->number < entry->number))
            continue;
        oldest = entry;
        found = i;
    }
    return found;
}

/* Takes the first event off a lane that has one. */
static struct tc_event *take(struct tc_journal *journal, struct tc_journal_lane *lane)
{
    struct tc_journal_pending *first = STAILQ_FIRST(&lane->list);
    struct tc_event *event;

    assert(first);
    event = first->event;
    STAILQ_REMOVE_HEAD(&lane->list, next);
    lane->queued--;
    lane->bytes -= event->pub.len;
    journal->queued--;
    journal->queued_bytes -= event->pub.len;
    free(first);
    return event;
}

const struct tc_journal_pending *tc_journal_first(const struct tc_journal *journal)
{
    return journal->queued ? STAILQ_FIRST(&journal->lanes[first_lane(journal)].list)
                           : NULL;
}

struct tc_event *tc_journal_take_first(struct tc_journal *journal)
{
    return take(journal, &journal->lanes[first_lane(journal)]);
}

void tc_journal_enqueue(struct tc_journal *journal, struct tc_journal_pending *entry)
{
    const struct tocsin_event *event = &entry->event->pub;
    struct tc_journal_lane *lane = lane_of(journal, event->source ? event->source : "");

    STAILQ_INSERT_TAIL(&lane->list, entry, next);
    lane->queued++;
    lane->bytes += event->len;
    journal->queued++;
    journal->queued_bytes += event->len;
}

void tc_journal_shed(struct tc_journal *journal)
{
    for (;;) {
        bool many = journal->queued + journal->in_flight > TC_JOURNAL_PENDING_MAX;
        struct tc_journal_lane *longest = journal->lanes, *lane = journal->lanes;

        if (!many && journal->queued_bytes <= TC_JOURNAL_PENDING_BYTES)
            return;
        for (; lane < journal->lanes + journal->lanes_len; lane++)
            if (many ? lane->queued > longest->queued : lane->bytes > longest->bytes)
                longest = lane;
        memcpy(journal->lost_source, longest->source, sizeof(longest->source));
        tc_event_unref(take(journal, longest));
        journal->lost_at_ns = uv_hrtime();
        journal->lost++;
        journal->lost_unreported = true;
    }
}
