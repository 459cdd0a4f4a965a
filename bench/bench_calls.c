/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many system calls the agent makes for one file, counted by the kernel and so the
 * same on a busy machine: the tracepoint raw_syscalls:sys_enter, of all threads that the
 * agent has. Left out is poll(2), by which the sensor's watchdog waits: it goes by time.
 *   calls_cached     an open of a file that was allowed before
 *   calls_first      the first open of a small file, one voter that allows at once
 *   calls_scanned    the same with plugin av
 *   calls_created    a file that is made, written and closed, until nothing more is done
 *   calls_executed   a program that is executed for the first time, by a new process
 * floor: what a bare loop needs, an event a read: to read it, to scan, to answer, to
 * close.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "open_agent.h"

#define ALARM_S 120
#define ROUNDS 3
#define FILES 200
#define PROGRAMS 20
#define FILE_BYTES 4096
#define SETTLE_MS 100
#define PROGRAM "/bin/true"
#ifdef SYS_poll
#define WATCHDOG SYS_poll
#else
#define WATCHDOG SYS_ppoll
#endif

enum act { OPEN, OPEN_SAME, CREATE, EXECUTE };

/* What somebody else has to do with folder/<first>, <first + 1> ...; or with folder/0. */
struct order {
    enum act act;
    uint32_t first, count;
};

struct bench {
    bool scanned;
    char root[64], folder[64], rules[96];
    int orders; /* socket to the other */
    int counter;
    pid_t other;
    struct open_agent agent;
    bool answered;
    uint32_t next;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_calls: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- The other: a process of its own, asked about like any other. ---- */

static void copy(int from, const char *path)
{
    static char content[1 << 20];
    ssize_t len = pread(from, content, sizeof(content), 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    must(len > 0 && fd >= 0 && write(fd, content, (size_t)len) == len, path);
    close(fd);
}

static void create(const char *path, uint32_t number)
{
    char content[FILE_BYTES];
    int fd;

    memset(content, 'a' + (int)(number % 26), sizeof(content));
    memcpy(content, &number, sizeof(number)); /* no two alike */
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(fd >= 0 && write(fd, content, sizeof(content)) == sizeof(content), path);
    close(fd);
}

static void execute(char *path)
{
    char *const args[] = {path, NULL}, *const environment[] = {NULL};
    int status = 0;
    pid_t pid;

    must(!posix_spawn(&pid, path, NULL, NULL, args, environment) &&
             waitpid(pid, &status, 0) == pid && !status,
         path);
}

static void do_order(const struct order *order, const char *folder)
{
    char path[96];
    int fd;

    for (uint32_t i = 0; i < order->count; i++) {
        snprintf(path, sizeof(path), "%s/%u", folder,
                 order->act == OPEN_SAME ? 0 : order->first + i);
        if (order->act == CREATE) {
            create(path, order->first + i);
        } else if (order->act == EXECUTE) {
            execute(path);
        } else {
            fd = open(path, O_RDONLY | O_CLOEXEC);
            must(fd >= 0, path);
            close(fd);
        }
    }
}

/* Executed anew, so that its program comes through a mount of this namespace. */
static void other_main(int orders, const char *folder)
{
    struct order order;

    while (read(orders, &order, sizeof(order)) == sizeof(order)) {
        do_order(&order, folder);
        if (write(orders, "d", 1) != 1)
            break;
    }
    _exit(0);
}

/* ---- Counting. ---- */

/* Of this process and all threads that it will have. */
static int open_counter(void)
{
    struct perf_event_attr attr = {
        .size = sizeof(attr), .type = PERF_TYPE_TRACEPOINT, .inherit = 1};
    FILE *file = fopen("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", "re");
    char filter[32];
    unsigned id = 0;
    int fd;

    if (!file)
        file = fopen("/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id", "re");
    must(file && fscanf(file, "%u", &id) == 1, "the tracepoint raw_syscalls:sys_enter");
    fclose(file);
    attr.config = id;
    fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    snprintf(filter, sizeof(filter), "id != %d", WATCHDOG);
    must(fd >= 0 && !ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter), "a counter");
    return fd;
}

static uint64_t counted(const struct bench *bench)
{
    uint64_t n;

    must(read(bench->counter, &n, sizeof(n)) == sizeof(n), "the counter");
    return n;
}

static void answer_came(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    ((struct bench *)poll->data)->answered = true;
}

static void time_is_up(uv_timer_t *timer)
{
    ((struct bench *)timer->data)->answered = true;
}

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes);

    if (!memory)
        exit(1);
    return memory;
}

static void run_until_answered(struct bench *bench)
{
    while (!bench->answered)
        uv_run(&bench->agent.loop, UV_RUN_ONCE);
    bench->answered = false;
}

