/* SPDX-License-Identifier: Apache-2.0 */
/* What trace reports of connections: real sockets, in a network of the test's own. */
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

static bool is_initiated(const struct tocsin_event *event)
{
    struct tocsin_value value;

    assert_true(tocsin_find(event->data, event->len, "network.initiated", &value));
    assert_int_equal(value.type, TOCSIN_BOOL);
    return value.b;
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
    assert_true(is_initiated(event));
    assert_true(strlen(tc_harness_text(&s->h, event, "process.executable")) > 0);
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PARENT_PID, -1), getpid());
    assert_int_equal(tc_trace_count(s, topic, pid), 1);
}

static void trace_reports_who_connects_and_where_to(void **state)
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

/* The port that the other side sees is the one that is reported. */
static void trace_reports_the_port_that_the_connection_has(void **state)
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

/* As plugin netfilter publishes it. */
static void publish_answer(struct tc_harness *h, const char *name, const char *address)
{
    struct tocsin_writer w;
    uint8_t buf[256];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "dns");
    tocsin_begin_map(&w, "question");
    tocsin_put_str(&w, "name", name);
    tocsin_end(&w);
    tocsin_begin_array(&w, "answers");
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "type", "A");
    tocsin_put_uint(&w, "ttl", 3600);
    tocsin_put_str(&w, "data", address);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    assert_int_equal(w.error, 0);
    tc_harness_publish(h, TOCSIN_TOPIC_DNS_ANSWERED, 0, -1, &w);
}

static void trace_reports_by_which_name_an_address_was_looked_up(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event;
    uint16_t port;
    int fd = listen_on("::", &port), pid = connect_to("127.0.0.1", NULL, port, 0);

    event = tc_trace_await(s, "network.connected", pid);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, "destination.domain"), "");
    publish_answer(&s->h, "files.example.test", "127.0.0.7");
    tc_harness_settle(&s->h);
    pid = connect_to("127.0.0.7", NULL, port, 0);
    event = tc_trace_await(s, "network.connected", pid);
    assert_string_equal(tc_harness_text(&s->h, event, "destination.domain"),
                        "files.example.test");
    assert_int_equal(tc_trace_stat(s, "domains_filled"), 1);
    close(fd);
}

static void trace_reports_a_connection_that_is_refused(void **state)
{
    struct tc_trace_scratch *s = *state;
    uint16_t port;
    int pid;

    close(listen_on("::", &port)); /* nobody listens there now */
    pid = connect_to("127.0.0.1", NULL, port, ECONNREFUSED);
    check(s, "network.connect_failed", pid, "127.0.0.1", port, "ipv4");
    assert_int_equal(tc_trace_count(s, "network.connected", pid), 0);
}

static void trace_reports_who_listens(void **state)
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

/* ---- Accepting and binding. ---- */

/* A child connects to `text` here, and this process accepts it. Returns what it got. */
static int accept_from(int fd, const char *text, uint16_t port, uint16_t *ret_peer_port)
{
    struct sockaddr_in6 peer;
    socklen_t len = sizeof(peer);
    int accepted;

    connect_to(NULL, text, port, 0);
    accepted = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    *ret_peer_port = ntohs(peer.sin6_port);
    return accepted;
}

/* The next connection to that port that was accepted. */
static const struct tocsin_event *await_accepted(struct tc_trace_scratch *s,
                                                 uint16_t port)
{
    const struct tocsin_event *event;

    do {
        event = tc_harness_await(&s->h, "network.accepted", 0);
        if (!event)
            fail_msg("no process was reported to have accepted");
    } while (tocsin_event_int(event, "destination.port", 0) != port);
    return event;
}

static size_t count_accepted(struct tc_trace_scratch *s, uint16_t port)
{
    const struct tocsin_event *event;
    size_t count = 0;

    for (size_t i = 0; (event = tc_trace_next(&s->h, "network.accepted", &i)) != NULL;)
        count += tocsin_event_int(event, "destination.port", 0) == port;
    return count;
}

