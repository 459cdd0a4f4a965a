/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load for tests of the whole agent: threads that open, and threads that execute, the
 * files of one folder without rest, and count for themselves what came of it.
 *
 *   tocsin_load FOLDER OUT OPENERS RUNNERS PAUSE-US SECONDS
 *
 * The folder holds files open0..openN, denied (never to be opened), run and denied_run
 * (never to be executed): both are tocsin_nothing. Ends when its standard input does, or
 * after so many seconds. OUT.json: the counts and the delays; OUT.runs: of each execution
 * of `run` a struct run.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 32
#define FILES_MAX 8
#define PATH_LEN 256
#define RAN 42                      /* what tocsin_nothing ends with */
#define LONG_NS UINT64_C(250000000) /* opens that take so long are counted */
#define DENIED_EVERY 4 /* how often the one that is denied is tried, among the others */

/* Delays: 16 steps to each power of two, so that each is exact within 6 %. */
#define STEPS 16
#define BUCKETS (64 * STEPS)

struct delays {
    uint64_t count, longest_ns;
    uint32_t buckets[BUCKETS];
};

struct counts {
    uint64_t opened[FILES_MAX], long_opens[FILES_MAX];
    uint64_t open_failed, denied_opened, denied_open_tries;
    uint64_t run, run_failed, denied_run, denied_killed, denied_run_tries;
    struct delays open, exec;
};

struct run {
    int32_t pid;
    uint32_t delay_us;
};

struct load {
    const char *folder, *out;
    size_t openers, runners, files;
    unsigned pause_us, seconds;
    struct stat stats[FILES_MAX];
    atomic_bool over;
};

