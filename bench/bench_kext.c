/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel extension costs, and how fast it is, with the real agent (tocsind, kext
 * and av) against none at all, started and ended in turn in one run; medians count:
 *   kext_open_known    open+close of a file that was judged before
 *   kext_exec_known    fork+exec+wait of a program that was judged before
 *   kext_exec_to_kill  a program never seen before that av denies: from the return of its
 *                      exec to its death
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ALARM_S 180
#define ROUNDS 7
#define OPENS 20000
#define EXECS 100
#define KILLS 60 /* in each round */
#define READY_S 20
#define SETTLE_MS 1500 /* until what was just written counts as unchanged */
#define MARKER "tocsin-bench-kext-denied"

struct bench {
    char root[64], watched[80], config[80], known[96];
    pid_t agent;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_kext: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

/* ---- Programs. ---- */

/* Starts a program and returns once it has been executed. */
static pid_t spawn(const char *path, const char *argument)
{
    char *argv[] = {strdup(path), strdup(argument), NULL}, *envp[] = {NULL};
    pid_t pid = -1;
    int err = posix_spawn(&pid, path, NULL, NULL, argv, envp);

    free(argv[0]);
    free(argv[1]);
    errno = err;
    must(!err, path);
    return pid;
}

static int ended(pid_t pid)
{
    int status = 0;

    must(waitpid(pid, &status, 0) == pid, "waitpid");
    return status;
}

/* Copies a program; `behind` is added to it. */
static void copy(const char *from_path, const char *to_path, const char *behind)
{
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    int to = open(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    static char buf[65536];
    ssize_t n;

    must(from >= 0 && to >= 0, to_path);
    while ((n = read(from, buf, sizeof(buf))) > 0)
        must(write(to, buf, (size_t)n) == n, to_path);
    must(write(to, behind, strlen(behind)) == (ssize_t)strlen(behind), to_path);
    close(from);
    close(to);
}

/* ---- The agent. ---- */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    must(file && fputs(text, file) >= 0 && !fclose(file), path);
}

static void configure(struct bench *bench)
{
    char text[2048], path[96];

    snprintf(path, sizeof(path), "%s/bench.yar", bench->root);
    write_text(path,
               "rule bench { strings: $a = \"" MARKER "\" condition: any of them }\n");
    snprintf(text, sizeof(text),
             "paths: {state: %s/state, runtime: %s/run, plugins: [%s]}\n"
             "plugins:\n"
             "  es: {enabled: false}\n"
             "  kext: {watch: [%s], watch_opens: %s}\n"
             "  av: {rules: [%s/bench.yar], quarantine: false, scan_written: false}\n",
             bench->root, bench->root, BENCH_PLUGIN_DIR, bench->watched,
             getenv("BENCH_KEXT_OPENS") ? getenv("BENCH_KEXT_OPENS") : "auto",
             bench->root);
    write_text(bench->config, text);
}

/* True when the program is killed or refused: then kext and av are both at work. */
static bool is_denied(struct bench *bench)
{
    char path[96];
    int status;

    snprintf(path, sizeof(path), "%s/probe", bench->watched);
    copy("/bin/sleep", path, MARKER);
    status = ended(spawn(path, "0.2"));
    return WIFSIGNALED(status);
}

static void agent_start(struct bench *bench)
{
    bench->agent = fork();
    must(bench->agent >= 0, "fork");
    if (!bench->agent) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, 1);
        if (!getenv("BENCH_KEXT_LOG"))
            dup2(null, 2);
        execl(BENCH_BUILD_DIR "/bin/tocsind", "tocsind", "--config", bench->config,
              (char *)NULL);
        _exit(127);
    }
    for (int left = READY_S * 10; !is_denied(bench); left--) {
        must(left > 0 && !waitpid(bench->agent, NULL, WNOHANG), "the agent");
        pause_ms(100);
    }
}

static void agent_stop(struct bench *bench)
{
    kill(bench->agent, SIGTERM);
    ended(bench->agent);
}

/* ---- Measuring. ---- */

static double opens(struct bench *bench)
{
    double from = now_ns();

    for (int i = 0; i < OPENS; i++) {
        int fd = open(bench->known, O_RDONLY | O_CLOEXEC);

        must(fd >= 0, bench->known);
        close(fd);
    }
    return (now_ns() - from) / OPENS;
}

