/* SPDX-License-Identifier: Apache-2.0 */
/* The queue and the log: real packets, in a network of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/plugins/netfilter/nf_net.h"
#include "tests/support/skip.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <poll.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue/nf_log.h"
#include "queue/nf_queue.h"

#define QUEUE 7
#define GROUP 9
#define WAIT_MS 60000 /* for what comes */
#define NONE_MS 300   /* for what must not */
#define NOBODY 65534

/* What was read; the last packet without its payload. */
struct got {
    unsigned count;
    struct tc_nf_queued last;
    uint8_t protocol;
    uint64_t ids[16];
};

static void on_packet(void *arg, const struct tc_nf_queued *packet)
{
    struct got *got = arg;

    got->ids[got->count++ % 16] = packet->id;
    got->last = *packet;
    got->last.payload = NULL;
    got->protocol = packet->len >= 20 ? packet->payload[9] : 0;
}

/* It is the test's state, and closed after it. */
static struct tc_nf_queue *open_queue(void **state,
                                      const struct tc_nf_queue_config *config)
{
    struct tc_nf_queue *queue = NULL;
    char why[256] = "";
    int err = tc_nf_queue_open(config, &queue, why);

    if (err)
        fail_msg("%s", why);
    *state = queue;
    return queue;
}

static struct tc_nf_queue *open_default(void **state)
{
    return open_queue(state, &(struct tc_nf_queue_config){.number = QUEUE});
}

static void read_packets(struct tc_nf_queue *queue, struct got *got, unsigned count)
{
    struct pollfd end = {.fd = tc_nf_queue_fd(queue), .events = POLLIN};

    while (got->count < count) {
        assert_int_equal(poll(&end, 1, WAIT_MS), 1);
        assert_true(tc_nf_queue_read(queue, on_packet, got, 16) >= 0);
    }
}

static void answer(struct tc_nf_queue *queue, uint64_t id, enum tc_nf_verdict verdict)
{
    assert_int_equal(tc_nf_queue_verdict(queue, id, verdict), 0);
}

static struct tc_nf_queue_counters counters_of(const struct tc_nf_queue *queue)
{
    struct tc_nf_queue_counters counters;

    tc_nf_queue_count(queue, &counters);
    return counters;
}

static void queue_gives_packets_with_their_user_and_accepts(void **state)
{
    struct tc_nf_queue *queue = open_default(state);
    struct tc_nf_queue_counters counters;
    struct got got = {0};
    uint16_t port;
    int server = tc_nf_net_listen(&port), client;

    tc_nf_net_queue("tcp", port, QUEUE);
    client = tc_nf_net_connect(port, 0);
    read_packets(queue, &got, 1);
    assert_int_equal(got.protocol, 6);
    assert_int_equal(got.last.hook, NF_INET_LOCAL_OUT);
    assert_true(got.last.has_uid);
    assert_int_equal(got.last.uid, 0);
    assert_int_equal(got.last.gid, 0);
    assert_int_equal(got.last.in_ifindex, 0);
    assert_int_equal(got.last.out_ifindex, 1); /* loopback is always the first */
    assert_true(got.last.checksum_partial);
    assert_int_equal(got.last.whole_len, got.last.len);
    assert_false(tc_nf_net_connected(client, NONE_MS));
    counters = counters_of(queue);
    assert_int_equal(counters.waiting, 1);
    assert_int_equal(counters.read, 1);
    answer(queue, got.ids[0], TC_NF_VERDICT_ACCEPT);
    assert_true(tc_nf_net_connected(client, WAIT_MS));
    counters = counters_of(queue);
    assert_int_equal(counters.waiting, 0);
    assert_int_equal(counters.accepted, 1);

    tc_nf_net_connect_as(port, NOBODY);
    read_packets(queue, &got, 2);
    assert_true(got.last.has_uid);
    assert_int_equal(got.last.uid, NOBODY);
    assert_int_equal(got.last.gid, NOBODY);
    close(client);
    close(server);
}

