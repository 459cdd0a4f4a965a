/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what one event is to everything here: where it stands in the spool, its id, its
 * severity, and its bytes as they were published. Pure. Any thread.
 */
#ifndef TC_FW_EVENT_H
#define TC_FW_EVENT_H

#include <stddef.h>
#include <stdint.h>

#define TC_FW_ID_BYTES 37 /* as 8-4-4-4-12 hexadecimal digits, with its NUL */

enum tc_fw_severity {
    TC_FW_INFORMATIONAL,
    TC_FW_LOW,
    TC_FW_MEDIUM,
    TC_FW_HIGH,
    TC_FW_CRITICAL,
    TC_FW_SEVERITIES,
};

extern const char *const tc_fw_severity_names[TC_FW_SEVERITIES];

struct tc_fw_event {
    uint64_t seq;            /* in the spool, from 1; 0: made up */
    char id[TC_FW_ID_BYTES]; /* the same whenever and wherever this event is sent */
    uint64_t time_ns;        /* since the epoch */
    enum tc_fw_severity severity;
    const char *topic, *source;
    const void *data; /* one msgpack map */
    size_t len;
};

/* Fills in what follows from topic, source, time and data: the id, which is made of all
 * four by SHA-256, and the severity; without one it is informational. */
void tc_fw_event_know(struct tc_fw_event *event);

/* The number of a name; TC_FW_SEVERITIES: there is none such. */
enum tc_fw_severity tc_fw_severity(const char *name, size_t len);

#endif
