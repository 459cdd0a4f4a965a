/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry stands for one process and holds the event of its last exec. Of a process that
 * was there before us no exec was reported; if it is the parent in an event, that event
 * says of it what there is to know, and is kept in its entry (as_parent).
 */
#include "process/edr_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 16384 /* a power of two */

#define STARTED "process.started"
#define EXITED "process.exited"

struct entry {
    int64_t pid, start;
    const struct tocsin_event *event;
    bool as_parent; /* the event is of a child */
    bool ended;
    LIST_ENTRY(entry) in_bucket;
    TAILQ_ENTRY(entry) in_order; /* in `running` by use, or in `ended` by end */
};

LIST_HEAD(bucket, entry);
TAILQ_HEAD(order, entry);

struct tc_edr_processes {
    const struct tocsin_host *host;
    struct bucket buckets[BUCKETS];
    struct order running, ended; /* the first to be forgotten first */
    size_t ended_count;
    struct tc_edr_process_counters counters;
};

int tc_edr_processes_new(const struct tocsin_host *host,
                         struct tc_edr_processes **ret_processes)
{
    struct tc_edr_processes *processes = calloc(1, sizeof(*processes));

    if (!processes)
        return -ENOMEM;
    processes->host = host;
    TAILQ_INIT(&processes->running);
    TAILQ_INIT(&processes->ended);
    *ret_processes = processes;
    return 0;
}

static struct order *order_of(struct tc_edr_processes *processes,
                              const struct entry *entry)
{
    return entry->ended ? &processes->ended : &processes->running;
}

static void forget(struct tc_edr_processes *processes, struct entry *entry)
{
    TAILQ_REMOVE(order_of(processes, entry), entry, in_order);
    LIST_REMOVE(entry, in_bucket);
    processes->ended_count -= entry->ended;
    processes->counters.held--;
    processes->counters.bytes -= entry->event->len;
    processes->host->event_unref(processes->host, entry->event);
    free(entry);
}

void tc_edr_processes_free(struct tc_edr_processes *processes)
{
    struct entry *entry;

    if (!processes)
        return;
    while ((entry = TAILQ_FIRST(&processes->running)) != NULL ||
           (entry = TAILQ_FIRST(&processes->ended)) != NULL)
        forget(processes, entry);
    free(processes);
}

static struct bucket *bucket_of(struct tc_edr_processes *processes, int64_t pid)
{
    return &processes->buckets[(uint64_t)pid % BUCKETS];
}

/* A start of 0 is one that is not known: then the newest of that pid, if it runs. */
static struct entry *find(struct tc_edr_processes *processes, int64_t pid, int64_t start)
{
    struct entry *entry = LIST_FIRST(bucket_of(processes, pid));

    while (entry && (entry->pid != pid || (start ? entry->start != start : entry->ended)))
        entry = LIST_NEXT(entry, in_bucket);
    return entry;
}

/* The same of one that is about to be used. */
static struct entry *look_up(struct tc_edr_processes *processes, int64_t pid,
                             int64_t start)
{
    struct entry *entry = pid > 0 ? find(processes, pid, start) : NULL;

    if (entry && !entry->ended) {
        TAILQ_REMOVE(&processes->running, entry, in_order);
        TAILQ_INSERT_TAIL(&processes->running, entry, in_order);
    }
    return entry;
}

/* ---- Taking in ---- */

static void make_room(struct tc_edr_processes *processes, size_t bytes)
{
    struct entry *oldest;

    while (processes->counters.held >= TC_EDR_PROCESSES_MAX ||
           processes->counters.bytes + bytes > TC_EDR_PROCESS_BYTES_MAX) {
        oldest = TAILQ_FIRST(&processes->ended);
        if (!oldest)
            oldest = TAILQ_FIRST(&processes->running);
        if (!oldest)
            return;
        processes->counters.evicted++;
        forget(processes, oldest);
    }
}

static void hold(struct tc_edr_processes *processes, int64_t pid, int64_t start,
                 const struct tocsin_event *event, bool as_parent)
{
    struct entry *entry;

    if (pid <= 0 || !start)
        return;
    entry = find(processes, pid, start);
    if (entry && as_parent)
        return;
    if (entry)
        forget(processes, entry);
    make_room(processes, event->len);
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return;
    *entry = (struct entry){
        .pid = pid, .start = start, .event = event, .as_parent = as_parent};
    processes->host->event_ref(processes->host, event);
    LIST_INSERT_HEAD(bucket_of(processes, pid), entry, in_bucket);
    TAILQ_INSERT_TAIL(&processes->running, entry, in_order);
    processes->counters.held++;
    processes->counters.bytes += event->len;
}

static void end(struct tc_edr_processes *processes, int64_t pid, int64_t start)
{
    struct entry *entry = find(processes, pid, start);

    if (!entry || entry->ended)
        return;
    TAILQ_REMOVE(&processes->running, entry, in_order);
    entry->ended = true;
    TAILQ_INSERT_TAIL(&processes->ended, entry, in_order);
    processes->ended_count++;
    if (processes->ended_count > TC_EDR_ENDED_MAX)
        forget(processes, TAILQ_FIRST(&processes->ended));
}

void tc_edr_processes_take(struct tc_edr_processes *processes,
                           const struct tocsin_event *event)
{
    bool started = !strcmp(event->topic, STARTED);
    int64_t pid, start;

    if (!started && strcmp(event->topic, EXITED) != 0)
        return;
    pid = tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, 0);
    start = tocsin_event_int(event, TOCSIN_FIELD_PROCESS_START, 0);
    if (!started) {
        end(processes, pid, start);
        return;
    }
    hold(processes, tocsin_event_int(event, TOCSIN_FIELD_PARENT_PID, 0),
         tocsin_event_int(event, "process.parent.start", 0), event, true);
    hold(processes, pid, start, event, false);
}

