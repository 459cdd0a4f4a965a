/* SPDX-License-Identifier: Apache-2.0 */
#include "kext_reader.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kext_load.h"
#include "kext_resolve.h"
#include "sensor_clock.h"
#include "sensor_signal.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* ---- Orders. ---- */

/* First off the map: from the signal on it may execute, and be held, again. */
static void resume(struct tc_kext_reader *reader, uint32_t pid, uint64_t start_ns)
{
    const struct tc_sensor_who who = {(pid_t)pid, start_ns};

    if (tc_kext_take_held(reader->programs, pid, start_ns))
        tc_sensor_signal(&who, SIGCONT);
}

static void kill_tree(struct tc_kext_reader *reader, const struct tc_sensor_who *who)
{
    const struct tc_sensor_signalling kill_all = {.signal = SIGKILL};
    struct tc_sensor_signalled killed;

    if (tc_sensor_signal_tree(who, 1, &kill_all, &killed))
        reader->not_killed++;
    else
        reader->killed += killed.count;
}

static void execute_order(struct tc_kext_reader *reader,
                          const struct tc_kext_order *order, bool tree)
{
    const struct tc_sensor_who who = {order->pid, order->start_ns};

    if (order->what == TC_KEXT_ORDER_RESUME) {
        resume(reader, (uint32_t)order->pid, order->start_ns);
        return;
    }
    if (tree)
        kill_tree(reader, &who);
    else
        tc_sensor_signal(&who, SIGKILL);
    tc_kext_take_held(reader->programs, (uint32_t)order->pid, order->start_ns);
}

void tc_kext_reader_order(struct tc_kext_reader *reader,
                          const struct tc_kext_order *order)
{
    bool taken;

    pthread_mutex_lock(&reader->lock);
    taken = reader->order_count < TC_KEXT_ORDERS_MAX;
    if (taken)
        reader->orders[reader->order_count++] = *order;
    else
        reader->orders_full++;
    pthread_mutex_unlock(&reader->lock);
    if (taken)
        tc_sensor_reader_wake(&reader->base);
    else
        execute_order(reader, order, false);
}

static void execute_orders(struct tc_kext_reader *reader)
{
    struct tc_kext_order order;
    bool more;

    do {
        pthread_mutex_lock(&reader->lock);
        more = reader->order_count > 0;
        if (more) {
            order = reader->orders[0];
            memmove(&reader->orders[0], &reader->orders[1],
                    --reader->order_count * sizeof(order));
        }
        pthread_mutex_unlock(&reader->lock);
        if (more)
            execute_order(reader, &order, true);
    } while (more);
}

/* ---- Records. ---- */

/* True when the record is about the canary, whoever touched it. */
static bool is_canary(struct tc_kext_reader *reader, const struct tc_kext_record *record)
{
    bool is;

    pthread_mutex_lock(&reader->lock);
    is =
        reader->has_canary && !memcmp(&reader->canary, &record->key, sizeof(record->key));
    if (is && record->kind == TC_KEXT_OPEN)
        reader->canary_opened_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);
    else if (is)
        reader->canary_executed_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);
    if (is)
        pthread_cond_broadcast(&reader->seen);
    pthread_mutex_unlock(&reader->lock);
    return is;
}

/* Nobody will answer for a process that was stopped and is not reported. */
static void resume_unreported(struct tc_kext_reader *reader,
                              const struct tc_kext_record *record)
{
    if (record->flags & TC_KEXT_WAS_STOPPED)
        resume(reader, record->pid, record->start_ns);
}

static void take(struct tc_kext_reader *reader, const struct tc_kext_record *record,
                 size_t len)
{
    struct tc_kext_item *item = NULL;

    if (len < sizeof(*record) || is_canary(reader, record))
        return;
    if (!reader->muted)
        item = tc_kext_resolve(reader->resolver, record, len);
    if (item)
        tc_kext_items_add(&reader->items, item);
    else
        resume_unreported(reader, record);
}

