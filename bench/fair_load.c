/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load of bench/fair, a script: one user's threads that open without end what they
 * keep changing, beside another user who opens a clean file now and then, and a third who
 * tries one that is denied.
 *
 *   fair_load FOLDER THREADS SECONDS [bare]
 *
 * FOLDER/clean has the other user's files, 0, 1, 2 ...; FOLDER/denied is to be refused,
 * if it is there. Each clean file is touched, so that nothing can be known of it, and
 * opened once. `bare`: this program itself asks about FOLDER and allows at once, as the
 * floor of what any agent must do. Prints one JSON line.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUSY_USER 12001
#define OTHER_USER 12002
#define LOAD_BYTES ((size_t)68 * 1024)
#define STACK_BYTES ((size_t)64 * 1024)
#define OPENS_MAX 4096
#define PAUSE_NS 10000000
#define DENIED_PAUSE_NS 100000000
#define SETTLE_S 2 /* until all threads wait */
#define PATH_LEN 256

/* Shared by all the processes. */
struct shared {
    atomic_bool over;
    atomic_ullong opened;             /* by the busy user */
    uint64_t delays_ns[2][OPENS_MAX]; /* of clean files, of the one that is denied */
    atomic_uint tries[2];
    atomic_uint refused[2];
};

static struct shared *shared;
static const char *folder;

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "fair_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void become(unsigned int user)
{
    must(!setgroups(0, NULL) && !setgid(user) && !setuid(user), "another user");
}

/* ---- The busy user. ---- */

/* Every other thread closes what it has written, which is an event more. */
static void *busy_main(void *arg)
{
    uintptr_t number = (uintptr_t)arg;
    bool keeps = number % 2;
    char path[PATH_LEN], byte = 'a';
    int writer = -1, reader;

    (void)snprintf(path, sizeof(path), "%s/busy/%lu", folder, (unsigned long)number);
    while (!shared->over) {
        if (writer < 0)
            writer = open(path, O_WRONLY | O_CLOEXEC);
        byte++;
        if (writer >= 0 && pwrite(writer, &byte, 1, 100) != 1)
            break;
        if (!keeps && writer >= 0) {
            close(writer);
            writer = -1;
        }
        reader = open(path, O_RDONLY | O_CLOEXEC);
        atomic_fetch_add(&shared->opened, 1);
        if (reader >= 0)
            close(reader);
    }
    return NULL;
}

static void busy_process(size_t threads)
{
    pthread_attr_t attr;
    pthread_t thread;

    become(BUSY_USER);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (uintptr_t i = 0; i < threads; i++) {
        errno = pthread_create(&thread, &attr, busy_main, (void *)i);
        must(!errno, "a thread");
    }
    pause();
}

static void make_busy_files(size_t threads)
{
    static char content[LOAD_BYTES];
    char path[PATH_LEN];

    (void)snprintf(path, sizeof(path), "%s/busy", folder);
    must(!mkdir(path, 0755) || errno == EEXIST, path);
    memset(content, 'x', sizeof(content));
    for (size_t i = 0; i < threads; i++) {
        int fd;

        (void)snprintf(path, sizeof(path), "%s/busy/%zu", folder, i);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        must(fd >= 0 && !fchown(fd, BUSY_USER, BUSY_USER) &&
                 write(fd, content, sizeof(content)) == (ssize_t)sizeof(content),
             path);
        close(fd);
    }
}

/* ---- The others: 0 opens clean files, 1, a third user, the one that is denied. ---- */

static void other_process(int which)
{
    const struct timespec pause = {.tv_nsec = which ? DENIED_PAUSE_NS : PAUSE_NS};
    char path[PATH_LEN];
    uint64_t from;
    int fd;

    become(OTHER_USER + (unsigned int)which);
    for (unsigned int i = 0; i < OPENS_MAX && !shared->over; i++) {
        if (which)
            (void)snprintf(path, sizeof(path), "%s/denied", folder);
        else
            (void)snprintf(path, sizeof(path), "%s/clean/%u", folder, i);
        if (!which && chmod(path, 0600 + (i % 2) * 4))
            break;
        from = now_ns();
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno != EPERM)
            break;
        shared->delays_ns[which][i] = now_ns() - from;
        atomic_fetch_add(&shared->tries[which], 1);
        if (fd < 0)
            atomic_fetch_add(&shared->refused[which], 1);
        else
            close(fd);
        nanosleep(&pause, NULL);
    }
    _exit(0);
}