static void trace_reports_who_accepts_and_from_where(void **state)
{
    static const struct {
        const char *address, *ip, *type;
    } rows[] = {{"::1", "::1", "ipv6"}, {"::ffff:127.0.0.1", "127.0.0.1", "ipv4"}};
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event;
    uint16_t port, peer;
    int fd = listen_on("::", &port);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        close(accept_from(fd, rows[i].address, port, &peer));
        event = await_accepted(s, port);
        assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, 0), getpid());
        assert_int_equal(tocsin_event_int(event, "source.port", 0), peer);
        assert_string_equal(tc_harness_text(&s->h, event, "source.ip"), rows[i].ip);
        assert_string_equal(tc_harness_text(&s->h, event, "destination.ip"), rows[i].ip);
        assert_string_equal(tc_harness_text(&s->h, event, "network.type"), rows[i].type);
        assert_string_equal(tc_harness_text(&s->h, event, "network.transport"), "tcp");
        assert_string_equal(tc_harness_text(&s->h, event, "network.direction"),
                            "ingress");
        assert_false(is_initiated(event));
    }
    assert_int_equal(count_accepted(s, port), sizeof(rows) / sizeof(rows[0]));
    close(fd);
}

/* A child binds to a port, of its choice unless that is 0, and ends. */
static int bind_to(int type, const char *v4, const char *v6, uint16_t port)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6;
    int status, fd, pid = fork();

    if (!pid) {
        fd = socket(v4 ? AF_INET : AF_INET6, type, 0);
        if (v4) {
            inet_pton(AF_INET, v4, &in4.sin_addr);
            _exit(bind(fd, (struct sockaddr *)&in4, sizeof(in4)) ? errno : 0);
        }
        in6 = address_of(v6, port);
        _exit(bind(fd, (struct sockaddr *)&in6, sizeof(in6)) ? errno : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    return pid;
}

static void trace_reports_who_binds_a_port_of_its_choice(void **state)
{
    static const struct {
        int type;
        const char *v4, *v6, *transport, *network;
    } rows[] = {{SOCK_STREAM, "127.0.0.1", NULL, "tcp", "ipv4"},
                {SOCK_STREAM, NULL, "::", "tcp", "ipv6"},
                {SOCK_DGRAM, "0.0.0.0", NULL, "udp", "ipv4"},
                {SOCK_DGRAM, NULL, "::1", "udp", "ipv6"}};
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event;
    struct tocsin_value value;
    int unasked, pid;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unasked = bind_to(rows[i].type, rows[i].v4, rows[i].v6, 0);
        pid = bind_to(rows[i].type, rows[i].v4, rows[i].v6, 4242);
        event = tc_trace_await(s, "network.bound", pid);
        assert_non_null(event);
        assert_string_equal(tc_harness_text(&s->h, event, "source.ip"),
                            rows[i].v4 ? rows[i].v4 : rows[i].v6);
        assert_int_equal(tocsin_event_int(event, "source.port", 0), 4242);
        assert_string_equal(tc_harness_text(&s->h, event, "network.transport"),
                            rows[i].transport);
        assert_string_equal(tc_harness_text(&s->h, event, "network.type"),
                            rows[i].network);
        assert_false(tocsin_find(event->data, event->len, "destination", &value));
        assert_int_equal(tc_trace_count(s, "network.bound", pid), 1);
        assert_int_equal(tc_trace_count(s, "network.bound", unasked), 0);
    }
}

/* ---- Datagrams. ---- */

enum how {
    CONNECT,
    SENDTO,
    SENDMSG,
    SENDMMSG,
    SENDTO_BOUND, /* to a port of its choice before */
};

static int send_by(int fd, enum how how, struct sockaddr *to, socklen_t len)
{
    char byte = 'x';
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct mmsghdr message = {
        .msg_hdr = {
            .msg_name = to, .msg_namelen = len, .msg_iov = &data, .msg_iovlen = 1}};
    struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons(4243)};

    if (how == CONNECT)
        return connect(fd, to, len) || send(fd, "x", 1, 0) != 1;
    if (how == SENDMSG)
        return sendmsg(fd, &message.msg_hdr, 0) != 1;
    if (how == SENDMMSG)
        return sendmmsg(fd, &message, 1, 0) != 1;
    if (how == SENDTO_BOUND && bind(fd, (struct sockaddr *)&own, sizeof(own)))
        return 1;
    return sendto(fd, "x", 1, 0, to, len) != 1;
}

