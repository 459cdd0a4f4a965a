/* SPDX-License-Identifier: Apache-2.0 */
/* Plugin netfilter whole: real sockets, in networks and a cgroup of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nf_scratch.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NAMES                                                                            \
    "good.example=" NF_NETWORK_SERVER4 ",evil.example=" NF_SCRATCH_OTHER4                \
    ",www.evil.example=" NF_SCRATCH_OTHER4 ",shared.example=" NF_SCRATCH_OTHER4

static struct nf_scratch scratch;

static const char *text(const struct tocsin_event *event, const char *path)
{
    return tc_harness_text(&scratch.h, event, path);
}

static int stop(void **state)
{
    (void)state;
    nf_scratch_stop(&scratch);
    return 0;
}

static void netfilter_reports_who_connects_and_where_to(void **state)
{
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch, NULL, NULL);
    assert_int_equal(
        nf_scratch_client(&scratch, &pid, ARGS("tcp", NF_NETWORK_SERVER4, "7000")), 0);
    event = nf_scratch_flow(&scratch, pid, NF_SCRATCH_PORT);
    assert_non_null(event);
    assert_string_equal(text(event, "process.executable"), nf_scratch_client_path());
    assert_string_equal(text(event, "process.command_line"),
                        TEST_BUILD_DIR "/bin/nf_client tcp " NF_NETWORK_SERVER4 " 7000");
    assert_int_equal(tocsin_event_int(event, "process.parent.pid", 0), getpid());
    assert_string_equal(text(event, "process.parent.name"), "test_netfilter");
    assert_int_equal(tocsin_event_int(event, "process.user.id", -1), 0);
    assert_string_equal(text(event, "destination.ip"), NF_NETWORK_SERVER4);
    assert_string_equal(text(event, "source.ip"), NF_NETWORK_CLIENT4);
    assert_true(tocsin_event_int(event, "source.port", 0) > 0);
    assert_string_equal(text(event, "network.transport"), "tcp");
    assert_string_equal(text(event, "network.direction"), "egress");
    assert_string_equal(text(event, "decision"), "allow");
}

static void netfilter_reports_connected_and_unconnected_datagrams(void **state)
{
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch, NULL, NULL);
    assert_int_equal(
        nf_scratch_client(&scratch, &pid, ARGS("udp", NF_NETWORK_SERVER4, "9", "x")), 0);
    event = nf_scratch_flow(&scratch, pid, 9);
    assert_non_null(event);
    assert_string_equal(text(event, "network.transport"), "udp");
    assert_int_equal(
        nf_scratch_client(&scratch, &pid, ARGS("send", NF_NETWORK_SERVER6, "9", "x")), 0);
    event = nf_scratch_flow(&scratch, pid, 9);
    assert_non_null(event);
    assert_string_equal(text(event, "destination.ip"), NF_NETWORK_SERVER6);
    assert_true(tocsin_event_int(event, "source.port", 0) > 0);
}

static void netfilter_reports_multipath_tcp(void **state)
{
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch, NULL, NULL);
    if (nf_scratch_client(&scratch, &pid, ARGS("mptcp", NF_NETWORK_SERVER4, "7000")) ==
        EPROTONOSUPPORT) {
        print_message("not here: this kernel has no MPTCP\n");
        return;
    }
    event = nf_scratch_flow(&scratch, pid, NF_SCRATCH_PORT);
    assert_non_null(event);
    assert_string_equal(text(event, "network.transport"), "mptcp");
}

/* ---- Who comes in. ---- */

static const struct tocsin_event *incoming(uint16_t port)
{
    const struct tocsin_event *event;

    for (int turn = 0; turn < 250; turn++) {
        for (size_t i = 0;
             (event = tc_harness_event(&scratch.h, TOCSIN_TOPIC_NETWORK_FLOW, i)); i++)
            if (tocsin_event_int(event, TOCSIN_FIELD_DESTINATION_PORT, 0) == port &&
                !strcmp(text(event, "network.direction"), "ingress"))
                return event;
        tc_harness_run_for(&scratch.h, 20);
    }
    return NULL;
}

