/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of ipc/rpc.h, ipc/listen.h and ipc/client.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <tocsin/event.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/frame.h"
#include "ipc/listen.h"
#include "tests/support/rpc_server.h"
#include "tests/support/skip.h"

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct rpc_server));
    rpc_server_start(*state);
    return 0;
}

static int teardown(void **state)
{
    rpc_server_stop(*state);
    free(*state);
    return 0;
}

/* ---- Bytes on the wire ---- */

static void send_bytes(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* Reads until a whole message is there; its length, or 0 when the agent hung up first. */
static size_t receive_message(int fd, uint8_t *buf, size_t cap)
{
    const struct tc_frame_limits limits = {.bytes = cap, .values = cap, .depth = 32};
    size_t len = 0, whole;
    ssize_t n;

    for (;;) {
        n = recv(fd, buf + len, 1, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return 0;
        assert_int_equal(n, 1);
        len++;
        if (!tc_frame_next(buf, len, &limits, &whole))
            return whole;
        assert_true(len < cap);
    }
}

static void assert_hung_up(int fd)
{
    uint8_t buf[16];

    assert_int_equal(receive_message(fd, buf, sizeof(buf)), 0);
    close(fd);
}

/* Writes [0, id, method, [{n: id}]]. */
static void put_request(struct tocsin_writer *w, uint32_t id, const char *method)
{
    tocsin_begin_array(w, NULL);
    tocsin_put_uint(w, NULL, 0);
    tocsin_put_uint(w, NULL, id);
    tocsin_put_str(w, NULL, method);
    tocsin_begin_array(w, NULL);
    tocsin_begin_map(w, NULL);
    tocsin_put_uint(w, "n", id);
    tocsin_end(w);
    tocsin_end(w);
    tocsin_end(w);
}

static void send_request(int fd, uint32_t id, const char *method)
{
    struct tocsin_writer w;
    uint8_t buf[256];

    tocsin_writer_init(&w, buf, sizeof(buf));
    put_request(&w, id, method);
    send_bytes(fd, w.buf, w.len);
}

/* Reads one response: its id (-1 for nil), with its error and result. */
static int64_t receive_response(int fd, uint8_t *buf, size_t cap,
                                struct tocsin_value *ret_error,
                                struct tocsin_value *ret_result)
{
    size_t len = receive_message(fd, buf, cap);
    struct tocsin_value array, type, id;
    struct tocsin_iter it;

    assert_true(len > 0);
    assert_non_null(tocsin_read(buf, buf + len, &array));
    assert_int_equal(array.count, 4);
    tocsin_iter_init(&it, &array);
    assert_true(tocsin_iter_next(&it, NULL, &type));
    assert_int_equal(type.u, 1);
    assert_true(tocsin_iter_next(&it, NULL, &id));
    assert_true(tocsin_iter_next(&it, NULL, ret_error));
    assert_true(tocsin_iter_next(&it, NULL, ret_result));
    return id.type == TOCSIN_NIL ? -1 : (int64_t)id.u;
}

static void expect_echo(int fd, uint32_t id)
{
    struct tocsin_value error, result;
    uint8_t buf[512];

    assert_int_equal(receive_response(fd, buf, sizeof(buf), &error, &result), id);
    assert_int_equal(error.type, TOCSIN_NIL);
    assert_int_equal(tocsin_find_int(result.start, tocsin_value_size(&result), "n", -1),
                     id);
}

static void expect_error(int fd, int64_t id, const char *code)
{
    struct tocsin_value error, result;
    uint8_t buf[1024];

    assert_int_equal(receive_response(fd, buf, sizeof(buf), &error, &result), id);
    assert_int_equal(result.type, TOCSIN_NIL);
    assert_true(tocsin_str_is(
        tocsin_find_str(error.start, tocsin_value_size(&error), "code"), code));
}

/* ---- Messages ---- */

static void rpc_answers_a_call_with_the_params_it_was_given(void **state)
{
    struct tc_client *client = rpc_server_client(*state);
    static const uint8_t params[] = {0x81, 0xa1, 'k', 0x93, 1, 2, 0xc0};
    struct tc_answer answer;

    rpc_server_call(client, "echo", params, sizeof(params), &answer);
    assert_int_equal(answer.len, sizeof(params));
    assert_memory_equal(answer.data, params, sizeof(params));
    rpc_server_call(client, "echo", NULL, 0, &answer);
    assert_int_equal(answer.len, 1);
    assert_int_equal(answer.data[0], 0x80);
    tc_client_close(client);
}

static void rpc_gives_a_refusal_its_code_and_message(void **state)
{
    struct tc_client *client = rpc_server_client(*state);
    struct tc_answer answer;

    rpc_server_call(client, "fail", NULL, 0, &answer);
    assert_null(answer.result);
    assert_string_equal(answer.code, "refused");
    assert_string_equal(answer.message, "fail is refused");
    rpc_server_call(client, "no.such", NULL, 0, &answer);
    assert_string_equal(answer.code, "unknown_method");
    tc_client_close(client);
}

static void rpc_knows_who_is_on_the_other_end(void **state)
{
    struct tc_client *client = rpc_server_client(*state);

    assert_int_equal(rpc_server_ask(client, "held", "pid"), getpid());
    assert_int_equal(rpc_server_ask(client, "held", "uid"), getuid());
    tc_client_close(client);
}

static void rpc_answers_pipelined_requests_in_the_order_they_are_ready(void **state)
{
    int fd = rpc_server_connect(*state);
    struct tocsin_writer w;
    uint8_t buf[1024];

    tocsin_writer_init(&w, buf, sizeof(buf));
    put_request(&w, 1, "echo");
    put_request(&w, 2, "hold");
    put_request(&w, 3, "hold");
    put_request(&w, 4, "echo");
    put_request(&w, 5, "release");
    send_bytes(fd, w.buf, w.len);
    expect_echo(fd, 1);
    expect_echo(fd, 4);
    for (int64_t id = 3; id >= 2; id--) {
        struct tocsin_value error, result;

        assert_int_equal(receive_response(fd, buf, sizeof(buf), &error, &result), id);
    }
    expect_echo(fd, 5);
    close(fd);
}

static void rpc_puts_together_what_comes_byte_by_byte(void **state)
{
    int fd = rpc_server_connect(*state);
    struct tocsin_writer w;
    uint8_t buf[512];

    tocsin_writer_init(&w, buf, sizeof(buf));
    for (uint32_t id = 1; id <= 3; id++)
        put_request(&w, id, "echo");
    for (size_t i = 0; i < w.len; i++)
        send_bytes(fd, w.buf + i, 1);
    for (uint32_t id = 1; id <= 3; id++)
        expect_echo(fd, id);
    close(fd);
}

static void rpc_takes_a_large_message_byte_by_byte(void **state)
{
    static const size_t values = 200000; /* 0x30d40 */
    int fd = rpc_server_connect(*state);
    struct tocsin_value error, result;
    struct tocsin_writer w;
    uint8_t buf[512];

    tocsin_writer_init_growing(&w);
    tocsin_put_encoded(&w, NULL,
                       "\x94\x00\x07\xa4\x66"
                       "ail"
                       "\x81\xa1k\xdd",
                       12);
    tocsin_put_encoded(&w, NULL, "\x00\x03\x0d\x40", 4);
    for (size_t i = 0; i < values; i++)
        tocsin_put_uint(&w, NULL, 1);
    for (size_t i = 0; i < w.len; i++)
        send_bytes(fd, w.buf + i, 1);
    assert_int_equal(receive_response(fd, buf, sizeof(buf), &error, &result), 7);
    assert_int_equal(error.type, TOCSIN_MAP);
    tocsin_writer_done(&w);
    close(fd);
}

static void rpc_takes_params_as_a_map_or_an_array_of_at_most_one(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *code; /* NULL: answered */
    } cases[] = {
#define CASE(bytes, code) {bytes, sizeof(bytes) - 1, code}
        CASE("\x94\x00\x07\xa4"
             "echo"
             "\x90",
             NULL),
        CASE("\x94\x00\x07\xa4"
             "echo"
             "\x80",
             NULL),
        CASE("\x94\x00\x07\xa4"
             "echo"
             "\x91\x80",
             NULL),
        CASE("\x94\x00\x07\xa4"
             "echo"
             "\x92\x80\x80",
             "usage"),
        CASE("\x94\x00\x07\xa4"
             "echo"
             "\x91\x01",
             "usage"),
        CASE("\x94\x00\x07\xa4"
             "echo"
             "\xc0",
             "usage"),
        CASE("\x94\x00\x07\xa4"
             "echo"
             "\x81\x01\x02",
             "usage"), /* key no string */
        CASE("\x94\x00\x07\xa2"
             "a\0"
             "\x80",
             "unknown_method"),
#undef CASE
    };
    int fd = rpc_server_connect(*state);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tocsin_value error, result;
        uint8_t buf[512];

        send_bytes(fd, cases[i].bytes, cases[i].len);
        if (cases[i].code) {
            expect_error(fd, 7, cases[i].code);
            continue;
        }
        assert_int_equal(receive_response(fd, buf, sizeof(buf), &error, &result), 7);
        assert_int_equal(result.type, TOCSIN_MAP);
    }
    close(fd);
}

