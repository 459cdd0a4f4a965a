/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the definitions in force: loads rules and lists in the pool, swaps them whole on
 * the loop, tells sensors to forget what was judged by the old ones, and health what
 * there is. Watches the folders they came from; a timer runs only after something there
 * has changed. Must not: scan.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "av.h"
#include "av_tell.h"

#define WATCH_MASK                                                                       \
    (IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |              \
     IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct tc_av_load {
    struct tc_av *av;
    const struct tocsin_event *request; /* a reference, or NULL */
    char reason[32];
    char **rules;
    size_t rules_n;
    char *allow_list, *block_list;
    bool first; /* opens the vault, too */

    /* What came of it; of the first: */
    int error;
    struct tc_av_rules *new_rules;
    struct tc_av_lists *new_lists;
    uint64_t list_edits; /* av's when this one began to read */
    int inotify, own_dirfd;
    struct tc_av_vault vault;
    int vault_error;
    struct tc_av_recovery recovery;
    struct tc_av_record *records;
    size_t records_n, records_bad;
};

static void load_free(struct tc_av_load *load)
{
    if (!load)
        return;
    for (size_t i = 0; i < load->rules_n; i++)
        free(load->rules[i]);
    free(load->rules);
    free(load->allow_list);
    free(load->block_list);
    tc_av_rules_unref(load->new_rules);
    tc_av_lists_unref(load->new_lists);
    tc_av_recovery_done(&load->recovery);
    tc_av_vault_list_free(load->records, load->records_n);
    if (load->first) { /* not handed over: the start failed */
        tc_av_vault_close(&load->vault);
        if (load->inotify >= 0)
            close(load->inotify);
        if (load->own_dirfd >= 0)
            close(load->own_dirfd);
    }
    load->av->host->event_unref(load->av->host, load->request);
    free(load);
}

static struct tc_av_load *load_new(struct tc_av *av, const char *reason,
                                   const struct tocsin_event *request)
{
    struct tc_av_load *load = calloc(1, sizeof(*load));

    if (!load)
        return NULL;
    load->av = av;
    load->first = !av->rules && !av->load;
    load->inotify = load->own_dirfd = load->vault.dirfd = -1;
    snprintf(load->reason, sizeof(load->reason), "%s", reason);
    if (request) {
        av->host->event_ref(av->host, request);
        load->request = request;
    }
    load->rules = calloc(av->options.rules_n + 1, sizeof(*load->rules));
    while (load->rules && load->rules_n < av->options.rules_n &&
           (load->rules[load->rules_n] = strdup(av->options.rules[load->rules_n])))
        load->rules_n++;
    load->allow_list = strdup(av->options.allow_list);
    load->block_list = strdup(av->options.block_list);
    if (load->rules_n == av->options.rules_n && load->allow_list && load->block_list)
        return load;
    load_free(load);
    return NULL;
}

/* ---- In the pool ---- */

static void open_state(struct tc_av_load *load)
{
    const char *state = load->av->host->state_dir(load->av->host);
    char path[PATH_MAX];

    load->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    snprintf(path, sizeof(path), "%s/av", state);
    mkdir(path, 0700);
    load->own_dirfd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    load->vault_error = tc_av_vault_open(&load->vault, state);
    if (load->vault_error)
        return;
    load->vault_error = tc_av_vault_recover(&load->vault, &load->recovery);
    if (!load->vault_error)
        load->vault_error = tc_av_vault_list(&load->vault, &load->records,
                                             &load->records_n, &load->records_bad);
}

/* Watches a folder or, while it is missing, the nearest one above it. */
static void watch_folder(int inotify, const char *folder)
{
    char path[PATH_MAX], *slash;

    snprintf(path, sizeof(path), "%s", folder);
    while (inotify_add_watch(inotify, path, WATCH_MASK) < 0 && errno == ENOENT) {
        slash = strrchr(path, '/');
        if (!slash || !path[1])
            return;
        slash[slash == path] = 0;
    }
}

static void watch_list(int inotify, const char *list)
{
    char path[PATH_MAX], *slash;

    if (snprintf(path, sizeof(path), "%s", list) >= (int)sizeof(path))
        return;
    slash = strrchr(path, '/');
    if (!slash)
        return;
    slash[slash == path] = 0;
    watch_folder(inotify, path);
}

static void run(void *arg)
{
    struct tc_av_load *load = arg;
    struct tc_av_hit hit;
    const char *folder;

    if (load->first)
        open_state(load);
    load->error = tc_av_rules_load((const char *const *)load->rules, load->rules_n,
                                   &load->new_rules);
    if (!load->error)
        load->error = tc_av_lists_load(load->allow_list, load->block_list,
                                       load->own_dirfd, TC_AV_OWN_LIST, &load->new_lists);
    if (load->error)
        return;
    /* Makes the first scanner here, so that no question waits for it on the loop. */
    tc_av_rules_scan(load->new_rules, "", 1, 1, 1, &hit);
    if (load->inotify < 0)
        return;
    for (size_t i = 0; (folder = tc_av_rules_folder(load->new_rules, i)); i++)
        watch_folder(load->inotify, folder);
    watch_list(load->inotify, load->allow_list);
    watch_list(load->inotify, load->block_list);
}

/* ---- Health ---- */

static void report_issues(struct tc_av *av)
{
    const struct tocsin_host *host = av->host;
    unsigned n = 0;
    const char *text;
    char key[32];

    for (size_t i = 0; (text = tc_av_rules_issue(av->rules, i)); i++) {
        snprintf(key, sizeof(key), "rules_%u", n++);
        host->report(host, TOCSIN_REPORT_ISSUE, key, text,
                     "correct the rule file, or take it out of the rule folder");
    }
    for (size_t i = 0; (text = tc_av_lists_issue(av->lists, i)); i++) {
        snprintf(key, sizeof(key), "rules_%u", n++);
        host->report(host, TOCSIN_REPORT_ISSUE, key, text,
                     "correct the list, or its path under plugins: av:");
    }
    for (unsigned i = n; i < av->issues_n; i++) {
        snprintf(key, sizeof(key), "rules_%u", i);
        host->report(host, TOCSIN_REPORT_CLEAR, key, NULL, NULL);
    }
    av->issues_n = n;
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
    time_t updated = tc_av_rules_updated(av->rules);
    char text[64] = "never";
    struct tm tm;

    snprintf(text, sizeof(text), "YARA %s", tc_av_engine_version());
    host->report(host, TOCSIN_REPORT_FACT, "engine_version", text, NULL);
    host->report(host, TOCSIN_REPORT_FACT, "engine_load_status", "loaded", NULL);
    host->report(host, TOCSIN_REPORT_FACT, "definitions_version",
                 count ? tc_av_rules_version(av->rules) : "none", NULL);
    if (!updated || !gmtime_r(&updated, &tm) ||
        !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(text, sizeof(text), "never");
    host->report(host, TOCSIN_REPORT_FACT, "definitions_updated", text, NULL);
    if (failed)
        snprintf(text, sizeof(text), "%u rules, %u files left out", count, failed);
    else
        snprintf(text, sizeof(text), "%u rules", count);
    host->report(host, TOCSIN_REPORT_FACT, "definitions_status", text, NULL);
}

static void report_vault(struct tc_av *av, const struct tc_av_load *load)
{
    char text[TC_AV_WHY];

    if (load->vault_error) {
        snprintf(text, sizeof(text), "the quarantine folder: %s",
                 strerror(-load->vault_error));
        av->host->report(av->host, TOCSIN_REPORT_ISSUE, "quarantine", text,
                         "make the state folder writable for the agent and restart it");
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

/* Whether a changed name can matter: a rule file, a list, or a folder of them. */
static bool matters(const struct tc_av *av, const struct inotify_event *event)
{
    const char *const lists[] = {av->options.allow_list, av->options.block_list};
    const char *dot, *slash;

    if (!event->len || (event->mask & IN_ISDIR))
        return true;
    dot = strrchr(event->name, '.');
    if (dot && event->name[0] != '.' &&
        (!strcmp(dot, ".yar") || !strcmp(dot, ".yara") || !strcmp(dot, ".yarc")))
        return true;
    for (size_t i = 0; i < 2; i++) {
        slash = strrchr(lists[i], '/');
        if (slash && !strcmp(slash + 1, event->name))
            return true;
    }
    return false;
}

static void on_settled(void *arg)
{
    struct tc_av *av = arg;

    av->host->timer_stop(av->host, av->settle);
    av->settle = NULL;
    if (tc_av_load(av, "rules changed", NULL))
        av->host->log(av->host, TOCSIN_LOG_WARNING, "changed rules could not be loaded");
}

static void settle(struct tc_av *av)
{
    if (!av->settle && !av->stopping)
        av->host->timer_start(av->host, TC_AV_SETTLE_MS, 0, on_settled, av, &av->settle);
}

static void on_change(void *arg, int status, uint32_t events)
{
    struct tc_av *av = arg;
    union {
        struct inotify_event event; /* for its alignment */
        char bytes[4096];
    } buf;
    bool changed = false;
    ssize_t n;

    (void)status;
    (void)events;
    while ((n = read(av->inotify, buf.bytes, sizeof(buf))) > 0) {
        for (const char *p = buf.bytes; p < buf.bytes + n;) {
            const struct inotify_event *event = (const void *)p;

            changed = changed || matters(av, event);
            p += sizeof(*event) + event->len;
        }
    }
    if (changed)
        settle(av);
}

static void first_done(struct tc_av *av, struct tc_av_load *load)
{
    av->inotify = load->inotify;
    av->own_dirfd = load->own_dirfd;
    av->vault = load->vault;
    load->inotify = load->own_dirfd = load->vault.dirfd = -1;
    report_vault(av, load);
    if (av->inotify >= 0 && !av->stopping)
        av->host->watch_fd(av->host, av->inotify, TOCSIN_READABLE, on_change, av,
                           &av->watch);
    for (size_t i = 0; i < load->records_n; i++) {
        tc_av_threat_known(av, &load->records[i]);
        tc_av_tell_kept(av->host, &load->records[i]);
    }
    for (size_t i = 0; i < load->recovery.taken_n; i++)
        tc_av_threat_recovered(av, &load->recovery.taken[i]);
    for (size_t i = 0; i < load->recovery.restored_n; i++)
        tc_av_tell_remediated(av->host, &load->recovery.restored[i], "restore",
                              "restored", NULL);
    for (size_t i = 0; i < load->recovery.rescan_n; i++)
        tc_av_job_path(av, load->recovery.rescan[i]);
}

static void answer(struct tc_av *av, const struct tc_av_load *load)
{
    struct tocsin_writer w;
    uint8_t buf[256];

    if (!load->request)
        return;
    if (load->error) {
        tc_av_refuse(av, load->request, "failed", "the rules could not be loaded: %s",
                     strerror(-load->error));
        return;
    }
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "version", tc_av_rules_version(av->rules));
    tocsin_put_uint(&w, "rules", tc_av_rules_count(av->rules));
    tocsin_put_uint(&w, "files", tc_av_rules_files(av->rules));
    tocsin_put_uint(&w, "failed", tc_av_rules_failed(av->rules));
    tocsin_end(&w);
    tocsin_reply(av->host, load->request, &w);
}

static int begin(struct tc_av *av, struct tc_av_load *load);

/*
 * Puts what was read in force. A hash that was allowed while the lists were being read
 * may be missing from them: then those in force stay, and all is read once more.
 */
static void take(struct tc_av *av, struct tc_av_load *load)
{
    tc_av_rules_unref(av->rules);
    av->rules = load->new_rules;
    load->new_rules = NULL;
    if (av->lists && (load->list_edits != av->list_edits || av->vault_busy)) {
        settle(av);
    } else {
        tc_av_lists_unref(av->lists);
        av->lists = load->new_lists;
        load->new_lists = NULL;
    }
    av->counters.reloads++;
    reset_verdicts(av, load->reason);
    report_issues(av);
    report_facts(av);
}

static void done(void *arg, int status)
{
    struct tc_av_load *load = arg, *next;
    struct tc_av *av = load->av;
    int r = status ? status : load->error;

    load->error = r;
    av->load = NULL;
    if (!r)
        take(av, load);
    if (load->first && !r)
        first_done(av, load);
    answer(av, load);
    if (load->first && !av->stopping) {
        if (r)
            av->host->report(av->host, TOCSIN_REPORT_FACT, "engine_load_status", "failed",
                             NULL);
        av->host->complete(av->host, r);
    }
    load_free(load);
    next = av->load_next;
    av->load_next = NULL;
    if (next && begin(av, next))
        load_free(next);
    tc_av_work_end(av);
}

static int begin(struct tc_av *av, struct tc_av_load *load)
{
    int r;

    if (!load->first) {
        load->inotify = av->inotify;
        load->own_dirfd = av->own_dirfd;
    }
    load->list_edits = av->list_edits;
    r = tc_av_work(av, run, done, load);
    if (!r)
        av->load = load;
    return r;
}

int tc_av_load(struct tc_av *av, const char *reason, const struct tocsin_event *request)
{
    struct tc_av_load *load = load_new(av, reason, request);
    int r;

    if (!load)
        return -ENOMEM;
    if (!av->load) {
        r = begin(av, load);
        if (r)
            load_free(load);
        return r;
    }
    /* One waits behind the one that runs: it will see all that has changed until then. */
    if (av->load_next && av->load_next->request)
        tc_av_refuse(av, av->load_next->request, "refused",
                     "another reload was asked for meanwhile");
    load_free(av->load_next);
    av->load_next = load;
    return 0;
}

void tc_av_defs_stop(struct tc_av *av)
{
    av->host->timer_stop(av->host, av->settle);
    av->host->watch_stop(av->host, av->watch);
    av->settle = NULL;
    av->watch = NULL;
    load_free(av->load_next);
    av->load_next = NULL;
}
