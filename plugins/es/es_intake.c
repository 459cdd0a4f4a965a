/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: in which order the loop handles what the permission group brings. As long as
 * little waits, as it comes. When more does, each user has a line, and users take turns,
 * so that whoever asks thousands of questions waits behind himself: see es_turns.h. The
 * group is then read ahead, as the kernel's queue knows no users. Loop.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "es.h"
#include "sensor_proc.h"

#define TURN_ITEMS 64   /* handled before the loop gets to do other things */
#define TURN_BATCHES 16 /* read, before that */
#define CALM 16         /* published questions, as long as nobody has to stand in line */

static void handle(struct tc_es *es, const struct tc_es_item *item, bool waited)
{
    if (item->slot == TC_ES_NO_SLOT)
        tc_es_written_handle(es, item, waited);
    else
        tc_es_questions_handle(es, item);
}

/* Whose line an item belongs in; the last process mostly asks again. */
static uint64_t user_of(struct tc_es *es, int32_t pid)
{
    if (pid != es->line_pid) {
        es->line_user = tc_sensor_proc_user(pid);
        es->line_pid = pid;
    }
    return es->line_user;
}

/* There is no room: the default answer, or one file less that is reported. */
static void turn_away(struct tc_es *es, const struct tc_es_item *item)
{
    if (item->slot == TC_ES_NO_SLOT) {
        tc_es_source_write_lost(&es->source);
        close(item->fd);
        return;
    }
    es->counters.user_full++;
    es->questions[item->slot].fd = item->fd;
    tc_es_answer(es, item->slot, es->on_timeout_allow);
}

static void take_in(struct tc_es *es, const struct tc_es_item *item)
{
    bool calm = !es->turns.fair.waiting && es->published < CALM;

    if (calm) {
        handle(es, item, false);
        return;
    }
    if (item->slot == TC_ES_NO_SLOT)
        tc_es_written_waits(es, item);
    if (!tc_es_turns_push(&es->turns, user_of(es, item->pid), item))
        turn_away(es, item);
}

static void go_on(void *arg)
{
    struct tc_es *es = arg;
    struct tc_es_item item;

    es->turns_posted = false;
    if (es->jobs.closing)
        return;
    tc_sensor_processes_turn(es->processes);
    for (int left = TURN_ITEMS; left && tc_es_turns_next(&es->turns, &item); left--)
        handle(es, &item, true);
    if (es->turns.fair.lined)
        tc_es_intake_go_on(es);
}

void tc_es_intake_go_on(struct tc_es *es)
{
    if (es->turns.fair.lined && !es->turns_posted)
        es->turns_posted = !es->host->post(es->host, go_on, es);
}

/* All that the thread has read, then what there is in the group. Returns how much. */
static size_t take_in_all(struct tc_es *es)
{
    struct tc_es_item items[TC_ES_SOURCE_BATCH];
    size_t n = TC_ES_SOURCE_BATCH, all = 0;

    es->line_pid = 0; /* which another process may have by now */
    tc_sensor_processes_turn(es->processes);
    tc_es_publish_losses(es);
    for (; tc_es_source_next(&es->source, &items[0]); all++)
        take_in(es, &items[0]);
    for (int left = TURN_BATCHES; left && n == TC_ES_SOURCE_BATCH; left--) {
        n = tc_es_source_read(&es->source, items);
        tc_sensor_processes_turn(es->processes);
        for (size_t i = 0; i < n; i++)
            take_in(es, &items[i]);
        all += n;
    }
    return all;
}

bool tc_es_intake_drain(struct tc_es *es)
{
    size_t n = take_in_all(es);

    go_on(es);
    atomic_fetch_add(&es->source.loop_turns, 1);
    return !n && !es->turns.fair.waiting && !tc_es_gate_waiting(&es->source.gate);
}

/* The loop reads for itself while opens keep coming: see es_source.h. */
static void group_readable(void *arg, int status, uint32_t events)
{
    struct tc_es *es = arg;

    (void)status;
    (void)events;
    take_in_all(es);
    if (es->turns.fair.lined)
        go_on(es);
    atomic_fetch_add(&es->source.loop_turns, 1); /* only now: handling may get stuck */
}

void tc_es_intake_ready(void *arg)
{
    struct tc_es *es = arg;
    const struct tocsin_host *host = es->host;
    struct tc_es_item item;
    bool reads;

    if (!es->scope || es->jobs.closing) /* still starting: what waits is handled then */
        return;
    es->line_pid = 0;
    tc_sensor_processes_turn(es->processes);
    tc_es_publish_losses(es);
    while (tc_es_source_next(&es->source, &item))
        take_in(es, &item);
    if (es->turns.fair.lined)
        go_on(es);
    atomic_fetch_add(&es->source.loop_turns, 1);
    reads = atomic_load(&es->source.loop_reads);
    if (reads && !es->group_watch) {
        if (host->watch_fd(host, es->source.group, TOCSIN_READABLE, group_readable, es,
                           &es->group_watch))
            es->group_watch = NULL; /* then the thread goes on reading */
    } else if (!reads) {
        host->watch_stop(host, es->group_watch);
        es->group_watch = NULL;
    }
}