static void rpc_passes_over_a_notification(void **state)
{
    int fd = rpc_server_connect(*state);

    send_bytes(fd, "\x93\x02\xa1x\x90", 5);
    send_request(fd, 9, "echo");
    expect_echo(fd, 9);
    close(fd);
}

static void rpc_closes_a_connection_over_bytes_that_are_no_request(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
#define CASE(bytes) {bytes, sizeof(bytes) - 1}
        CASE("\xc1"),
        CASE("GET / HTTP/1.1\r\n"),
        CASE("\x80"),
        CASE("\x90"),
        CASE("\x94\x00\xff\xa1x\x80"),                                 /* id below 0 */
        CASE("\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa1x\x80"), /* id > 32 bits */
        CASE("\x93\x00\x01\xa1x"),
        CASE("\x94\x00\x01\x02\x80"), /* method no string */
        CASE("\x94\x01\x01\xc0\x80"), /* a response */
        CASE("\x95\x00\x01\xa1x\x80\x80"),
        CASE("\x94\x00\x01\xa1x\xc6\xff\xff\xff\xff"), /* announces 4 GiB */
        CASE("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"),
#undef CASE
    };
    struct tc_client *bystander = rpc_server_client(*state);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = rpc_server_connect(*state);

        send_bytes(fd, cases[i].bytes, cases[i].len);
        expect_error(fd, -1, "usage");
        assert_hung_up(fd);
        assert_int_equal(rpc_server_ask(bystander, "stats", "malformed"), i + 1);
    }
    tc_client_close(bystander);
}