/* A child sends three datagrams to one port, one to the next, and ends. */
static int datagrams_to(enum how how, const char *address, uint16_t port)
{
    struct sockaddr_in6 first = address_of(address, port);
    struct sockaddr_in6 second = address_of(address, port + 1);
    int status, fd, bad, pid = fork();

    if (!pid) {
        fd = socket(AF_INET6, SOCK_DGRAM, 0);
        bad = send_by(fd, how, (struct sockaddr *)&first, sizeof(first));
        for (int i = 0; i < 2 && how != SENDTO_BOUND; i++)
            bad |= how == CONNECT
                       ? send(fd, "x", 1, 0) != 1 && errno != ECONNREFUSED
                       : send_by(fd, how, (struct sockaddr *)&first, sizeof(first));
        if (how != SENDTO_BOUND)
            bad |= send_by(fd, how, (struct sockaddr *)&second, sizeof(second));
        _exit(bad);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return pid;
}

static void trace_reports_once_where_datagrams_go(void **state)
{
    static const struct {
        const char *address, *ip, *type;
    } rows[] = {{"::1", "::1", "ipv6"}, {"::ffff:127.0.0.1", "127.0.0.1", "ipv4"}};
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event;
    uint16_t port = 4250;
    struct sockaddr_in6 own = address_of("::", port);
    int pid, fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (enum how how = CONNECT; how <= SENDMMSG; how++) {
            pid = datagrams_to(how, rows[i].address, port);
            event = tc_trace_await(s, "network.connected", pid);
            assert_non_null(event);
            assert_string_equal(tc_harness_text(&s->h, event, "destination.ip"),
                                rows[i].ip);
            assert_int_equal(tocsin_event_int(event, "destination.port", 0), port);
            assert_true(tocsin_event_int(event, "source.port", 0) > 0);
            assert_string_equal(tc_harness_text(&s->h, event, "network.transport"),
                                "udp");
            assert_string_equal(tc_harness_text(&s->h, event, "network.type"),
                                rows[i].type);
            assert_string_equal(tc_harness_text(&s->h, event, "network.direction"),
                                "egress");
            assert_true(is_initiated(event));
            assert_non_null(tc_trace_await(s, "process.exited", pid));
            assert_int_equal(tc_trace_count(s, "network.connected", pid), 2);
        }
    }
    close(fd);
}

static void trace_takes_what_a_bound_socket_sends_for_an_answer(void **state)
{
    struct tc_trace_scratch *s = *state;
    int pid = datagrams_to(SENDTO_BOUND, "::1", 4260);

    assert_non_null(tc_trace_await(s, "process.exited", pid));
    assert_int_equal(tc_trace_count(s, "network.connected", pid), 0);
    assert_int_equal(tc_trace_count(s, "network.bound", pid), 1);
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

/* One for all: letting go of the hooks takes a kernel seconds in an emulator. */
static int setup(void **state)
{
    static const char *const options[] = {"acts=auto", NULL};
    static struct tc_trace_scratch scratch;

    tc_trace_scratch_init(&scratch, options);
    *state = &scratch;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace_reports_who_connects_and_where_to),
        cmocka_unit_test(trace_reports_the_port_that_the_connection_has),
        cmocka_unit_test(trace_reports_by_which_name_an_address_was_looked_up),
        cmocka_unit_test(trace_reports_a_connection_that_is_refused),
        cmocka_unit_test(trace_reports_who_listens),
        cmocka_unit_test(trace_reports_who_accepts_and_from_where),
        cmocka_unit_test(trace_reports_who_binds_a_port_of_its_choice),
        cmocka_unit_test(trace_reports_once_where_datagrams_go),
        cmocka_unit_test(trace_takes_what_a_bound_socket_sends_for_an_answer),
    };

    if (!tc_trace_scratch_possible())
        return test_skipped();
    if (!own_network()) {
        print_message("skipped: no network of its own: %s\n", strerror(errno));
        return test_skipped();
    }
    return cmocka_run_group_tests(tests, setup, tc_trace_scratch_teardown);
}
