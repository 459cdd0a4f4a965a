/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the rules in force: loads them in the pool, swaps them whole on the loop, tells
 * health and the log what there is, and loads again when something in their folders has
 * changed; a timer runs only after that. Must not: judge.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "edr.h"

#define SETTLE_MS 300     /* from the first change of rules to the reload */
#define ISSUES_MAX 16     /* that health shows; the last one counts the rest */
#define LOG_LINES_MAX 100 /* of one load */

struct tc_edr_load {
    struct tc_edr *edr;
    const struct tocsin_event *request; /* a reference, or NULL */
    char reason[32];
    struct tc_edr_options options; /* copies */
    atomic_bool cancelled;
    bool first;

    int error;
    struct tc_edr_reading *reading;
    struct tc_edr_machine machine; /* read on the occasion */
};

static void load_free(struct tc_edr_load *load)
{
    if (!load)
        return;
    tc_edr_options_done(&load->options);
    tc_edr_reading_free(load->reading);
    load->edr->host->event_unref(load->edr->host, load->request);
    free(load);
}

static struct tc_edr_load *load_new(struct tc_edr *edr, const char *reason,
                                    const struct tocsin_event *request)
{
    struct tc_edr_load *load = calloc(1, sizeof(*load));

    if (!load)
        return NULL;
    load->edr = edr;
    load->first = !edr->reading && !edr->load;
    snprintf(load->reason, sizeof(load->reason), "%s", reason);
    if (request) {
        edr->host->event_ref(edr->host, request);
        load->request = request;
    }
    if (!tc_edr_options_copy(&edr->options, &load->options))
        return load;
    load_free(load);
    return NULL;
}

static void run(void *arg)
{
    struct tc_edr_load *load = arg;

    tc_edr_machine_read(&load->machine);
    load->error = tc_edr_read(&load->options, &load->cancelled, &load->reading);
}

/* ---- What is told of a load ---- */

static void problem_text(const struct tc_edr_problem *problem, char *ret, size_t cap)
{
    if (problem->line)
        snprintf(ret, cap, "%s:%u:%u: %s", problem->file, problem->line, problem->column,
                 problem->text);
    else
        snprintf(ret, cap, "%s: %s", problem->file, problem->text);
}

/* Those that are no issues of health, which the agent logs. */
static void log_problems(struct tc_edr *edr)
{
    const struct tc_edr_reading *reading = edr->reading;
    size_t shown = 0, lines = 0, more = reading->left_out;
    char text[1024];

    for (size_t i = 0; i < reading->problems_n; i++) {
        bool refused = reading->problems[i].refused;

        if (refused && shown++ < ISSUES_MAX - 1)
            continue;
        if (lines++ >= LOG_LINES_MAX) {
            more++;
            continue;
        }
        problem_text(&reading->problems[i], text, sizeof(text));
        edr->host->log(edr->host, refused ? TOCSIN_LOG_WARNING : TOCSIN_LOG_NOTICE, "%s",
                       text);
    }
    if (more)
        edr->host->log(edr->host, TOCSIN_LOG_WARNING,
                       "and %zu more: tocsin definitions list", more);
}

static void report_issue(struct tc_edr *edr, unsigned n, const char *text)
{
    char key[32];

    snprintf(key, sizeof(key), "rules_%u", n);
    edr->host->report(edr->host, TOCSIN_REPORT_ISSUE, key, text,
                      "correct the rule file, or take it out of the rule folder");
}

static void report_refused(struct tc_edr *edr)
{
    const struct tc_edr_reading *reading = edr->reading;
    unsigned n = 0;
    char text[512], key[32];

    for (size_t i = 0; i < reading->problems_n && n < ISSUES_MAX - 1; i++) {
        if (!reading->problems[i].refused)
            continue;
        problem_text(&reading->problems[i], text, sizeof(text));
        report_issue(edr, n++, text);
    }
    if (reading->refused > n) {
        snprintf(text, sizeof(text), "%zu more rules or files are left out: %s",
                 reading->refused - n, "tocsin definitions list has them");
        report_issue(edr, n++, text);
    }
    for (unsigned i = n; i < edr->issues_n; i++) {
        snprintf(key, sizeof(key), "rules_%u", i);
        edr->host->report(edr->host, TOCSIN_REPORT_CLEAR, key, NULL, NULL);
    }
    edr->issues_n = n;
}

