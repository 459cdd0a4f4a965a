/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an open costs, seen by the process that opens, each against a floor in the same
 * run, in turn; medians count. With plugin es between:
 *   open_cached         a file that was allowed before; floor: a file nobody asks about;
 *                       kernel_ns: a file that a bare group has marked the same way, and
 *                       that nobody is asked about either: the kernel's own share
 *   open_first          a small file not seen before, one voter that allows at once;
 *                       floor: a bare fanotify loop that allows at once
 *   open_first_scanned  the same with plugin av, if it was built; floor: the bare loop
 *                       that reads the file and scans it with the same rules
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <yara.h>

#include "open_agent.h"

#define ALARM_S 120
#define ROUNDS 9
#define HOT_OPENS 20000
#define NEW_FILES 300
#define FILE_BYTES 4096
#define SETTLE_MS 60
#define ALL_MARKED (FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM | FAN_CLOSE_WRITE)

/* What the opener has to do: open folder/<first>, <first + 1> ...; or one file over
 * and over. The answer is nanoseconds for one. */
struct order {
    char folder[64];
    uint32_t first, count;
    bool same;
};

enum place { GUARDED, FREE, BARE, MARKED, PLACES };

struct bench {
    bool scanned;
    char root[64], folders[PLACES][64], rules[96];
    int orders; /* socket to the opener */
    pid_t opener, bare;
    struct open_agent agent;
    uint32_t next_file;
    bool answered;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_open: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- The opener: a process of its own, asked about like any other. ---- */

static void opener_main(int orders)
{
    struct order order;
    char path[96];
    uint64_t from;
    double ns;

    while (read(orders, &order, sizeof(order)) == sizeof(order)) {
        from = clock_ns();
        for (uint32_t i = 0; i < order.count; i++) {
            int fd;

            snprintf(path, sizeof(path), "%s/%u", order.folder,
                     order.first + (order.same ? 0 : i));
            fd = open(path, O_RDONLY | O_CLOEXEC);
            if (fd < 0)
                _exit(1);
            close(fd);
        }
        ns = (double)(clock_ns() - from) / order.count;
        if (write(orders, &ns, sizeof(ns)) != sizeof(ns))
            break;
    }
    _exit(0);
}

/* ---- The floor: what any program that asks must do. ---- */

static int no_match(YR_SCAN_CONTEXT *context, int message, void *data, void *arg)
{
    (void)context;
    (void)message;
    (void)data;
    (void)arg;
    return CALLBACK_CONTINUE;
}

static YR_SCANNER *make_scanner(const char *rules_path)
{
    YR_COMPILER *compiler;
    YR_SCANNER *scanner;
    YR_RULES *rules;
    FILE *file = fopen(rules_path, "re");

    must(file && yr_initialize() == ERROR_SUCCESS, "libyara");
    must(yr_compiler_create(&compiler) == ERROR_SUCCESS, "a compiler");
    must(yr_compiler_add_file(compiler, file, NULL, rules_path) == 0, "the rules");
    must(yr_compiler_get_rules(compiler, &rules) == ERROR_SUCCESS, "the rules");
    must(yr_scanner_create(rules, &scanner) == ERROR_SUCCESS, "a scanner");
    yr_scanner_set_callback(scanner, no_match, NULL);
    fclose(file);
    return scanner;
}

/* What plugin es asks of the kernel for a file that was allowed, and nothing else. */
static void mark_only(int group, const char *folder)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/0", folder);
    must(!fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, ALL_MARKED, AT_FDCWD,
                        folder) &&
             !fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK,
                            FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM, AT_FDCWD, path),
         "a marked file");
    group = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_REPORT_DFID_NAME, O_RDONLY);
    must(group >= 0 && !fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
                                      FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_ONDIR,
                                      AT_FDCWD, folder),
         "marked names"); /* stays open with the process */
}

