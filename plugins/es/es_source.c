/* SPDX-License-Identifier: Apache-2.0 */
#include "es_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "es_canary.h"
#include "sensor_thread.h"

#define LOOP_CHECK_MS 5 /* how often the thread checks on a loop that reads */
#define QUIET_CHECKS 20 /* so often nothing came: the thread waits by itself again */
#define NS_PER_MS 1000000ull
#define FULL_WAIT_NS (100 * NS_PER_MS) /* for a slot, before the default answer */

#ifndef FAN_MARK_EVICTABLE /* Linux 5.19 */
#define FAN_MARK_EVICTABLE 0x00000200
#endif
#ifndef FAN_MARK_IGNORE /* Linux 6.0 */
#define FAN_MARK_IGNORE 0x00000400
#endif

/* Of a folder: it must not end with the next write there (fanotify_mark(2), EISDIR). */
#define IGNORE_FOLDER (FAN_MARK_IGNORE | FAN_MARK_IGNORED_SURV_MODIFY)

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

/* The ring has something, or loop_reads has changed: makes sure that the loop will see
 * it. What could not be posted is posted with the thread's next turn. */
static void announce(struct tc_es_source *source)
{
    source->unposted = false;
    if (atomic_exchange(&source->announced, true) ||
        !source->config.host->post(source->config.host, deliver_posted, source))
        return;
    atomic_store(&source->announced, false);
    source->unposted = true;
}

/*
 * Answers on the spot what the agent itself asks, the canary (which a child of ours
 * executes), and everybody when it is too late for a verdict. False: to be enqueued.
 */
static bool answer_at_once(struct tc_es_source *source,
                           const struct fanotify_event_metadata *m, uint64_t now_ns)
{
    struct tc_es_canary *canary = source->config.canary;
    bool own = source->config.host->is_agent(source->config.host, m->pid), allow = own;

    if (own && atomic_load(&canary->by_loop) && !atomic_load(&source->draining) &&
        tc_es_canary_is(canary, m->fd))
        return false; /* the loop's own sign of life */
    if ((m->mask & TC_ES_ASKED) && (own || atomic_load(&canary->proving)) &&
        tc_es_canary_asked(canary, m->fd, m->mask, own, now_ns, &allow))
        own = true;
    else if (!own && !atomic_load(&source->draining))
        return false;
    else
        allow = own || source->config.on_timeout_allow;
    if (m->mask & TC_ES_ASKED) {
        count(own ? &source->own : &source->late);
        respond(source, m->fd, allow);
    }
    close(m->fd);
    return true;
}

/* What is to be enqueued of one event; false: nothing, it has been dealt with. */
static bool make_item(struct tc_es_source *source,
                      const struct fanotify_event_metadata *m, uint64_t now_ns,
                      struct tc_es_item *ret_item)
{
    if (m->mask & FAN_Q_OVERFLOW)
        count(&source->overflow);
    if (m->fd < 0 || answer_at_once(source, m, now_ns))
        return false;
    *ret_item = (struct tc_es_item){.time_ns = now_ns,
                                    .mask = m->mask,
                                    .fd = m->fd,
                                    .pid = m->pid,
                                    .slot = TC_ES_NO_SLOT};
    if ((m->mask & TC_ES_ASKED) &&
        tc_es_gate_open(&source->gate, m->fd, now_ns + source->config.deadline_ns,
                        &ret_item->slot)) {
        respond(source, m->fd, source->config.on_timeout_allow);
        count(&source->pending_full);
        close(m->fd);
        return false;
    }
    return true;
}

/*
 * How many events may be read: as many as there are slots. While there is none they stay
 * in the kernel's queue, and those who asked wait; but not for long: then they are
 * answered by default.
 */
static size_t may_read(struct tc_es_source *source, uint64_t now_ns)
{
    uint32_t half = source->config.max_pending / 2 + 1;
    uint32_t batch = half < TC_ES_SOURCE_BATCH ? half : TC_ES_SOURCE_BATCH;
    uint32_t left = source->config.max_pending - tc_es_gate_used(&source->gate);
    uint64_t since_ns = atomic_load(&source->full_since_ns);

    if (left || atomic_load(&source->draining)) {
        if (since_ns)
            atomic_store(&source->full_since_ns, 0);
        return left && left < batch ? left : batch;
    }
    if (!since_ns)
        atomic_store(&source->full_since_ns, now_ns);
    return since_ns && now_ns - since_ns >= FULL_WAIT_NS ? batch : 0;
}

size_t tc_es_source_read(struct tc_es_source *source,
                         struct tc_es_item items[TC_ES_SOURCE_BATCH])
{
    struct fanotify_event_metadata events[TC_ES_SOURCE_BATCH], *m = events;
    uint64_t now_ns = source->config.host->now_ns(source->config.host);
    /* Each event brings a descriptor, before anybody can say that there are enough. */
    size_t most = may_read(source, now_ns), made = 0;
    ssize_t n = most ? read(source->group, events, most * sizeof(events[0])) : 0;

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        atomic_store(&source->read_error, errno);
        count(&source->read_errors);
    }
    for (; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n))
        made += make_item(source, m, now_ns, &items[made]);
    return made;
}