const struct tocsin_event *tc_edr_processes_find(struct tc_edr_processes *processes,
                                                 const struct tocsin_event *event)
{
    struct entry *entry =
        look_up(processes, tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, 0),
                tocsin_event_int(event, TOCSIN_FIELD_PROCESS_START, 0));

    return entry && !entry->as_parent ? entry->event : NULL;
}

/* ---- Chains ---- */

/* What one map of a process says, where the link does not know it yet. */
static void fill(struct tc_edr_link *link, const struct tocsin_value *map)
{
    size_t len = (size_t)(map->end - map->start);

    if (!link->start)
        link->start = tocsin_find_int(map->start, len, "start", 0);
    if (!link->name.ptr)
        link->name = tocsin_find_str(map->start, len, "name");
    if (!link->executable.ptr)
        link->executable = tocsin_find_str(map->start, len, "executable");
    if (!link->command_line.ptr)
        link->command_line = tocsin_find_str(map->start, len, "command_line");
    if (link->user < 0)
        link->user = tocsin_find_int(map->start, len, "user.id", -1);
}

/* The ancestors that an event lists, nearest first. */
struct ancestors {
    struct tocsin_iter list; /* of process.ancestors; without it the parent alone */
    struct tocsin_value parent;
    bool has_parent;
};

/* From the event of a process, or, as_parent, of its child: from above itself on. */
static void ancestors_init(struct ancestors *from, const struct tocsin_event *event,
                           bool as_parent)
{
    struct tocsin_value list;

    memset(from, 0, sizeof(*from));
    from->has_parent =
        !as_parent &&
        tocsin_find(event->data, event->len, "process.parent", &from->parent) &&
        from->parent.type == TOCSIN_MAP;
    if (!tocsin_find(event->data, event->len, "process.ancestors", &list))
        return;
    tocsin_iter_init(&from->list, &list);
    if (as_parent)
        (void)tocsin_iter_next(&from->list, NULL, &list);
}

/* Fills in the pid and what else is said of the next one up. */
static bool ancestors_next(struct ancestors *from, struct tc_edr_link *ret)
{
    bool has_parent = from->has_parent, listed;
    struct tocsin_value item;

    *ret = (struct tc_edr_link){.user = -1};
    from->has_parent = false;
    listed = tocsin_iter_next(&from->list, NULL, &item) && item.type == TOCSIN_MAP;
    if (!listed && !has_parent)
        return false;
    if (!listed)
        item = from->parent;
    ret->pid = tocsin_find_int(item.start, (size_t)(item.end - item.start), "pid", 0);
    if (ret->pid <= 0)
        return false;
    fill(ret, &item);
    /* The parent's own map says more of it than the list does. */
    if (has_parent && tocsin_find_int(from->parent.start,
                                      (size_t)(from->parent.end - from->parent.start),
                                      "pid", 0) == ret->pid)
        fill(ret, &from->parent);
    return true;
}

/* What the table knows of a process. */
static void fill_from(struct tc_edr_link *link, const struct entry *entry)
{
    struct tocsin_value map;

    if (tocsin_find(entry->event->data, entry->event->len,
                    entry->as_parent ? "process.parent" : "process", &map))
        fill(link, &map);
}

size_t tc_edr_processes_chain(struct tc_edr_processes *processes,
                              const struct tocsin_event *event,
                              struct tc_edr_link ret[1 + TC_EDR_CHAIN_MAX])
{
    struct ancestors from;
    struct tocsin_value map;
    struct entry *entry;
    size_t n = 0;

    if (!tocsin_find(event->data, event->len, "process", &map))
        return 0;
    ret[0] = (struct tc_edr_link){.user = -1};
    ret[0].pid = tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, 0);
    if (ret[0].pid <= 0)
        return 0;
    fill(&ret[0], &map);
    ancestors_init(&from, event, false);
    for (;;) {
        entry = look_up(processes, ret[n].pid, ret[n].start);
        if (entry)
            fill_from(&ret[n], entry);
        if (++n > TC_EDR_CHAIN_MAX)
            return n;
        if (ancestors_next(&from, &ret[n]))
            continue;
        /* The event says no more: go on from what the last one up was started with. */
        if (!entry)
            return n;
        ancestors_init(&from, entry->event, entry->as_parent);
        if (!ancestors_next(&from, &ret[n]))
            return n;
    }
}

static bool descends(const struct entry *entry, struct tc_edr_id above)
{
    struct ancestors from;
    struct tc_edr_link link;

    ancestors_init(&from, entry->event, false);
    while (ancestors_next(&from, &link))
        if (link.pid == above.pid && (!above.start || link.start == above.start))
            return true;
    return false;
}

size_t tc_edr_processes_below(const struct tc_edr_processes *processes,
                              struct tc_edr_id above, struct tc_edr_id *ret, size_t max)
{
    const struct entry *entry;
    size_t n = 0;

    TAILQ_FOREACH(entry, &processes->running, in_order)
    {
        if (n == max)
            break;
        if (!entry->as_parent && descends(entry, above))
            ret[n++] = (struct tc_edr_id){entry->pid, entry->start};
    }
    return n;
}

void tc_edr_processes_counters(const struct tc_edr_processes *processes,
                               struct tc_edr_process_counters *ret)
{
    *ret = processes->counters;
}
