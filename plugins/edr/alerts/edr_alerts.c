/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An alert is open (in the table, and in `open` by its last match, the oldest first), and
 * waits besides (in `waiting` by when it was reported last) while it has unreported
 * matches. One that is over and still has such matches is in `closed`, from where the
 * next call of tc_edr_alerts_due takes it. Both orders hold whatever the options become.
 */
#include "alerts/edr_alerts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 8192 /* a power of two */
#define TEXTS 5      /* of a rule, that an alert keeps */
#define TEXT_MAX 512 /* bytes of each */

struct alert {
    uint8_t key[TC_EDR_KEY_BYTES];
    struct tc_edr_alert report; /* its texts are in `texts` */
    struct tc_edr_distinct distinct;
    char id[TC_EDR_ALERT_ID_BYTES];
    uint64_t unreported; /* of its matches */
    uint64_t last_ms, reported_ms;
    LIST_ENTRY(alert) in_bucket;
    TAILQ_ENTRY(alert) by_match;  /* in `open`, or in `closed` */
    TAILQ_ENTRY(alert) by_report; /* in `waiting`, when it is open and unreported */
    char texts[];
};

LIST_HEAD(bucket, alert);
TAILQ_HEAD(alert_list, alert);

struct tc_edr_alerts {
    struct tc_edr_alerts_options options;
    void (*new_id)(void *arg, char ret[TC_EDR_ALERT_ID_BYTES]);
    void *arg;
    struct tc_edr_alerts_counters counters;
    struct bucket buckets[BUCKETS];
    struct alert_list open, waiting, closed;
    size_t closed_count;
    struct alert *given;                   /* by due, the last of it; freed by the next */
    char single_id[TC_EDR_ALERT_ID_BYTES]; /* of an alert that is not kept */
};

int tc_edr_alerts_new(const struct tc_edr_alerts_options *options,
                      void (*new_id)(void *arg, char ret[TC_EDR_ALERT_ID_BYTES]),
                      void *arg, struct tc_edr_alerts **ret_alerts)
{
    struct tc_edr_alerts *alerts = calloc(1, sizeof(*alerts));

    if (!alerts)
        return -ENOMEM;
    alerts->options = *options;
    alerts->new_id = new_id;
    alerts->arg = arg;
    TAILQ_INIT(&alerts->open);
    TAILQ_INIT(&alerts->waiting);
    TAILQ_INIT(&alerts->closed);
    *ret_alerts = alerts;
    return 0;
}

static void free_alert(struct alert *alert)
{
    if (alert)
        tc_edr_distinct_done(&alert->distinct);
    free(alert);
}

static void free_list(struct alert_list *list)
{
    struct alert *alert;

    while ((alert = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, alert, by_match);
        free_alert(alert);
    }
}

void tc_edr_alerts_free(struct tc_edr_alerts *alerts)
{
    if (!alerts)
        return;
    free_list(&alerts->open);
    free_list(&alerts->closed);
    free_alert(alerts->given);
    free(alerts);
}

void tc_edr_alerts_set(struct tc_edr_alerts *alerts,
                       const struct tc_edr_alerts_options *options)
{
    alerts->options = *options;
}

static void forget_given(struct tc_edr_alerts *alerts)
{
    free_alert(alerts->given);
    alerts->given = NULL;
}

/* The key is a hash already. */
static struct bucket *bucket_of(struct tc_edr_alerts *alerts,
                                const uint8_t key[TC_EDR_KEY_BYTES])
{
    uint64_t hash;

    memcpy(&hash, key, sizeof(hash));
    return &alerts->buckets[hash % BUCKETS];
}

static struct alert *find(struct tc_edr_alerts *alerts,
                          const uint8_t key[TC_EDR_KEY_BYTES])
{
    struct alert *alert = LIST_FIRST(bucket_of(alerts, key));

    while (alert && memcmp(alert->key, key, TC_EDR_KEY_BYTES) != 0)
        alert = LIST_NEXT(alert, in_bucket);
    return alert;
}

static bool is_over(const struct tc_edr_alerts *alerts, const struct alert *alert,
                    uint64_t now_ms)
{
    return now_ms >= alert->last_ms &&
           now_ms - alert->last_ms >= alerts->options.suppress_ms;
}