static void report_facts(struct tc_edr *edr)
{
    const struct tc_edr_rules *rules = edr->rules;
    const struct tocsin_host *host = edr->host;
    time_t updated = (time_t)(rules->updated_ns / UINT64_C(1000000000));
    char text[160] = "never";
    struct tm tm;

    host->report(host, TOCSIN_REPORT_FACT, "sigma_rules_version",
                 rules->files ? rules->digest : "none", NULL);
    if (!updated || !gmtime_r(&updated, &tm) ||
        !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(text, sizeof(text), "never");
    host->report(host, TOCSIN_REPORT_FACT, "sigma_rules_updated", text, NULL);
    snprintf(text, sizeof(text),
             "%zu rules in force, %zu cannot run, %zu without a source, %zu left out",
             rules->states[TC_EDR_RUNS], rules->states[TC_EDR_CANNOT_RUN],
             rules->states[TC_EDR_NO_SOURCE], edr->reading->refused);
    host->report(host, TOCSIN_REPORT_FACT, "sigma_rules_status", text, NULL);
}

static void report_watch(struct tc_edr *edr)
{
    char text[160];

    if (!edr->reading->watch_error) {
        edr->host->report(edr->host, TOCSIN_REPORT_CLEAR, "rules_watch", NULL, NULL);
        return;
    }
    snprintf(text, sizeof(text), "not all rule folders are watched: %s",
             strerror(-edr->reading->watch_error));
    edr->host->report(edr->host, TOCSIN_REPORT_ISSUE, "rules_watch", text,
                      "raise fs.inotify.max_user_instances and max_user_watches; until "
                      "then, tocsin definitions reload takes what has changed");
}

static void report_force(struct tc_edr *edr, bool kept)
{
    const struct tocsin_host *host = edr->host;

    if (edr->rules && edr->rules->states[TC_EDR_RUNS])
        host->report(host, TOCSIN_REPORT_CLEAR, "no_rules", NULL, NULL);
    else
        host->report(host, TOCSIN_REPORT_ISSUE, "no_rules",
                     "no Sigma rule is in force: behaviour is not judged",
                     "put rules into a folder named under plugins: edr: rules:");
    if (edr->rules && kept)
        host->report(host, TOCSIN_REPORT_ISSUE, "rules_kept",
                     "not one rule could be loaded: those that were in force stay",
                     "tocsin definitions list says what is wrong with the rules");
    else
        host->report(host, TOCSIN_REPORT_CLEAR, "rules_kept", NULL, NULL);
}

static void refuse(const struct tc_edr_load *load, const char *code, const char *why)
{
    if (load->request)
        tc_edr_refuse(load->edr, load->request, code, "the rules could not be loaded: %s",
                      why);
}

static void answer(struct tc_edr *edr, const struct tc_edr_load *load)
{
    struct tocsin_writer w;
    uint8_t buf[512];

    if (!load->request)
        return;
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "version", edr->rules->digest);
    tocsin_put_uint(&w, "rules", tc_sigma_count(edr->rules->set));
    tocsin_put_uint(&w, "files", edr->rules->files);
    tocsin_put_uint(&w, "runs", edr->rules->states[TC_EDR_RUNS]);
    tocsin_put_uint(&w, "cannot_run", edr->rules->states[TC_EDR_CANNOT_RUN]);
    tocsin_put_uint(&w, "no_source", edr->rules->states[TC_EDR_NO_SOURCE]);
    tocsin_put_uint(&w, "refused", edr->reading->refused);
    tocsin_end(&w);
    tocsin_reply(edr->host, load->request, &w);
}

/* ---- Changes in the folders ---- */

static void on_settled(void *arg)
{
    struct tc_edr *edr = arg;

    edr->host->timer_stop(edr->host, edr->settle);
    edr->settle = NULL;
    if (tc_edr_load(edr, "rules changed", NULL))
        edr->host->log(edr->host, TOCSIN_LOG_WARNING,
                       "changed rules could not be loaded");
}

/* Whether a changed name can matter: a rule file, or a folder. */
static bool matters(const struct tc_edr *edr, const struct inotify_event *event)
{
    const char *dot, *slash;

    if (!event->len || (event->mask & IN_ISDIR))
        return !(event->mask & IN_IGNORED);
    dot = strrchr(event->name, '.');
    if (event->name[0] != '.' && dot && (!strcmp(dot, ".yml") || !strcmp(dot, ".yaml")))
        return true;
    for (size_t i = 0; i < edr->options.rules_n; i++) {
        slash = strrchr(edr->options.rules[i], '/');
        if (slash && !strcmp(slash + 1, event->name))
            return true;
    }
    return false;
}

