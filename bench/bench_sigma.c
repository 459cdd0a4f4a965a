/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many process events a second go through Sigma rules on one core: with 10, 100 and
 * all rules of ../shared/data/sigma, beside the floor: a single rule on one short field,
 * which is what asking and reporting nothing costs. Events are unlike each other and
 * nearly none matches, as on a real machine. Rounds in turn, the best of each.
 *
 *     {"bench":"sigma_events","rules":303,"events_per_s":..,"floor_events_per_s":..,
 *      "looked_at_per_event":..,"matches":..}
 *     {"bench":"sigma_memory","rules":..,"load_ms":..,"rss_mb":..,"goal_mb":60}
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sigma/sigma.h"

#define DATA BENCH_SOURCE_DIR "/../shared/data/sigma/"
#define EVENTS 512 /* different ones */
#define ROUND_EVENTS 200000
#define ROUNDS 3
#define FIELDS 9
#define PATHS_MAX 2048

struct process_event {
    struct tocsin_str values[FIELDS];
    char texts[FIELDS][256];
};

struct rules {
    struct tc_sigma_set *set;
    struct tc_sigma_scratch *scratch;
    size_t count;
    double best; /* events a second */
    uint64_t matches;
};

struct paths {
    char *items[PATHS_MAX];
    size_t count;
};

static const char *const names[FIELDS] = {
    "Image",     "CommandLine",      "ParentImage", "ParentCommandLine", "User",
    "ProcessId", "CurrentDirectory", "LogonId",     "ParentProcessId"};

/* Of this thread on a core: whatever else the machine does takes none of it. */
static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_sigma: %s\n", what);
    exit(1);
}

/* ---- Events ---- */

static void make_event(struct process_event *event, unsigned i)
{
    static const char *const images[] = {
        "/usr/bin/gcc",     "/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
        "/usr/bin/make",    "/usr/bin/dash",
        "/usr/bin/sed",     "/usr/bin/git",
        "/usr/bin/python3", "/usr/sbin/cron",
    };
    static const char *const arguments[] = {
        "-O2 -g -Wall -Wextra -D_FORTIFY_SOURCE=3 -I../include -o core/agent.c.o -c",
        "-quiet -imultiarch x86_64-linux-gnu -dumpbase loader.c -mtune=generic",
        "-C build all VERBOSE=1 PREFIX=/usr/local",
        "-c 'test -f config.status && ./config.status --recheck'",
        "-e 's/^Version: .*/Version: 1.2.3/' -i packaging/control",
        "log --pretty=format:%h%x09%an --since=2.weeks -- src/",
        "-m unittest discover -s tests -p 'test_*.py'",
        "-f -L 15",
    };
    const char *image = images[i % 8];
    char(*t)[256] = event->texts;

    snprintf(t[0], sizeof(t[0]), "%s", image);
    snprintf(t[1], sizeof(t[1]), "%s %s /srv/build/%u/file-%u.c", image, arguments[i % 8],
             i, i * 7919);
    snprintf(t[2], sizeof(t[2]), "%s", images[(i / 8) % 8]);
    snprintf(t[3], sizeof(t[3]), "%s %s", images[(i / 8) % 8], arguments[(i / 8) % 8]);
    snprintf(t[4], sizeof(t[4]), "builder%u", i % 5);
    snprintf(t[5], sizeof(t[5]), "%u", 1000 + i);
    snprintf(t[6], sizeof(t[6]), "/srv/build/%u", i);
    snprintf(t[7], sizeof(t[7]), "%u", 1000 + i % 5);
    snprintf(t[8], sizeof(t[8]), "%u", 900 + i / 8);
    for (size_t f = 0; f < FIELDS; f++)
        event->values[f] = (struct tocsin_str){t[f], strlen(t[f])};
}

static bool field(void *arg, const char *name, size_t index, struct tc_sigma_value *ret)
{
    const struct process_event *event = arg;

    for (size_t i = 0; index == 0 && i < FIELDS; i++)
        if (!strcmp(names[i], name)) {
            *ret = (struct tc_sigma_value){TC_SIGMA_TEXT, event->values[i], 0};
            return true;
        }
    return false;
}

static bool any(void *arg, size_t index, struct tc_sigma_value *ret)
{
    const struct process_event *event = arg;

    if (index >= FIELDS)
        return false;
    *ret = (struct tc_sigma_value){TC_SIGMA_TEXT, event->values[index], 0};
    return true;
}

/* ---- Rules ---- */