static void rpc_answers_what_came_before_the_bytes_it_closes_over(void **state)
{
    int fd = rpc_server_connect(*state);
    struct tocsin_writer w;
    uint8_t buf[256];

    tocsin_writer_init(&w, buf, sizeof(buf));
    put_request(&w, 1, "echo");
    tocsin_put_encoded(&w, NULL, "\xc1", 1);
    send_bytes(fd, w.buf, w.len);
    expect_echo(fd, 1);
    expect_error(fd, -1, "usage");
    assert_hung_up(fd);
}

static void rpc_closes_a_connection_over_a_message_that_never_ends(void **state)
{
    int fd = rpc_server_connect(*state);
    char *zeros = calloc(1, TC_RPC_MAX_BYTES);
    ssize_t n = 1;

    /* an array of a few more bytes than a message may have, so refused by its head */
    send_bytes(fd, "\xdd\x00\x10\x00\x01", 5);
    while (n > 0)
        n = send(fd, zeros, TC_RPC_MAX_BYTES, MSG_NOSIGNAL);
    assert_int_equal(errno, EPIPE);
    free(zeros);
    close(fd);
}

static void rpc_takes_a_message_as_large_as_params_may_be(void **state)
{
    struct tc_client *client = rpc_server_client(*state);
    size_t size = TOCSIN_EVENT_MAX_BYTES - 32;
    char *zeros = calloc(1, 2 * size);
    struct tc_answer answer;
    struct tocsin_writer w;

    for (size_t n = size; n <= 2 * size; n += size) {
        tocsin_writer_init_growing(&w);
        tocsin_begin_map(&w, NULL);
        tocsin_put_bin(&w, "zeros", zeros, n);
        tocsin_end(&w);
        rpc_server_call(client, "echo", w.buf, w.len, &answer);
        if (n == size) {
            assert_int_equal(answer.len, w.len);
            assert_memory_equal(answer.data, w.buf, w.len);
        } else {
            assert_null(answer.result);
            assert_string_equal(answer.code, "usage");
        }
        tocsin_writer_done(&w);
    }
    free(zeros);
    tc_client_close(client);
}