static void queue_denies(void **state)
{
    struct tc_nf_queue *queue = open_default(state);
    struct got got = {0};
    uint16_t port;
    int server = tc_nf_net_listen(&port), client;

    tc_nf_net_queue("tcp", port, QUEUE);
    client = tc_nf_net_connect(port, 0);
    read_packets(queue, &got, 1);
    answer(queue, got.ids[0], TC_NF_VERDICT_DROP);
    assert_false(tc_nf_net_connected(client, NONE_MS));
    read_packets(queue, &got, 2); /* the SYN again: it was dropped */
    answer(queue, got.ids[1], TC_NF_VERDICT_ACCEPT);
    assert_true(tc_nf_net_connected(client, WAIT_MS));
    assert_int_equal(counters_of(queue).denied, 1);
    assert_int_equal(counters_of(queue).accepted, 1);
    close(client);
    close(server);
}

static void queue_sends_a_packet_through_the_rules_again(void **state)
{
    struct tc_nf_queue *queue = open_default(state);
    struct got got = {0};
    uint16_t port;
    int server = tc_nf_net_listen(&port), client;

    tc_nf_net_queue("tcp", port, QUEUE);
    client = tc_nf_net_connect(port, 0);
    read_packets(queue, &got, 1);
    answer(queue, got.ids[0], TC_NF_VERDICT_REPEAT);
    read_packets(queue, &got, 2);
    answer(queue, got.ids[1], TC_NF_VERDICT_ACCEPT);
    assert_true(tc_nf_net_connected(client, WAIT_MS));
    assert_true(tc_nf_net_first_syn(client));
    assert_int_equal(counters_of(queue).accepted, 1);
    assert_int_equal(counters_of(queue).denied, 0);
    close(client);
    close(server);
}

/* The second rule drops whatever has not the mark any more. */
static void queue_leaves_marks_alone(void **state)
{
    struct tc_nf_queue *queue = open_default(state);
    struct got got = {0};
    uint16_t port;
    int server = tc_nf_net_listen(&port), client;

    tc_nf_net_queue("tcp", port, QUEUE);
    assert_true(tc_nf_net_nft("add table inet marks"));
    assert_true(tc_nf_net_nft("add chain inet marks after { type filter hook output "
                              "priority 100; policy accept; }"));
    assert_true(tc_nf_net_nft("add rule inet marks after tcp flags syn / syn,ack "
                              "meta mark != 0x77 drop"));
    client = tc_nf_net_connect(port, 0x77);
    read_packets(queue, &got, 1);
    answer(queue, got.ids[0], TC_NF_VERDICT_ACCEPT);
    assert_true(tc_nf_net_connected(client, WAIT_MS));
    assert_int_equal(got.count, 1);
    close(client);
    close(server);
}

static void queue_passes_the_rest_when_it_is_full(void **state)
{
    struct tc_nf_queue *queue = open_queue(
        state, &(struct tc_nf_queue_config){.number = QUEUE, .waiting_max = 1});
    struct got got = {0};
    uint16_t port;
    int server = tc_nf_net_listen(&port), first, second;

    tc_nf_net_queue("tcp", port, QUEUE);
    first = tc_nf_net_connect(port, 0);
    second = tc_nf_net_connect(port, 0);
    assert_true(tc_nf_net_connected(second, WAIT_MS));
    assert_true(tc_nf_net_first_syn(second));
    assert_false(tc_nf_net_connected(first, NONE_MS));
    read_packets(queue, &got, 1);
    answer(queue, got.ids[0], TC_NF_VERDICT_ACCEPT);
    assert_true(tc_nf_net_connected(first, WAIT_MS));
    close(first);
    close(second);
    close(server);
}

static void queue_drops_the_rest_when_that_is_asked_for(void **state)
{
    struct tc_nf_queue *queue =
        open_queue(state, &(struct tc_nf_queue_config){
                              .number = QUEUE, .waiting_max = 1, .drop_when_full = true});

    tc_nf_net_queue("udp", 5000, QUEUE);
    tc_nf_net_datagrams(5000, 10, 100);
    assert_int_equal(counters_of(queue).waiting, 1);
    assert_int_equal(counters_of(queue).kernel_dropped, 9);
}

