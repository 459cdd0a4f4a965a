/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see follow.h. A pid is used again by and by: where both sides know when the
 * process was started, that decides; sensors say it in steps of 10 ms.
 */
#include "ipc/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <tocsin/event.h>

#define BUCKETS 1024
#define STEP_NS UINT64_C(20000000) /* by so much two sensors may differ */

struct process {
    struct process *next;
    uint64_t pid, start_ns;
};

struct tc_follow {
    size_t count;
    struct process *buckets[BUCKETS];
};

struct tc_follow *tc_follow_new(void)
{
    return calloc(1, sizeof(struct tc_follow));
}

void tc_follow_free(struct tc_follow *follow)
{
    struct process *p;

    for (size_t i = 0; follow && i < BUCKETS; i++)
        while ((p = follow->buckets[i])) {
            follow->buckets[i] = p->next;
            free(p);
        }
    free(follow);
}

static struct process *find(struct tc_follow *follow, uint64_t pid)
{
    struct process *p = follow->buckets[pid % BUCKETS];

    while (p && p->pid != pid)
        p = p->next;
    return p;
}

int tc_follow_add(struct tc_follow *follow, uint64_t pid, uint64_t start_ns)
{
    struct process *p = find(follow, pid);

    if (!p) {
        if (follow->count == TC_FOLLOW_MAX)
            return -ENOSPC;
        p = calloc(1, sizeof(*p));
        if (!p)
            return -ENOMEM;
        follow->count++;
        p->pid = pid;
        p->next = follow->buckets[pid % BUCKETS];
        follow->buckets[pid % BUCKETS] = p;
    }
    p->start_ns = start_ns;
    return 0;
}

/* Whether the process that a map is about is followed. */
static bool is_followed(struct tc_follow *follow, const struct tocsin_value *map,
                        uint64_t *ret_pid, uint64_t *ret_start_ns)
{
    size_t len = (size_t)(map->end - map->start);
    int64_t pid = tocsin_find_int(map->start, len, "pid", 0);
    int64_t start = tocsin_find_int(map->start, len, "start", 0);
    uint64_t start_ns = start > 0 ? (uint64_t)start : 0;
    struct process *p = pid > 0 ? find(follow, (uint64_t)pid) : NULL;

    *ret_pid = pid > 0 ? (uint64_t)pid : 0;
    *ret_start_ns = start_ns;
    if (!p)
        return false;
    if (!p->start_ns)
        p->start_ns = start_ns;
    return !start_ns || !p->start_ns ||
           (start_ns > p->start_ns ? start_ns - p->start_ns : p->start_ns - start_ns) <=
               STEP_NS;
}

/* Whether one above the process is followed. */
static bool above(struct tc_follow *follow, const struct tocsin_value *process)
{
    size_t len = (size_t)(process->end - process->start);
    struct tocsin_value v, ancestor;
    uint64_t pid, start_ns;
    struct tocsin_iter it;

    if (tocsin_find(process->start, len, "parent", &v) &&
        is_followed(follow, &v, &pid, &start_ns))
        return true;
    if (!tocsin_find(process->start, len, "ancestors", &v))
        return false;
    tocsin_iter_init(&it, &v);
    while (!it.map && tocsin_iter_next(&it, NULL, &ancestor))
        if (is_followed(follow, &ancestor, &pid, &start_ns))
            return true;
    return false;
}

bool tc_follow_match(struct tc_follow *follow, const void *data, size_t len)
{
    struct tocsin_value v;
    uint64_t pid, start_ns;

    if (tocsin_find(data, len, "process", &v)) {
        if (is_followed(follow, &v, &pid, &start_ns))
            return true;
        if (above(follow, &v)) {
            if (pid)
                (void)tc_follow_add(follow, pid, start_ns);
            return true;
        }
    }
    return tocsin_find(data, len, "target.process", &v) &&
           is_followed(follow, &v, &pid, &start_ns);
}
