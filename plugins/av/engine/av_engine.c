/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/av_engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/av_engine_priv.h"

#define NS_PER_MS 1000000ull

struct tc_av_scanner {
    struct tc_av_scanner *next;
    YR_SCANNER *parts[];
};

/* The one block that a scan consists of, and what it found. */
struct scan {
    const void *data;
    size_t len;
    uint64_t size;
    YR_MEMORY_BLOCK block;
    struct tc_av_hit hit;
    int rank;    /* of the hit's severity; 0: none yet */
    bool sample; /* the sample is in it */
};

int tc_av_engine_start(void)
{
    return yr_initialize() == ERROR_SUCCESS ? 0 : -ENOMEM;
}

void tc_av_engine_stop(void)
{
    yr_finalize();
}

const char *tc_av_engine_version(void)
{
    return YR_VERSION;
}

void tc_av_rules_ref(struct tc_av_rules *rules)
{
    atomic_fetch_add_explicit(&rules->refs, 1, memory_order_relaxed);
}

static void scanner_free(struct tc_av_scanner *scanner, size_t n)
{
    if (!scanner)
        return;
    for (size_t i = 0; i < n; i++)
        if (scanner->parts[i])
            yr_scanner_destroy(scanner->parts[i]);
    free(scanner);
}

void tc_av_rules_unref(struct tc_av_rules *rules)
{
    struct tc_av_scanner *scanner;

    if (!rules || atomic_fetch_sub_explicit(&rules->refs, 1, memory_order_acq_rel) != 1)
        return;
    while ((scanner = rules->idle)) {
        rules->idle = scanner->next;
        scanner_free(scanner, rules->parts_n);
    }
    for (size_t i = 0; i < rules->parts_n; i++)
        yr_rules_destroy(rules->parts[i]);
    for (size_t i = 0; i < rules->issues_n; i++)
        free(rules->issues[i]);
    free(rules->parts);
    pthread_mutex_destroy(&rules->lock);
    free(rules);
}

static struct tc_av_scanner *scanner_take(struct tc_av_rules *rules)
{
    struct tc_av_scanner *scanner;

    pthread_mutex_lock(&rules->lock);
    scanner = rules->idle;
    if (scanner) {
        rules->idle = scanner->next;
        rules->idle_n--;
    }
    pthread_mutex_unlock(&rules->lock);
    if (scanner)
        return scanner;
    scanner = calloc(1, sizeof(*scanner) + rules->parts_n * sizeof(scanner->parts[0]));
    for (size_t i = 0; scanner && i < rules->parts_n; i++) {
        if (yr_scanner_create(rules->parts[i], &scanner->parts[i]) != ERROR_SUCCESS) {
            scanner->parts[i] = NULL;
            scanner_free(scanner, rules->parts_n);
            return NULL;
        }
    }
    return scanner;
}

/* A scanner that has failed is not used again: libyara does not say what state it is in.
 */
static void scanner_give(struct tc_av_rules *rules, struct tc_av_scanner *scanner,
                         bool failed)
{
    bool keep;

    pthread_mutex_lock(&rules->lock);
    keep = !failed && rules->idle_n < TC_AV_SCANNERS_IDLE_MAX;
    if (keep) {
        scanner->next = rules->idle;
        rules->idle = scanner;
        rules->idle_n++;
    }
    pthread_mutex_unlock(&rules->lock);
    if (!keep)
        scanner_free(scanner, rules->parts_n);
}

static int severity_rank(const char *severity)
{
    static const char *const names[] = {"low", "medium", "high", "critical"};

    for (int i = 0; i < 4; i++)
        if (!strcmp(severity, names[i]))
            return i + 1;
    return 0;
}

static void copy_text(char *ret, size_t cap, const char *text)
{
    snprintf(ret, cap, "%s", text);
}

static void hit_fill(struct tc_av_hit *hit, YR_RULE *rule)
{
    YR_META *meta;

    memset(hit, 0, sizeof(*hit));
    copy_text(hit->rule, sizeof(hit->rule), rule->identifier);
    copy_text(hit->id, sizeof(hit->id), rule->identifier);
    copy_text(hit->name, sizeof(hit->name), rule->identifier);
    copy_text(hit->severity, sizeof(hit->severity), "high");
    yr_rule_metas_foreach(rule, meta)
    {
        if (meta->type != META_TYPE_STRING)
            continue;
        if (!strcmp(meta->identifier, "id"))
            copy_text(hit->id, sizeof(hit->id), meta->string);
        else if (!strcmp(meta->identifier, "threat_name"))
            copy_text(hit->name, sizeof(hit->name), meta->string);
        else if (!strcmp(meta->identifier, "severity") && severity_rank(meta->string))
            copy_text(hit->severity, sizeof(hit->severity), meta->string);
        else if (!strcmp(meta->identifier, "description"))
            copy_text(hit->description, sizeof(hit->description), meta->string);
        else if (!strcmp(meta->identifier, "reference"))
            copy_text(hit->reference, sizeof(hit->reference), meta->string);
    }
}

