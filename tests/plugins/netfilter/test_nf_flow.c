/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that are kept until their packets come, and the inspections of their data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "nf_flow.h"
#include "nf_inspect.h"

#define S UINT64_C(1000000000)

static struct tc_nf_flow_record record(uint16_t source_port, uint16_t port)
{
    struct tc_nf_flow_record r = {.kind = TC_NF_FLOW,
                                  .protocol = IPPROTO_UDP,
                                  .source_port = source_port,
                                  .destination_port = port,
                                  .time_ns = S};

    r.destination[15] = 1;
    return r;
}

static struct tc_nf_flow *flow(uint16_t source_port, uint16_t port,
                               struct tc_nf_process *process)
{
    const struct tc_nf_flow_record r = record(source_port, port);
    struct tc_nf_flow *made = tc_nf_flow_new(&r, process);

    assert_non_null(made);
    return made;
}

static struct tc_nf_flow_key key_of_packet(uint16_t source_port, uint16_t port)
{
    struct tc_nf_flow_key key = {
        .source_port = source_port, .destination_port = port, .protocol = IPPROTO_UDP};

    key.source[15] = 2;
    key.destination[15] = 1;
    return key;
}

static void flow_is_found_by_its_port_before_its_destination_alone(void **state)
{
    const struct tc_nf_flow_key key = key_of_packet(1000, 9);
    struct tc_nf_flow *connected = flow(0, 9, NULL), *sent = flow(1000, 9, NULL);
    struct tc_nf_flows flows = {.by_key = NULL};

    (void)state;
    assert_null(tc_nf_flows_add(&flows, connected));
    assert_null(tc_nf_flows_find(&flows, &key));
    assert_ptr_equal(tc_nf_flows_find_unbound(&flows, &key), connected);
    assert_null(tc_nf_flows_add(&flows, sent));
    assert_ptr_equal(tc_nf_flows_find_unbound(&flows, &key), sent);
    tc_nf_flows_remove(&flows, sent);
    assert_ptr_equal(tc_nf_flows_find_unbound(&flows, &key), connected);
    tc_nf_flows_done(&flows);
}

static void flow_that_goes_for_another_is_the_callers(void **state)
{
    struct tc_nf_process one = {.refs = 1}, two = {.refs = 1};
    struct tc_nf_flow *first = flow(0, 9, &one), *second = flow(0, 9, &two), *third;
    struct tc_nf_flows flows = {.by_key = NULL};

    (void)state;
    assert_null(tc_nf_flows_add(&flows, first));
    assert_ptr_equal(tc_nf_flows_add(&flows, second), first);
    assert_true(second->ambiguous);
    tc_nf_flow_free(first);
    second->asked = true;
    third = flow(0, 9, &one);
    assert_ptr_equal(tc_nf_flows_add(&flows, third), second);
    assert_false(third->ambiguous); /* the second one's packet has come */
    tc_nf_flow_free(second);
    tc_nf_flows_done(&flows);
    assert_int_equal(one.refs, 1);
    assert_int_equal(two.refs, 1);
}

static void flows_are_bounded_and_the_oldest_goes(void **state)
{
    struct tc_nf_flows flows = {.by_key = NULL};
    struct tc_nf_flow *gone;

    (void)state;
    for (unsigned i = 0; i < TC_NF_FLOWS_MAX; i++)
        assert_null(tc_nf_flows_add(&flows, flow((uint16_t)(i + 1), 9, NULL)));
    gone = tc_nf_flows_add(&flows, flow(1, 10, NULL));
    assert_non_null(gone);
    assert_int_equal(gone->key.source_port, 1);
    assert_int_equal(gone->key.destination_port, 9);
    assert_int_equal(flows.evicted, 1);
    tc_nf_flow_free(gone);
    tc_nf_flows_done(&flows);
}

static void note(void *arg, struct tc_nf_flow *aged)
{
    ++*(int *)arg;
    aged->asked = true;
}

