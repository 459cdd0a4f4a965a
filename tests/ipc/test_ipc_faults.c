/* SPDX-License-Identifier: Apache-2.0 */
/* The bus and a call over the control socket when any one allocation or system call
 * fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "ipc/bus.h"
#include "tests/support/fault.h"
#include "tests/support/rpc_server.h"

#define EVENTS 20

/* ---- Bus ---- */

static void wake(void *arg)
{
    (void)arg;
}

static void count(void *arg, struct tc_event *event)
{
    (void)event;
    (*(unsigned *)arg)++;
}

/* Subscribes two, publishes, delivers: what was taken is delivered to each who was there.
 */
static bool use_bus(unsigned nth)
{
    static const char *const patterns[] = {"test.*", "other.topic", NULL};
    static const uint8_t data[] = {0x80};
    struct tocsin_event draft = {
        .size = sizeof(draft), .fd = -1, .topic = "test.event", .data = data, .len = 1};
    unsigned heard[2] = {0}, published = 0;
    struct tc_subscriber *subscribers[2] = {0};
    struct tc_bus *bus;
    bool hit;

    tc_fault_arm(TC_FAULT_MEMORY, nth, 0);
    bus = tc_bus_new(wake, NULL);
    for (unsigned i = 0; bus && i < 2; i++) {
        struct tc_subscription what = {
            .name = "one", .patterns = patterns, .deliver = count, .arg = &heard[i]};

        if (tc_bus_subscribe(bus, &what, &subscribers[i]))
            subscribers[i] = NULL;
    }
    for (unsigned i = 0; bus && i < EVENTS; i++)
        published += !tc_bus_publish(bus, &draft, "test", NULL, NULL);
    while (bus && tc_bus_turn(bus, 3))
        ;
    hit = tc_fault_disarm();
    if (!bus) {
        assert_true(hit);
        return hit;
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_true(hit || subscribers[i]);
        if (subscribers[i])
            assert_int_equal(heard[i] + tc_subscriber_dropped(subscribers[i]), published);
        tc_bus_unsubscribe(subscribers[i]);
    }
    assert_true(published + hit >= EVENTS);
    tc_bus_free(bus);
    return hit;
}

static void bus_delivers_all_that_it_has_taken(void **state)
{
    unsigned n = 1;

    (void)state;
    while (use_bus(n))
        n++;
    assert_true(n > 5);
}

/* ---- A call over the socket ---- */

/* The map {n: 7}, come back. */
static bool is_echo(const struct tc_answer *answer)
{
    const msgpack_object *map = answer->result;

    return map && map->type == MSGPACK_OBJECT_MAP && map->via.map.size == 1 &&
           map->via.map.ptr[0].val.via.u64 == 7;
}

/* Whichever side it is that has no memory: an answer, a refusal, or an end. The server
 * then serves others as before. */
static void rpc_call_ends_whoever_has_no_memory(void **state)
{
    static const uint8_t params[] = {0x81, 0xa1, 'n', 0x07};
    struct rpc_server *server = calloc(1, sizeof(*server));
    struct tc_answer answer;
    struct tc_client *client;
    bool hit = true;
    unsigned n;
    int r;

    (void)state;
    rpc_server_start(server);
    for (n = 1; hit; n++) {
        client = rpc_server_client(server);
        rpc_server_call(client, "echo", params, sizeof(params), &answer);
        tc_fault_arm(TC_FAULT_MEMORY, n, 0);
        r = tc_client_call(client, "echo", params, sizeof(params), NULL, NULL, &answer);
        hit = tc_fault_disarm();
        assert_true(hit || (!r && answer.result));
        assert_true(r || !answer.result || is_echo(&answer));
        tc_client_close(client);
    }
    assert_true(n > 2);
    client = rpc_server_client(server);
    rpc_server_call(client, "echo", params, sizeof(params), &answer);
    assert_true(is_echo(&answer));
    tc_client_close(client);
    rpc_server_stop(server);
    free(server);
}

/* It waits, and whoever comes behind it: libuv takes none while one is not accepted. */
static void regress_a_connection_without_memory_is_taken_later(void **state)
{
    static const uint8_t request[] = {0x94, 0x00, 0x01, 0xa4, 'e', 'c', 'h',
                                      'o',  0x91, 0x81, 0xa1, 'n', 0x07};
    struct rpc_server *server = calloc(1, sizeof(*server));
    uint8_t answer[64];
    int fd;

    (void)state;
    rpc_server_start(server);
    tc_fault_arm(TC_FAULT_MEMORY, 1, 0);
    fd = rpc_server_connect(server);
    assert_int_equal(write(fd, request, sizeof(request)), sizeof(request));
    assert_true(read(fd, answer, sizeof(answer)) > 0);
    assert_true(tc_fault_disarm());
    close(fd);
    rpc_server_stop(server);
    free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bus_delivers_all_that_it_has_taken),
        cmocka_unit_test(rpc_call_ends_whoever_has_no_memory),
        cmocka_unit_test(regress_a_connection_without_memory_is_taken_later),
    };

    return cmocka_run_group_tests_name("ipc_faults", tests, NULL, NULL);
}