static int on_match(YR_SCAN_CONTEXT *context, int message, void *data, void *arg)
{
    const YR_RULE *rule = data;
    struct scan *scan = arg;
    struct tc_av_hit hit;
    int rank;

    (void)context;
    if (message != CALLBACK_MSG_RULE_MATCHING)
        return CALLBACK_CONTINUE;
    if (!strcmp(rule->ns->name, TC_AV_OWN_NAMESPACE)) {
        scan->sample = true;
        return CALLBACK_CONTINUE;
    }
    hit_fill(&hit, data);
    rank = severity_rank(hit.severity);
    if (rank > scan->rank) {
        scan->rank = rank;
        scan->hit = hit;
    }
    return CALLBACK_CONTINUE;
}

static const uint8_t *block_data(YR_MEMORY_BLOCK *block)
{
    return ((struct scan *)block->context)->data;
}

static YR_MEMORY_BLOCK *block_first(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
    struct scan *scan = iterator->context;

    iterator->last_error = ERROR_SUCCESS;
    return &scan->block;
}

static YR_MEMORY_BLOCK *block_next(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
    iterator->last_error = ERROR_SUCCESS;
    return NULL;
}

/* What `filesize` is in conditions: the whole file's, though only its start is at hand.
 */
static uint64_t file_size(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
    return ((struct scan *)iterator->context)->size;
}

static int error_of(int yara)
{
    switch (yara) {
    case ERROR_SUCCESS:
        return 0;
    case ERROR_SCAN_TIMEOUT:
        return -ETIMEDOUT;
    case ERROR_INSUFFICIENT_MEMORY:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 * NS_PER_MS + (uint64_t)ts.tv_nsec;
}

/* Has every part scan; the first error counts, and the others are scanned all the same.
 */
static int run(struct tc_av_rules *rules, struct scan *scan, unsigned timeout_ms)
{
    YR_MEMORY_BLOCK_ITERATOR iterator = {.context = scan,
                                         .first = block_first,
                                         .next = block_next,
                                         .file_size = file_size};
    struct tc_av_scanner *scanner;
    uint64_t end_ns = now_ns() + timeout_ms * NS_PER_MS, at_ns;
    int r = 0, one;

    if (!rules->parts_n)
        return 0;
    scanner = scanner_take(rules);
    if (!scanner)
        return -ENOMEM;
    scan->block =
        (YR_MEMORY_BLOCK){.size = scan->len, .context = scan, .fetch_data = block_data};
    for (size_t i = 0; i < rules->parts_n; i++) {
        YR_SCANNER *part = scanner->parts[i];

        at_ns = now_ns();
        yr_scanner_set_callback(part, on_match, scan);
        yr_scanner_set_flags(part, SCAN_FLAGS_FAST_MODE | SCAN_FLAGS_NO_TRYCATCH |
                                       SCAN_FLAGS_REPORT_RULES_MATCHING);
        /* yr_scanner_set_timeout has whole seconds, of which it makes this. */
        part->timeout = at_ns < end_ns ? end_ns - at_ns : 1;
        one = error_of(yr_scanner_scan_mem_blocks(part, &iterator));
        r = r ? r : one;
    }
    scanner_give(rules, scanner, r != 0);
    return r;
}

int tc_av_rules_scan(struct tc_av_rules *rules, const void *data, size_t len,
                     uint64_t size, unsigned timeout_ms, struct tc_av_hit *ret_hit)
{
    struct scan scan = {.data = data, .len = len, .size = size};
    int r = run(rules, &scan, timeout_ms);

    /* A match of one part counts, whatever became of the others. */
    if (!scan.rank)
        return r;
    *ret_hit = scan.hit;
    return 1;
}

int tc_av_rules_selftest(struct tc_av_rules *rules, unsigned timeout_ms)
{
    struct scan scan = {
        .data = TC_AV_SAMPLE, .len = strlen(TC_AV_SAMPLE), .size = strlen(TC_AV_SAMPLE)};
    int r = run(rules, &scan, timeout_ms);

    return r ? r : scan.sample ? 0 : -ENOMSG;
}

unsigned tc_av_rules_count(const struct tc_av_rules *rules)
{
    return rules->rules_n;
}

unsigned tc_av_rules_files(const struct tc_av_rules *rules)
{
    return rules->files_n;
}

unsigned tc_av_rules_failed(const struct tc_av_rules *rules)
{
    return rules->failed_n;
}

const char *tc_av_rules_version(const struct tc_av_rules *rules)
{
    return rules->version;
}

int64_t tc_av_rules_updated(const struct tc_av_rules *rules)
{
    return rules->updated_s;
}

const char *tc_av_rules_issue(const struct tc_av_rules *rules, size_t index)
{
    return index < rules->issues_n ? rules->issues[index] : NULL;
}
