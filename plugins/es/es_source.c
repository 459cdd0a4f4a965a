/* SPDX-License-Identifier: Apache-2.0 */
#include "es_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#define BATCH_EVENTS 64
#define NS_PER_MS 1000000ull
#define ASKED (FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM)

#ifndef FAN_MARK_EVICTABLE /* Linux 5.19 */
#define FAN_MARK_EVICTABLE 0x00000200
#endif

/*
 * O_NONBLOCK because the kernel opens the file for us, inside read(2): kernels before
 * 6.14 also do so for FIFOs and devices, and that must not block. Not O_NOATIME: it is
 * refused, and so the asker denied, for files whose owner has no number in our namespace.
 */
#define EVENT_FLAGS (O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NONBLOCK)

int tc_es_source_open(struct tc_es_source *source,
                      const struct tc_es_source_config *config)
{
    int err;

    memset(source, 0, sizeof(*source));
    source->config = *config;
    source->wake = -1;
    source->evictable = FAN_MARK_EVICTABLE;
    source->group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK |
                                      FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
                                  EVENT_FLAGS);
    if (source->group < 0)
        return -errno;
    source->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    err = source->wake < 0 ? -errno : 0;
    if (!err)
        err = tc_es_gate_init(&source->gate, source->group, config->max_pending);
    if (!err) /* every question fits, and as many closes */
        err = tc_es_ring_init(&source->ring, 2 * config->max_pending);
    if (err)
        tc_es_source_close(source);
    return err;
}

static void count(atomic_ullong *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void respond(struct tc_es_source *source, int fd, bool allow)
{
    struct fanotify_response response = {fd, allow ? FAN_ALLOW : FAN_DENY};

    if (write(source->group, &response, sizeof(response)) < 0)
        return; /* the asker has been killed */
}

static void deliver_posted(void *arg)
{
    struct tc_es_source *source = arg;

    source->config.ready(source->config.arg);
}

/* The ring has something: makes sure that the loop will look. */
static void announce(struct tc_es_source *source)
{
    if (!atomic_exchange(&source->announced, true))
        source->config.host->post(source->config.host, deliver_posted, source);
}

/* Allowed on the spot: asked by the agent itself, or while the plugin is stopping. */
static void allow_at_once(struct tc_es_source *source,
                          const struct fanotify_event_metadata *m)
{
    struct stat st;

    if (m->mask & ASKED) {
        if (!fstat(m->fd, &st) && st.st_ino == atomic_load(&source->canary_inode) &&
            st.st_dev == atomic_load(&source->canary_device))
            atomic_store(&source->canary_ns,
                         source->config.host->now_ns(source->config.host));
        respond(source, m->fd, true);
        count(&source->own);
    }
    close(m->fd);
}

/* Hands one event on; true when the loop must be told. */
static bool foreign_event(struct tc_es_source *source,
                          const struct fanotify_event_metadata *m, uint64_t now_ns)
{
    struct tc_es_item item = {
        .time_ns = now_ns, .mask = m->mask, .fd = m->fd, .pid = m->pid};
    unsigned int queued;

    item.slot = TC_ES_NO_SLOT;
    if (m->mask & ASKED) {
        if (tc_es_gate_open(&source->gate, m->fd, now_ns + source->config.deadline_ns,
                            &item.slot)) {
            respond(source, m->fd, source->config.on_timeout_allow);
            count(&source->pending_full);
            close(m->fd);
            return false;
        }
        return tc_es_ring_push(&source->ring, &item);
    }
    queued = atomic_load(&source->writes_queued);
    if (queued >= source->config.max_pending || !tc_es_ring_push(&source->ring, &item)) {
        count(&source->writes_lost);
        close(m->fd);
        return true;
    }
    atomic_fetch_add(&source->writes_queued, 1);
    return true;
}

static void read_batch(struct tc_es_source *source)
{
    const struct tocsin_host *host = source->config.host;
    struct fanotify_event_metadata events[BATCH_EVENTS], *m = events;
    ssize_t n = read(source->group, events, sizeof(events));
    uint64_t now_ns = host->now_ns(host);
    bool tell = false;

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        atomic_store(&source->read_error, errno);
        count(&source->read_errors);
        tell = true;
    }
    for (; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n)) {
        if (m->mask & FAN_Q_OVERFLOW)
            count(&source->overflow);
        if (m->fd < 0)
            continue;
        if (host->is_agent(host, m->pid) || atomic_load(&source->draining))
            allow_at_once(source, m);
        else
            tell |= foreign_event(source, m, now_ns);
    }
    if (tell)
        announce(source);
}

