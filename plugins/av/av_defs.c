/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the definitions in force: reads rules and lists in the pool, puts them in force
 * whole on the loop, has sensors forget what was judged by the old ones, and reports to
 * health what there is. The first load opens the vault, too. Must not: scan, or decide
 * when to load; plugins/detector does.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "av.h"
#include "av_events.h"

struct load {
    struct tc_av *av;
    struct tc_av_options options; /* copies of what it needs */
    bool first;                   /* opens the vault, too */

    struct tc_av_rules *new_rules;
    struct tc_av_lists *new_lists;
    uint64_t list_edits; /* av's when this one began to read */
    int own_dirfd;       /* av's; of the first: its own until it is adopted */
    struct tc_av_vault vault;
    int vault_error, selftest;
    struct tc_av_recovery recovery;
    struct tc_av_record *records;
    size_t records_n, records_bad;
};

static void discard(void *job)
{
    struct load *load = job;

    tc_detector_list_free(&load->options.rules);
    free(load->options.allow_list);
    free(load->options.block_list);
    tc_av_rules_unref(load->new_rules);
    tc_av_lists_unref(load->new_lists);
    tc_av_recovery_done(&load->recovery);
    tc_av_vault_list_free(load->records, load->records_n);
    if (load->first) { /* not handed over: the start failed */
        tc_av_vault_close(&load->vault);
        if (load->own_dirfd >= 0)
            close(load->own_dirfd);
    }
    free(load);
}

static void *prepare(void *owner, bool first)
{
    struct tc_av *av = owner;
    struct load *load = calloc(1, sizeof(*load));

    if (!load)
        return NULL;
    load->av = av;
    load->first = first;
    load->own_dirfd = av->own_dirfd;
    load->vault.dirfd = -1;
    load->list_edits = av->list_edits;
    load->options.max_file_size = av->options.max_file_size;
    load->options.timeout_s = av->options.timeout_s;
    load->options.allow_list = strdup(av->options.allow_list);
    load->options.block_list = strdup(av->options.block_list);
    if (load->options.allow_list && load->options.block_list &&
        !tc_detector_list_copy(&av->options.rules, &load->options.rules))
        return load;
    discard(load);
    return NULL;
}

/* ---- In the pool ---- */

static void open_state(struct load *load)
{
    const char *state = load->av->host->state_dir(load->av->host);
    char path[PATH_MAX];
    int r;

    snprintf(path, sizeof(path), "%s/av", state);
    mkdir(path, 0700);
    load->own_dirfd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    load->vault_error = tc_av_vault_open(&load->vault, state);
    if (load->vault_error)
        return;
    load->vault_error = tc_av_vault_recover(&load->vault, &load->recovery);
    /* One file that could not be recovered does not hide the others. */
    r = tc_av_vault_list(&load->vault, &load->records, &load->records_n,
                         &load->records_bad);
    if (!load->vault_error)
        load->vault_error = r;
}

static void watch_folder(void *arg, const char *path)
{
    tc_detector_watch_folder(arg, path);
}

static int run(void *job, struct tc_detector_watch *watch, const atomic_bool *cancelled)
{
    struct load *load = job;
    const struct tc_av_options *options = &load->options;
    struct tc_av_judges judges;
    int r;

    (void)cancelled;
    if (load->first)
        open_state(load);
    for (size_t i = 0; i < options->rules.n; i++)
        tc_detector_watch_entry(watch, options->rules.items[i]);
    tc_detector_watch_entry(watch, options->allow_list);
    tc_detector_watch_entry(watch, options->block_list);
    r = tc_av_rules_load((const char *const *)options->rules.items, options->rules.n,
                         watch_folder, watch, &load->new_rules);
    if (!r)
        r = tc_av_lists_load(options->allow_list, options->block_list, load->own_dirfd,
                             TC_AV_OWN_LIST, &load->new_lists);
    if (r)
        return r;
    /* Also makes the first scanner, so that no question waits for it on the loop. */
    judges = (struct tc_av_judges){.rules = load->new_rules,
                                   .lists = load->new_lists,
                                   .max_file_size = options->max_file_size,
                                   .timeout_s = options->timeout_s};
    load->selftest = tc_av_content_selftest(&judges);
    return 0;
}

/* ---- Health ---- */

static void report_issues(struct tc_av *av)
{
    const struct tocsin_host *host = av->host;
    const char *text, *fix;
    char missing[256];

    for (size_t i = 0; (text = tc_av_rules_issue(av->rules, i)); i++) {
        fix = "correct the rule file, or remove it from the rule folder";
        fix = tc_detector_missing_fix(host, "av", "rules", true, text, fix, missing);
        tc_detector_defs_issue(&av->defs, text, fix);
    }
    for (size_t i = 0; (text = tc_av_lists_issue(av->lists, i)); i++) {
        fix = "correct the list, or its path under plugins: av:";
        fix =
            tc_detector_missing_fix(host, "av", "block_list", false, text, fix, missing);
        fix =
            tc_detector_missing_fix(host, "av", "allow_list", false, text, fix, missing);
        tc_detector_defs_issue(&av->defs, text, fix);
    }
    if (tc_av_rules_count(av->rules))
        host->report(host, TOCSIN_REPORT_CLEAR, "no_rules", NULL, NULL);
    else
        host->report(host, TOCSIN_REPORT_ISSUE, "no_rules",
                     "no YARA rule is loaded: only the hash lists find anything",
                     "put rules into a folder named under plugins: av: rules:");
}

