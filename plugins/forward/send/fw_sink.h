/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a sink is: where events go, and the batch that is on its way. A kind of sink
 * is a struct tc_fw_ops in a file of its own. Forwarder's thread.
 */
#ifndef TC_FW_SINK_H
#define TC_FW_SINK_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fw_config.h"
#include "base/fw_event.h"
#include "base/fw_text.h"

#define TC_FW_BATCH_MAX 2000

enum tc_fw_outcome {
    TC_FW_SENT,    /* acknowledged, as far as this kind of sink can be */
    TC_FW_RETRY,   /* not now */
    TC_FW_REFUSED, /* for good: the receiver will never take it */
};

struct tc_fw_item {
    uint64_t seq;
    char id[TC_FW_ID_BYTES];
    size_t at, len; /* of its text in the batch's */
    enum tc_fw_outcome outcome;
};

/* Some events on their way, as the receiver is to get them. */
struct tc_fw_batch {
    struct tc_fw_item items[TC_FW_BATCH_MAX];
    size_t count;
    struct tc_fw_text text;
    bool whole;                /* the items have one outcome, that of the batch */
    uint64_t retry_after_ms;   /* what the receiver asks for; 0: nothing */
    char why[TC_FW_WHY_BYTES]; /* of what was not SENT, or what the receiver has said */
};

struct tc_fw_sink {
    struct tc_fw_config config;
    const struct tc_fw_ops *ops;
    const char *host; /* this machine's name */
    CURLM *multi;
    void *own; /* the kind's; made by its first begin, freed by close */

    struct tc_fw_batch batch;
    bool sending; /* from begin to tc_fw_sink_end */
    int fd;       /* to be waited for with `events`, as by poll(2); -1: none */
    short events;
    uint64_t wake_ms; /* when step is to be called at the latest; 0: it need not */

    /* fw_deliver.c */
    uint64_t retry_at_ms, empty_at; /* `empty_at`: nothing waits up to this event */
    unsigned failures;              /* in a row */
    size_t limit;                   /* events of a batch */
    bool test, testing;             /* a made-up event is to be sent; is on its way */
};

struct tc_fw_ops {
    size_t items_max, bytes_max; /* of a batch */
    /* Appends one event as this kind of receiver wants it. */
    void (*format)(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                   struct tc_fw_text *text);
    /* Sends the batch. It ends by tc_fw_sink_end, from here or later. */
    void (*begin)(struct tc_fw_sink *sink);
    /* The descriptor is ready, or it is time. NULL: neither is used. */
    void (*step)(struct tc_fw_sink *sink, uint64_t now_ms);
    /* A transfer of libcurl's has ended. NULL: it uses none. */
    void (*transferred)(struct tc_fw_sink *sink, CURLcode result);
    /* Ends what is on its way, and frees `own`. */
    void (*close)(struct tc_fw_sink *sink);
};

const struct tc_fw_ops *tc_fw_ops(enum tc_fw_kind kind);
extern const struct tc_fw_ops tc_fw_file_ops, tc_fw_journald_ops, tc_fw_udp_ops,
    tc_fw_stream_ops, tc_fw_webhook_ops, tc_fw_elasticsearch_ops, tc_fw_splunk_ops,
    tc_fw_otlp_ops;

/* The batch has ended, all of it in one way. `why`, printf-style, says what was wrong, or
 * what the receiver said. */
void tc_fw_sink_end(struct tc_fw_sink *sink, enum tc_fw_outcome outcome, const char *why,
                    ...) __attribute__((format(printf, 3, 4)));

/* The batch has ended, each item as its `outcome` says. */
void tc_fw_sink_end_each(struct tc_fw_sink *sink);

/* The event in the sink's format, as text alone. */
void tc_fw_sink_put(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                    struct tc_fw_text *text);

/* A message of RFC 5424, within the sink's max_size; for syslog. */
void tc_fw_syslog_put(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                      struct tc_fw_text *text);

uint64_t tc_fw_now_ms(void); /* CLOCK_MONOTONIC */

#endif
