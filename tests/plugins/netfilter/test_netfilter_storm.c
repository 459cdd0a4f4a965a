/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugin netfilter under a storm: everything that an operator and a detector can ask of
 * it, in any order and without waiting, while programs connect, look up names and send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nf_scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define LIST NF_SCRATCH_OTHER4 ",block,\nevil.example,block,\n10.77.9.0/24,audit,\n"
#define ROUNDS 150
#define STOPS 12

static struct nf_scratch scratch;
static pid_t traffic = -1;

/* ---- Traffic. ---- */

static void begin_tcp(const char *address, uint16_t port, const char *data)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd connected = {.fd = fd, .events = POLLOUT};

    inet_pton(AF_INET, address, &to.sin_addr);
    if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
        (errno == EINPROGRESS && poll(&connected, 1, 5) == 1))
        (void)send(fd, data, strlen(data), MSG_NOSIGNAL);
    close(fd);
}

static void send_to(const char *address, uint16_t port, const void *data, size_t len,
                    int wait_ms)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct pollfd answer = {.fd = fd, .events = POLLIN};

    inet_pton(AF_INET, address, &to.sin_addr);
    (void)sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to));
    if (wait_ms)
        poll(&answer, 1, wait_ms);
    close(fd);
}

_Noreturn static void make_traffic(void)
{
    static const char question[] = "\0\1\1\0\0\1\0\0\0\0\0\0\4evil\7example\0\0\1\0";

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(0);
    for (;;) {
        begin_tcp(NF_SCRATCH_OTHER4, NF_SCRATCH_PORT, "x");
        begin_tcp(NF_NETWORK_SERVER4, 80, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        begin_tcp(NF_NETWORK_SERVER4, 443, "x");
        send_to(NF_NETWORK_SERVER4, 53, question, sizeof(question), 5);
        send_to(NF_NETWORK_SERVER4, 9, "x", 1, 0);
        send_to(NF_NETWORK_SERVER4, 443, "x", 1, 1);
    }
}

static void begin_traffic(void)
{
    traffic = fork();
    assert_true(traffic >= 0);
    if (!traffic)
        make_traffic();
}

static void end_traffic(void)
{
    if (traffic > 0) {
        kill(traffic, SIGKILL);
        waitpid(traffic, NULL, 0);
    }
    traffic = -1;
}

static int stop(void **state)
{
    (void)state;
    end_traffic();
    nf_scratch_stop(&scratch);
    return 0;
}

/* ---- What is asked. ---- */

static uint64_t ask(const char *method, const struct tocsin_writer *w)
{
    char topic[64];

    snprintf(topic, sizeof(topic), "rpc.netfilter.%s", method);
    return tc_harness_publish(&scratch.h, topic, 0, -1, w);
}

static uint64_t ask_indicator(const char *method, unsigned n)
{
    struct tocsin_writer w;
    uint8_t buf[128];
    char value[32];

    snprintf(value, sizeof(value), n % 2 ? "10.77.3.%u" : "n%u.example", n % 8);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "value", value);
    tocsin_put_str(&w, "action", "block");
    tocsin_end(&w);
    return ask(method, &w);
}

static uint64_t ask_isolation(void)
{
    struct tocsin_writer w;
    uint8_t buf[128];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "for_s", 1);
    tocsin_put_str(&w, "reason", "a storm");
    tocsin_end(&w);
    return ask("isolate", &w);
}

static void tell_gate(bool granted)
{
    struct tocsin_writer w;
    uint8_t buf[32];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_bool(&w, "granted", granted);
    tocsin_end(&w);
    tc_harness_publish(&scratch.h, "network_filter.gate", 0, -1, &w);
}

/* One thing or another; 0: no answer is to come. */
static uint64_t ask_something(unsigned n)
{
    switch (n % 11) {
    case 0:
    case 1:
        return ask("enable", NULL);
    case 2:
        return ask("disable", NULL);
    case 3:
        return ask("indicator_reload", NULL);
    case 4:
        return ask_indicator("indicator_add", n / 11);
    case 5:
        return ask_indicator("indicator_remove", n / 11);
    case 6:
        return ask_isolation();
    case 7:
        return ask("release", NULL);
    case 8:
        return ask("status", NULL);
    case 9:
        tell_gate(n / 11 % 2);
        return 0;
    default:
        tc_harness_publish(&scratch.h, "plugin.started", 0, -1, NULL);
        return 0;
    }
}

static void await_answer(uint64_t id)
{
    if (!tc_harness_await(&scratch.h, TOCSIN_TOPIC_RPC_REPLY, id))
        fail_msg("call %llu was not answered", (unsigned long long)id);
}

static bool is_filtering(void)
{
    const struct tocsin_event *reply = nf_scratch_call(&scratch, "status", NULL);

    return !strcmp(tc_harness_text(&scratch.h, reply, "state"), "filtering") &&
           !strcmp(tc_harness_text(&scratch.h, reply, "mechanism"), "cgroup_bpf+nfqueue");
}

static bool allows_all(struct tc_harness *h, const struct tocsin_event *event)
{
    (void)h;
    (void)event;
    return true;
}

/* ---- Tests. ---- */

static void storm_ends_in_what_was_wanted_last(void **state)
{
    uint64_t asked[ROUNDS];
    unsigned seed = 1;
    int turns = 0;

    (void)state;
    nf_scratch_start(&scratch, LIST, NULL);
    scratch.h.decide = allows_all;
    begin_traffic();
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1103515245 + 12345;
        asked[i] = ask_something(seed >> 16);
        tc_harness_run_for(&scratch.h, seed >> 8 & 15);
    }
    for (int i = 0; i < ROUNDS; i++)
        if (asked[i])
            await_answer(asked[i]);
    end_traffic();
    tell_gate(true);
    await_answer(ask("release", NULL));
    await_answer(ask("enable", NULL));
    while (!is_filtering() && turns++ < 500)
        tc_harness_run_for(&scratch.h, 20);
    assert_true(is_filtering());
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_SCRATCH_OTHER4, "7000")), EPERM);
    assert_int_equal(
        nf_scratch_client(&scratch, NULL, ARGS("tcp", NF_NETWORK_SERVER4, "7000")), 0);
    await_answer(ask("disable", NULL));
    for (turns = 0; !nf_scratch_no_rules() && turns < 500; turns++)
        tc_harness_run_for(&scratch.h, 20);
    assert_true(nf_scratch_no_rules());
}

/* Everything is under way, and its answers come to nobody. */
static void storm_may_be_stopped_at_any_moment(void **state)
{
    unsigned seed = 7;

    (void)state;
    begin_traffic();
    for (int i = 0; i < STOPS; i++) {
        nf_scratch_start(&scratch, LIST, NULL);
        scratch.h.decide = allows_all;
        for (int k = 0; k < 12; k++) {
            seed = seed * 1103515245 + 12345;
            ask_something(seed >> 16);
            if (seed & 0x4000)
                tc_harness_run_for(&scratch.h, seed >> 8 & 7);
        }
        nf_scratch_stop(&scratch);
        assert_true(nf_scratch_no_rules());
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(storm_ends_in_what_was_wanted_last),
        TEST(storm_may_be_stopped_at_any_moment),
    };
    int failed;

    if (!nf_scratch_init(&scratch))
        return 77;
    alarm(280);
    nf_scratch_serve(&scratch, "evil.example=" NF_SCRATCH_OTHER4);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    nf_scratch_done(&scratch);
    return failed;
}
