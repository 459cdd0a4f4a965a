/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_table.h"

#include <errno.h>
#include <stdlib.h>

int tc_trace_table_init(struct tc_trace_table *table, size_t capacity)
{
    *table = (struct tc_trace_table){.size = 64, .capacity = capacity};
    TAILQ_INIT(&table->alive);
    TAILQ_INIT(&table->gone);
    while (table->size < capacity)
        table->size *= 2;
    table->buckets = calloc(table->size, sizeof(struct tc_trace_process *));
    return table->buckets ? 0 : -ENOMEM;
}

static struct tc_trace_process **bucket_of(struct tc_trace_table *table, int32_t pid)
{
    return &table->buckets[((uint32_t)pid * 2654435761u) & (table->size - 1)];
}

static void drop(struct tc_trace_table *table, struct tc_trace_process *process)
{
    struct tc_trace_process **at = bucket_of(table, process->pid);

    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    if (process->gone) {
        TAILQ_REMOVE(&table->gone, process, by_use);
        table->gone_count--;
    } else {
        TAILQ_REMOVE(&table->alive, process, by_use);
        table->alive_count--;
    }
    tc_trace_image_unref(process->image);
    free(process);
}

void tc_trace_table_done(struct tc_trace_table *table)
{
    if (!table->buckets)
        return;
    while (!TAILQ_EMPTY(&table->alive))
        drop(table, TAILQ_FIRST(&table->alive));
    while (!TAILQ_EMPTY(&table->gone))
        drop(table, TAILQ_FIRST(&table->gone));
    free(table->buckets);
    table->buckets = NULL;
}

struct tc_trace_process *tc_trace_table_find(struct tc_trace_table *table, int32_t pid,
                                             uint64_t start_ns)
{
    struct tc_trace_process *process = *bucket_of(table, pid);

    while (process && (process->pid != pid ||
                       (start_ns ? process->start_ns != start_ns : process->gone)))
        process = process->next;
    if (process && !process->gone) {
        TAILQ_REMOVE(&table->alive, process, by_use);
        TAILQ_INSERT_TAIL(&table->alive, process, by_use);
    }
    return process;
}

/* A bucket begins with the newest. */
struct tc_trace_process *tc_trace_table_find_last(struct tc_trace_table *table,
                                                  int32_t pid)
{
    struct tc_trace_process *process = *bucket_of(table, pid);

    while (process && process->pid != pid)
        process = process->next;
    return process;
}

/* The number has been given to another: whoever had it has ended unseen. */
static void end_others(struct tc_trace_table *table, int32_t pid)
{
    struct tc_trace_process *process = *bucket_of(table, pid), *next;

    for (; process; process = next) {
        next = process->next;
        if (process->pid == pid && !process->gone)
            tc_trace_table_end(table, process);
    }
}

static void make_room(struct tc_trace_table *table)
{
    if (table->alive_count + table->gone_count < table->capacity)
        return;
    if (!TAILQ_EMPTY(&table->gone)) {
        drop(table, TAILQ_FIRST(&table->gone));
        table->aged++;
    } else {
        drop(table, TAILQ_FIRST(&table->alive));
        table->evicted++;
    }
}

struct tc_trace_process *tc_trace_table_put(struct tc_trace_table *table, int32_t pid,
                                            uint64_t start_ns)
{
    struct tc_trace_process *process = tc_trace_table_find(table, pid, start_ns), **at;

    if (process)
        return process;
    end_others(table, pid);
    make_room(table);
    process = calloc(1, sizeof(*process));
    if (!process)
        return NULL;
    process->pid = pid;
    process->start_ns = start_ns;
    process->login_uid = TC_TRACE_NOBODY;
    at = bucket_of(table, pid);
    process->next = *at;
    *at = process;
    TAILQ_INSERT_TAIL(&table->alive, process, by_use);
    table->alive_count++;
    return process;
}

void tc_trace_table_end(struct tc_trace_table *table, struct tc_trace_process *process)
{
    if (process->gone)
        return;
    TAILQ_REMOVE(&table->alive, process, by_use);
    table->alive_count--;
    process->gone = true;
    TAILQ_INSERT_TAIL(&table->gone, process, by_use);
    if (++table->gone_count > TC_TRACE_GONE_MAX) {
        drop(table, TAILQ_FIRST(&table->gone));
        table->aged++;
    }
}