static void count_progress(void *arg, const struct tc_message *message)
{
    struct tocsin_value array, map;
    int64_t *next = arg;
    const uint8_t *end = message->data + message->len;

    assert_string_equal(message->method, "progress");
    assert_non_null(tocsin_read(message->data, end, &array));
    assert_int_equal(array.count, 1);
    assert_non_null(tocsin_read((const uint8_t *)array.ptr, end, &map));
    assert_int_equal(map.count, 2);
    assert_int_equal(tocsin_find_int(map.start, tocsin_value_size(&map), "call", -1), 1);
    assert_int_equal(tocsin_find_int(map.start, tocsin_value_size(&map), "step", -1),
                     (*next)++);
}

static void rpc_sends_progress_ahead_of_the_answer(void **state)
{
    struct tc_client *client = rpc_server_client(*state);
    static const uint8_t params[] = {0x81, 0xa5, 'c', 'o', 'u', 'n', 't', 3};
    struct tc_answer answer;
    int64_t steps = 0;

    assert_int_equal(tc_client_call(client, "progress", params, sizeof(params),
                                    count_progress, &steps, &answer),
                     0);
    assert_non_null(answer.result);
    assert_int_equal(steps, 3);
    tc_client_close(client);
}

/* ---- Clients ---- */

static void rpc_keeps_two_clients_apart(void **state)
{
    int a = rpc_server_connect(*state), b = rpc_server_connect(*state);

    send_request(a, 1, "hold");
    send_request(b, 1, "echo");
    expect_echo(b, 1);
    send_bytes(a, "\xc1", 1);
    expect_error(a, -1, "usage");
    assert_hung_up(a);
    send_request(b, 2, "echo");
    expect_echo(b, 2);
    close(b);
}

static void rpc_notifies_when_the_caller_of_an_open_call_has_left(void **state)
{
    struct tc_client *other = rpc_server_client(*state);
    int fd = rpc_server_connect(*state);

    send_request(fd, 1, "hold");
    send_request(fd, 2, "hold");
    rpc_server_await(other, "held", "held", 2);
    assert_int_equal(rpc_server_ask(other, "held", "gone"), 0);
    close(fd);
    rpc_server_await(other, "held", "gone", 2);
    /* answering them now goes nowhere and frees them: the sanitizer looks at that */
    rpc_server_ask(other, "release", "n");
    assert_int_equal(rpc_server_ask(other, "held", "held"), 0);
    tc_client_close(other);
}

static void rpc_turns_away_the_client_beyond_the_limit(void **state)
{
    int fds[TC_RPC_CLIENTS_MAX], fd;
    uint8_t buf[256];
    size_t len;

    for (int i = 0; i < TC_RPC_CLIENTS_MAX; i++) {
        fds[i] = rpc_server_connect(*state);
        send_request(fds[i], 1, "echo");
        expect_echo(fds[i], 1);
    }
    fd = rpc_server_connect(*state);
    len = receive_message(fd, buf, sizeof(buf));
    assert_non_null(memmem(buf, len, "as many clients as", 18));
    assert_hung_up(fd);
    close(fds[0]);
    for (int i = 1; i < TC_RPC_CLIENTS_MAX; i++) {
        send_request(fds[i], 2, "echo");
        expect_echo(fds[i], 2);
        close(fds[i]);
    }
}

static void rpc_refuses_the_call_beyond_the_limit(void **state)
{
    int fd = rpc_server_connect(*state);

    for (uint32_t id = 0; id < TC_RPC_CALLS_MAX; id++)
        send_request(fd, id, "hold");
    send_request(fd, 1000, "echo");
    expect_error(fd, 1000, "refused");
    close(fd);
}

