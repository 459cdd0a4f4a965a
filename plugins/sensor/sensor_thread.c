/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_thread.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sensor_ring.h"

#define EVENTS 4 /* taken at once; what is left is there the next time */

int tc_sensor_thread_start(pthread_t *ret_thread, void *(*run)(void *arg), void *arg)
{
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(ret_thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

int tc_sensor_waiter_open(struct tc_sensor_waiter *waiter)
{
    int err;

    waiter->epoll = epoll_create1(EPOLL_CLOEXEC);
    err = waiter->epoll < 0 ? -errno : 0;
    waiter->bell = err ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!err && waiter->bell < 0)
        err = -errno;
    if (!err)
        err = tc_sensor_waiter_add(waiter, waiter->bell);
    if (err)
        tc_sensor_waiter_close(waiter);
    return err;
}

void tc_sensor_waiter_close(struct tc_sensor_waiter *waiter)
{
    if (waiter->epoll >= 0)
        close(waiter->epoll);
    if (waiter->bell >= 0)
        close(waiter->bell);
    waiter->epoll = waiter->bell = -1;
}

int tc_sensor_waiter_add(struct tc_sensor_waiter *waiter, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(waiter->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

void tc_sensor_waiter_ring(struct tc_sensor_waiter *waiter)
{
    uint64_t one = 1;

    while (write(waiter->bell, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void hear(struct tc_sensor_waiter *waiter)
{
    uint64_t rung;

    while (read(waiter->bell, &rung, sizeof(rung)) < 0 && errno == EINTR)
        ;
}

void tc_sensor_waiter_wait(struct tc_sensor_waiter *waiter, int ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(waiter->epoll, events, EVENTS, ms);

    for (int i = 0; i < n; i++)
        if (events[i].data.fd == waiter->bell)
            hear(waiter);
}

void tc_sensor_waiter_wait_for_bell(struct tc_sensor_waiter *waiter)
{
    struct pollfd bell = {.fd = waiter->bell, .events = POLLIN};

    if (poll(&bell, 1, -1) > 0)
        hear(waiter);
}

void tc_sensor_waiter_sleep(struct tc_sensor_waiter *waiter,
                            const struct tc_sensor_ring *ring, uint32_t *asleep,
                            const atomic_bool *stopping)
{
    __atomic_store_n(asleep, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (tc_sensor_ring_idle(ring) && !atomic_load(stopping))
        tc_sensor_waiter_wait(waiter, -1);
    __atomic_store_n(asleep, 0, __ATOMIC_SEQ_CST);
}