/* False: it has matches to be reported, and too many alerts wait for that already. */
static bool close_alert(struct tc_edr_alerts *alerts, struct alert *alert)
{
    if (alert->unreported && alerts->closed_count == TC_EDR_ALERTS_MAX)
        return false;
    LIST_REMOVE(alert, in_bucket);
    TAILQ_REMOVE(&alerts->open, alert, by_match);
    alerts->counters.open--;
    if (!alert->unreported) {
        free_alert(alert);
        return true;
    }
    TAILQ_REMOVE(&alerts->waiting, alert, by_report);
    TAILQ_INSERT_TAIL(&alerts->closed, alert, by_match);
    alerts->closed_count++;
    return true;
}

static void close_all_over(struct tc_edr_alerts *alerts, uint64_t now_ms)
{
    struct alert *oldest;

    while ((oldest = TAILQ_FIRST(&alerts->open)) != NULL &&
           is_over(alerts, oldest, now_ms) && close_alert(alerts, oldest))
        ;
}

static bool make_room(struct tc_edr_alerts *alerts)
{
    if (alerts->counters.open < TC_EDR_ALERTS_MAX)
        return true;
    if (!close_alert(alerts, TAILQ_FIRST(&alerts->open)))
        return false;
    alerts->counters.evicted++;
    return true;
}

/* Where of *alert each text of the rule goes. */
static void texts_of(struct tc_edr_alert *alert, const char **ret_texts[TEXTS])
{
    ret_texts[0] = &alert->rule_id;
    ret_texts[1] = &alert->title;
    ret_texts[2] = &alert->author;
    ret_texts[3] = &alert->license;
    ret_texts[4] = &alert->file;
}

static struct tc_edr_alert describe(const struct tc_sigma_rule *rule, uint64_t time_ns)
{
    return (struct tc_edr_alert){.rule_id = rule->id,
                                 .title = rule->title,
                                 .author = rule->author,
                                 .license = rule->license,
                                 .file = rule->file,
                                 .level = rule->level,
                                 .count = 1,
                                 .first_ns = time_ns,
                                 .last_ns = time_ns};
}

/* Bytes of a text that are kept: never a part of a character. */
static size_t kept(const char *text)
{
    size_t n = strnlen(text, TEXT_MAX);

    if (n == TEXT_MAX)
        while (n && ((uint8_t)text[n] & 0xc0) == 0x80)
            n--;
    return n;
}

/* One that keeps the texts itself; NULL: out of memory. */
static struct alert *new_alert(const struct tc_edr_alert *report)
{
    struct tc_edr_alert copy = *report;
    const char **texts[TEXTS];
    struct alert *alert;
    size_t size = 0, n;
    char *at;

    texts_of(&copy, texts);
    for (size_t i = 0; i < TEXTS; i++)
        size += *texts[i] ? kept(*texts[i]) + 1 : 0;
    alert = calloc(1, sizeof(*alert) + size);
    if (!alert)
        return NULL;
    alert->report = copy;
    texts_of(&alert->report, texts);
    at = alert->texts;
    for (size_t i = 0; i < TEXTS; i++) {
        if (!*texts[i])
            continue;
        n = kept(*texts[i]);
        *texts[i] = memcpy(at, *texts[i], n); /* calloc has ended it */
        at += n + 1;
    }
    alert->report.id = alert->id;
    alert->report.distinct = &alert->distinct;
    return alert;
}

static bool raise_alert(struct tc_edr_alerts *alerts, const uint8_t key[TC_EDR_KEY_BYTES],
                        const struct tc_edr_alert *report, uint64_t now_ms,
                        struct tc_edr_alert *ret)
{
    struct alert *alert;

    alerts->counters.raised++;
    alert = alerts->options.suppress_ms && !find(alerts, key) && make_room(alerts)
                ? new_alert(report)
                : NULL;
    if (!alert) {
        alerts->counters.single += alerts->options.suppress_ms != 0;
        alerts->new_id(alerts->arg, alerts->single_id);
        *ret = *report;
        ret->id = alerts->single_id;
        return true;
    }
    alerts->new_id(alerts->arg, alert->id);
    memcpy(alert->key, key, TC_EDR_KEY_BYTES);
    alert->last_ms = alert->reported_ms = now_ms;
    LIST_INSERT_HEAD(bucket_of(alerts, key), alert, in_bucket);
    TAILQ_INSERT_TAIL(&alerts->open, alert, by_match);
    alerts->counters.open++;
    *ret = alert->report;
    return true;
}