static void netfilter_reports_and_denies_who_comes_in(void **state)
{
    const struct tocsin_event *event;
    int listener, came;

    (void)state;
    nf_scratch_start(&scratch, NF_SCRATCH_OTHER4 ",block,\n", NULL);
    listener = nf_network_bind(AF_INET, SOCK_STREAM, 7100);
    assert_int_equal(listen(listener, 4), 0);
    nf_network_enter(&scratch.network, NF_SERVER);
    came = nf_network_connect(AF_INET, SOCK_STREAM, NF_NETWORK_CLIENT4, 0, 7100);
    assert_int_equal(nf_network_connected(came), 0);
    close(came);
    event = incoming(7100);
    assert_non_null(event);
    assert_string_equal(text(event, "source.ip"), NF_NETWORK_SERVER4);
    assert_int_equal(tocsin_event_int(event, "process.pid", 0), getpid());
    close(listener);
    /* From the other address of the same host: its SYN goes unanswered. */
    nf_network_enter(&scratch.network, NF_CLIENT);
    listener = nf_network_bind(AF_INET, SOCK_STREAM, 7101);
    assert_int_equal(listen(listener, 4), 0);
    nf_network_enter(&scratch.network, NF_SERVER);
    assert_int_equal(
        nf_network_shell(
            "ip route replace 10.77.1.0/24 via 10.77.2.1 src " NF_SCRATCH_OTHER4),
        0);
    came = nf_network_connect(AF_INET, SOCK_STREAM, NF_NETWORK_CLIENT4, 0, 7101);
    event = incoming(7101);
    assert_non_null(event);
    assert_string_equal(text(event, "source.ip"), NF_SCRATCH_OTHER4);
    assert_string_equal(text(event, "decision"), "deny");
    assert_int_equal(nf_network_shell("ip route del 10.77.1.0/24"), 0);
    close(came);
    close(listener);
    nf_network_enter(&scratch.network, NF_CLIENT);
}

static void netfilter_denies_a_listed_address_at_once_and_no_other(void **state)
{
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch,
                     NF_SCRATCH_OTHER4 ",block,a test's\n" //
                                       "fd77:2::/64,block,another\n",
                     NULL);
    assert_int_equal(
        nf_scratch_client(&scratch, &pid, ARGS("tcp", NF_SCRATCH_OTHER4, "7000")), EPERM);
    event = nf_scratch_flow(&scratch, pid, NF_SCRATCH_PORT);
    assert_non_null(event);
    assert_string_equal(text(event, "decision"), "deny");
    assert_string_equal(text(event, "indicator.value"), NF_SCRATCH_OTHER4);
    assert_non_null(strstr(text(event, "reason"), "a test's"));
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("send", NF_NETWORK_SERVER6, "9")), EPERM);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_NETWORK_SERVER4, "7000")), 0);
}

static void netfilter_only_watches_until_its_gate_is_granted(void **state)
{
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch, NF_SCRATCH_OTHER4 ",block,\n", NULL);
    nf_scratch_gate(&scratch, false);
    assert_int_equal(
        nf_scratch_client(&scratch, &pid, ARGS("tcp", NF_SCRATCH_OTHER4, "7000")), 0);
    event = nf_scratch_flow(&scratch, pid, NF_SCRATCH_PORT);
    assert_non_null(event);
    assert_string_equal(text(event, "decision"), "allow");
    assert_true(tocsin_find_bool(event->data, event->len, "would_deny", false));
}