static void find(struct paths *paths, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    char *path;
    size_t len;

    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0)
                die("out of memory");
            len = strlen(path);
            if (entries[i]->d_type == DT_DIR) {
                find(paths, path);
                free(path);
            } else if (len > 4 && !strcmp(path + len - 4, ".yml") &&
                       paths->count < PATHS_MAX) {
                paths->items[paths->count++] = path;
            } else {
                free(path);
            }
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

/* `count` of the files, spread evenly; with none, the floor's rule. */
static void load(struct rules *rules, const struct paths *paths, size_t count)
{
    static const char floor_rule[] = "title: floor\nlogsource:\n    product: linux\n"
                                     "detection:\n    s:\n        User: nobody-at-all\n"
                                     "    condition: s\n";
    const struct tc_sigma_options options = {.problem = NULL};
    struct tc_sigma_loader *loader;

    *rules = (struct rules){.count = count};
    if (tc_sigma_loader_new(&options, &loader))
        die("out of memory");
    for (size_t i = 0; i < count; i++)
        if (tc_sigma_loader_add(loader, paths->items[i * paths->count / count]))
            die("a rule cannot be read");
    if (!count &&
        tc_sigma_loader_add_text(loader, "floor", floor_rule, strlen(floor_rule)))
        die("out of memory");
    if (tc_sigma_loader_finish(loader, &rules->set) ||
        tc_sigma_scratch_new(rules->set, &rules->scratch))
        die("out of memory");
}

static void count_match(void *arg, const struct tc_sigma_match *match)
{
    struct rules *rules = arg;

    (void)match;
    rules->matches++;
}

static void run(struct rules *rules, struct process_event *events)
{
    struct tc_sigma_event event = {
        .category = "process_creation", .product = "linux", .field = field, .any = any};
    double start = now_s(), rate;

    for (unsigned i = 0; i < ROUND_EVENTS; i++) {
        event.arg = &events[i % EVENTS];
        tc_sigma_evaluate(rules->set, rules->scratch, &event, count_match, rules);
    }
    rate = ROUND_EVENTS / (now_s() - start);
    if (rate > rules->best)
        rules->best = rate;
}

static double rss_mb(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;

    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        die("no /proc/self/statm");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void report(const struct rules *rules, const struct rules *floor)
{
    struct tc_sigma_counters counters;

    tc_sigma_counters(rules->scratch, &counters);
    printf("{\"bench\":\"sigma_events\",\"rules\":%zu,\"events_per_s\":%.0f,"
           "\"floor_events_per_s\":%.0f,\"ratio\":%.2f,\"goal\":300000,"
           "\"looked_at_per_event\":%.3f,\"matches_per_event\":%.4f}\n",
           rules->count, rules->best, floor->best, rules->best / floor->best,
           (double)counters.looked_at / (double)counters.events,
           (double)counters.matched / (double)counters.events);
}

int main(void)
{
    struct process_event *events = calloc(EVENTS, sizeof(*events));
    struct rules floor, sets[3];
    struct paths paths = {.count = 0};
    double start;

    find(&paths, DATA "linux");
    find(&paths, DATA "macos");
    find(&paths, DATA "regression");
    if (!events)
        die("out of memory");
    if (paths.count < 100) {
        fprintf(stderr, "bench_sigma: skipped: there are no rules at %s\n", DATA);
        free(events);
        return 0;
    }
    for (unsigned i = 0; i < EVENTS; i++)
        make_event(&events[i], i);
    start = now_s();
    load(&sets[2], &paths, paths.count);
    start = now_s() - start;
    run(&sets[2], events);
    printf("{\"bench\":\"sigma_memory\",\"rules\":%zu,\"load_ms\":%.0f,\"rss_mb\":%.1f,"
           "\"goal_mb\":60}\n",
           paths.count, start * 1e3, rss_mb());
    load(&sets[0], &paths, 10);
    load(&sets[1], &paths, 100);
    load(&floor, &paths, 0);
    for (int round = 0; round < ROUNDS; round++) {
        run(&floor, events);
        for (size_t i = 0; i < 3; i++)
            run(&sets[i], events);
    }
    for (size_t i = 0; i < 3; i++)
        report(&sets[i], &floor);
    for (size_t i = 0; i < 3; i++) {
        tc_sigma_scratch_free(sets[i].scratch);
        tc_sigma_set_free(sets[i].set);
    }
    tc_sigma_scratch_free(floor.scratch);
    tc_sigma_set_free(floor.set);
    for (size_t i = 0; i < paths.count; i++)
        free(paths.items[i]);
    free(events);
    return 0;
}
