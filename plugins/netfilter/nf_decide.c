/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what becomes of a flow, by all that is known of it, in words; and its event. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "nf_reader.h"

#define NS_PER_S UINT64_C(1000000000)

static const char kernel_traffic[] = "the kernel's own traffic";

bool tc_nf_decides(const struct tc_nf_reader *reader)
{
    return reader->programs && reader->wanted.decides &&
           reader->options->enforcement == TC_NF_BLOCKS;
}

static uint64_t now_s(const struct tc_nf_reader *reader)
{
    return (reader->now_ns + reader->clock_offset_ns) / NS_PER_S;
}

/* An indicator's decision, in words. */
static struct tc_nf_decision listed(struct tc_nf_reader *reader, uint32_t id,
                                    enum tc_nf_action action, const char *name)
{
    struct tc_nf_decision decision = {.deny = false};
    struct tc_nf_view *view = &reader->view;

    if (!reader->wanted.indicators ||
        !tc_nf_indicators_view(reader->wanted.indicators, id, view))
        return decision;
    decision.indicator = view->value;
    decision.source = view->source;
    snprintf(reader->reason, sizeof(reader->reason), "%s%s%s is on a list to %s%s%s",
             name ? name : "", name ? ": " : "", view->value, tc_nf_action_name(action),
             *view->reason ? ": " : "", view->reason);
    decision.reason = reader->reason;
    if (action == TC_NF_BLOCK) {
        decision.deny = tc_nf_decides(reader);
        decision.would_deny = !decision.deny;
    }
    return decision;
}

/* A principal that has a rule of its own, which is no indicator's. */
static struct tc_nf_decision principal(const struct tc_nf_reader *reader,
                                       enum tc_nf_action action, const char *who)
{
    struct tc_nf_decision decision = {.deny = false};

    if (action == TC_NF_NONE)
        return decision;
    decision.reason = who;
    if (action == TC_NF_BLOCK) {
        decision.deny = tc_nf_decides(reader);
        decision.would_deny = !decision.deny;
    }
    return decision;
}

/* The kernel has decided; this says what. */
struct tc_nf_decision tc_nf_decide_record(struct tc_nf_reader *reader,
                                          const struct tc_nf_flow *flow)
{
    const struct tc_nf_flow_record *record = &flow->record;
    struct tc_nf_decision decision = {.deny = false};

    if (record->why == TC_NF_WHY_LISTED)
        decision =
            listed(reader, record->id, record->action,
                   record->flags & TC_NF_BY_NAME && *flow->domain ? flow->domain : NULL);
    else if (record->why == TC_NF_WHY_KERNEL)
        decision = principal(reader, record->action, kernel_traffic);
    decision.deny = record->flags & TC_NF_DENIED;
    decision.would_deny = record->flags & TC_NF_WOULD_DENY;
    return decision;
}

static bool by_name(struct tc_nf_reader *reader, const char *name,
                    struct tc_nf_match *ret)
{
    return *name && reader->wanted.indicators &&
           reader->options->enforcement != TC_NF_DISABLED &&
           tc_nf_indicators_name(reader->wanted.indicators, name, strlen(name),
                                 now_s(reader), ret);
}

/* Until when the last of its names is known. */
static uint64_t known_until(const struct tc_nf_named_address *address)
{
    uint64_t until_ns = 0;

    for (size_t i = 0; i < address->count; i++)
        if (address->names[i].until_ns > until_ns)
            until_ns = address->names[i].until_ns;
    return until_ns;
}

/*
 * An address is blocked by name only while all names that are known of it are: others may
 * share it, and then the first data of a flow say which one it is. False: nothing is said
 * against it.
 */
static bool by_all_names(struct tc_nf_reader *reader,
                         const struct tc_nf_named_address *address,
                         struct tc_nf_match *ret)
{
    struct tc_nf_match match;

    for (size_t i = 0; i < address->count; i++) {
        if (!by_name(reader, address->names[i].text, &match) ||
            match.action == TC_NF_ALLOW)
            return false;
        if (!i || match.action < ret->action)
            *ret = match;
    }
    return address->count > 0;
}

void tc_nf_decide_address(struct tc_nf_reader *reader,
                          const struct tc_nf_named_address *address)
{
    struct tc_nf_named named = {.until_ns = known_until(address), .action = TC_NF_ALLOW};
    struct tc_nf_match match;

    if (!reader->programs || !reader->counters.queue_new)
        return; /* no indicator is a name */
    if (by_all_names(reader, address, &match)) {
        named.action = match.action;
        named.id = match.id;
    }
    (void)tc_nf_name_address(reader->programs, &address->key, &named);
}

void tc_nf_decide_again(struct tc_nf_reader *reader)
{
    struct tc_nf_named_address *address, *next;

    if (!reader->programs)
        return;
    tc_nf_name_clear(reader->programs);
    HASH_ITER(hh, reader->names.by_key, address, next)
    tc_nf_decide_address(reader, address);
}

