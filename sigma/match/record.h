/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: an event of ours, as the bus carries it, as the records that Sigma's log sources
 * know: a process that has started is one of process_creation, and, since rules for
 * auditd ask for them, an EXECVE and a SYSCALL record of auditd. Which topic makes which
 * records, and which of our fields are whose, stands in tables (record_table.c). Used
 * live, and for recordings. Must not: know rules' conditions, or keep anything.
 */
#ifndef TC_SIGMA_RECORD_H
#define TC_SIGMA_RECORD_H

#include "sigma/base/sigma.h"
#include "sigma/match/record_table.h"

#define TC_RECORDS_MAX 5        /* that one event makes */
#define TC_RECORD_TEXTS_MAX 512 /* bytes of numbers written as text, of one record */

/* How far a map or list has been read. */
struct tc_sigma_record_reach {
    uint32_t next, left; /* where it goes on, from the start of data; entries */
    uint8_t likely;      /* which of the places in it comes next */
    bool map, open;
};

/* One record. Its texts point into the event's data, which must outlive it. */
struct tc_sigma_record {
    struct tc_sigma_event sigma; /* to be evaluated; its arg is this record */
    const uint8_t *data;         /* the event's map */
    size_t len;
    const struct tc_sigma_record_kind
        *kind;              /* NULL: of a topic that no log source knows */
    uint32_t at[TC_PLACES]; /* where each place is; 0: not come by yet */
    struct tc_sigma_record_reach reach[TC_PLACES];
    struct tc_sigma_record_reach walk[TOCSIN_EVENT_MAX_DEPTH]; /* of `any`: */
    size_t depth, walked;                                      /* and how far it is */
    uint32_t list, item, item_at; /* of the list last read: where it is; an item of it */
    char texts[TC_RECORD_TEXTS_MAX];
    size_t texts_len;
};

/*
 * Record `index` of an event; false past the last. One record is used for all of an
 * event's, from 0 on in turn: what is known of the event is kept from one to the next.
 * A topic that no log source knows makes one without category, product and service: rules
 * that name none apply to it, and it answers to our own field names. `time_ns` is the
 * event's. The record must not be moved. Any thread.
 */
bool tc_sigma_record(struct tc_sigma_record *record, size_t index, const char *topic,
                     const void *data, size_t len, uint64_t time_ns);

/*
 * The dotted path of ours that is value `index`, from 0, of the field that
 * tc_sigma_record_number has this number for; NULL past the last. Not of auditd's, whose
 * names are too common.
 */
const char *tc_sigma_path(uint32_t number, size_t index);

/*
 * Why no event of ours can ever match the rule: no sensor reports what its log source
 * has; one sentence, that lives for ever. NULL: some can. `rule` as of tc_sigma_rule.
 */
const char *tc_sigma_no_source(const struct tc_sigma_set *set, size_t rule);

/* The same on a machine with another product (as rules name it: linux, macos). */
const char *tc_sigma_no_source_on(const struct tc_sigma_set *set, size_t rule,
                                  const char *product);

/*
 * Topic `index`, from 0, of those whose events can match the rule, by its log source and
 * by the fields that it asks for; NULL past the last, and for rules without a log source
 * and for correlations. One may come twice.
 */
const char *tc_sigma_rule_topic(const struct tc_sigma_set *set, size_t rule,
                                size_t index);

/* Topic `index`, from 0, of those whose events make records of that log source (ptr NULL:
 * a part that is open); NULL past the last, and when both are open. One may come twice.
 */
const char *tc_sigma_topic(struct tocsin_str category, struct tocsin_str service,
                           size_t index);

#endif