static void enqueue(struct tc_kext_reader *reader)
{
    if (!reader->items.count)
        return;
    tc_sensor_reader_handed(&reader->base, reader->items.count, 0);
    reader->deliver(reader->arg, &reader->items);
}

/*
 * Reads what is there. While nobody takes what was enqueued, the rest stays in the ring,
 * where the kernel counts what no longer fits.
 */
static size_t drain(struct tc_kext_reader *reader)
{
    const void *record;
    size_t n = 0, len;

    while (!tc_sensor_reader_full(&reader->base) &&
           (record = tc_sensor_ring_next(&reader->base.ring, &len)) != NULL) {
        take(reader, record, len);
        tc_sensor_ring_release(&reader->base.ring, record);
        n++;
        if (reader->items.count >= TC_KEXT_BATCH || !(n % TC_KEXT_BATCH)) {
            enqueue(reader);
            execute_orders(reader);
        }
    }
    enqueue(reader);
    return n;
}

/* ---- The thread. ---- */

static void *reader_main(void *arg)
{
    struct tc_kext_reader *reader = arg;
    uint64_t last_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);

    while (!reader->base.stopping) {
        execute_orders(reader);
        if (drain(reader))
            last_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);
        tc_sensor_reader_wait(&reader->base, last_ns);
    }
    drain(reader);
    execute_orders(reader);
    return NULL;
}

static void free_all(struct tc_kext_reader *reader)
{
    free(reader->orders);
    reader->orders = NULL;
    pthread_cond_destroy(&reader->seen);
    pthread_mutex_destroy(&reader->lock);
}

int tc_kext_reader_start(struct tc_kext_reader *reader, size_t ring_bytes)
{
    static const struct tc_sensor_reader_limits limits = {.poll_ms = TC_KEXT_POLL_MS,
                                                          .awake_ms = TC_KEXT_AWAKE_MS,
                                                          .items_max =
                                                              TC_KEXT_UNDELIVERED};
    pthread_condattr_t monotonic;
    int err;

    tc_kext_items_init(&reader->items);
    reader->order_count = 0;
    reader->has_canary = false;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reader->seen, &monotonic);
    pthread_condattr_destroy(&monotonic);
    reader->orders = calloc(TC_KEXT_ORDERS_MAX, sizeof(*reader->orders));
    err = reader->orders
              ? tc_sensor_reader_open(&reader->base, &limits,
                                      &reader->programs->control->asleep,
                                      tc_kext_ring_fd(reader->programs), ring_bytes)
              : -ENOMEM;
    if (!err)
        err = tc_sensor_reader_start(&reader->base, reader_main, reader);
    if (err)
        free_all(reader);
    return err;
}

void tc_kext_reader_stop(struct tc_kext_reader *reader)
{
    if (tc_sensor_reader_stop(&reader->base))
        free_all(reader);
}

void tc_kext_reader_delivered(struct tc_kext_reader *reader, size_t count)
{
    tc_sensor_reader_taken(&reader->base, count, 0);
}

/* ---- The canary. ---- */

void tc_kext_reader_set_canary(struct tc_kext_reader *reader,
                               const struct tc_kext_key *key)
{
    pthread_mutex_lock(&reader->lock);
    reader->canary = *key;
    reader->has_canary = true;
    pthread_mutex_unlock(&reader->lock);
}

int tc_kext_reader_await_canary(struct tc_kext_reader *reader, bool exec,
                                uint64_t since_ns, unsigned ms)
{
    uint64_t until_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC) + ms * NS_PER_MS;
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                             .tv_nsec = (long)(until_ns % NS_PER_S)};
    const uint64_t *seen_ns =
        exec ? &reader->canary_executed_ns : &reader->canary_opened_ns;
    int err = 0;

    pthread_mutex_lock(&reader->lock);
    while (*seen_ns < since_ns && !err)
        err = pthread_cond_timedwait(&reader->seen, &reader->lock, &until);
    err = *seen_ns < since_ns ? -ETIMEDOUT : 0;
    pthread_mutex_unlock(&reader->lock);
    return err;
}
