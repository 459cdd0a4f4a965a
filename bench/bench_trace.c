/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supplementary events cost, with the real agent (tocsind and trace) against
 * none at all, started and ended in turn in one run; medians count:
 *   trace_exec   fork+exec+wait of /bin/true
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
#define READY_S 20
#define PROGRAM "/bin/true"

struct bench {
    char root[64], config[80];
    pid_t agent;
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

static void configure(struct bench *bench)
{
    FILE *file = fopen(bench->config, "we");

    must(file != NULL, bench->config);
    (void)fprintf(file,
                  "paths: {state: %s/state, runtime: %s/run, plugins: [%s]}\n"
                  "plugins:\n  trace: {}\n",
                  bench->root, bench->root, BENCH_PLUGIN_DIR);
    must(!fclose(file), bench->config);
}

/* The agent says "ready" when its plugins run; then some more, to fill its caches. */
static void agent_start(struct bench *bench)
{
    char text[4096];
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

static void run(struct bench *bench)
{
    double floor[ROUNDS], trace[ROUNDS], ratios[ROUNDS];

    for (size_t i = 0; i < ROUNDS; i++) {
        floor[i] = execs();
        agent_start(bench);
        trace[i] = execs();
        agent_stop(bench);
        /* Both sides of it: the machine is not the same from one second to the next. */
        floor[i] = (floor[i] + execs()) / 2;
        ratios[i] = trace[i] / floor[i];
    }
    printf("{\"bench\":\"trace_exec\",\"unit\":\"ns\",\"floor\":%.0f,\"trace\":%.0f,"
           "\"ratio\":%.3f,\"goal\":1.05}\n",
           median(floor), median(trace), median(ratios));
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
    configure(&bench);
    run(&bench);
    clean(&bench);
    return 0;
}