/* Lets the agent deal with what has come. */
static void settle(struct bench *bench)
{
    uv_timer_t *timer = allocate(sizeof(*timer));

    must(!uv_timer_init(&bench->agent.loop, timer), "a timer");
    timer->data = bench;
    uv_timer_start(timer, time_is_up, SETTLE_MS, 0);
    run_until_answered(bench);
    uv_close((uv_handle_t *)timer, (uv_close_cb)free);
}

/* Has the other do something. Returns the agent's calls for one of it. */
static double measure(struct bench *bench, const struct order *order)
{
    uv_poll_t *poll = allocate(sizeof(*poll));
    uint64_t before = counted(bench);
    char done;

    must(!uv_poll_init(&bench->agent.loop, poll, bench->orders), "a poll");
    poll->data = bench;
    uv_poll_start(poll, UV_READABLE, answer_came);
    must(write(bench->orders, order, sizeof(*order)) == sizeof(*order), "an order");
    run_until_answered(bench);
    must(read(bench->orders, &done, 1) == 1, "the other");
    uv_close((uv_handle_t *)poll, (uv_close_cb)free);
    settle(bench);
    return (double)(counted(bench) - before) / order->count;
}

/* The least of some rounds: all that can come to it is a turn of the loop. */
static double least(struct bench *bench, enum act before, enum act act, uint32_t count)
{
    double least = 0, now;

    for (int i = 0; i < ROUNDS; i++) {
        struct order order = {before, bench->next, count};

        if (before == CREATE && act != CREATE)
            measure(bench, &order);
        order.act = act;
        now = measure(bench, &order);
        if (!i || now < least)
            least = now;
        bench->next += count;
    }
    return least;
}

static double executed(struct bench *bench)
{
    struct order order = {EXECUTE, bench->next, PROGRAMS};
    int program = open(PROGRAM, O_RDONLY | O_CLOEXEC);
    char path[96];

    for (uint32_t i = 0; i < PROGRAMS; i++) {
        snprintf(path, sizeof(path), "%s/%u", bench->folder, bench->next + i);
        copy(program, path); /* the agent's own: not asked about */
    }
    close(program);
    settle(bench);
    bench->next += PROGRAMS;
    return measure(bench, &order);
}

static void report(const char *name, double calls, unsigned floor, double goal)
{
    printf("{\"bench\":\"%s\",\"unit\":\"system calls\",\"floor\":%u,\"es\":%.1f,"
           "\"goal\":%.0f}\n",
           name, floor, calls, goal);
    (void)fflush(stdout);
}

/* ---- The place, and the process that must exist before the first thread. ---- */

static void prepare(struct bench *bench)
{
    int orders[2];

    strcpy(bench->root, "/tmp/tocsin-bench-XXXXXX");
    must(mkdtemp(bench->root) != NULL, "a folder");
    must(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL),
         "a mount namespace");
    must(!mount("bench", bench->root, "tmpfs", 0, NULL), "a tmpfs");
    snprintf(bench->folder, sizeof(bench->folder), "%.40s/guarded", bench->root);
    snprintf(bench->rules, sizeof(bench->rules), "%s/bench.yar", bench->root);
    must(!mkdir(bench->folder, 0755) && !mount("bench", bench->folder, "tmpfs", 0, NULL),
         "a tmpfs");
    open_agent_rules(bench->rules);
    must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, orders), "a socket");
    bench->orders = orders[0];
    bench->other = fork();
    if (!bench->other) {
        char number[16], self[4096] = "";
        char *const args[] = {self, number, bench->folder, NULL};

        must(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0, "its own name");
        snprintf(number, sizeof(number), "%d", dup(orders[1])); /* without O_CLOEXEC */
        execv(self, args);
        _exit(1);
    }
    must(bench->other > 0, "a process");
    close(orders[1]);
}

static void finish(struct bench *bench)
{
    close(bench->orders);
    waitpid(bench->other, NULL, 0);
    umount2(bench->root, MNT_DETACH);
    rmdir(bench->root);
}

static void run(bool scanned)
{
    static struct bench bench;

    alarm(ALARM_S);
    prepare(&bench);
    bench.counter = open_counter();
    open_agent_start(&bench.agent, bench.root, bench.folder,
                     scanned ? bench.rules : NULL);
    settle(&bench);
    if (scanned) {
        report("calls_scanned", least(&bench, CREATE, OPEN, FILES), 4, 8);
        report("calls_created", least(&bench, CREATE, CREATE, FILES), 7, 8);
    } else {
        report("calls_first", least(&bench, CREATE, OPEN, FILES), 3, 8);
        report("calls_cached", least(&bench, OPEN_SAME, OPEN_SAME, FILES), 0, 0);
        report("calls_executed", executed(&bench), 3, 8);
    }
    open_agent_stop(&bench.agent);
    finish(&bench);
}

int main(int argc, char **argv)
{
    static const bool variants[] = {false, true};
    int failed = 0, status;

    if (argc == 3)
        other_main((int)strtol(argv[1], NULL, 10), argv[2]);
    if (geteuid()) {
        (void)fprintf(stderr, "bench_calls: must be root\n");
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