/* A question always finds room, as the gate has bounded them; a close may not. */
static void enqueue(struct tc_es_source *source, const struct tc_es_item *item)
{
    if (item->slot == TC_ES_NO_SLOT &&
        atomic_load(&source->writes_queued) >= source->config.max_pending) {
        count(&source->writes_lost);
        close(item->fd);
        return;
    }
    if (item->slot == TC_ES_NO_SLOT)
        atomic_fetch_add(&source->writes_queued, 1);
    tc_es_ring_push(&source->ring, item);
}

/* The thread's own reading. True when something was enqueued. */
static bool read_for_loop(struct tc_es_source *source)
{
    struct tc_es_item items[TC_ES_SOURCE_BATCH];
    uint64_t errors = atomic_load(&source->read_errors);
    size_t n = tc_es_source_read(source, items);

    for (size_t i = 0; i < n; i++)
        enqueue(source, &items[i]);
    if (n || errors != atomic_load(&source->read_errors))
        announce(source);
    return n > 0;
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

/* Waits for the group; once something has come for the loop, that is to read itself. */
static void wait_for_group(struct tc_es_source *source, int timeout)
{
    struct pollfd fds[2] = {{.fd = source->wake, .events = POLLIN},
                            {.fd = source->group, .events = POLLIN}};
    bool full = !may_read(source, source->config.host->now_ns(source->config.host));

    if (full || source->unposted)
        timeout = timeout < 0 || timeout > LOOP_CHECK_MS ? LOOP_CHECK_MS : timeout;
    if (poll(fds, full ? 1 : 2, timeout) > 0 && fds[1].revents && read_for_loop(source) &&
        !atomic_load(&source->draining)) {
        atomic_store(&source->loop_reads, true);
        announce(source);
    }
}

/* What the thread knows of a loop that reads. */
struct loop_watch {
    unsigned int quiet; /* checks in a row that found nothing */
    bool stuck; /* events waited; until it turns again nothing waits for a check */
};

/* See es_source.h. */
static void check_loop(struct tc_es_source *source, int timeout, struct loop_watch *watch)
{
    struct pollfd fds[2] = {{.fd = source->wake, .events = POLLIN},
                            {.fd = source->group, .events = POLLIN}};
    unsigned int before = atomic_load(&source->loop_turns);

    poll(fds,
         watch->stuck &&
                 may_read(source, source->config.host->now_ns(source->config.host))
             ? 2
             : 1,
         timeout < 0 || timeout > LOOP_CHECK_MS ? LOOP_CHECK_MS : timeout);
    watch->quiet++;
    if (atomic_load(&source->loop_turns) != before) {
        *watch = (struct loop_watch){0};
    } else if (poll(&fds[1], 1, 0) > 0) {
        read_for_loop(source);
        *watch = (struct loop_watch){.stuck = true};
    } else if (watch->quiet >= QUIET_CHECKS) {
        *watch = (struct loop_watch){0};
        atomic_store(&source->loop_reads, false);
        announce(source);
    }
}

static void *reader_main(void *arg)
{
    struct tc_es_source *source = arg;
    struct loop_watch watch = {0};
    uint32_t late;
    int timeout;

    while (!atomic_load(&source->quit)) {
        if (source->unposted)
            announce(source);
        timeout = until_due(source);
        if (timeout == 0) {
            late = tc_es_gate_expire(&source->gate,
                                     source->config.host->now_ns(source->config.host),
                                     source->config.on_timeout_allow);
            atomic_fetch_add(&source->timeouts, late);
        } else if (atomic_load(&source->loop_reads)) {
            check_loop(source, timeout, &watch);
        } else {
            wait_for_group(source, timeout);
        }
    }
    return NULL;
}

int tc_es_source_run(struct tc_es_source *source)
{
    int err = tc_sensor_thread_start(&source->thread, reader_main, source);

    source->running = !err;
    return err;
}

void tc_es_source_stop(struct tc_es_source *source)
{
    if (source->group < 0)
        return;
    atomic_store(&source->draining, true);
    atomic_store(&source->loop_reads, false);
    atomic_fetch_add(&source->late, tc_es_gate_answer_all(
                                        &source->gate, source->config.on_timeout_allow));
}

static void flush_inodes(struct tc_es_source *source)
{
    if (fanotify_mark(source->group, FAN_MARK_FLUSH, 0, AT_FDCWD, "/"))
        return; /* cannot fail on a group: fanotify_mark(2) */
}

void tc_es_source_unmark(struct tc_es_source *source)
{
    if (fanotify_mark(source->group, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD,
                      "/"))
        return; /* cannot fail on a group: fanotify_mark(2) */
    flush_inodes(source);
}

/* Nobody reads the queue any more: what is left there must not be allowed by the close.
 */
static void answer_rest(struct tc_es_source *source)
{
    struct tc_es_item items[TC_ES_SOURCE_BATCH];
    struct pollfd group = {.fd = source->group, .events = POLLIN};

    atomic_store(&source->draining, true);
    tc_es_source_unmark(source);
    while (poll(&group, 1, 0) > 0)
        tc_es_source_read(source, items);
}

void tc_es_source_close(struct tc_es_source *source)
{
    struct tc_es_item item;

    atomic_store(&source->quit, true);
    if (source->running && !eventfd_write(source->wake, 1))
        pthread_join(source->thread, NULL);
    source->running = false;
    if (source->gate.slots)
        tc_es_source_stop(source);
    if (source->group >= 0) {
        answer_rest(source);
        close(source->group);
    }
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
                      TC_ES_ASKED | FAN_CLOSE_WRITE, AT_FDCWD, path))
        return -errno;
    return 0;
}

