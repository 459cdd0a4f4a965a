/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `diagnostic.stats`: what is counted, in the core and for each plugin. */
#include <sys/resource.h>
#include <uv.h>

#include "core/base/log.h"
#include "core/base/pulse.h"
#include "core/control/control_priv.h"
#include "core/host/registry.h"
#include "core/journal/journal.h"
#include "core/verdict/judge.h"
#include "core/verdict/verdict.h"
#include "ipc/bus.h"
#include "ipc/pack.h"
#include "ipc/rpc.h"

static void put_bus(const struct tc_control *control, struct tc_pack *p)
{
    struct tc_subscriber_stats subscribers[TC_BUS_SUBSCRIBERS_MAX];
    size_t n =
        tc_bus_stats(control->services->notice.bus, subscribers, TC_BUS_SUBSCRIBERS_MAX);
    struct tc_bus_counters bus;
    struct tc_topic_stats topic;
    size_t at = 0;

    tc_bus_counters(control->services->notice.bus, &bus);
    tc_pack_begin_map(p, "bus");
    tc_pack_uint(p, "published", bus.published);
    tc_pack_uint(p, "delivered", bus.delivered);
    tc_pack_uint(p, "dropped", bus.dropped);
    tc_pack_begin_array(p, "subscribers");
    for (size_t i = 0; i < n && i < TC_BUS_SUBSCRIBERS_MAX; i++) {
        tc_pack_begin_map(p, NULL);
        tc_pack_str(p, "name", subscribers[i].name);
        tc_pack_uint(p, "delivered", subscribers[i].delivered);
        tc_pack_uint(p, "dropped", subscribers[i].dropped);
        tc_pack_uint(p, "queued", subscribers[i].queued);
        tc_pack_end(p);
    }
    tc_pack_end(p);
    tc_pack_begin_array(p, "topics");
    while (tc_bus_topic_stats(control->services->notice.bus, &at, &topic)) {
        tc_pack_begin_map(p, NULL);
        tc_pack_str(p, "name", topic.name);
        tc_pack_uint(p, "published", topic.published);
        tc_pack_end(p);
    }
    tc_pack_end(p);
    tc_pack_end(p);
}

/* How many cases took how long: within this bound, and not within the one before; the
 * last has no bound. */
static void put_latency(const struct tc_verdict_counters *c, struct tc_pack *p)
{
    tc_pack_begin_array(p, "latency");
    for (size_t i = 0; i <= TC_VERDICT_BOUNDS; i++) {
        tc_pack_begin_map(p, NULL);
        if (i < TC_VERDICT_BOUNDS)
            tc_pack_uint(p, "within_ns", tc_verdict_bound_ns(i));
        tc_pack_uint(p, "count", c->within[i]);
        tc_pack_end(p);
    }
    tc_pack_end(p);
}

static void put_verdicts(const struct tc_control *control, struct tc_pack *p)
{
    struct tc_verdict_counters c;

    tc_judge_counters(control->services->judge, &c);
    tc_pack_begin_map(p, "verdict");
    tc_pack_uint(p, "asked", c.opened);
    tc_pack_uint(p, "allowed", c.closed[TC_VERDICT_ALL_ALLOWED]);
    tc_pack_uint(p, "denied", c.closed[TC_VERDICT_DENIED]);
    tc_pack_uint(p, "timeouts", c.closed[TC_VERDICT_TIMEOUT]);
    tc_pack_uint(p, "overflows", c.closed[TC_VERDICT_OVERFLOW]);
    tc_pack_uint(p, "absent", c.closed[TC_VERDICT_ABSENT]);
    tc_pack_uint(p, "abstained", c.closed[TC_VERDICT_ABSTAINED]);
    tc_pack_uint(p, "late", c.late);
    tc_pack_uint(p, "open", c.open);
    tc_pack_uint(p, "open_max", c.open_max);
    tc_pack_uint(p, "longest_ns", c.longest_ns);
    tc_pack_uint(p, "took_ns", c.took_ns);
    put_latency(&c, p);
    tc_pack_end(p);
}

static void put_journal(const struct tc_control *control, struct tc_pack *p)
{
    struct tc_journal_counters c = {0};

    if (control->services->journal)
        tc_journal_counters(control->services->journal, &c);
    tc_pack_begin_map(p, "journal");
    tc_pack_uint(p, "stored", c.stored);
    tc_pack_uint(p, "pending", c.pending);
    tc_pack_uint(p, "lost", c.lost);
    tc_pack_uint(p, "failed_writes", c.failed_writes);
    tc_pack_uint(p, "events", c.events);
    tc_pack_uint(p, "bytes", c.bytes);
    tc_pack_uint(p, "pruned_events", c.pruned_events);
    tc_pack_uint(p, "pruned_threats", c.pruned_threats);
    tc_pack_uint(p, "pruned_alerts", c.pruned_alerts);
    tc_pack_end(p);
}

static void put_calls(const struct tc_control *control, struct tc_pack *p)
{
    tc_pack_begin_map(p, "calls");
    tc_pack_uint(p, "refused", control->refusals.total);
    tc_pack_uint(p, "forwarded", control->forwards.waiting);
    tc_pack_uint(p, "forwarded_expired", control->forwards.expired);
    tc_pack_end(p);
}

static uint64_t microseconds(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

/* Of the core's process: what it holds now, and has used since its start. */
static void put_process(struct tc_pack *p)
{
    struct rusage used = {0};
    size_t resident = 0;

    (void)getrusage(RUSAGE_SELF, &used);
    (void)uv_resident_set_memory(&resident);
    tc_pack_begin_map(p, "process");
    tc_pack_uint(p, "resident_bytes", resident);
    tc_pack_uint(p, "cpu_us",
                 microseconds(&used.ru_utime) + microseconds(&used.ru_stime));
    tc_pack_end(p);
}

void tc_control_stats(struct tc_control *control, struct tc_rpc_call *call,
                      const struct tc_rpc_params *params)
{
    struct tc_pack p;

    (void)params;
    tc_control_call_begin(&p);
    tc_pack_uint(&p, "starts", control->services->pulse->starts);
    tc_pack_uint(&p, "log_lines_lost", tc_log_lost());
    put_process(&p);
    put_bus(control, &p);
    put_verdicts(control, &p);
    put_journal(control, &p);
    put_calls(control, &p);
    tc_pack_begin_array(&p, "clients");
    tc_rpc_stats(control->rpc, &p);
    tc_pack_end(&p);
    tc_pack_begin_array(&p, "plugins");
    tc_registry_put_all(control->services->registry, &p);
    tc_pack_end(&p);
    tc_control_call_end(call, &p);
}