/* ---- The floor. ---- */

static void bare_process(int ready)
{
    int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE,
                              O_RDONLY | O_CLOEXEC);
    struct fanotify_event_metadata events[64], *m;
    ssize_t n;

    must(group >= 0 &&
             !fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN_PERM,
                            AT_FDCWD, folder) &&
             write(ready, "r", 1) == 1,
         "the bare group");
    while ((n = read(group, events, sizeof(events))) > 0) {
        for (m = events; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n)) {
            struct fanotify_response response = {m->fd, FAN_ALLOW};

            if (write(group, &response, sizeof(response)) < 0)
                _exit(1);
            close(m->fd);
        }
    }
    _exit(1);
}

static pid_t start_bare(void)
{
    int ready[2];
    char byte;
    pid_t pid;

    must(!pipe2(ready, O_CLOEXEC), "a pipe");
    pid = fork();
    must(pid >= 0, "fork");
    if (!pid)
        bare_process(ready[1]);
    close(ready[1]);
    must(read(ready[0], &byte, 1) == 1, "the bare group");
    return pid;
}

/* ---- What came of it. ---- */

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double at_ms(int which, double share)
{
    unsigned int n = shared->tries[which], i = (unsigned int)(share * n);

    return n ? (double)shared->delays_ns[which][i < n ? i : n - 1] / 1e6 : 0;
}

static void report(double seconds)
{
    for (int which = 0; which < 2; which++)
        qsort(shared->delays_ns[which], shared->tries[which], sizeof(uint64_t), by_value);
    printf("{\"opens\":%u,\"refused\":%u,\"p50\":%.3f,\"p99\":%.3f,\"longest\":%.3f,"
           "\"denied_tries\":%u,\"denied\":%u,\"denied_longest\":%.3f,"
           "\"busy_per_s\":%.0f}\n",
           shared->tries[0], shared->refused[0], at_ms(0, 0.5), at_ms(0, 0.99),
           at_ms(0, 1), shared->tries[1], shared->refused[1], at_ms(1, 1),
           (double)shared->opened / seconds);
}

static void wait_until(uint64_t until_ns)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};

    while (now_ns() < until_ns)
        nanosleep(&pause, NULL);
}

static pid_t start(void (*fn)(size_t), size_t arg)
{
    pid_t pid = fork();

    must(pid >= 0, "fork");
    if (pid)
        return pid;
    fn(arg);
    _exit(0);
}

static void start_other(size_t which)
{
    other_process((int)which);
}

int main(int argc, char **argv)
{
    unsigned long seconds = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    size_t threads = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
    pid_t pids[4] = {0};

    if (argc < 4)
        return 2;
    folder = argv[1];
    alarm((unsigned int)seconds + 120);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(shared != MAP_FAILED, "memory");
    make_busy_files(threads);
    if (argc > 4)
        pids[0] = start_bare();
    pids[1] = threads ? start(busy_process, threads) : 0;
    wait_until(now_ns() + (threads ? SETTLE_S : 0) * UINT64_C(1000000000));
    shared->opened = 0;
    pids[2] = start(start_other, 0);
    pids[3] = start(start_other, 1);
    wait_until(now_ns() + seconds * UINT64_C(1000000000));
    shared->over = true;
    /* The bare group last: closing it lets go whoever waits. */
    for (int i = 1; i <= 4; i++)
        if (pids[i % 4] > 0 && !kill(pids[i % 4], SIGKILL))
            waitpid(pids[i % 4], NULL, 0);
    report((double)seconds);
    return 0;
}
