/* SPDX-License-Identifier: Apache-2.0 */
/* What trace tells of connections: with real sockets, in a network of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/skip.h"
#include "tests/support/trace_scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* An address of this machine; text as of inet_pton. */
static struct sockaddr_in6 address_of(const char *text, uint16_t port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    assert_int_equal(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
    return address;
}

/* Listens on every address, of both families; *ret_port is the kernel's choice. */
static int listen_on(const char *text, uint16_t *ret_port)
{
    struct sockaddr_in6 address = address_of(text, 0);
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin6_port);
    return fd;
}

/* A child connects and ends with the errno of that. Returns its pid. */
static int connect_to(const char *v4, const char *v6, uint16_t port, int expected)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6;
    int status, fd, pid = fork();

    if (!pid) {
        fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
        if (v4) {
            inet_pton(AF_INET, v4, &in4.sin_addr);
            _exit(connect(fd, (struct sockaddr *)&in4, sizeof(in4)) ? errno : 0);
        }
        in6 = address_of(v6, port);
        _exit(connect(fd, (struct sockaddr *)&in6, sizeof(in6)) ? errno : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), expected);
    return pid;
}

static void check(struct tc_trace_scratch *s, const char *topic, int pid, const char *ip,
                  uint16_t port, const char *type)
{
    const struct tocsin_event *event = tc_trace_await(s, topic, pid);

    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, "destination.ip"), ip);
    assert_int_equal(tocsin_event_int(event, "destination.port", -1), port);
    assert_string_equal(tc_harness_text(&s->h, event, "source.ip"), ip);
    assert_true(tocsin_event_int(event, "source.port", 0) > 0);
    assert_string_equal(tc_harness_text(&s->h, event, "network.transport"), "tcp");
    assert_string_equal(tc_harness_text(&s->h, event, "network.type"), type);
    assert_string_equal(tc_harness_text(&s->h, event, "network.direction"), "egress");
    assert_true(strlen(tc_harness_text(&s->h, event, "process.executable")) > 0);
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PARENT_PID, -1), getpid());
    assert_int_equal(tc_trace_count(s, topic, pid), 1);
}

static void trace_tells_who_connects_and_where_to(void **state)
{
    struct tc_trace_scratch *s = *state;
    uint16_t port;
    int fd = listen_on("::", &port);

    check(s, "network.connected", connect_to("127.0.0.1", NULL, port, 0), "127.0.0.1",
          port, "ipv4");
    check(s, "network.connected", connect_to(NULL, "::1", port, 0), "::1", port, "ipv6");
    check(s, "network.connected", connect_to(NULL, "::ffff:127.0.0.1", port, 0),
          "127.0.0.1", port, "ipv4");
    close(fd);
}

/* The port that the other side sees is the one that is told. */
static void trace_tells_the_port_that_the_connection_has(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event;
    struct sockaddr_in6 peer;
    socklen_t len = sizeof(peer);
    uint16_t port;
    int fd = listen_on("::1", &port), pid = connect_to(NULL, "::1", port, 0);
    int accepted = accept(fd, (struct sockaddr *)&peer, &len);

    assert_true(accepted >= 0);
    event = tc_trace_await(s, "network.connected", pid);
    assert_non_null(event);
    assert_int_equal(tocsin_event_int(event, "source.port", -1), ntohs(peer.sin6_port));
    close(accepted);
    close(fd);
}

static void trace_tells_of_a_connection_that_is_refused(void **state)
{
    struct tc_trace_scratch *s = *state;
    uint16_t port;
    int pid;

    close(listen_on("::", &port)); /* nobody listens there now */
    pid = connect_to("127.0.0.1", NULL, port, ECONNREFUSED);
    check(s, "network.connect_failed", pid, "127.0.0.1", port, "ipv4");
    assert_int_equal(tc_trace_count(s, "network.connected", pid), 0);
}

static void trace_tells_who_listens(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event;
    struct tocsin_value value;
    int status, pid = fork();
    uint16_t port;

    if (!pid) {
        close(listen_on("::1", &port));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    event = tc_trace_await(s, "network.listening", pid);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, "source.ip"), "::1");
    assert_false(tocsin_find(event->data, event->len, "destination", &value));
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PARENT_PID, -1), getpid());
}

/* A network with nothing but the loopback. */
static bool own_network(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd, err;

    if (unshare(CLONE_NEWNET))
        return false;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    err = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return !err;
}

#define WITH(test)                                                                       \
    cmocka_unit_test_setup_teardown(test, tc_trace_scratch_setup,                        \
                                    tc_trace_scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(trace_tells_who_connects_and_where_to),
        WITH(trace_tells_the_port_that_the_connection_has),
        WITH(trace_tells_of_a_connection_that_is_refused),
        WITH(trace_tells_who_listens),
    };

    if (!tc_trace_scratch_possible())
        return test_skipped();
    if (!own_network()) {
        print_message("skipped: no network of its own: %s\n", strerror(errno));
        return test_skipped();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
