/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast files are scanned, beside the floor: the yara command with one thread, the
 * same compiled rules and the same files, in the same run, rounds taken in turn. Each
 * figure is the best of the rounds; what either needs to start is not counted.
 *
 *     {"bench":"scan_throughput","threads":1,"mb_per_s":..,"floor_mb_per_s":..,"ratio":..}
 */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <yara.h>

#include "engine/av_content.h"
#include "engine/av_engine.h"

#define FILES 300
#define FILE_BYTES_MAX (512 * 1024)
#define ROUNDS 3
#define THREADS_MAX 2

struct bench {
    char dir[64]; /* holds files/, empty/ and rules.yarc */
    uint64_t bytes;
    struct tc_av_judges judges;
    atomic_uint next; /* file to be scanned */
    atomic_uint hits;
};

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_scan: %s\n", what);
    exit(1);
}

/* ---- The rules: one compiled file for both ---- */

static YR_COMPILER *the_compiler(YR_COMPILER *set)
{
    static YR_COMPILER *compiler; /* nftw passes no argument of the caller's */

    if (set)
        compiler = set;
    return compiler;
}

static int add_rules(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    const char *dot = strrchr(path, '.');
    FILE *file;

    (void)st;
    (void)ftw;
    if (type != FTW_F || !dot || (strcmp(dot, ".yar") && strcmp(dot, ".yara")))
        return 0;
    file = fopen(path, "r");
    if (!file || yr_compiler_add_file(the_compiler(NULL), file, path, path))
        die("a rule file does not compile");
    fclose(file);
    return 0;
}

static void make_rules(const char *to)
{
    const char *from = BENCH_SOURCE_DIR "/../shared/data/yara/reversinglabs";
    YR_COMPILER *compiler;
    YR_RULES *rules;

    if (access(from, R_OK))
        from = BENCH_SOURCE_DIR "/config/rules/yara";
    if (yr_compiler_create(&compiler) != ERROR_SUCCESS)
        die("no compiler");
    the_compiler(compiler);
    nftw(from, add_rules, 16, FTW_PHYS);
    if (yr_compiler_get_rules(compiler, &rules) != ERROR_SUCCESS ||
        yr_rules_save(rules, to) != ERROR_SUCCESS)
        die("the rules cannot be compiled");
    yr_rules_destroy(rules);
    yr_compiler_destroy(compiler);
    chmod(to, 0600);
}

/* ---- The files: a third each of noise, text and program-like ---- */

static void fill(uint8_t *buf, size_t len, int kind, uint32_t *seed)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog; if (x == 0) "
                               "return http://example.com/path?query=1\n";

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 1664525u + 1013904223u; /* Numerical Recipes */
        if (kind == 0)
            buf[i] = (uint8_t)(*seed >> 24);
        else if (kind == 1)
            buf[i] = (uint8_t)text[(i + (*seed >> 30)) % (sizeof(text) - 1)];
        else
            buf[i] = *seed >> 31 ? (uint8_t)(*seed >> 24 & 0x4f) : 0;
    }
    if (kind == 2)
        memcpy(buf, "\177ELF\2\1\1", 7);
}

static void make_files(struct bench *b)
{
    uint8_t *buf = malloc(FILE_BYTES_MAX);
    uint32_t seed = 1;
    char path[PATH_MAX];

    for (int i = 0; buf && i < FILES; i++) {
        size_t len = 4096 + (size_t)i * (FILE_BYTES_MAX - 4096) / FILES;
        FILE *file;

        snprintf(path, sizeof(path), "%s/files/%d", b->dir, i);
        fill(buf, len, i % 3, &seed);
        file = fopen(path, "w");
        if (!file || fwrite(buf, 1, len, file) != len || fclose(file))
            die("cannot write the files");
        b->bytes += len;
    }
    free(buf);
}

/* ---- The two sides ---- */

static void *scan_files(void *arg)
{
    struct bench *b = arg;
    struct tc_av_result result;
    char path[PATH_MAX];
    unsigned i;

    while ((i = atomic_fetch_add(&b->next, 1)) < FILES) {
        int fd;

        snprintf(path, sizeof(path), "%s/files/%u", b->dir, i);
        if (tc_av_content_open(path, NULL, &fd))
            die("cannot open a file");
        tc_av_content_scan(fd, &b->judges, &result);
        close(fd);
        if (result.found == TC_AV_UNKNOWN)
            die("a scan failed");
        atomic_fetch_add(&b->hits, result.found == TC_AV_INFECTED);
    }
    return NULL;
}

static double run_ours(struct bench *b, int threads)
{
    pthread_t ids[THREADS_MAX];
    double start = now_s();

    atomic_store(&b->next, 0);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, scan_files, b))
            die("no thread");
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    return now_s() - start;
}

static double run_yara(const struct bench *b, const char *folder)
{
    char rules[PATH_MAX], files[PATH_MAX];
    double start = now_s();
    int status;
    pid_t pid;

    snprintf(rules, sizeof(rules), "%s/rules.yarc", b->dir);
    snprintf(files, sizeof(files), "%s/%s", b->dir, folder);
    pid = fork();
    if (!pid) {
        execlp("yara", "yara", "-C", "-f", "-p", "1", "-r", rules, files, NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status))
        return 0;
    return now_s() - start;
}

static double least(double a, double b)
{
    return a > 0 && a < b ? a : b;
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void measure(struct bench *b)
{
    double ours[THREADS_MAX + 1] = {0, 1e9, 1e9}, yara = 1e9, empty = 1e9, floor = 0;
    double mb = (double)b->bytes / 1e6;

    for (int round = 0; round < ROUNDS; round++) {
        yara = least(run_yara(b, "files"), yara);
        empty = least(run_yara(b, "empty"), empty);
        for (int n = 1; n <= THREADS_MAX; n++)
            ours[n] = least(run_ours(b, n), ours[n]);
    }
    if (yara < 1e9 && empty < yara)
        floor = mb / (yara - empty);
    else
        fprintf(stderr, "bench_scan: no yara command to compare with\n");
    for (int n = 1; n <= THREADS_MAX; n++) {
        double rate = mb / ours[n];

        printf("{\"bench\":\"scan_throughput\",\"threads\":%d,\"mb_per_s\":%.1f,"
               "\"floor_mb_per_s\":%.1f,\"ratio\":%.2f,\"rules\":%u}\n",
               n, rate, floor, floor > 0 ? rate / floor : 0,
               tc_av_rules_count(b->judges.rules));
    }
}

int main(void)
{
    struct bench b = {.dir = "/tmp/tocsin-bench-XXXXXX",
                      .judges = {.max_file_size = 64 << 20, .timeout_s = 60}};
    char path[PATH_MAX];
    const char *rules = path;

    if (!mkdtemp(b.dir) || tc_av_engine_start())
        die("cannot start");
    snprintf(path, sizeof(path), "%s/files", b.dir);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/empty", b.dir);
    mkdir(path, 0700);
    make_files(&b);
    snprintf(path, sizeof(path), "%s/rules.yarc", b.dir);
    make_rules(path);
    if (tc_av_rules_load(&rules, 1, NULL, NULL, &b.judges.rules) ||
        tc_av_lists_load(NULL, NULL, AT_FDCWD, NULL, &b.judges.lists))
        die("cannot load");
    measure(&b);
    tc_av_rules_unref(b.judges.rules);
    tc_av_lists_unref(b.judges.lists);
    tc_av_engine_stop();
    nftw(b.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