static void bare_main(const struct bench *bench, int ready)
{
    int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE,
                              O_RDONLY | O_CLOEXEC);
    YR_SCANNER *scanner = bench->scanned ? make_scanner(bench->rules) : NULL;
    struct fanotify_event_metadata events[64], *m;
    static uint8_t content[2 * FILE_BYTES];
    ssize_t n, len;

    alarm(ALARM_S);
    must(group >= 0 && !fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
                                      FAN_OPEN_PERM, AT_FDCWD, bench->folders[BARE]),
         "the bare loop");
    mark_only(group, bench->folders[MARKED]);
    must(write(ready, "r", 1) == 1, "the bare loop");
    while ((n = read(group, events, sizeof(events))) > 0) {
        for (m = events; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n)) {
            struct fanotify_response response = {m->fd, FAN_ALLOW};

            len = scanner ? pread(m->fd, content, sizeof(content), 0) : 0;
            if (len > 0)
                yr_scanner_scan_mem(scanner, content, (size_t)len);
            if (write(group, &response, sizeof(response)) < 0)
                _exit(1);
            close(m->fd);
        }
    }
    _exit(1);
}

/* ---- Measuring. ---- */

static void answer_came(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    ((struct bench *)poll->data)->answered = true;
}

/* Has the opener do something while the agent's loop runs. */
static double measure(struct bench *bench, enum place place, uint32_t first,
                      uint32_t count, bool same)
{
    struct order order = {.first = first, .count = count, .same = same};
    uv_poll_t *poll = malloc(sizeof(*poll));
    double ns = 0;

    snprintf(order.folder, sizeof(order.folder), "%s", bench->folders[place]);
    must(poll && !uv_poll_init(&bench->agent.loop, poll, bench->orders), "a poll");
    poll->data = bench;
    bench->answered = false;
    uv_poll_start(poll, UV_READABLE, answer_came);
    must(write(bench->orders, &order, sizeof(order)) == sizeof(order), "an order");
    while (!bench->answered)
        uv_run(&bench->agent.loop, UV_RUN_ONCE);
    must(read(bench->orders, &ns, sizeof(ns)) == sizeof(ns), "the opener");
    uv_close((uv_handle_t *)poll, (uv_close_cb)free);
    uv_run(&bench->agent.loop, UV_RUN_NOWAIT);
    return ns;
}

static void make_files(struct bench *bench, enum place place, uint32_t first,
                       uint32_t count)
{
    static char content[FILE_BYTES];
    char path[96];

    for (uint32_t i = 0; i < count; i++) {
        int fd;

        snprintf(path, sizeof(path), "%s/%u", bench->folders[place], first + i);
        memset(content, 'a' + (int)(i % 26), sizeof(content));
        memcpy(content, &i, sizeof(i)); /* no two alike */
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        must(fd >= 0 && write(fd, content, sizeof(content)) == sizeof(content), path);
        close(fd);
    }
}

static void time_is_up(uv_timer_t *timer)
{
    ((struct bench *)timer->data)->answered = true;
}

/* Lets the agent deal with what the making of the files has caused: the opens count. */
static void settle(struct bench *bench)
{
    uv_timer_t *timer = malloc(sizeof(*timer));

    must(timer && !uv_timer_init(&bench->agent.loop, timer), "a timer");
    timer->data = bench;
    bench->answered = false;
    uv_timer_start(timer, time_is_up, SETTLE_MS, 0);
    while (!bench->answered)
        uv_run(&bench->agent.loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)timer, (uv_close_cb)free);
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* `kernel`: NULL where there is no such figure. */
static void report(const char *name, double goal, double floor[ROUNDS], double es[ROUNDS],
                   double kernel[ROUNDS])
{
    double ratios[ROUNDS];

    for (size_t i = 0; i < ROUNDS; i++)
        ratios[i] = es[i] / floor[i];
    qsort(floor, ROUNDS, sizeof(double), by_value);
    qsort(es, ROUNDS, sizeof(double), by_value);
    qsort(ratios, ROUNDS, sizeof(double), by_value);
    printf("{\"bench\":\"%s\",\"unit\":\"ns\",\"floor\":%.0f,\"es\":%.0f,"
           "\"ratio\":%.2f,\"goal\":%.2f",
           name, floor[ROUNDS / 2], es[ROUNDS / 2], ratios[ROUNDS / 2], goal);
    if (kernel) {
        qsort(kernel, ROUNDS, sizeof(double), by_value);
        printf(",\"kernel_ns\":%.0f", kernel[ROUNDS / 2]);
    }
    printf("}\n");
    (void)fflush(stdout);
}