static void netfilter_denies_nothing_in_passive_mode(void **state)
{
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch, NF_SCRATCH_OTHER4 ",block,\n", NULL);
    scratch.h.passive = true;
    tc_harness_run_for(&scratch.h, 2500);
    assert_int_equal(
        nf_scratch_client(&scratch, &pid, ARGS("tcp", NF_SCRATCH_OTHER4, "7000")), 0);
    event = nf_scratch_flow(&scratch, pid, NF_SCRATCH_PORT);
    assert_non_null(event);
    assert_true(tocsin_find_bool(event->data, event->len, "would_deny", false));
    scratch.h.passive = false;
}

static void netfilter_never_looks_at_a_program_that_is_passed(void **state)
{
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch, NF_SCRATCH_OTHER4 ",block,\nevil.example,block,\n",
                     "pass=process=" TEST_BUILD_DIR "/bin/nf_client");
    assert_int_equal(
        nf_scratch_client(&scratch, &pid, ARGS("tcp", NF_SCRATCH_OTHER4, "7000")), 0);
    event = nf_scratch_flow(&scratch, pid, NF_SCRATCH_PORT);
    assert_non_null(event);
    assert_string_equal(text(event, "flow.passed"), "process");
    assert_int_equal(
        nf_scratch_client(&scratch, &pid,
                          ARGS("tcp", NF_NETWORK_SERVER4, "80",
                               "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")),
        0);
    tc_harness_run_for(&scratch.h, 1500);
    for (size_t i = 0;
         (event = tc_harness_event(&scratch.h, TOCSIN_TOPIC_NETWORK_FLOW, i)); i++)
        assert_string_not_equal(text(event, "decision"), "deny");
}

static void netfilter_never_looks_at_kerberos(void **state)
{
    (void)state;
    nf_scratch_start(&scratch, NF_NETWORK_SERVER4 ",block,\nevil.example,block,\n", NULL);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("udp", NF_NETWORK_SERVER4, "88", "x")), 0);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("send", NF_NETWORK_SERVER4, "88", "x")),
        0);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_NETWORK_SERVER4, "88")),
        ECONNREFUSED); /* by the server: nobody listens there */
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("udp", NF_NETWORK_SERVER4, "89", "x")),
        EPERM);
}

static int count_outgoing(uint16_t port)
{
    const struct tocsin_event *event;
    int n = 0;

    for (size_t i = 0;
         (event = tc_harness_event(&scratch.h, TOCSIN_TOPIC_NETWORK_FLOW, i)); i++)
        n += tocsin_event_int(event, TOCSIN_FIELD_DESTINATION_PORT, 0) == port &&
             !strcmp(text(event, "network.direction"), "egress");
    return n;
}