struct worker {
    struct load *load;
    pthread_t thread;
    struct counts counts;
    struct run *runs;
    size_t run_count, run_room;
    int first_error;
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "tocsin_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* ---- Delays. ---- */

static size_t bucket_of(uint64_t ns)
{
    /* ns >> power is within STEPS and 2 * STEPS, but for the smallest. */
    unsigned power = ns < STEPS ? 0 : 63 - (unsigned)__builtin_clzll(ns) - 4;

    return power * STEPS + (size_t)(ns >> power);
}

/* The longest that a bucket stands for. */
static uint64_t end_of(size_t bucket)
{
    unsigned power = bucket < STEPS ? 0 : (unsigned)(bucket / STEPS) - 1;

    return ((uint64_t)(bucket - power * STEPS) + 1) << power;
}

static uint64_t delay_add(struct delays *delays, uint64_t since_ns)
{
    uint64_t ns = now_ns() - since_ns;

    delays->count++;
    delays->buckets[bucket_of(ns)]++;
    if (ns > delays->longest_ns)
        delays->longest_ns = ns;
    return ns;
}

static void delays_sum(struct delays *to, const struct delays *from)
{
    to->count += from->count;
    for (size_t i = 0; i < BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
    if (from->longest_ns > to->longest_ns)
        to->longest_ns = from->longest_ns;
}

static double percentile_us(const struct delays *delays, double share)
{
    uint64_t below = (uint64_t)(share * (double)delays->count), seen = 0;
    size_t i = 0;

    while (i < BUCKETS - 1 && (seen += delays->buckets[i]) <= below)
        i++;
    return (double)(end_of(i) < delays->longest_ns ? end_of(i) : delays->longest_ns) /
           1e3;
}

/* ---- What the threads do. ---- */

static void rest(const struct load *load)
{
    struct timespec pause = {.tv_nsec = (long)load->pause_us * 1000};

    if (load->pause_us)
        nanosleep(&pause, NULL);
}

static void note_error(struct worker *worker, int err)
{
    if (!worker->first_error)
        worker->first_error = err;
}

static void open_one(struct worker *worker, size_t i)
{
    struct counts *counts = &worker->counts;
    char path[PATH_LEN];
    uint64_t from, took;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/open%zu", worker->load->folder, i);
    from = now_ns();
    fd = open(path, O_RDONLY | O_CLOEXEC);
    took = delay_add(&counts->open, from);
    if (fd < 0) {
        note_error(worker, errno);
        counts->open_failed++;
        return;
    }
    close(fd);
    counts->opened[i]++;
    counts->long_opens[i] += took > LONG_NS;
}

static void open_denied(struct worker *worker)
{
    char path[PATH_LEN];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/denied", worker->load->folder);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    worker->counts.denied_open_tries++;
    if (fd < 0)
        return;
    close(fd);
    worker->counts.denied_opened++;
}

static void *opener_main(void *arg)
{
    struct worker *worker = arg;

    for (size_t n = 0; !worker->load->over; n++) {
        if (n % DENIED_EVERY)
            open_one(worker, n % worker->load->files);
        else
            open_denied(worker);
        rest(worker->load);
    }
    return NULL;
}

static void remember_run(struct worker *worker, pid_t pid, uint64_t delay_ns)
{
    if (worker->run_count == worker->run_room) {
        worker->run_room = worker->run_room ? 2 * worker->run_room : 4096;
        worker->runs = realloc(worker->runs, worker->run_room * sizeof(*worker->runs));
        if (!worker->runs)
            fail("memory");
    }
    worker->runs[worker->run_count++] = (struct run){pid, (uint32_t)(delay_ns / 1000)};
}

/* The status of a process that executes `name`, or -1: it was refused. */
static int execute(struct worker *worker, const char *name, struct delays *delays,
                   pid_t *ret_pid, uint64_t *ret_delay_ns)
{
    char path[PATH_LEN], *argv[] = {path, NULL}, *env[] = {NULL};
    int err, status;
    uint64_t from;
    pid_t pid;

    (void)snprintf(path, sizeof(path), "%s/%s", worker->load->folder, name);
    from = now_ns();
    err = posix_spawn(&pid, path, NULL, NULL, argv, env);
    if (delays)
        *ret_delay_ns = delay_add(delays, from);
    errno = err;
    if (err)
        return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            fail("waitpid");
    *ret_pid = pid;
    return status;
}

static void run_one(struct worker *worker)
{
    pid_t pid;
    uint64_t delay_ns = 0;
    int status = execute(worker, "run", &worker->counts.exec, &pid, &delay_ns);

    if (status < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != RAN) {
        note_error(worker, status < 0 ? errno : status);
        worker->counts.run_failed++;
        return;
    }
    worker->counts.run++;
    remember_run(worker, pid, delay_ns);
}

static void run_denied(struct worker *worker)
{
    pid_t pid;
    int status = execute(worker, "denied_run", NULL, &pid, NULL);

    worker->counts.denied_run_tries++;
    if (status >= 0 && WIFSIGNALED(status))
        worker->counts.denied_killed++;
    else if (status >= 0)
        worker->counts.denied_run++;
}

static void *runner_main(void *arg)
{
    struct worker *worker = arg;

    for (size_t n = 0; !worker->load->over; n++) {
        if (n % DENIED_EVERY)
            run_one(worker);
        else
            run_denied(worker);
        rest(worker->load);
    }
    return NULL;
}

/* ---- What came of it. ---- */

static void sum(struct counts *to, const struct counts *from)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        to->opened[i] += from->opened[i];
        to->long_opens[i] += from->long_opens[i];
    }
    to->open_failed += from->open_failed;
    to->denied_opened += from->denied_opened;
    to->denied_open_tries += from->denied_open_tries;
    to->run += from->run;
    to->run_failed += from->run_failed;
    to->denied_run += from->denied_run;
    to->denied_killed += from->denied_killed;
    to->denied_run_tries += from->denied_run_tries;
    delays_sum(&to->open, &from->open);
    delays_sum(&to->exec, &from->exec);
}

static FILE *out_file(const struct load *load, const char *ending)
{
    char path[PATH_LEN];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s.%s", load->out, ending);
    file = fopen(path, "we");
    if (!file)
        fail(path);
    return file;
}

static void put_delays(FILE *file, const char *name, const struct delays *delays)
{
    (void)fprintf(file,
                  "\"%s\":{\"count\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,"
                  "\"p999_us\":%.1f,\"longest_us\":%.1f},\n",
                  name, (unsigned long long)delays->count, percentile_us(delays, 0.5),
                  percentile_us(delays, 0.99), percentile_us(delays, 0.999),
                  (double)delays->longest_ns / 1e3);
}