static void queue_counts_that_its_socket_was_full(void **state)
{
    struct tc_nf_queue *queue = open_queue(
        state, &(struct tc_nf_queue_config){.number = QUEUE, .receive_bytes = 8192});
    struct got got = {0};

    tc_nf_net_queue("udp", 5000, QUEUE);
    tc_nf_net_datagrams(5000, 100, 1200);
    read_packets(queue, &got, 1);
    while (tc_nf_queue_read(queue, on_packet, &got, 1) > 0)
        ;
    assert_true(got.count < 100);
    assert_int_equal(counters_of(queue).enobufs, 1);
    assert_int_equal(counters_of(queue).user_dropped, 0); /* they have passed */
}

static void accept_it(void *arg, const struct tc_nf_queued *packet)
{
    assert_int_equal(tc_nf_queue_verdict(arg, packet->id, TC_NF_VERDICT_ACCEPT), 0);
}

static void queue_answers_more_than_one_message_holds(void **state)
{
    struct tc_nf_queue *queue = open_default(state);
    struct pollfd end = {.fd = tc_nf_queue_fd(queue), .events = POLLIN};

    tc_nf_net_queue("udp", 5000, QUEUE);
    assert_int_equal(tc_nf_net_datagrams(5000, 200, 100), 200);
    assert_int_equal(poll(&end, 1, WAIT_MS), 1);
    assert_int_equal(tc_nf_queue_read(queue, accept_it, queue, 1000), 200);
    assert_int_equal(counters_of(queue).accepted, 200);
    assert_int_equal(counters_of(queue).waiting, 0);
    assert_int_equal(counters_of(queue).stale, 0);
}

static void queue_copies_no_more_than_asked_for(void **state)
{
    struct tc_nf_queue *queue = open_queue(
        state, &(struct tc_nf_queue_config){.number = QUEUE, .copy_bytes = 256});
    struct got got = {0};

    tc_nf_net_queue("udp", 5000, QUEUE);
    assert_int_equal(tc_nf_net_datagrams(5000, 1, 1200), 1);
    read_packets(queue, &got, 1);
    assert_int_equal(got.last.len, 256);
    assert_int_equal(got.last.whole_len, 1228);
}

static void queue_reads_no_more_than_asked_for(void **state)
{
    struct tc_nf_queue *queue = open_default(state);
    struct got got = {0};

    tc_nf_net_queue("udp", 5000, QUEUE);
    assert_int_equal(tc_nf_net_datagrams(5000, 5, 100), 5);
    assert_int_equal(tc_nf_queue_read(queue, on_packet, &got, 3), 3);
    assert_int_equal(tc_nf_queue_read(queue, on_packet, &got, 3), 2);
    assert_int_equal(tc_nf_queue_read(queue, on_packet, &got, 3), 0);
    assert_int_equal(got.count, 5);
}

static void closing_lets_pass_what_waits_and_what_comes(void **state)
{
    struct tc_nf_queue *queue = open_default(state);
    struct got got = {0};
    uint16_t port;
    int server = tc_nf_net_listen(&port), read, unread, later;

    tc_nf_net_queue("tcp", port, QUEUE);
    read = tc_nf_net_connect(port, 0);
    read_packets(queue, &got, 1);
    unread = tc_nf_net_connect(port, 0);
    tc_nf_queue_close(queue);
    *state = NULL;
    assert_true(tc_nf_net_connected(read, WAIT_MS));
    assert_true(tc_nf_net_first_syn(read));
    assert_true(tc_nf_net_connected(unread, WAIT_MS));
    assert_true(tc_nf_net_first_syn(unread));
    later = tc_nf_net_connect(port, 0);
    assert_true(tc_nf_net_connected(later, WAIT_MS));
    assert_true(tc_nf_net_first_syn(later));
    close(read);
    close(unread);
    close(later);
    close(server);
}

