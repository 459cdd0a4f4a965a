/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sigma rules (specification 2.1), from YAML text to matches: what plugin edr judges live
 * events with, and `tocsin rule test` recorded ones.
 *
 *   files --sigma_load--> rules --sigma_compile--> one immutable set
 *   event --fields--> set --> matches, each with the fields and values that matched
 *
 * Owns: parsing, the meaning of rules, and their evaluation. Must not: know the bus,
 * sockets, the journal, a clock (the event brings its time), or what becomes of a match.
 * A set is immutable and may be used by many threads, each with a scratch of its own.
 *
 * Cost: all string patterns of one field are matched in one pass, which gives a set of
 * bits; only rules that can still match by those bits are looked at.
 */
#ifndef TC_SIGMA_H
#define TC_SIGMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/event.h>

#define TC_SIGMA_RULES_MAX 65536
#define TC_SIGMA_VALUES_MAX 4096             /* of one field of an event */
#define TC_SIGMA_FILE_MAX (4u * 1024 * 1024) /* bytes of one rule file */

struct tc_sigma_loader;
struct tc_sigma_set;
struct tc_sigma_scratch;

/* What is wrong with a rule, or keeps it from running here. Valid inside the call. */
struct tc_sigma_problem {
    const char *file;
    unsigned line, column; /* from 1; 0: of the whole file */
    const char *rule_id;   /* or NULL */
    bool refused;          /* it is no rule; else a rule that is listed and cannot run */
    const char *text;      /* one sentence, with what to do */
};

/* ---- Loading: any thread, blocks. ---- */

/* A file that was read. Valid inside the call. */
struct tc_sigma_file {
    const char *path, *text; /* len bytes */
    size_t len;
    uint64_t changed_ns; /* since the epoch */
};

struct tc_sigma_options {
    void (*problem)(void *arg, const struct tc_sigma_problem *problem);
    void *arg;
    /* Placeholders for `expand`: the i-th value of %name%, or NULL past the end. */
    const char *(*placeholder)(void *arg, const char *name, size_t i);
    /* Filters as pySigma reads them: a rule matches where their conditions hold, too.
     * Else as the specification's example has it: where they do not hold. */
    bool filters_are_joined;
    /* For who must know what tc_sigma_loader_add comes by; each may be NULL. A folder
     * before it is read, a file's text before it is looked at. -ECANCELED ends it. */
    int (*folder)(void *arg, const char *path);
    int (*file)(void *arg, const struct tc_sigma_file *file);
};

int tc_sigma_loader_new(const struct tc_sigma_options *options,
                        struct tc_sigma_loader **ret_loader);

/* Adds a file, or a folder's *.yml and *.yaml with those below it, in name order; links
 * are followed. Errors:
 * those of opening `path` itself, -ECANCELED; what is wrong inside goes to `problem`. */
int tc_sigma_loader_add(struct tc_sigma_loader *loader, const char *path);

/* The same of text, named `name` in problems. */
int tc_sigma_loader_add_text(struct tc_sigma_loader *loader, const char *name,
                             const char *text, size_t len);

/* Makes the set; filters and correlations find their rules. Frees the loader in any case.
 */
int tc_sigma_loader_finish(struct tc_sigma_loader *loader, struct tc_sigma_set **ret_set);
void tc_sigma_loader_free(struct tc_sigma_loader *loader); /* takes NULL; instead */
void tc_sigma_set_free(struct tc_sigma_set *set); /* takes NULL; no scratch may be left */

/* ---- What is in a set. ---- */

enum tc_sigma_level {
    TC_SIGMA_INFORMATIONAL,
    TC_SIGMA_LOW,
    TC_SIGMA_MEDIUM,
    TC_SIGMA_HIGH,
    TC_SIGMA_CRITICAL,
};

struct tc_sigma_rule {
    const char *id, *title, *description, *author, *license, *status, *file;
    enum tc_sigma_level level;
    const char *category, *product, *service; /* of its logsource; NULL: not given */
    const char *const *tags, *const *references, *const *falsepositives; /* to NULL */
    const char *why_not; /* it cannot run: one sentence; NULL: it can */
    bool correlation;
};

size_t tc_sigma_count(const struct tc_sigma_set *set);
const struct tc_sigma_rule *tc_sigma_rule(const struct tc_sigma_set *set, size_t index);

/* ---- Evaluation. ---- */

/*
 * An event by Sigma's field names. The set asks each field at most once an event. A field
 * that is not there: false. A list has several values.
 */
enum tc_sigma_type {
    TC_SIGMA_NULL,
    TC_SIGMA_TEXT,
    TC_SIGMA_NUMBER,
    TC_SIGMA_BOOL,
};

struct tc_sigma_value {
    enum tc_sigma_type type;
    struct tocsin_str text; /* of a TEXT; of a NUMBER and a BOOL as written */
    double number;
};

struct tc_sigma_event {
    /* Which rules apply; NULL: not limited by that. "": it has none, so that rules that
     * name one do not apply, nor those that name a product alone: they are about lines of
     * log files. */
    const char *category, *product, *service;
    /* What is known of all events like this one beyond their log source: rules that `can`
     * says no of, which is asked once a kind, are skipped. NULL: nothing. */
    const void *kind;
    bool (*can)(const void *kind, const struct tc_sigma_set *set, size_t rule);
    uint64_t time_ns; /* since the epoch; correlations go by it */
    /* Value `index` of the field, from 0; false past the last, or if there is no such
     * field (index 0). Strings live until the evaluation ends. */
    bool (*field)(void *arg, const char *name, size_t index, struct tc_sigma_value *ret);
    /* The same by what the name is to records (record.h: tc_sigma_record_number), which
     * the set has looked up once; NULL: there is `field` alone. */
    bool (*numbered)(void *arg, uint32_t number, const char *name, size_t index,
                     struct tc_sigma_value *ret);
    /* Every value of the event in turn, for keywords; false at the end. */
    bool (*any)(void *arg, size_t index, struct tc_sigma_value *ret);
    void *arg;
};

/* What matched. Valid inside the call. */
struct tc_sigma_field {
    const char *name; /* "" for a keyword */
    struct tocsin_str value;
};

struct tc_sigma_match {
    size_t rule; /* index */
    const struct tc_sigma_field *fields;
    size_t field_count;
    uint64_t count; /* of a correlation: what it has counted; else 1 */
};

typedef void (*tc_sigma_match_fn)(void *arg, const struct tc_sigma_match *match);

/* Holds what one thread needs to evaluate, and the state of correlations (bounded;
 * evictions are counted). */
int tc_sigma_scratch_new(const struct tc_sigma_set *set,
                         struct tc_sigma_scratch **ret_scratch);
void tc_sigma_scratch_free(struct tc_sigma_scratch *scratch); /* takes NULL */

/* Calls `match` for each rule that matches, in the order of the set. */
void tc_sigma_evaluate(const struct tc_sigma_set *set, struct tc_sigma_scratch *scratch,
                       const struct tc_sigma_event *event, tc_sigma_match_fn match,
                       void *arg);

struct tc_sigma_counters {
    uint64_t events, looked_at; /* looked_at: rules evaluated beyond their bits */
    uint64_t matched, correlations_evicted;
    uint64_t regex_limits; /* values that took too long: no match */
    uint64_t values_cut;   /* a field's beyond TC_SIGMA_VALUES_MAX; not looked at */
    uint64_t failed;       /* events that there was no memory for */
};
void tc_sigma_counters(const struct tc_sigma_scratch *scratch,
                       struct tc_sigma_counters *ret);

#endif
