/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what `tocsin tap` does with an event, from the agent or from a recording: print,
 * record, and know when it has been enough. Must not: know where events come from.
 */
#ifndef TC_CLI_CMD_TAP_H
#define TC_CLI_CMD_TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/tapline.h"

struct tc_cli;
struct tc_filter;

struct tc_tap_out {
    const struct tc_cli *cli;
    const char *path; /* of --record, or NULL: events are printed */
    FILE *record;
    bool owned; /* `record` is to be closed */
    struct tc_tapline line;
    uint64_t seen, missed;
    uint64_t bytes;               /* written to `record` */
    uint64_t count, max_bytes;    /* the end after so many; 0: never */
    bool full;                    /* max_bytes would have been passed */
    uint64_t sample, duration_ms; /* as asked for; 0: not */
};

/* Reads the options that both ways of `tocsin tap` have. TC_EXIT_USAGE has been said. */
int tc_tap_out_init(struct tc_tap_out *out, const struct tc_cli *cli);

/* Opens the file to record to, which must not exist unless --overwrite was given. */
int tc_tap_out_open(struct tc_tap_out *out);

/* One event, with its bytes as they are recorded. */
void tc_tap_out_take(struct tc_tap_out *out, const struct tc_tap_event *event,
                     const void *bytes, size_t len);

/* Whether there is no more to do: enough has been seen, or nobody reads. */
bool tc_tap_out_finished(const struct tc_tap_out *out);

/* Closes what was opened, says what it has; `r` is how the rest went. */
int tc_tap_out_close(struct tc_tap_out *out, int r);

/* What --filter says; *ret NULL: nothing. What is wrong has been said. */
int tc_tap_filter(const struct tc_cli *cli, struct tc_filter **ret);

/* `tocsin tap --read`. */
int tc_tap_read(struct tc_tap_out *out);

#endif
