/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes as fast as the machine can, and an independent count of them:
 *
 *   tocsin_storm PROGRAM NAME SECONDS
 *
 * A thread for each processor runs PROGRAM under NAME, one after another, until the time
 * is up. Prints how many ran; exits with 1 when one could not be.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64

struct storm {
    const char *program;
    char *name;
    time_t end; /* monotonic seconds */
    atomic_uint_fast64_t ran;
    atomic_bool failed;
};

static time_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void *blow(void *arg)
{
    struct storm *storm = arg;
    char *argv[] = {storm->name, NULL}, *environment[] = {NULL};
    pid_t pid;

    while (now() < storm->end && !atomic_load(&storm->failed)) {
        if (posix_spawn(&pid, storm->program, NULL, NULL, argv, environment) ||
            waitpid(pid, NULL, 0) != pid)
            atomic_store(&storm->failed, true);
        else
            atomic_fetch_add(&storm->ran, 1);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[THREADS_MAX];
    struct storm storm;
    int count = 0;

    if (argc != 4)
        return 2;
    storm.program = argv[1];
    storm.name = argv[2];
    storm.end = now() + atoi(argv[3]);
    atomic_init(&storm.ran, 0);
    atomic_init(&storm.failed, false);
    while (count < processors && count < THREADS_MAX &&
           !pthread_create(&threads[count], NULL, blow, &storm))
        count++;
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("%ju\n", (uintmax_t)atomic_load(&storm.ran));
    return !count || atomic_load(&storm.failed);
}