/* Ordered by when they were reported last; most are new and go near the end. */
static void wait_for_turn(struct tc_edr_alerts *alerts, struct alert *alert)
{
    struct alert *before = TAILQ_LAST(&alerts->waiting, alert_list);

    while (before && before->reported_ms > alert->reported_ms)
        before = TAILQ_PREV(before, alert_list, by_report);
    if (before)
        TAILQ_INSERT_AFTER(&alerts->waiting, before, alert, by_report);
    else
        TAILQ_INSERT_HEAD(&alerts->waiting, alert, by_report);
}

static bool is_due(const struct tc_edr_alerts *alerts, const struct alert *alert,
                   uint64_t now_ms)
{
    return now_ms >= alert->reported_ms &&
           now_ms - alert->reported_ms >= alerts->options.repeat_ms;
}

static void mark_reported(struct tc_edr_alerts *alerts, struct alert *alert,
                          uint64_t now_ms)
{
    alert->unreported = 0;
    alert->reported_ms = now_ms;
    alerts->counters.repeated++;
}

/* One more match of an open alert. */
static bool count_match(struct tc_edr_alerts *alerts, struct alert *alert,
                        uint64_t now_ms, uint64_t time_ns, struct tc_edr_alert *ret)
{
    bool due = is_due(alerts, alert, now_ms);

    alert->report.count++;
    if (time_ns < alert->report.first_ns)
        alert->report.first_ns = time_ns;
    if (time_ns > alert->report.last_ns)
        alert->report.last_ns = time_ns;
    alert->last_ms = now_ms;
    TAILQ_REMOVE(&alerts->open, alert, by_match);
    TAILQ_INSERT_TAIL(&alerts->open, alert, by_match);
    *ret = alert->report;
    if (due) {
        if (alert->unreported)
            TAILQ_REMOVE(&alerts->waiting, alert, by_report);
        mark_reported(alerts, alert, now_ms);
        return true;
    }
    if (!alert->unreported++)
        wait_for_turn(alerts, alert);
    return false;
}

bool tc_edr_alerts_match(struct tc_edr_alerts *alerts,
                         const uint8_t key[TC_EDR_KEY_BYTES],
                         const struct tc_sigma_rule *rule, uint64_t now_ms,
                         uint64_t time_ns, struct tc_edr_alert *ret)
{
    struct tc_edr_alert report;
    struct alert *alert;

    forget_given(alerts);
    alerts->counters.matches++;
    close_all_over(alerts, now_ms);
    alert = find(alerts, key);
    if (alert && !is_over(alerts, alert, now_ms))
        return count_match(alerts, alert, now_ms, time_ns, ret);
    report = describe(rule, time_ns);
    return raise_alert(alerts, key, &report, now_ms, ret);
}

void tc_edr_alerts_note(struct tc_edr_alerts *alerts, const uint8_t key[TC_EDR_KEY_BYTES],
                        const struct tocsin_str texts[TC_EDR_DISTINCT_KINDS])
{
    struct alert *alert = find(alerts, key);

    for (size_t i = 0; alert && i < TC_EDR_DISTINCT_KINDS; i++)
        tc_edr_distinct_add(&alert->distinct, (enum tc_edr_distinct_kind)i, texts[i]);
}

uint64_t tc_edr_alerts_next(const struct tc_edr_alerts *alerts)
{
    const struct alert *first = TAILQ_FIRST(&alerts->waiting);

    if (!TAILQ_EMPTY(&alerts->closed))
        return 0;
    if (!first)
        return UINT64_MAX;
    if (alerts->options.repeat_ms > UINT64_MAX - first->reported_ms)
        return UINT64_MAX;
    return first->reported_ms + alerts->options.repeat_ms;
}

bool tc_edr_alerts_due(struct tc_edr_alerts *alerts, uint64_t now_ms,
                       struct tc_edr_alert *ret)
{
    struct alert *alert = TAILQ_FIRST(&alerts->closed);

    forget_given(alerts);
    if (alert) {
        TAILQ_REMOVE(&alerts->closed, alert, by_match);
        alerts->closed_count--;
        alerts->given = alert;
    } else {
        alert = TAILQ_FIRST(&alerts->waiting);
        if (!alert || !is_due(alerts, alert, now_ms))
            return false;
        TAILQ_REMOVE(&alerts->waiting, alert, by_report);
    }
    /* At UINT64_MAX all that waits is reported, and the plugin stops. */
    mark_reported(alerts, alert, now_ms);
    *ret = alert->report;
    return true;
}

void tc_edr_alerts_counters(const struct tc_edr_alerts *alerts,
                            struct tc_edr_alerts_counters *ret)
{
    *ret = alerts->counters;
}