static void release(struct tc_nf_queue *queue)
{
    char messages[TC_NF_QUEUE_RELEASE_BYTES];
    size_t len = tc_nf_queue_release(queue, messages);

    assert_int_equal(write(tc_nf_queue_fd(queue), messages, len), len);
}

/* The kernel drops what it has queued when a queue is unbound: nothing may be by then. */
static void what_comes_while_a_queue_is_released_passes(void **state)
{
    const struct tc_nf_queue_config config = {.number = QUEUE, .drop_when_full = true};
    struct tc_nf_queue *queue = open_queue(state, &config);
    alignas(struct nlmsghdr) char messages[TC_NF_QUEUE_RELEASE_BYTES];
    int left = (int)tc_nf_queue_release(queue, messages);
    const struct nlmsghdr *message = (const struct nlmsghdr *)messages;
    struct got got = {0};
    uint16_t port;
    int server = tc_nf_net_listen(&port), waiting, meanwhile;

    tc_nf_net_queue("tcp", port, QUEUE);
    waiting = tc_nf_net_connect(port, 0);
    read_packets(queue, &got, 1);
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
        if (left == (int)message->nlmsg_len) { /* the last one unbinds */
            meanwhile = tc_nf_net_connect(port, 0);
            assert_int_equal(counters_of(queue).waiting, 0);
            assert_true(tc_nf_net_connected(meanwhile, WAIT_MS));
            assert_true(tc_nf_net_first_syn(meanwhile));
            close(meanwhile);
        }
        assert_int_equal(write(tc_nf_queue_fd(queue), message, message->nlmsg_len),
                         message->nlmsg_len);
    }
    assert_true(tc_nf_net_connected(waiting, WAIT_MS));
    assert_true(tc_nf_net_first_syn(waiting));
    close(waiting);
    close(server);
}

static void rebinding_forgets_what_was_released(void **state)
{
    struct tc_nf_queue *queue = open_default(state);
    struct got got = {0};
    char why[256];
    uint16_t port;
    int server = tc_nf_net_listen(&port), read, unread, later;

    tc_nf_net_queue("tcp", port, QUEUE);
    read = tc_nf_net_connect(port, 0);
    read_packets(queue, &got, 1);
    unread = tc_nf_net_connect(port, 0);
    release(queue);
    assert_true(tc_nf_net_connected(read, WAIT_MS));
    assert_true(tc_nf_net_first_syn(read));
    assert_true(tc_nf_net_connected(unread, WAIT_MS));
    assert_true(tc_nf_net_first_syn(unread));
    assert_int_equal(tc_nf_queue_rebind(queue, why), 0);
    assert_int_equal(counters_of(queue).released, 2);
    assert_int_equal(counters_of(queue).rebound, 1);

    /* The kernel gives the new packet the old one's number. */
    later = tc_nf_net_connect(port, 0);
    read_packets(queue, &got, 2);
    assert_int_equal((uint32_t)got.ids[0], (uint32_t)got.ids[1]);
    answer(queue, got.ids[0], TC_NF_VERDICT_DROP);
    assert_int_equal(counters_of(queue).stale, 1);
    assert_int_equal(counters_of(queue).waiting, 1);
    answer(queue, got.ids[1], TC_NF_VERDICT_ACCEPT);
    assert_true(tc_nf_net_connected(later, WAIT_MS));
    close(read);
    close(unread);
    close(later);
    close(server);
}

static void verdict_after_a_release_does_no_harm(void **state)
{
    struct tc_nf_queue *queue = open_default(state);
    struct got got = {0};

    tc_nf_net_queue("udp", 5000, QUEUE);
    assert_int_equal(tc_nf_net_datagrams(5000, 1, 100), 1);
    read_packets(queue, &got, 1);
    release(queue);
    assert_int_equal(tc_nf_queue_verdict(queue, got.ids[0], TC_NF_VERDICT_ACCEPT), 0);
    assert_true(tc_nf_queue_read(queue, on_packet, &got, 16) >= 0); /* the answer */
    assert_int_equal(got.count, 1);
    assert_int_equal(counters_of(queue).stale, 1);
}