static void put_files(FILE *file, const struct load *load, const struct counts *all)
{
    (void)fprintf(file, "\"files\":[");
    for (size_t i = 0; i < load->files; i++)
        (void)fprintf(
            file, "%s{\"inode\":%llu,\"device\":%llu,\"opened\":%llu,\"long\":%llu}",
            i ? "," : "", (unsigned long long)load->stats[i].st_ino,
            (unsigned long long)load->stats[i].st_dev, (unsigned long long)all->opened[i],
            (unsigned long long)all->long_opens[i]);
    (void)fprintf(file, "],\n");
}

static void put_counts(FILE *file, const struct counts *all)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"open_failed", all->open_failed},
        {"denied_opened", all->denied_opened},
        {"denied_open_tries", all->denied_open_tries},
        {"run", all->run},
        {"run_failed", all->run_failed},
        {"denied_run", all->denied_run},
        {"denied_killed", all->denied_killed},
        {"denied_run_tries", all->denied_run_tries},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        (void)fprintf(file, "\"%s\":%llu,\n", rows[i].name,
                      (unsigned long long)rows[i].value);
}

static void report(const struct load *load, const struct worker *workers)
{
    static struct counts all;
    FILE *runs = out_file(load, "runs"), *file = out_file(load, "json");
    int err = 0;

    for (size_t i = 0; i < load->openers + load->runners; i++) {
        sum(&all, &workers[i].counts);
        err = err ? err : workers[i].first_error;
        if (workers[i].run_count)
            (void)fwrite(workers[i].runs, sizeof(struct run), workers[i].run_count, runs);
    }
    (void)fprintf(file, "{");
    put_files(file, load, &all);
    put_counts(file, &all);
    put_delays(file, "open", &all.open);
    put_delays(file, "exec", &all.exec);
    (void)fprintf(file, "\"pid\":%d,\"error\":%d}\n", getpid(), err);
    if (fclose(runs) || fclose(file))
        fail(load->out);
}

/* Until standard input ends, or time is up. */
static void wait_for_the_end(const struct load *load)
{
    uint64_t until = now_ns() + load->seconds * UINT64_C(1000000000), now;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;

    while ((now = now_ns()) < until) {
        if (poll(&input, 1, (int)((until - now) / 1000000) + 1) > 0 &&
            read(STDIN_FILENO, &byte, 1) <= 0)
            return;
    }
}

static void look_at_files(struct load *load)
{
    char path[PATH_LEN];

    for (; load->files < FILES_MAX; load->files++) {
        (void)snprintf(path, sizeof(path), "%s/open%zu", load->folder, load->files);
        if (stat(path, &load->stats[load->files]))
            break;
    }
    if (load->openers && !load->files)
        fail(path);
}

int main(int argc, char **argv)
{
    static struct worker workers[THREADS_MAX];
    static struct load load;

    if (argc == 7) {
        load.openers = strtoul(argv[3], NULL, 10);
        load.runners = strtoul(argv[4], NULL, 10);
    }
    if (argc != 7 || load.openers + load.runners > THREADS_MAX) {
        (void)fprintf(stderr,
                      "usage: tocsin_load FOLDER OUT OPENERS RUNNERS PAUSE-US SECONDS\n");
        return 2;
    }
    load.folder = argv[1];
    load.out = argv[2];
    load.pause_us = (unsigned)strtoul(argv[5], NULL, 10);
    load.seconds = (unsigned)strtoul(argv[6], NULL, 10);
    alarm(load.seconds + 30); /* whatever keeps a thread in the kernel */
    look_at_files(&load);
    for (size_t i = 0; i < load.openers + load.runners; i++) {
        workers[i].load = &load;
        errno = pthread_create(&workers[i].thread, NULL,
                               i < load.openers ? opener_main : runner_main, &workers[i]);
        if (errno)
            fail("a thread");
    }
    wait_for_the_end(&load);
    load.over = true;
    for (size_t i = 0; i < load.openers + load.runners; i++)
        pthread_join(workers[i].thread, NULL);
    report(&load, workers);
    return 0;
}