/* Milliseconds until the next deadline, rounded up; -1: none. */
static int until_due(struct tc_es_source *source)
{
    uint64_t next_ns = tc_es_gate_next_ns(&source->gate), now_ns;

    if (next_ns == UINT64_MAX)
        return -1;
    now_ns = source->config.host->now_ns(source->config.host);
    if (next_ns <= now_ns)
        return 0;
    return (int)((next_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void *reader_main(void *arg)
{
    struct tc_es_source *source = arg;
    struct pollfd fds[2] = {{.fd = source->wake, .events = POLLIN},
                            {.fd = source->group, .events = POLLIN}};
    uint32_t late;
    int timeout;

    while (!atomic_load(&source->quit)) {
        timeout = until_due(source);
        if (timeout == 0) {
            late = tc_es_gate_expire(&source->gate,
                                     source->config.host->now_ns(source->config.host),
                                     source->config.on_timeout_allow);
            atomic_fetch_add(&source->timeouts, late);
            continue;
        }
        if (poll(fds, 2, timeout) > 0 && fds[1].revents)
            read_batch(source);
    }
    return NULL;
}

int tc_es_source_run(struct tc_es_source *source)
{
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&source->thread, NULL, reader_main, source);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    source->running = !err;
    return -err;
}

void tc_es_source_stop(struct tc_es_source *source)
{
    if (source->group < 0)
        return;
    atomic_store(&source->draining, true);
    tc_es_gate_answer_all(&source->gate, true);
}

void tc_es_source_close(struct tc_es_source *source)
{
    struct tc_es_item item;

    atomic_store(&source->quit, true);
    if (source->running && !eventfd_write(source->wake, 1))
        pthread_join(source->thread, NULL);
    source->running = false;
    if (source->gate.slots)
        tc_es_gate_answer_all(&source->gate, true);
    if (source->group >= 0)
        close(source->group); /* whoever is still in its queue is allowed */
    if (source->wake >= 0)
        close(source->wake);
    while (source->ring.items && tc_es_ring_pop(&source->ring, &item))
        close(item.fd);
    source->group = source->wake = -1;
    tc_es_gate_done(&source->gate);
    tc_es_ring_done(&source->ring);
}

int tc_es_source_mark(struct tc_es_source *source, const char *path)
{
    if (fanotify_mark(source->group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
                      ASKED | FAN_CLOSE_WRITE, AT_FDCWD, path))
        return -errno;
    return 0;
}

int tc_es_source_mark_canary(struct tc_es_source *source, int fd)
{
    struct stat st;

    if (fstat(fd, &st))
        return -errno;
    atomic_store(&source->canary_device, st.st_dev);
    atomic_store(&source->canary_inode, st.st_ino);
    if (fanotify_mark(source->group, FAN_MARK_ADD, FAN_OPEN_PERM, fd, NULL))
        return -errno;
    return 0;
}

uint64_t tc_es_source_canary_ns(struct tc_es_source *source)
{
    return atomic_load(&source->canary_ns);
}

int tc_es_source_remember(struct tc_es_source *source, int fd)
{
    if (!fanotify_mark(source->group,
                       FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | source->evictable, ASKED,
                       fd, NULL))
        return 0;
    if (errno != EINVAL || !source->evictable)
        return -errno;
    source->evictable = 0; /* before Linux 5.19: the mark keeps the inode in memory */
    return tc_es_source_remember(source, fd);
}

void tc_es_source_forget(struct tc_es_source *source, int fd)
{
    if (fanotify_mark(source->group, FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK, ASKED, fd,
                      NULL))
        return; /* ENOENT: there was none */
}

void tc_es_source_forget_path(struct tc_es_source *source, const char *path)
{
    if (fanotify_mark(source->group,
                      FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK | FAN_MARK_DONT_FOLLOW,
                      ASKED, AT_FDCWD, path))
        return; /* ENOENT: there was none */
}

void tc_es_source_forget_all(struct tc_es_source *source)
{
    if (fanotify_mark(source->group, FAN_MARK_FLUSH, 0, AT_FDCWD, "/"))
        return; /* cannot fail on a group: fanotify_mark(2) */
}

bool tc_es_source_next(struct tc_es_source *source, struct tc_es_item *ret_item)
{
    if (!tc_es_ring_pop(&source->ring, ret_item)) {
        /* Off first, then look again: what comes after this is announced anew. */
        atomic_store(&source->announced, false);
        if (!tc_es_ring_pop(&source->ring, ret_item))
            return false;
        atomic_store(&source->announced, true);
    }
    if (ret_item->slot == TC_ES_NO_SLOT)
        atomic_fetch_sub(&source->writes_queued, 1);
    return true;
}

void tc_es_source_counters(struct tc_es_source *source, struct tc_es_source_counters *ret)
{
    ret->own = atomic_load(&source->own);
    ret->timeouts = atomic_load(&source->timeouts);
    ret->pending_full = atomic_load(&source->pending_full);
    ret->writes_lost = atomic_load(&source->writes_lost);
    ret->overflow = atomic_load(&source->overflow);
    ret->read_errors = atomic_load(&source->read_errors);
}