static void bench_cached(struct bench *bench)
{
    double floor[ROUNDS], es[ROUNDS], kernel[ROUNDS];

    make_files(bench, GUARDED, 0, 1);
    make_files(bench, FREE, 0, 1);
    measure(bench, GUARDED, 0, 100, true); /* asks, and is remembered */
    for (size_t i = 0; i < ROUNDS; i++) {
        floor[i] = measure(bench, FREE, 0, HOT_OPENS, true);
        kernel[i] = measure(bench, MARKED, 0, HOT_OPENS, true);
        es[i] = measure(bench, GUARDED, 0, HOT_OPENS, true);
    }
    report("open_cached", 1.05, floor, es, kernel);
}

static void bench_first(struct bench *bench)
{
    double floor[ROUNDS], es[ROUNDS];
    uint32_t first = 1;

    for (size_t i = 0; i < ROUNDS; i++, first += NEW_FILES) {
        make_files(bench, BARE, first, NEW_FILES);
        make_files(bench, GUARDED, first, NEW_FILES);
        settle(bench);
        floor[i] = measure(bench, BARE, first, NEW_FILES, false);
        es[i] = measure(bench, GUARDED, first, NEW_FILES, false);
    }
    report(bench->scanned ? "open_first_scanned" : "open_first", 1.5, floor, es, NULL);
}

/* ---- The place, and the processes that must exist before the first thread. ---- */

static void prepare(struct bench *bench)
{
    static const char *const names[PLACES] = {"guarded", "free", "bare", "marked"};
    int orders[2], ready[2];
    char byte;

    strcpy(bench->root, "/tmp/tocsin-bench-XXXXXX");
    must(mkdtemp(bench->root) != NULL, "a folder");
    must(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL),
         "a mount namespace");
    must(!mount("bench", bench->root, "tmpfs", 0, NULL), "a tmpfs");
    for (size_t i = 0; i < PLACES; i++) {
        snprintf(bench->folders[i], sizeof(bench->folders[i]), "%.40s/%s", bench->root,
                 names[i]);
        must(!mkdir(bench->folders[i], 0755) &&
                 !mount("bench", bench->folders[i], "tmpfs", 0, NULL),
             "a tmpfs");
    }
    snprintf(bench->rules, sizeof(bench->rules), "%s/bench.yar", bench->root);
    open_agent_rules(bench->rules);
    make_files(bench, MARKED, 0, 1);
    must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, orders) &&
             !pipe2(ready, O_CLOEXEC),
         "a socket");
    bench->orders = orders[0];
    bench->opener = fork();
    if (!bench->opener) {
        close(orders[0]);
        opener_main(orders[1]);
    }
    bench->bare = fork();
    if (!bench->bare)
        bare_main(bench, ready[1]);
    close(orders[1]);
    close(ready[1]);
    must(bench->opener > 0 && bench->bare > 0 && read(ready[0], &byte, 1) == 1,
         "the bare loop");
}

static void finish(struct bench *bench)
{
    char root[64];

    kill(bench->bare, SIGKILL);
    close(bench->orders);
    waitpid(bench->bare, NULL, 0);
    waitpid(bench->opener, NULL, 0);
    strcpy(root, bench->root);
    umount2(root, MNT_DETACH);
    rmdir(root);
}

static void run(bool scanned)
{
    static struct bench bench;

    alarm(ALARM_S);
    bench.scanned = scanned;
    prepare(&bench);
    open_agent_start(&bench.agent, bench.root, bench.folders[GUARDED],
                     scanned ? bench.rules : NULL);
    if (!scanned)
        bench_cached(&bench);
    bench_first(&bench);
    open_agent_stop(&bench.agent);
    finish(&bench);
}

int main(void)
{
    static const bool variants[] = {false, true};
    int failed = 0, status;

    if (geteuid()) {
        (void)fprintf(stderr, "bench_open: must be root\n");
        return 1;
    }
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        pid_t pid;

        if (variants[i] && !open_agent_scans())
            continue;
        pid = fork();
        if (!pid) {
            run(variants[i]);
            exit(0);
        }
        waitpid(pid, &status, 0);
        failed |= status;
    }
    return failed ? 1 : 0;
}