static void rpc_cuts_off_a_client_that_reads_no_replies(void **state)
{
    static const uint8_t ask[] = {0x94, 0,   1,   0xa3, 'b',  'i', 'g',  0x81, 0xa5, 'b',
                                  'y',  't', 'e', 's',  0xce, 0,   0x0f, 0,    0};
    struct tc_client *other = rpc_server_client(*state);
    int fd = rpc_server_connect(*state);

    for (int i = 0; i < 8; i++)
        send_bytes(fd, ask, sizeof(ask));
    rpc_server_await(other, "stats", "cut_off", 1);
    close(fd);
    tc_client_close(other);
}

static void rpc_drops_progress_that_a_client_does_not_read(void **state)
{
    static const uint8_t ask[] = {0x94, 0,   1,   0xa8, 'p',  'r',  'o', 'g',
                                  'r',  'e', 's', 's',  0x81, 0xa5, 'c', 'o',
                                  'u',  'n', 't', 0xcd, 0xc3, 0x50};
    struct tc_client *other = rpc_server_client(*state);
    int fd = rpc_server_connect(*state);

    send_bytes(fd, ask, sizeof(ask));
    rpc_server_await(other, "stats", "progress_dropped", 1);
    assert_int_equal(rpc_server_ask(other, "stats", "cut_off"), 0);
    close(fd);
    tc_client_close(other);
}

static void client_says_that_no_agent_runs(void **state)
{
    struct rpc_server *server = *state;
    struct tc_client *client = NULL;
    char path[128];

    snprintf(path, sizeof(path), "%s/none.sock", server->folder);
    assert_int_equal(tc_client_open(path, &client), -ENOENT);
    assert_int_equal(tc_client_open("", &client), -ENAMETOOLONG);
    assert_null(client);
}

static void client_says_that_the_agent_went_away(void **state)
{
    struct rpc_server server;
    struct tc_client *client;
    struct tc_answer answer;

    (void)state;
    rpc_server_start(&server);
    client = rpc_server_client(&server);
    assert_true(rpc_server_ask(client, "held", "held") == 0);
    rpc_server_stop(&server);
    assert_int_equal(tc_client_call(client, "echo", NULL, 0, NULL, NULL, &answer),
                     -EPIPE);
    tc_client_close(client);
}

/* ---- The file ---- */

struct folder {
    char path[64];
    char socket[96];
};