static void netfilter_reports_a_flow_once_through_the_queue_too(void **state)
{
    static const char *const hows[] = {"send", "udp", "tcp"};
    static const char *const ports[] = {"8001", "8002", "7000"};

    (void)state;
    nf_scratch_start(&scratch, "evil.example,block,\n", NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(nf_scratch_client(&scratch, NULL,
                                           ARGS(hows[i], NF_NETWORK_SERVER4, ports[i],
                                                i < 2 ? "x" : NULL)),
                         0);
    tc_harness_run_for(&scratch.h, 2500); /* what is never asked about comes late */
    for (int i = 0; i < 3; i++)
        assert_int_equal(count_outgoing((uint16_t)atoi(ports[i])), 1);
}

static void netfilter_knows_senders_that_have_ended(void **state)
{
    const char *const args[] = {nf_scratch_client_path(), "send", NF_NETWORK_SERVER4, "9",
                                NULL};
    const struct tocsin_event *event;
    pid_t pids[200];
    int right = 0;

    (void)state;
    nf_scratch_start(&scratch, NULL, NULL);
    for (int i = 0; i < 200; i++)
        assert_int_equal(
            posix_spawn(&pids[i], args[0], NULL, NULL, (char **)(uintptr_t)args, NULL),
            0);
    for (int i = 0; i < 200; i++)
        waitpid(pids[i], NULL, 0);
    for (int i = 0; i < 200; i++) {
        event = nf_scratch_flow(&scratch, pids[i], 9);
        if (event && !strcmp(text(event, "process.executable"), nf_scratch_client_path()))
            right++;
    }
    assert_true(right >= 198);
}

/* By the programs, or, when it connects before they have learned the name, in the queue.
 */
static void assert_denied(int err)
{
    assert_true(err == EPERM || err == ECONNREFUSED);
}

static void netfilter_denies_a_listed_name(void **state)
{
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch, "evil.example,block,a test's\n", NULL);
    assert_int_equal(
        nf_scratch_client(&scratch, &pid,
                          ARGS("name", NF_NETWORK_SERVER4, "good.example", "7000")),
        0);
    event = nf_scratch_flow(&scratch, pid, NF_SCRATCH_PORT);
    assert_non_null(event);
    assert_string_equal(text(event, "destination.domain"), "good.example");
    for (int i = 0; i < 20; i++) {
        int err = nf_scratch_client(
            &scratch, &pid, ARGS("name", NF_NETWORK_SERVER4, "www.evil.example", "7000"));

        assert_denied(err);
    }
    event = nf_scratch_flow(&scratch, pid, NF_SCRATCH_PORT);
    assert_non_null(event);
    assert_string_equal(text(event, "decision"), "deny");
    assert_string_equal(text(event, "destination.domain"), "www.evil.example");
    event = tc_harness_event(&scratch.h, TOCSIN_TOPIC_DNS_ANSWERED, 0);
    assert_non_null(event);
    assert_string_equal(text(event, "dns.question.name"), "good.example");
    assert_string_equal(text(event, "process.executable"), nf_scratch_client_path());
}

/* Many names stand for one address: it is denied to who has asked for the one that is
 * listed, and to nobody else. */
static void netfilter_denies_no_other_name_of_an_address(void **state)
{
    static const char good[] = "GET / HTTP/1.1\r\nHost: shared.example\r\n\r\n";
    static const char evil[] = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";

    (void)state;
    nf_scratch_start(&scratch, "evil.example,block,\n", NULL);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL,
                          ARGS("name", NF_NETWORK_SERVER4, "shared.example", "80", good)),
        0);
    assert_denied(nf_scratch_client(
        &scratch, NULL, ARGS("name", NF_NETWORK_SERVER4, "evil.example", "80", evil)));
    assert_int_equal(
        nf_scratch_client(&scratch, NULL,
                          ARGS("name", NF_NETWORK_SERVER4, "shared.example", "80", good)),
        0);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_SCRATCH_OTHER4, "80", good)), 0);
}

static void netfilter_lists_what_is_in_force(void **state)
{
    const struct tocsin_event *reply;
    struct tocsin_value list;

    (void)state;
    nf_scratch_start(&scratch, NF_SCRATCH_OTHER4 ",block,a test's\nevil.example,audit,\n",
                     NULL);
    reply = nf_scratch_call(&scratch, "indicator_list", NULL);
    assert_int_equal(tocsin_event_int(reply, "total", 0), 2);
    assert_true(tocsin_find(reply->data, reply->len, "indicators", &list));
    assert_int_equal(list.count, 2);
    reply = nf_scratch_call(&scratch, "status", NULL);
    assert_true(tocsin_find(reply->data, reply->len, "indicators", &list));
    assert_int_equal(list.count, 2); /* one of each kind and action */
}

static void netfilter_denies_until_an_indicator_expires(void **state)
{
    struct tocsin_writer w;
    uint8_t buf[256];
    int err = EPERM;

    (void)state;
    nf_scratch_start(&scratch, NULL, NULL);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "value", NF_SCRATCH_OTHER4);
    tocsin_put_str(&w, "action", "block");
    tocsin_put_uint(&w, "expires_ns", ((uint64_t)time(NULL) + 3) * 1000000000u);
    tocsin_end(&w);
    assert_string_equal(text(nf_scratch_call(&scratch, "indicator_add", &w), "error"),
                        "");
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_SCRATCH_OTHER4, "7000")), EPERM);
    for (int i = 0; i < 200 && err == EPERM; i++) {
        tc_harness_run_for(&scratch.h, 50);
        err = nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_SCRATCH_OTHER4, "7000"));
    }
    assert_int_equal(err, 0);
}