static void open_names_who_listens_already(void **state)
{
    struct tc_nf_queue *other = NULL;
    char why[256] = "", byte;
    int ready[2], status;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (!pid) {
        alarm(TC_NF_NET_ALARM_S);
        close(ready[0]);
        if (!tc_nf_queue_open(&(struct tc_nf_queue_config){.number = QUEUE}, &other, why))
            (void)!write(ready[1], "r", 1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(
        tc_nf_queue_open(&(struct tc_nf_queue_config){.number = QUEUE}, &other, why),
        -EBUSY);
    if (!strstr(why, "listens on queue 7") || !strstr(why, "test_nf_queue"))
        fail_msg("%s", why);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(ready[0]);
    close(ready[1]);
}

static void open_says_that_it_is_not_allowed(void **state)
{
    int status = -1;
    pid_t pid = fork();

    (void)state;
    if (!pid) {
        struct tc_nf_queue *queue;
        char why[256] = "";

        if (setresuid(NOBODY, NOBODY, NOBODY))
            _exit(1);
        _exit(tc_nf_queue_open(&(struct tc_nf_queue_config){.number = QUEUE}, &queue,
                               why) != -EPERM ||
              !strstr(why, "queue 7"));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void log_gives_packets_that_have_passed(void **state)
{
    struct tc_nf_log_counters counters;
    struct tc_nf_log *log = NULL;
    struct pollfd end = {.events = POLLIN};
    struct got got = {0};
    char why[256] = "";
    int err = tc_nf_log_open(
        &(struct tc_nf_log_config){.group = GROUP, .copy_bytes = 512}, &log, why);

    (void)state;
    if (err)
        fail_msg("%s", why);
    tc_nf_net_log("udp", 5000, GROUP);
    assert_int_equal(tc_nf_net_datagrams(5000, 3, 1200), 3);
    end.fd = tc_nf_log_fd(log);
    while (got.count < 3) {
        assert_int_equal(poll(&end, 1, WAIT_MS), 1);
        assert_true(tc_nf_log_read(log, on_packet, &got, 16) > 0);
    }
    assert_int_equal(got.protocol, 17);
    assert_int_equal(got.last.id, 0);
    assert_int_equal(got.last.len, 512);
    assert_int_equal(got.last.hook, NF_INET_LOCAL_OUT);
    assert_true(got.last.has_uid);
    assert_int_equal(got.last.uid, 0);
    assert_int_equal(got.last.out_ifindex, 1);
    tc_nf_log_count(log, &counters);
    assert_int_equal(counters.read, 3);
    assert_int_equal(counters.enobufs, 0);
    tc_nf_log_close(log);
}

static int clean(void **state)
{
    tc_nf_queue_close(*state);
    *state = NULL;
    tc_nf_net_flush();
    return 0;
}

#define promise(name) cmocka_unit_test_teardown(name, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        promise(queue_gives_packets_with_their_user_and_accepts),
        promise(queue_denies),
        promise(queue_sends_a_packet_through_the_rules_again),
        promise(queue_leaves_marks_alone),
        promise(queue_passes_the_rest_when_it_is_full),
        promise(queue_drops_the_rest_when_that_is_asked_for),
        promise(queue_counts_that_its_socket_was_full),
        promise(queue_answers_more_than_one_message_holds),
        promise(queue_copies_no_more_than_asked_for),
        promise(queue_reads_no_more_than_asked_for),
        promise(closing_lets_pass_what_waits_and_what_comes),
        promise(what_comes_while_a_queue_is_released_passes),
        promise(rebinding_forgets_what_was_released),
        promise(verdict_after_a_release_does_no_harm),
        promise(open_names_who_listens_already),
        promise(open_says_that_it_is_not_allowed),
        promise(log_gives_packets_that_have_passed),
    };

    if (!tc_nf_net_enter()) {
        print_message("skipped: a network namespace needs root\n");
        return test_skipped();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