static void make_folder(struct folder *folder)
{
    strcpy(folder->path, "/tmp/tocsin-rpc-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->socket, sizeof(folder->socket), "%s/s", folder->path);
}

static void listen_replaces_a_stale_socket_and_no_live_one(void **state)
{
    struct tc_listener first, second;
    struct folder folder;
    char why[256] = "";

    (void)state;
    make_folder(&folder);
    assert_int_equal(tc_listen_open(folder.socket, 0660, NULL, &first, why), 0);
    assert_int_equal(tc_listen_open(folder.socket, 0660, NULL, &second, why),
                     -EADDRINUSE);
    assert_non_null(strstr(why, "another agent listens"));
    close(first.fd);
    assert_int_equal(tc_listen_open(folder.socket, 0660, NULL, &second, why), 0);
    /* the first one's end leaves the second one's file alone */
    if (first.inode != second.inode) {
        tc_listen_unlink(&first, folder.socket);
        assert_int_equal(access(folder.socket, F_OK), 0);
    }
    tc_listen_unlink(&second, folder.socket);
    assert_int_equal(access(folder.socket, F_OK), -1);
    close(second.fd);
    rmdir(folder.path);
}

static void listen_leaves_a_file_that_is_no_socket_alone(void **state)
{
    struct tc_listener listener;
    struct folder folder;
    char why[256] = "";
    int fd;

    (void)state;
    make_folder(&folder);
    fd = open(folder.socket, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(tc_listen_open(folder.socket, 0660, NULL, &listener, why), -EEXIST);
    assert_non_null(strstr(why, "is no socket"));
    assert_int_equal(access(folder.socket, F_OK), 0);
    unlink(folder.socket);
    rmdir(folder.path);
}

static void listen_gives_the_file_its_mode_and_group_whatever_the_umask(void **state)
{
    static const mode_t umasks[] = {0, 022, 0777};
    struct tc_listener listener;
    struct folder folder;
    char why[256] = "";
    struct group *group;
    struct stat st;
    mode_t old;

    (void)state;
    make_folder(&folder);
    group = getgrnam("daemon");
    for (size_t i = 0; i < sizeof(umasks) / sizeof(umasks[0]); i++) {
        old = umask(umasks[i]);
        assert_int_equal(tc_listen_open(folder.socket, 0660, "daemon", &listener, why),
                         0);
        umask(old);
        assert_int_equal(stat(folder.socket, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0660);
        if (group && geteuid() == 0)
            assert_int_equal(st.st_gid, group->gr_gid);
        close(listener.fd);
    }
    assert_int_equal(tc_listen_open(folder.socket, 0600, "no-such-group", &listener, why),
                     0);
    tc_listen_unlink(&listener, folder.socket);
    close(listener.fd);
    rmdir(folder.path);
}

static void listen_refuses_a_path_that_is_too_long_or_leads_nowhere(void **state)
{
    struct tc_listener listener;
    char path[256], why[256] = "";

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(tc_listen_open(path, 0660, NULL, &listener, why), -ENAMETOOLONG);
    assert_int_equal(tc_listen_open("/nonexistent/s", 0660, NULL, &listener, why),
                     -ENOENT);
    assert_non_null(strstr(why, "/nonexistent"));
}

/* ---- Somebody else's client ---- */

static void another_msgpack_library_can_call_and_tap(void **state)
{
    struct rpc_server *server = *state;
    int status;
    pid_t pid;

    if (access("/usr/bin/python3", X_OK) ||
        system("/usr/bin/python3 -c 'import msgpack' 2>/dev/null")) {
        test_skip("/usr/bin/python3 has no msgpack (python3-msgpack)");
    }
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/usr/bin/python3", "python3",
              TEST_SOURCE_DIR "/tests/support/rpc_client.py", server->path, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(rpc_answers_a_call_with_the_params_it_was_given),
        SERVER_TEST(rpc_gives_a_refusal_its_code_and_message),
        SERVER_TEST(rpc_knows_who_is_on_the_other_end),
        SERVER_TEST(rpc_answers_pipelined_requests_in_the_order_they_are_ready),
        SERVER_TEST(rpc_puts_together_what_comes_byte_by_byte),
        SERVER_TEST(rpc_takes_a_large_message_byte_by_byte),
        SERVER_TEST(rpc_takes_params_as_a_map_or_an_array_of_at_most_one),
        SERVER_TEST(rpc_passes_over_a_notification),
        SERVER_TEST(rpc_closes_a_connection_over_bytes_that_are_no_request),
        SERVER_TEST(rpc_answers_what_came_before_the_bytes_it_closes_over),
        SERVER_TEST(rpc_closes_a_connection_over_a_message_that_never_ends),
        SERVER_TEST(rpc_takes_a_message_as_large_as_params_may_be),
        SERVER_TEST(rpc_sends_progress_ahead_of_the_answer),
        SERVER_TEST(rpc_keeps_two_clients_apart),
        SERVER_TEST(rpc_notifies_when_the_caller_of_an_open_call_has_left),
        SERVER_TEST(rpc_turns_away_the_client_beyond_the_limit),
        SERVER_TEST(rpc_refuses_the_call_beyond_the_limit),
        SERVER_TEST(rpc_cuts_off_a_client_that_reads_no_replies),
        SERVER_TEST(rpc_drops_progress_that_a_client_does_not_read),
        SERVER_TEST(client_says_that_no_agent_runs),
        cmocka_unit_test(client_says_that_the_agent_went_away),
        cmocka_unit_test(listen_replaces_a_stale_socket_and_no_live_one),
        cmocka_unit_test(listen_leaves_a_file_that_is_no_socket_alone),
        cmocka_unit_test(listen_gives_the_file_its_mode_and_group_whatever_the_umask),
        cmocka_unit_test(listen_refuses_a_path_that_is_too_long_or_leads_nowhere),
        SERVER_TEST(another_msgpack_library_can_call_and_tap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
