/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_reader.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "trace_files.h"
#include "trace_tracker.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void ring_the_bell(struct tc_trace_reader *reader)
{
    uint64_t one = 1;

    while (write(reader->wake, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void hear_the_bell(struct tc_trace_reader *reader)
{
    uint64_t rung;

    while (read(reader->wake, &rung, sizeof(rung)) < 0 && errno == EINTR)
        ;
}

/* ---- Handing on. ---- */

static void hand_on(struct tc_trace_reader *reader)
{
    struct tc_trace_items *items = &reader->tracker->items;

    if (!items->count)
        return;
    reader->undelivered += items->count;
    reader->undelivered_bytes += items->bytes;
    reader->deliver(reader->arg, items);
}

static bool is_full(const struct tc_trace_reader *reader)
{
    return reader->undelivered >= TC_TRACE_UNDELIVERED ||
           reader->undelivered_bytes >= TC_TRACE_UNDELIVERED_BYTES;
}

void tc_trace_reader_delivered(struct tc_trace_reader *reader, size_t count, size_t bytes)
{
    size_t items = atomic_fetch_sub(&reader->undelivered, count);
    size_t size = atomic_fetch_sub(&reader->undelivered_bytes, bytes);

    /* One that was kept from reading is not waiting for the kernel: it must be told. */
    if (items >= TC_TRACE_UNDELIVERED || size >= TC_TRACE_UNDELIVERED_BYTES)
        ring_the_bell(reader);
}

/* ---- Losses. ---- */

/* Sums up what was lost until now. Returns how many CPUs count. */
static size_t read_lost(struct tc_trace_reader *reader, uint64_t *ret_lost)
{
    size_t cpus = reader->programs ? reader->programs->cpus : reader->netlink->cpu_count;

    memset(reader->by_cpu, 0, cpus * sizeof(*reader->by_cpu));
    for (uint32_t kind = 1; reader->programs && kind < TC_TRACE_KINDS; kind++)
        tc_trace_counter_by_cpu(reader->programs, TC_TRACE_LOST + kind, reader->by_cpu);
    *ret_lost = 0;
    for (size_t i = 0; i < cpus; i++) {
        if (!reader->programs)
            reader->by_cpu[i] = reader->netlink->cpus[i].lost;
        *ret_lost += reader->by_cpu[i];
    }
    return cpus;
}

static void tell_losses(struct tc_trace_reader *reader)
{
    uint64_t lost, now;
    size_t cpus = read_lost(reader, &lost);

    if (lost != reader->told_lost) {
        for (size_t i = 0; i < cpus; i++) {
            now = reader->by_cpu[i];
            reader->by_cpu[i] -= reader->told_by_cpu[i];
            reader->told_by_cpu[i] = now;
        }
        tc_trace_tracker_gap(
            reader->tracker,
            reader->programs ? "the ring was full" : "the socket was full",
            reader->complete_ns, lost - reader->told_lost, reader->by_cpu, cpus);
        reader->told_lost = lost;
        reader->lost = lost;
        reader->gaps++;
    }
    reader->complete_ns = tc_trace_realtime_ns();
}

/* ---- Reading. ---- */

static size_t drain_ring(struct tc_trace_reader *reader)
{
    const void *record;
    size_t n = 0, len;

    while ((!is_full(reader) || reader->stopping) &&
           (record = tc_sensor_ring_next(&reader->ring, &len)) != NULL) {
        if (!(n % TC_TRACE_BATCH))
            tc_trace_tracker_set_clock(reader->tracker);
        tc_trace_tracker_record(reader->tracker, record, len);
        tc_sensor_ring_release(&reader->ring, record);
        if (!(++n % TC_TRACE_BATCH))
            hand_on(reader);
    }
    return n;
}

static size_t drain_socket(struct tc_trace_reader *reader)
{
    struct tc_trace_netlink *netlink = reader->netlink;
    size_t n = 0;
    int got = TC_TRACE_BATCH;

    while ((!is_full(reader) || reader->stopping) && got == TC_TRACE_BATCH) {
        tc_trace_tracker_set_clock(reader->tracker);
        got = tc_trace_netlink_read(netlink, reader->tracker, TC_TRACE_BATCH);
        n += (size_t)got;
        hand_on(reader);
    }
    /* Who has come and gone meanwhile is unknown; who is there can be found out. */
    if (netlink->overflows != reader->told_overflows)
        tc_trace_tracker_snapshot(reader->tracker);
    reader->told_overflows = netlink->overflows;
    reader->overflows = netlink->overflows;
    return n;
}

static size_t drain_processes(struct tc_trace_reader *reader)
{
    return reader->programs ? drain_ring(reader) : drain_socket(reader);
}

static void tell_file(void *arg, const struct tc_trace_file_event *event)
{
    struct tc_trace_reader *reader = arg;

    tc_trace_tracker_file(reader->tracker, event);
}

static void tell_files_lost(struct tc_trace_reader *reader)
{
    tc_trace_tracker_gap(reader->tracker, "the queue of the files was full",
                         reader->complete_ns, 0, NULL, 0);
    reader->gaps++;
}

/* Between reading and telling, what the processes did before is brought up to date. */
static size_t drain_files(struct tc_trace_reader *reader)
{
    struct tc_trace_files *files = reader->files;
    size_t n = 0;

    while (files->group >= 0 && (!is_full(reader) || reader->stopping)) {
        if (tc_trace_files_read(files) <= 0) {
            tc_trace_files_tell_found(files, tell_file, reader);
            break;
        }
        drain_processes(reader);
        if (tc_trace_files_tell(files, tell_file, reader))
            tell_files_lost(reader);
        hand_on(reader);
        n++;
    }
    return n;
}

static size_t drain(struct tc_trace_reader *reader)
{
    size_t n = drain_processes(reader);

    n += drain_files(reader);

    if (n)
        tell_losses(reader);
    hand_on(reader);
    return n;
}

/* ---- The thread. ---- */

static void wait_for(struct tc_trace_reader *reader, int ms)
{
    struct epoll_event events[3];
    int n = epoll_wait(reader->epoll, events, 3, ms);

    for (int i = 0; i < n; i++)
        if (events[i].data.fd == reader->wake)
            hear_the_bell(reader);
}

static void wait_for_room(struct tc_trace_reader *reader)
{
    struct pollfd bell = {.fd = reader->wake, .events = POLLIN};

    if (poll(&bell, 1, -1) > 0)
        hear_the_bell(reader);
}

/* Says that it sleeps, and sleeps unless something has come before that was heard. */
static void sleep_until_woken(struct tc_trace_reader *reader)
{
    uint32_t *asleep = &reader->programs->control->asleep;

    reader->sleeps++;
    __atomic_store_n(asleep, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (tc_sensor_ring_idle(&reader->ring) && !reader->stopping)
        wait_for(reader, -1);
    __atomic_store_n(asleep, 0, __ATOMIC_SEQ_CST);
}

static void *reader_main(void *arg)
{
    struct tc_trace_reader *reader = arg;
    uint64_t last_ns = now_ns();

    while (!reader->stopping) {
        if (drain(reader))
            last_ns = now_ns();
        if (is_full(reader))
            wait_for_room(reader);
        else if (!reader->programs)
            wait_for(reader, -1);
        else if (now_ns() - last_ns < TC_TRACE_AWAKE_MS * NS_PER_MS)
            wait_for(reader, TC_TRACE_LOOK_MS);
        else
            sleep_until_woken(reader);
    }
    drain(reader);
    return NULL;
}

static int watch(struct tc_trace_reader *reader, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(reader->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_all(struct tc_trace_reader *reader, size_t ring_bytes)
{
    size_t cpus = reader->programs ? reader->programs->cpus : TC_TRACE_CPUS_MAX;
    int err = 0, fd;

    reader->by_cpu = calloc(cpus, sizeof(*reader->by_cpu));
    reader->told_by_cpu = calloc(cpus, sizeof(*reader->told_by_cpu));
    if (!reader->by_cpu || !reader->told_by_cpu)
        return -ENOMEM;
    reader->epoll = epoll_create1(EPOLL_CLOEXEC);
    reader->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reader->epoll < 0 || reader->wake < 0)
        return -errno;
    fd = reader->programs ? tc_trace_ring_fd(reader->programs) : reader->netlink->fd;
    if (reader->programs)
        err = tc_sensor_ring_open(&reader->ring, fd, ring_bytes);
    if (!err)
        err = watch(reader, fd);
    if (!err)
        err = watch(reader, reader->wake);
    if (!err && reader->files->group >= 0)
        err = watch(reader, reader->files->group);
    return err;
}

static void close_all(struct tc_trace_reader *reader)
{
    if (reader->programs)
        tc_sensor_ring_close(&reader->ring);
    if (reader->epoll >= 0)
        close(reader->epoll);
    if (reader->wake >= 0)
        close(reader->wake);
    free(reader->by_cpu);
    free(reader->told_by_cpu);
    reader->by_cpu = reader->told_by_cpu = NULL;
    reader->epoll = reader->wake = -1;
}

/* Signals are the loop's: none is to interrupt this thread. */
static int spawn(struct tc_trace_reader *reader)
{
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&reader->thread, NULL, reader_main, reader);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

int tc_trace_reader_start(struct tc_trace_reader *reader, size_t ring_bytes)
{
    int err;

    reader->stopping = false;
    reader->epoll = reader->wake = -1;
    reader->undelivered = reader->undelivered_bytes = 0;
    reader->told_lost = reader->told_overflows = 0;
    reader->complete_ns = tc_trace_realtime_ns();
    memset(&reader->ring, 0, sizeof(reader->ring));
    err = open_all(reader, ring_bytes);
    if (!err)
        err = spawn(reader);
    if (err)
        close_all(reader);
    reader->running = !err;
    return err;
}

void tc_trace_reader_stop(struct tc_trace_reader *reader)
{
    if (!reader->running)
        return;
    reader->stopping = true;
    ring_the_bell(reader);
    pthread_join(reader->thread, NULL);
    reader->running = false;
    close_all(reader);
}
