/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_reader.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sensor_clock.h"
#include "sensor_thread.h"

#define NS_PER_MS 1000000ull
#define EVENTS 4 /* taken at once; what is left is there the next time */

int tc_sensor_reader_open(struct tc_sensor_reader *reader,
                          const struct tc_sensor_reader_limits *limits, uint32_t *asleep,
                          int fd, size_t ring_bytes)
{
    int err;

    reader->limits = *limits;
    reader->asleep = asleep;
    reader->stopping = false;
    reader->items = reader->bytes = 0;
    memset(&reader->ring, 0, sizeof(reader->ring));
    reader->epoll = epoll_create1(EPOLL_CLOEXEC);
    reader->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    err = reader->epoll < 0 || reader->wakeup < 0 ? -errno : 0;
    if (!err)
        err = tc_sensor_reader_add(reader, reader->wakeup);
    if (!err && asleep)
        err = tc_sensor_ring_open(&reader->ring, fd, ring_bytes);
    if (!err && fd >= 0)
        err = tc_sensor_reader_add(reader, fd);
    if (err)
        tc_sensor_reader_close(reader);
    return err;
}

void tc_sensor_reader_close(struct tc_sensor_reader *reader)
{
    tc_sensor_ring_close(&reader->ring);
    if (reader->epoll >= 0)
        close(reader->epoll);
    if (reader->wakeup >= 0)
        close(reader->wakeup);
    reader->epoll = reader->wakeup = -1;
}

int tc_sensor_reader_add(struct tc_sensor_reader *reader, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(reader->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

void tc_sensor_reader_remove(struct tc_sensor_reader *reader, int fd)
{
    (void)epoll_ctl(reader->epoll, EPOLL_CTL_DEL, fd, NULL);
}

int tc_sensor_reader_start(struct tc_sensor_reader *reader, void *(*run)(void *arg),
                           void *arg)
{
    int err = tc_sensor_thread_start(&reader->thread, run, arg);

    if (err)
        tc_sensor_reader_close(reader);
    reader->running = !err;
    return err;
}

bool tc_sensor_reader_stop(struct tc_sensor_reader *reader)
{
    if (!reader->running)
        return false;
    reader->stopping = true;
    tc_sensor_reader_wake(reader);
    pthread_join(reader->thread, NULL);
    reader->running = false;
    tc_sensor_reader_close(reader);
    return true;
}

void tc_sensor_reader_wake(struct tc_sensor_reader *reader)
{
    uint64_t one = 1;

    while (write(reader->wakeup, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* ---- What is on its way. ---- */

static bool is_full(const struct tc_sensor_reader_limits *limits, size_t items,
                    size_t bytes)
{
    return items >= limits->items_max ||
           (limits->bytes_max && bytes >= limits->bytes_max);
}

void tc_sensor_reader_handed(struct tc_sensor_reader *reader, size_t items, size_t bytes)
{
    reader->items += items;
    reader->bytes += bytes;
}

void tc_sensor_reader_taken(struct tc_sensor_reader *reader, size_t items, size_t bytes)
{
    size_t items_before = atomic_fetch_sub(&reader->items, items);
    size_t bytes_before = atomic_fetch_sub(&reader->bytes, bytes);

    /* One that was kept from reading is not waiting for the kernel: it must be woken. */
    if (is_full(&reader->limits, items_before, bytes_before))
        tc_sensor_reader_wake(reader);
}

bool tc_sensor_reader_full(struct tc_sensor_reader *reader)
{
    return !reader->stopping && is_full(&reader->limits, reader->items, reader->bytes);
}

/* ---- Waiting. ---- */

static void take_wakeup(struct tc_sensor_reader *reader)
{
    uint64_t wakeups;

    while (read(reader->wakeup, &wakeups, sizeof(wakeups)) < 0 && errno == EINTR)
        ;
}

/* For any descriptor, or the wakeup, at most `ms`; 0: for ever. */
static void wait_for_any(struct tc_sensor_reader *reader, unsigned ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(reader->epoll, events, EVENTS, ms ? (int)ms : -1);

    for (int i = 0; i < n; i++)
        if (events[i].data.fd == reader->wakeup)
            take_wakeup(reader);
}

static void wait_for_wakeup(struct tc_sensor_reader *reader)
{
    struct pollfd wakeup = {.fd = reader->wakeup, .events = POLLIN};

    if (poll(&wakeup, 1, -1) > 0)
        take_wakeup(reader);
}

/* Says so in *asleep, and does it unless something has come before that was noticed. */
static void sleep_until_woken(struct tc_sensor_reader *reader)
{
    reader->sleeps++;
    __atomic_store_n(reader->asleep, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (tc_sensor_ring_idle(&reader->ring) && !reader->stopping)
        wait_for_any(reader, reader->limits.sleep_ms);
    __atomic_store_n(reader->asleep, 0, __ATOMIC_SEQ_CST);
}

void tc_sensor_reader_wait(struct tc_sensor_reader *reader, uint64_t last_ns)
{
    const struct tc_sensor_reader_limits *limits = &reader->limits;
    uint64_t quiet_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC) - last_ns;

    if (tc_sensor_reader_full(reader))
        wait_for_wakeup(reader);
    else if (!reader->asleep)
        wait_for_any(reader, limits->sleep_ms);
    else if (quiet_ns < limits->awake_ms * NS_PER_MS)
        wait_for_any(reader, limits->poll_ms);
    else
        sleep_until_woken(reader);
}
