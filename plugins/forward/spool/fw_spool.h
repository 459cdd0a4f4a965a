/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is still to be sent, on disk: each event once, for each sink how far it has
 * got, and what a receiver has refused for good. Every call blocks; one thread.
 *
 * Events come from the journal, in the transaction that notes how far it was read: each
 * comes once, whatever ends the agent in between. One goes when every sink that wants it
 * has it acknowledged, or when the spool is full.
 *
 * Errors are negative errno values; -EUCLEAN: the file is damaged, and was moved aside.
 */
#ifndef TC_FW_SPOOL_H
#define TC_FW_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fw_config.h"
#include "base/fw_event.h"
#include "spool/fw_journal.h"

#define TC_FW_DEAD_MAX 1000 /* kept of one sink; the oldest go */
#define TC_FW_PUMP_ROWS 1000

struct sqlite3;

struct tc_fw_spool {
    struct sqlite3 *db;
    struct tc_fw_journal journal;
    int64_t since_ns; /* at the first start, older events are history */
    uint64_t max_bytes;
    const struct tc_fw_config *sinks; /* borrowed */
    size_t sink_count;
    unsigned bits[TC_FW_SINKS_MAX]; /* of events.wants */
    uint64_t last;                  /* the newest event's place */
};

/* What the record says of a sink. */
struct tc_fw_counts {
    uint64_t queued, sent, dead, dropped;
};

/* `dir` is made if need be. A sink that is new begins with what comes from now on; what
 * waited for one that is gone is dropped. */
int tc_fw_spool_open(struct tc_fw_spool *spool, const char *dir);
void tc_fw_spool_close(struct tc_fw_spool *spool);

/* Takes over what the journal has that is new, TC_FW_PUMP_ROWS at most; *ret_more: there
 * may be more. -ENOENT: there is no journal yet. */
int tc_fw_spool_pump(struct tc_fw_spool *spool, bool *ret_more);

/* Gives `take` the events that `sink` is to have next, until it returns non-zero. Their
 * texts and data are valid within the call. */
int tc_fw_spool_next(struct tc_fw_spool *spool, size_t sink, int limit,
                     int (*take)(void *arg, const struct tc_fw_event *event), void *arg);

/* An event that a sink is done with. */
struct tc_fw_done {
    uint64_t seq;
    const char *id;
    const char *why; /* why it was refused for good; NULL: it was taken */
};

/* Notes in one transaction that `sink` is done with these, in their order. */
int tc_fw_spool_done(struct tc_fw_spool *spool, size_t sink,
                     const struct tc_fw_done *done, size_t count);

/* Gives `take` the newest dead letters, `limit` at most; texts are valid within the call.
 */
int tc_fw_spool_dead(struct tc_fw_spool *spool, int limit,
                     void (*take)(void *arg, const char *sink,
                                  const struct tc_fw_event *event, uint64_t refused_ns,
                                  const char *why),
                     void *arg);

int tc_fw_spool_counts(struct tc_fw_spool *spool, size_t sink, struct tc_fw_counts *ret);
int tc_fw_spool_bytes(struct tc_fw_spool *spool, uint64_t *ret_bytes); /* of the file */

#endif