static double execs(struct bench *bench)
{
    double from = now_ns();

    for (int i = 0; i < EXECS; i++)
        must(!ended(spawn(bench->known, "x")), bench->known);
    return (now_ns() - from) / EXECS;
}

static void kills(struct bench *bench, double *ret)
{
    char path[96], behind[64];
    double from;

    for (int i = 0; i < KILLS; i++) {
        snprintf(path, sizeof(path), "%s/denied", bench->watched);
        snprintf(behind, sizeof(behind), MARKER "%d", i);
        unlink(path);
        copy("/bin/sleep", path, behind);
        from = now_ns();
        must(WIFSIGNALED(ended(spawn(path, "10"))), "a denied program ran on");
        ret[i] = now_ns() - from;
    }
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void report(const char *name, double goal, double floor[ROUNDS],
                   double kext[ROUNDS])
{
    double ratios[ROUNDS];

    for (size_t i = 0; i < ROUNDS; i++)
        ratios[i] = kext[i] / floor[i];
    qsort(floor, ROUNDS, sizeof(double), by_value);
    qsort(kext, ROUNDS, sizeof(double), by_value);
    qsort(ratios, ROUNDS, sizeof(double), by_value);
    printf("{\"bench\":\"%s\",\"unit\":\"ns\",\"floor\":%.0f,\"kext\":%.0f,"
           "\"ratio\":%.3f,\"goal\":%.2f}\n",
           name, floor[ROUNDS / 2], kext[ROUNDS / 2], ratios[ROUNDS / 2], goal);
}

static void run(struct bench *bench)
{
    static double open_floor[ROUNDS], open_kext[ROUNDS], exec_floor[ROUNDS],
        exec_kext[ROUNDS], kill[ROUNDS * KILLS];

    for (size_t i = 0; i < ROUNDS; i++) {
        open_floor[i] = opens(bench);
        exec_floor[i] = execs(bench);
        agent_start(bench);
        execs(bench); /* judged, and known */
        opens(bench);
        open_kext[i] = opens(bench);
        exec_kext[i] = execs(bench);
        kills(bench, kill + i * KILLS);
        agent_stop(bench);
        /* Both sides of it: the machine is not the same from one second to the next. */
        open_floor[i] = (open_floor[i] + opens(bench)) / 2;
        exec_floor[i] = (exec_floor[i] + execs(bench)) / 2;
    }
    report("kext_open_known", 1.02, open_floor, open_kext);
    report("kext_exec_known", 1.05, exec_floor, exec_kext);
    qsort(kill, ROUNDS * KILLS, sizeof(double), by_value);
    printf("{\"bench\":\"kext_exec_to_kill\",\"unit\":\"ns\",\"p50\":%.0f,\"p99\":%.0f,"
           "\"max\":%.0f,\"goal_p99\":20000000}\n",
           kill[ROUNDS * KILLS / 2], kill[ROUNDS * KILLS * 99 / 100],
           kill[ROUNDS * KILLS - 1]);
}

int main(void)
{
    static struct bench bench;

    if (geteuid()) {
        (void)fprintf(stderr, "bench_kext: must be root\n");
        return 1;
    }
    alarm(ALARM_S);
    strcpy(bench.root, "/tmp/tocsin-bench-XXXXXX");
    must(mkdtemp(bench.root) != NULL, "a folder");
    must(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
             !mount("bench", bench.root, "tmpfs", 0, NULL),
         "a tmpfs of its own");
    snprintf(bench.watched, sizeof(bench.watched), "%s/watched", bench.root);
    snprintf(bench.config, sizeof(bench.config), "%s/tocsin.yaml", bench.root);
    snprintf(bench.known, sizeof(bench.known), "%s/known", bench.watched);
    must(!mkdir(bench.watched, 0755), bench.watched);
    copy("/bin/true", bench.known, "");
    configure(&bench);
    pause_ms(SETTLE_MS);
    run(&bench);
    must(!umount2(bench.root, MNT_DETACH) && !rmdir(bench.root), bench.root);
    return 0;
}