int tc_es_source_mark_at(struct tc_es_source *source, int folder)
{
    if (fanotify_mark(source->group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
                      TC_ES_ASKED | FAN_CLOSE_WRITE, folder, "."))
        return -errno;
    return 0;
}

int tc_es_source_mark_canary(struct tc_es_source *source)
{
    if (fanotify_mark(source->group, FAN_MARK_ADD, TC_ES_ASKED, source->config.canary->fd,
                      NULL))
        return -errno;
    return 0;
}

int tc_es_source_remember(struct tc_es_source *source, int fd, uint64_t asked)
{
    if (!fanotify_mark(source->group,
                       FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | source->evictable, asked,
                       fd, NULL))
        return 0;
    if (errno != EINVAL || !source->evictable)
        return -errno;
    source->evictable = 0; /* before Linux 5.19: the mark keeps the inode in memory */
    return tc_es_source_remember(source, fd, asked);
}

void tc_es_source_forget(struct tc_es_source *source, int fd)
{
    if (fanotify_mark(source->group, FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK, TC_ES_ASKED,
                      fd, NULL))
        return; /* ENOENT: there was none */
}

void tc_es_source_forget_path(struct tc_es_source *source, const char *path)
{
    if (fanotify_mark(source->group,
                      FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK | FAN_MARK_DONT_FOLLOW,
                      TC_ES_ASKED, AT_FDCWD, path))
        return; /* ENOENT: there was none */
}

/*
 * Not of CLOSE_WRITE: a protected file may have a second name there, and what was written
 * to that through a mapping is only seen at the close.
 */
int tc_es_source_ignore_folder(struct tc_es_source *source, int fd)
{
    if (fanotify_mark(source->group, FAN_MARK_ADD | IGNORE_FOLDER | FAN_MARK_EVICTABLE,
                      TC_ES_ASKED | FAN_EVENT_ON_CHILD, fd, "."))
        return -errno;
    return 0;
}

void tc_es_source_ask_folder(struct tc_es_source *source, int fd)
{
    if (fanotify_mark(source->group, FAN_MARK_REMOVE | FAN_MARK_IGNORE,
                      TC_ES_ASKED | FAN_EVENT_ON_CHILD, fd, "."))
        return; /* ENOENT: it has been evicted */
}

int tc_es_source_forget_all(struct tc_es_source *source)
{
    int err;

    tc_es_canary_unmarking(source->config.canary);
    flush_inodes(source);
    err = tc_es_source_mark_canary(source);
    tc_es_canary_marked(source->config.canary);
    return err;
}

bool tc_es_source_next(struct tc_es_source *source, struct tc_es_item *ret_item)
{
    if (!tc_es_ring_pop(&source->ring, ret_item)) {
        /* Off first, then check again: what comes after this is announced anew. */
        atomic_store(&source->announced, false);
        if (!tc_es_ring_pop(&source->ring, ret_item))
            return false;
        atomic_store(&source->announced, true);
    }
    if (ret_item->slot == TC_ES_NO_SLOT)
        atomic_fetch_sub(&source->writes_queued, 1);
    return true;
}

void tc_es_source_write_lost(struct tc_es_source *source)
{
    count(&source->writes_lost);
}

void tc_es_source_counters(struct tc_es_source *source, struct tc_es_source_counters *ret)
{
    ret->own = atomic_load(&source->own);
    ret->late = atomic_load(&source->late);
    ret->timeouts = atomic_load(&source->timeouts);
    ret->pending_full = atomic_load(&source->pending_full);
    ret->writes_lost = atomic_load(&source->writes_lost);
    ret->overflow = atomic_load(&source->overflow);
    ret->read_errors = atomic_load(&source->read_errors);
}