static void report_facts(struct tc_av *av)
{
    const struct tocsin_host *host = av->host;
    unsigned count = tc_av_rules_count(av->rules);
    unsigned failed = tc_av_rules_failed(av->rules);
    char text[64];

    snprintf(text, sizeof(text), "YARA %s", tc_av_engine_version());
    host->report(host, TOCSIN_REPORT_FACT, "engine_version", text, NULL);
    host->report(host, TOCSIN_REPORT_FACT, "engine_load_status", "loaded", NULL);
    if (failed)
        snprintf(text, sizeof(text), "%u rules, %u files skipped", count, failed);
    else
        snprintf(text, sizeof(text), "%u rules", count);
    tc_detector_defs_facts(host, "definitions",
                           count ? tc_av_rules_version(av->rules) : "none",
                           tc_av_rules_updated(av->rules), text);
}

static void report_vault(struct tc_av *av, const struct load *load)
{
    char text[TC_AV_WHY];

    if (load->vault_error) {
        snprintf(text, sizeof(text), "the quarantine folder: %s",
                 strerror(-load->vault_error));
        av->host->report(av->host, TOCSIN_REPORT_ISSUE, "quarantine", text,
                         "make the state folder writable: it is tried again");
    } else if (load->records_bad) {
        snprintf(text, sizeof(text), "%zu damaged files in the quarantine folder",
                 load->records_bad);
        av->host->report(av->host, TOCSIN_REPORT_ISSUE, "quarantine", text,
                         "remove the damaged files from the quarantine folder");
    } else {
        av->host->report(av->host, TOCSIN_REPORT_CLEAR, "quarantine", NULL, NULL);
    }
}

/* ---- On the loop ---- */

static void reset_verdicts(struct tc_av *av, const char *reason)
{
    struct tocsin_writer w;
    uint8_t buf[128];

    av->generation++;
    tc_av_cache_reset(av->cache);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "reason", reason);
    tocsin_end(&w);
    tocsin_publish(av->host, TOCSIN_TOPIC_VERDICT_RESET, 0, &w);
}

void tc_av_defs_set_lists(struct tc_av *av, struct tc_av_lists *lists, const char *reason)
{
    tc_av_lists_unref(av->lists);
    av->lists = lists;
    av->list_edits++;
    reset_verdicts(av, reason);
}

/* What the first load has opened. */
static void take_state(struct tc_av *av, struct load *load)
{
    av->own_dirfd = load->own_dirfd;
    av->vault = load->vault;
    load->own_dirfd = load->vault.dirfd = -1;
    report_vault(av, load);
    for (size_t i = 0; i < load->records_n; i++) {
        tc_av_threat_known(av, &load->records[i]);
        tc_av_events_kept(av->host, &load->records[i]);
    }
    for (size_t i = 0; i < load->recovery.taken_n; i++)
        tc_av_threat_recovered(av, &load->recovery.taken[i]);
    for (size_t i = 0; i < load->recovery.restored_n; i++)
        tc_av_events_remediated(av->host, &load->recovery.restored[i], "restore",
                                "restored", NULL);
    for (size_t i = 0; i < load->recovery.back_n; i++)
        tc_av_threat_back(av, &load->recovery.back[i]);
    for (size_t i = 0; i < load->recovery.rescan_n; i++)
        tc_av_job_path(av, load->recovery.rescan[i]);
    tc_av_care_start(av);
    tc_av_selftest_start(av);
}

/*
 * Puts what was read in force. A hash that was allowed while the lists were being read
 * may be missing from them: then those in force stay, and all is read once more.
 */
static const char *adopt(void *owner, void *job, const char *reason, int error)
{
    struct tc_av *av = owner;
    struct load *load = job;

    if (error) {
        if (load->first && !av->work.stopping)
            av->host->report(av->host, TOCSIN_REPORT_FACT, "engine_load_status", "failed",
                             NULL);
        return NULL;
    }
    tc_av_rules_unref(av->rules);
    av->rules = load->new_rules;
    load->new_rules = NULL;
    if (av->lists && (load->list_edits != av->list_edits || av->vault_busy)) {
        tc_detector_defs_changed(&av->defs);
    } else {
        tc_av_lists_unref(av->lists);
        av->lists = load->new_lists;
        load->new_lists = NULL;
    }
    av->counters.reloads++;
    reset_verdicts(av, reason);
    report_issues(av);
    report_facts(av);
    tc_av_selftest_report(av, load->selftest);
    if (load->first)
        take_state(av, load);
    return NULL;
}

static void answer(void *owner, struct tocsin_writer *w)
{
    const struct tc_av *av = owner;

    tocsin_put_str(w, "version", tc_av_rules_version(av->rules));
    tocsin_put_uint(w, "rules", tc_av_rules_count(av->rules));
    tocsin_put_uint(w, "files", tc_av_rules_files(av->rules));
    tocsin_put_uint(w, "failed", tc_av_rules_failed(av->rules));
}

static const char *const suffixes[] = {".yar", ".yara", ".yarc", NULL};

const struct tc_detector_defs_ops tc_av_defs_ops = {
    .suffixes = suffixes,
    .prepare = prepare,
    .load = run,
    .adopt = adopt,
    .answer = answer,
    .discard = discard,
};