static void netfilter_takes_a_changed_list_at_once(void **state)
{
    (void)state;
    nf_scratch_start(&scratch, "evil.example,block,\n", NULL);
    assert_denied(nf_scratch_client(
        &scratch, NULL, ARGS("name", NF_NETWORK_SERVER4, "evil.example", "7000")));
    nf_scratch_list(&scratch, "good.example,block,\n");
    nf_scratch_call(&scratch, "indicator_reload", NULL);
    tc_harness_run_for(&scratch.h, 50);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL,
                          ARGS("name", NF_NETWORK_SERVER4, "evil.example", "7000")),
        0);
}

/* Reported once, and as its sender's, when its packet comes to the queue, too. */
static void netfilter_knows_the_sender_of_a_datagram_that_is_queued(void **state)
{
    const struct tocsin_event *event;
    int count = 0;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch, "evil.example,block,a test's\n", NULL);
    assert_int_equal(
        nf_scratch_client(&scratch, &pid, ARGS("send", NF_NETWORK_SERVER4, "9")), 0);
    event = nf_scratch_flow(&scratch, pid, 9);
    assert_non_null(event);
    assert_string_equal(text(event, "source.ip"), NF_NETWORK_CLIENT4);
    tc_harness_run_for(&scratch.h, 300);
    for (size_t i = 0;
         (event = tc_harness_event(&scratch.h, TOCSIN_TOPIC_NETWORK_FLOW, i)); i++)
        if (tocsin_event_int(event, TOCSIN_FIELD_DESTINATION_PORT, 0) == 9)
            count++;
    assert_int_equal(count, 1);
}

static void netfilter_denies_a_listed_host_of_a_request(void **state)
{
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch, "evil.example,block,a test's\n", NULL);
    assert_int_equal(
        nf_scratch_client(&scratch, &pid,
                          ARGS("tcp", NF_NETWORK_SERVER4, "80",
                               "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n")),
        0);
    assert_int_equal(
        nf_scratch_client(&scratch, &pid,
                          ARGS("tcp", NF_NETWORK_SERVER4, "80",
                               "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")),
        ECONNRESET);
    tc_harness_run_for(&scratch.h, 100);
    for (size_t i = 0;
         (event = tc_harness_event(&scratch.h, TOCSIN_TOPIC_NETWORK_FLOW, i)); i++)
        if (tocsin_event_int(event, "process.pid", 0) == pid &&
            !strcmp(text(event, "decision"), "deny"))
            break;
    assert_non_null(event);
    assert_string_equal(text(event, "network.protocol"), "http");
    assert_string_equal(text(event, "destination.domain"), "evil.example");
}

/* ---- Isolation. ---- */

static const char *reported(const char *key)
{
    for (size_t i = 0; i < scratch.h.report_count; i++)
        if (!strcmp(scratch.h.reports[i].key, key))
            return scratch.h.reports[i].text;
    return NULL;
}

static void put_isolation(struct tocsin_writer *w, const char *allow)
{
    tocsin_begin_map(w, NULL);
    tocsin_begin_array(w, "allow");
    tocsin_put_str(w, NULL, allow);
    tocsin_end(w);
    tocsin_put_str(w, "reason", "a test");
    tocsin_end(w);
}