/* By the name that its data show, or else by those of its address. */
static bool by_domain(struct tc_nf_reader *reader, const struct tc_nf_flow *flow,
                      struct tc_nf_match *ret)
{
    const struct tc_nf_flow_record *record = &flow->record;
    const struct tc_nf_named_address *address;

    if (flow->named_by_data)
        return by_name(reader, flow->domain, ret);
    if (record->destination_port == TC_NF_DNS_PORT ||
        record->destination_port == TC_NF_DNS_TLS_PORT)
        return false; /* whoever owns a listed name may have it lead there */
    address = tc_nf_names_of(&reader->names, record->destination, record->netns,
                             record->pid, reader->now_ns);
    return address && by_all_names(reader, address, ret);
}

/* Where the programs have not looked, since only a packet shows the flow. */
static bool by_address(struct tc_nf_reader *reader, const struct tc_nf_flow *flow,
                       struct tc_nf_match *ret)
{
    return !flow->process && !flow->record.why && reader->wanted.indicators &&
           reader->options->enforcement != TC_NF_DISABLED &&
           tc_nf_indicators_address(reader->wanted.indicators, flow->record.destination,
                                    now_s(reader), ret);
}

struct tc_nf_decision tc_nf_decide_packet(struct tc_nf_reader *reader,
                                          const struct tc_nf_flow *flow)
{
    const struct tc_nf_flow_record *record = &flow->record;
    struct tc_nf_decision decision = tc_nf_decide_record(reader, flow);
    struct tc_nf_match match;

    if (decision.deny || record->action == TC_NF_ALLOW)
        return decision;
    if (by_domain(reader, flow, &match) && match.action != TC_NF_ALLOW)
        return listed(reader, match.id, match.action, flow->domain);
    if (by_address(reader, flow, &match))
        return listed(reader, match.id, match.action, NULL);
    if (decision.reason || record->flags & TC_NF_PASSED)
        return decision;
    /* Nobody but its packet has reported it. */
    if (record->flags & TC_NF_FROM_KERNEL)
        return principal(reader, reader->options->kernel_action, kernel_traffic);
    if (!flow->process)
        return principal(reader, reader->options->unattributed,
                         "no process is known of it");
    return decision;
}

/* ---- Events. ---- */

static void count(struct tc_nf_reader *reader, const struct tc_nf_flow *flow,
                  const struct tc_nf_decision *decision)
{
    struct tc_nf_reader_counters *counters = &reader->counters;

    counters->flows++;
    if (decision) {
        counters->denied += decision->deny;
        counters->allowed += !decision->deny;
        counters->audited += decision->would_deny || flow->record.action == TC_NF_AUDIT;
    }
    if (flow->record.flags & TC_NF_PASSED)
        counters->passed++;
    if (!flow->process && !(flow->record.flags & TC_NF_FROM_KERNEL))
        counters->unattributed++;
}

void tc_nf_emit_flow(struct tc_nf_reader *reader, const struct tc_nf_flow *flow,
                     const struct tc_nf_decision *decision, uint64_t ticket,
                     uint64_t deadline_ns)
{
    struct tc_nf_stamp stamp = tc_nf_reader_stamp(reader, flow->record.time_ns);
    struct tc_nf_item item = {.topic = TOCSIN_TOPIC_NETWORK_FLOW,
                              .time_ns = stamp.time_ns,
                              .ticket = ticket,
                              .deadline_ns = deadline_ns};
    struct tocsin_writer w;

    count(reader, flow, decision);
    if (!ticket && tc_sensor_reader_full(&reader->base)) {
        reader->counters.unpublished++;
        return;
    }
    tocsin_writer_init(&w, reader->event, sizeof(reader->event));
    tc_nf_flow_put(&w, flow, decision, &stamp);
    if (tc_nf_items_add(&reader->items, &item, &w))
        reader->counters.unpublished++;
}

void tc_nf_emit_gap(struct tc_nf_reader *reader, uint64_t lost, const char *reason)
{
    struct tc_nf_stamp stamp = tc_nf_reader_stamp(reader, reader->now_ns);
    struct tc_nf_item item = {.topic = TOCSIN_TOPIC_SENSOR_GAP, .time_ns = stamp.time_ns};
    struct tocsin_writer w;
    uint8_t buf[512];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tc_nf_put_stamp(&w, &stamp);
    tocsin_put_uint(&w, "from", stamp.time_ns - UINT64_C(1000000) * TC_NF_TURN_MS);
    tocsin_put_uint(&w, "to", stamp.time_ns);
    if (lost)
        tocsin_put_uint(&w, "count", lost);
    tocsin_put_str(&w, TOCSIN_FIELD_REASON, reason);
    tocsin_end(&w);
    (void)tc_nf_items_add(&reader->items, &item, &w);
}