static void flow_that_nobody_asked_about_is_reported_once_and_kept(void **state)
{
    struct tc_nf_flows flows = {.by_key = NULL};
    int reported = 0;

    (void)state;
    assert_null(tc_nf_flows_add(&flows, flow(1, 9, NULL)));
    tc_nf_flows_age(&flows, S + TC_NF_FLOW_ASKED_NS, note, &reported);
    assert_int_equal(reported, 0);
    tc_nf_flows_age(&flows, S + TC_NF_FLOW_ASKED_NS + 1, note, &reported);
    tc_nf_flows_age(&flows, 2 * S + TC_NF_FLOW_ASKED_NS, note, &reported);
    assert_int_equal(reported, 1);
    assert_non_null(flows.by_key);
    tc_nf_flows_age(&flows, S + TC_NF_FLOW_KEPT_NS + 1, note, &reported);
    assert_null(flows.by_key);
}

/* ---- Inspections. ---- */

static void inspections_are_bounded_and_the_oldest_goes(void **state)
{
    static struct tc_nf_inspection *owners[TC_NF_INSPECTIONS_MAX + 1];
    struct tc_nf_inspections all;

    (void)state;
    tc_nf_inspections_init(&all);
    for (size_t i = 0; i <= TC_NF_INSPECTIONS_MAX; i++)
        assert_int_equal(tc_nf_inspection_begin(&all, true, 1, &owners[i]), 0);
    assert_null(owners[0]);
    assert_non_null(owners[1]);
    assert_int_equal(all.count, TC_NF_INSPECTIONS_MAX);
    assert_int_equal(all.evicted, 1);
    for (size_t i = 0; i <= TC_NF_INSPECTIONS_MAX; i++)
        tc_nf_inspection_end(owners[i]);
    assert_int_equal(all.count, 0);
    assert_null(owners[1]);
}

static int inspect(struct tc_nf_inspection *inspection, uint32_t seq, const char *data,
                   struct tc_nf_inspected *ret)
{
    const struct tc_nf_packet packet = {.protocol = IPPROTO_TCP,
                                        .tcp_seq = seq,
                                        .payload = (const uint8_t *)data,
                                        .payload_bytes = strlen(data)};

    return tc_nf_inspection_take(inspection, NULL, &packet, ret);
}

static void inspection_finds_a_host_over_segments_in_any_order(void **state)
{
    struct tc_nf_inspection *inspection = NULL;
    struct tc_nf_inspections all;
    struct tc_nf_inspected found;

    (void)state;
    tc_nf_inspections_init(&all);
    assert_int_equal(tc_nf_inspection_begin(&all, true, 100, &inspection), 0);
    assert_int_equal(inspect(inspection, 116, "Host: evil.example\r\n\r\n", &found),
                     -11 /* EAGAIN */);
    assert_int_equal(inspect(inspection, 100, "GET / HTTP/1.1\r\n", &found), 0);
    assert_string_equal(found.name, "evil.example");
    assert_string_equal(found.protocol, "http");
    tc_nf_inspection_end(inspection);
}

static void inspection_ends_at_what_is_neither(void **state)
{
    struct tc_nf_inspection *inspection = NULL;
    struct tc_nf_inspections all;
    struct tc_nf_inspected found;

    (void)state;
    tc_nf_inspections_init(&all);
    assert_int_equal(tc_nf_inspection_begin(&all, true, 0xfffffff0u, &inspection), 0);
    assert_int_equal(inspect(inspection, 0xfffffff0u, "SSH-2.0-x\r\n\r\n", &found), 0);
    assert_null(found.protocol);
    assert_string_equal(found.name, "");
    tc_nf_inspection_end(inspection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flow_is_found_by_its_port_before_its_destination_alone),
        cmocka_unit_test(flow_that_goes_for_another_is_the_callers),
        cmocka_unit_test(flows_are_bounded_and_the_oldest_goes),
        cmocka_unit_test(flow_that_nobody_asked_about_is_reported_once_and_kept),
        cmocka_unit_test(inspections_are_bounded_and_the_oldest_goes),
        cmocka_unit_test(inspection_finds_a_host_over_segments_in_any_order),
        cmocka_unit_test(inspection_ends_at_what_is_neither),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