static void netfilter_isolates_the_host_but_for_what_is_allowed(void **state)
{
    const struct tocsin_event *reply;
    struct tocsin_writer w;
    uint8_t buf[256];

    (void)state;
    nf_scratch_start(&scratch, NULL, NULL);
    tocsin_writer_init(&w, buf, sizeof(buf));
    put_isolation(&w, NF_NETWORK_SERVER4 ":70000");
    reply = nf_scratch_call(&scratch, "isolate", &w);
    assert_string_equal(text(reply, "code"), "usage");
    tocsin_writer_init(&w, buf, sizeof(buf));
    put_isolation(&w, NF_NETWORK_SERVER4 ":7000");
    reply = nf_scratch_call(&scratch, "isolate", &w);
    assert_true(tocsin_find_bool(reply->data, reply->len, "isolated", false));
    assert_string_equal(reported("host_isolation"), "isolated by root: a test");
    assert_int_equal(nf_network_shell("nft flush ruleset"), 0);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_NETWORK_SERVER4, "7000")), 0);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_NETWORK_SERVER4, "80")),
        ECONNREFUSED);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_NETWORK_SERVER6, "7000")),
        ECONNREFUSED);
    nf_scratch_call(&scratch, "release", NULL);
    assert_null(reported("host_isolation"));
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_NETWORK_SERVER4, "80")), 0);
    assert_int_equal(tc_harness_count(&scratch.h, TOCSIN_TOPIC_ISOLATION_CHANGED), 2);
}

/* ---- Detectors. ---- */

static bool not_to_port_80(struct tc_harness *h, const struct tocsin_event *event)
{
    (void)h;
    return tocsin_event_int(event, TOCSIN_FIELD_DESTINATION_PORT, 0) != 80;
}

static bool is_asked(void)
{
    const struct tocsin_event *reply = nf_scratch_call(&scratch, "status", NULL);

    return tocsin_find_bool(reply->data, reply->len, "queue.used", false);
}

/* A detector is there, and the queue because of it. */
static void start_judged(bool (*decide)(struct tc_harness *h,
                                        const struct tocsin_event *event))
{
    nf_scratch_start(&scratch, NULL, NULL);
    scratch.h.decide = decide;
    tc_harness_publish(&scratch.h, "plugin.started", 0, -1, NULL);
    for (int i = 0; i < 100 && !is_asked(); i++)
        tc_harness_run_for(&scratch.h, 50);
    assert_true(is_asked());
}

/* A client that runs while the loop does. */
static pid_t begin_client(const char *const *args)
{
    const char *argv[6] = {nf_scratch_client_path()};
    pid_t pid;

    for (size_t i = 0; i < 4 && args[i]; i++)
        argv[i + 1] = args[i];
    assert_int_equal(
        posix_spawn(&pid, argv[0], NULL, NULL, (char **)(uintptr_t)argv, NULL), 0);
    return pid;
}

static int end_client(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0)
        tc_harness_run_for(&scratch.h, 10);
    return WEXITSTATUS(status);
}

static void netfilter_lets_detectors_decide(void **state)
{
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    start_judged(not_to_port_80);
    pid = begin_client(ARGS("tcp", NF_NETWORK_SERVER4, "80"));
    assert_int_equal(end_client(pid), ECONNREFUSED);
    event = nf_scratch_flow(&scratch, pid, 80);
    assert_non_null(event);
    assert_true(event->flags & TOCSIN_EVENT_AUTH);
    assert_string_equal(text(event, "process.executable"), nf_scratch_client_path());
    pid = begin_client(ARGS("tcp", NF_NETWORK_SERVER4, "7000"));
    assert_int_equal(end_client(pid), 0);
}

static void netfilter_lets_go_what_nobody_has_judged_in_time(void **state)
{
    const struct tocsin_event *reply;
    pid_t pid;

    (void)state;
    start_judged(not_to_port_80);
    scratch.h.decide = NULL;
    pid = begin_client(ARGS("tcp", NF_NETWORK_SERVER4, "80"));
    assert_int_equal(end_client(pid), 0);
    reply = nf_scratch_call(&scratch, "status", NULL);
    assert_true(tocsin_event_int(reply, "queue.timeouts", 0) >= 1);
}

