/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supplementary events cost, and their judgement by all rules there are, with
 * the real agent against none at all, started and ended in turn in one run; medians
 * count:
 *   trace_exec   fork+exec+wait of /bin/true, with trace
 *   edr_exec     the same with trace and edr
 *   edr_cost     what the agent computes for one such process, with edr and without, and
 *                what it takes of memory
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ALARM_S 180
#define ROUNDS 9
#define EXECS 300
#define RULES BENCH_SOURCE_DIR "/../shared/data/sigma/linux"
#define RULES_MAC BENCH_SOURCE_DIR "/../shared/data/sigma/macos"
#define OWN_RULES BENCH_SOURCE_DIR "/config/rules/sigma"
#define READY_S 20
#define PROGRAM "/bin/true"

enum mode {
    MODE_TRACE,
    MODE_EDR,
    MODES,
};

struct bench {
    char root[64], config[80];
    pid_t agent, core; /* the supervisor, and who does the work */
};

/* What was measured with the agent, a round each. */
struct figures {
    double exec_ns[ROUNDS], ratio[ROUNDS], cpu_ns[ROUNDS], rss_mb[ROUNDS];
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_trace: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void run_once(void)
{
    char *argv[] = {strdup("true"), NULL}, *envp[] = {NULL};
    pid_t pid = -1;
    int status = 0, err = posix_spawn(&pid, PROGRAM, NULL, NULL, argv, envp);

    free(argv[0]);
    errno = err;
    must(!err, PROGRAM);
    must(waitpid(pid, &status, 0) == pid && !status, "waitpid");
}

static double execs(void)
{
    double from = now_ns();

    for (int i = 0; i < EXECS; i++)
        run_once();
    return (now_ns() - from) / EXECS;
}

static void configure(struct bench *bench, enum mode mode)
{
    FILE *file = fopen(bench->config, "we");
    bool shared = access(RULES, R_OK) == 0;

    must(file != NULL, bench->config);
    (void)fprintf(file,
                  "paths: {state: %s/state, runtime: %s/run, plugins: [%s]}\n"
                  "plugins:\n  trace: {}\n",
                  bench->root, bench->root, BENCH_PLUGIN_DIR);
    if (mode == MODE_EDR)
        (void)fprintf(file, "  edr: {rules: [%s%s]}\n", OWN_RULES,
                      shared ? ", " RULES ", " RULES_MAC : "");
    must(!fclose(file), bench->config);
}

/* The number that stands in a file of /proc, behind `name` (NULL: at its beginning). */
static double number_in(pid_t pid, const char *what, const char *name)
{
    char path[64], text[8192];
    const char *at = text;
    FILE *file;
    size_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
    file = fopen(path, "re");
    must(file != NULL, path);
    n = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[n] = '\0';
    if (name)
        at = strstr(text, name);
    must(at != NULL, path);
    return strtod(at + (name ? strlen(name) : 0), NULL);
}

/* Of its loop, where everything is published and judged. */
static double cpu_ns(const struct bench *bench)
{
    return number_in(bench->core, "schedstat", NULL);
}

/* The agent says "ready" when its plugins run; then some more, to fill its caches. */
static void agent_start(struct bench *bench)
{
    char text[4096], children[40];
    size_t len = 0;
    int log[2];

    must(!pipe2(log, O_CLOEXEC), "pipe");
    bench->agent = fork();
    must(bench->agent >= 0, "fork");
    if (!bench->agent) {
        dup2(log[1], 2);
        dup2(log[1], 1);
        execl(BENCH_BUILD_DIR "/bin/tocsind", "tocsind", "--config", bench->config,
              (char *)NULL);
        _exit(127);
    }
    close(log[1]);
    alarm(READY_S);
    do {
        ssize_t n = read(log[0], text + len, sizeof(text) - 1 - len);

        must(n > 0, "the agent ended");
        len += (size_t)n;
        text[len] = '\0';
    } while (!strstr(text, "agent: ready"));
    alarm(ALARM_S);
    must(dup2(log[0], 99) == 99, "its log"); /* stays open, so that it can write */
    close(log[0]);
    (void)snprintf(children, sizeof(children), "task/%d/children", bench->agent);
    bench->core = (pid_t)number_in(bench->agent, children, NULL);
    execs();
}

static void agent_stop(struct bench *bench)
{
    int status;

    kill(bench->agent, SIGTERM);
    must(waitpid(bench->agent, &status, 0) == bench->agent, "waitpid");
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof(double), by_value);
    return values[ROUNDS / 2];
}

static void measure(struct bench *bench, enum mode mode, struct figures *figures,
                    size_t round)
{
    double cpu;

    configure(bench, mode);
    agent_start(bench);
    cpu = cpu_ns(bench);
    figures->exec_ns[round] = execs();
    figures->cpu_ns[round] = (cpu_ns(bench) - cpu) / EXECS;
    figures->rss_mb[round] = number_in(bench->core, "status", "VmRSS:") / 1024;
    agent_stop(bench);
}

static void report_exec(const char *name, const char *with, double floor,
                        struct figures *figures)
{
    printf("{\"bench\":\"%s\",\"unit\":\"ns\",\"floor\":%.0f,\"%s\":%.0f,"
           "\"ratio\":%.3f,\"goal\":1.05}\n",
           name, floor, with, median(figures->exec_ns), median(figures->ratio));
}

static void run(struct bench *bench)
{
    static struct figures figures[MODES];
    double floor[ROUNDS], before, after;

    for (size_t i = 0; i < ROUNDS; i++) {
        before = execs();
        for (size_t mode = 0; mode < MODES; mode++) {
            measure(bench, (enum mode)mode, &figures[mode], i);
            /* Both sides: the machine is not the same from one second to the next. */
            after = execs();
            floor[i] = (before + after) / 2;
            figures[mode].ratio[i] = figures[mode].exec_ns[i] / floor[i];
            before = after;
        }
    }
    report_exec("trace_exec", "trace", median(floor), &figures[MODE_TRACE]);
    report_exec("edr_exec", "trace_and_edr", median(floor), &figures[MODE_EDR]);
    printf("{\"bench\":\"edr_cost\",\"unit\":\"ns\",\"cpu_per_process\":%.0f,"
           "\"floor\":%.0f,\"rss_mb\":%.1f,\"floor_rss_mb\":%.1f}\n",
           median(figures[MODE_EDR].cpu_ns), median(figures[MODE_TRACE].cpu_ns),
           median(figures[MODE_EDR].rss_mb), median(figures[MODE_TRACE].rss_mb));
}

static void clean(const struct bench *bench)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", bench->root);
    must(!system(command), bench->root);
}

int main(void)
{
    static struct bench bench;

    if (geteuid()) {
        (void)fprintf(stderr, "bench_trace: must be root\n");
        return 1;
    }
    alarm(ALARM_S);
    strcpy(bench.root, "/tmp/tocsin-bench-XXXXXX");
    must(mkdtemp(bench.root) != NULL, "a folder");
    snprintf(bench.config, sizeof(bench.config), "%s/tocsin.yaml", bench.root);
    run(&bench);
    clean(&bench);
    return 0;
}