static void on_change(void *arg, int status, uint32_t events)
{
    struct tc_edr *edr = arg;
    union {
        struct inotify_event event; /* for its alignment */
        char bytes[4096];
    } buf;
    bool changed = false;
    ssize_t n;

    (void)status;
    (void)events;
    while ((n = read(edr->reading->inotify, buf.bytes, sizeof(buf))) > 0) {
        for (const char *p = buf.bytes; p < buf.bytes + n;) {
            const struct inotify_event *event = (const void *)p;

            changed = changed || matters(edr, event);
            p += sizeof(*event) + event->len;
        }
    }
    if (changed && !edr->settle && !edr->stopping)
        edr->host->timer_start(edr->host, SETTLE_MS, 0, on_settled, edr, &edr->settle);
}

/* ---- On the loop ---- */

/* What was read takes the place of what was read before, with its own watches. */
static void take_reading(struct tc_edr *edr, struct tc_edr_load *load)
{
    edr->host->watch_stop(edr->host, edr->watch);
    edr->watch = NULL;
    tc_edr_reading_free(edr->reading);
    edr->reading = load->reading;
    load->reading = NULL;
    if (edr->reading->inotify >= 0 && !edr->stopping)
        edr->host->watch_fd(edr->host, edr->reading->inotify, TOCSIN_READABLE, on_change,
                            edr, &edr->watch);
}

static bool must_keep(const struct tc_edr *edr)
{
    const struct tc_edr_rules *fresh = edr->reading->rules;

    return !fresh || (edr->rules && edr->reading->refused && !tc_sigma_count(fresh->set));
}

static void swap(struct tc_edr *edr, const char *reason)
{
    bool first = !edr->rules;

    tc_edr_rules_free(edr->rules);
    edr->rules = edr->reading->rules;
    edr->reading->rules = NULL;
    edr->rules->version = ++edr->counters.reloads;
    report_facts(edr);
    edr->host->log(edr->host, TOCSIN_LOG_INFO, "rules in force: %zu, of %zu files (%s)%s",
                   edr->rules->states[TC_EDR_RUNS], edr->rules->files, reason,
                   first ? "" : "; what correlations have counted begins anew");
}

/* False: nothing could be loaded, and the rules in force stay. */
static bool take(struct tc_edr *edr, struct tc_edr_load *load)
{
    bool kept;

    take_reading(edr, load);
    log_problems(edr);
    report_refused(edr);
    report_watch(edr);
    kept = must_keep(edr);
    if (kept)
        edr->counters.reloads_kept++;
    else
        swap(edr, load->reason);
    tc_edr_respond_check(edr);
    report_force(edr, kept);
    return !kept;
}

static int begin(struct tc_edr *edr, struct tc_edr_load *load);

static void done(void *arg, int status)
{
    struct tc_edr_load *load = arg, *next;
    struct tc_edr *edr = load->edr;

    load->error = status ? status : load->error;
    edr->load = NULL;
    if (!status)
        edr->machine = load->machine;
    if (load->error)
        refuse(load, "failed", strerror(-load->error));
    else if (take(edr, load))
        answer(edr, load);
    else
        refuse(load, "failed", "those in force stay; tocsin definitions list says why");
    if (load->first && !edr->stopping)
        edr->host->complete(edr->host, load->error);
    load_free(load);
    next = edr->load_next;
    edr->load_next = NULL;
    if (next && begin(edr, next)) {
        refuse(next, "failed", strerror(ECANCELED));
        load_free(next);
    }
    tc_edr_work_end(edr);
}

static int begin(struct tc_edr *edr, struct tc_edr_load *load)
{
    int r = tc_edr_work(edr, run, done, load);

    if (!r)
        edr->load = load;
    return r;
}

int tc_edr_load(struct tc_edr *edr, const char *reason,
                const struct tocsin_event *request)
{
    struct tc_edr_load *load = load_new(edr, reason, request);
    int r;

    if (!load)
        return -ENOMEM;
    if (!edr->load) {
        r = begin(edr, load);
        if (r)
            load_free(load);
        return r;
    }
    /* One waits behind the one that runs: it will see all that has changed until then. */
    if (edr->load_next)
        refuse(edr->load_next, "refused", "another reload was asked for meanwhile");
    load_free(edr->load_next);
    edr->load_next = load;
    return 0;
}

void tc_edr_defs_stop(struct tc_edr *edr)
{
    edr->host->timer_stop(edr->host, edr->settle);
    edr->host->watch_stop(edr->host, edr->watch);
    edr->settle = NULL;
    edr->watch = NULL;
    if (edr->load)
        atomic_store_explicit(&edr->load->cancelled, true, memory_order_relaxed);
    load_free(edr->load_next);
    edr->load_next = NULL;
}