static void netfilter_disabled_leaves_nothing_behind(void **state)
{
    const struct tocsin_event *reply;

    (void)state;
    nf_scratch_start(&scratch, NF_SCRATCH_OTHER4 ",block,\nevil.example,block,\n", NULL);
    assert_int_equal(nf_network_shell("nft list table inet tocsin >/dev/null"), 0);
    reply = nf_scratch_call(&scratch, "disable", NULL);
    assert_string_equal(text(reply, "state"), "disabled");
    assert_string_equal(reported("network_events_subsystem"), "disabled");
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_SCRATCH_OTHER4, "7000")), 0);
    tc_harness_run_for(&scratch.h, 500);
    assert_true(nf_scratch_no_rules());
    reply = nf_scratch_call(&scratch, "enable", NULL);
    assert_non_null(reply);
    for (int i = 0; i < 100; i++) {
        if (nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_SCRATCH_OTHER4, "7000")) ==
            EPERM)
            return;
        tc_harness_run_for(&scratch.h, 50);
    }
    fail();
}

static size_t flows_of(pid_t pid)
{
    const struct tocsin_event *event;
    size_t n = 0;

    for (size_t i = 0;
         (event = tc_harness_event(&scratch.h, TOCSIN_TOPIC_NETWORK_FLOW, i)); i++)
        n += tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, 0) == pid;
    return n;
}

static void regress_a_datagram_that_is_queued_is_one_flow(void **state)
{
    const char *const ways[] = {"send", "udp"};
    const struct tocsin_event *event;
    pid_t pid;

    (void)state;
    nf_scratch_start(&scratch, "evil.example,block,\n", NULL);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(nf_scratch_client(&scratch, &pid,
                                           ARGS(ways[i], NF_NETWORK_SERVER4, "9", "x")),
                         0);
        event = nf_scratch_flow(&scratch, pid, 9);
        assert_non_null(event);
        assert_string_equal(text(event, "source.ip"), NF_NETWORK_CLIENT4);
        assert_true(tocsin_event_int(event, "source.port", 0) > 0);
        tc_harness_run_for(&scratch.h, 2500); /* one that never comes is reported late */
        assert_int_equal(flows_of(pid), 1);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(netfilter_reports_who_connects_and_where_to),
        TEST(netfilter_reports_connected_and_unconnected_datagrams),
        TEST(netfilter_reports_multipath_tcp),
        TEST(netfilter_reports_and_denies_who_comes_in),
        TEST(netfilter_denies_a_listed_address_at_once_and_no_other),
        TEST(netfilter_only_watches_until_its_gate_is_granted),
        TEST(netfilter_denies_nothing_in_passive_mode),
        TEST(netfilter_never_looks_at_a_program_that_is_passed),
        TEST(netfilter_never_looks_at_kerberos),
        TEST(netfilter_reports_a_flow_once_through_the_queue_too),
        TEST(netfilter_knows_senders_that_have_ended),
        TEST(netfilter_denies_a_listed_name),
        TEST(netfilter_denies_no_other_name_of_an_address),
        TEST(netfilter_lists_what_is_in_force),
        TEST(netfilter_denies_until_an_indicator_expires),
        TEST(netfilter_takes_a_changed_list_at_once),
        TEST(netfilter_knows_the_sender_of_a_datagram_that_is_queued),
        TEST(netfilter_denies_a_listed_host_of_a_request),
        TEST(netfilter_isolates_the_host_but_for_what_is_allowed),
        TEST(netfilter_lets_detectors_decide),
        TEST(netfilter_lets_go_what_nobody_has_judged_in_time),
        TEST(netfilter_disabled_leaves_nothing_behind),
        TEST(regress_a_datagram_that_is_queued_is_one_flow),
    };
    int failed;

    if (!nf_scratch_init(&scratch))
        return 77;
    alarm(150);
    nf_scratch_serve(&scratch, NAMES);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    nf_scratch_done(&scratch);
    return failed;
}
