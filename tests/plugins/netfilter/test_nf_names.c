/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: that the name a client asks for is found in the first bytes of TLS and HTTP, with
 * however few of them that do, and that nothing else passes for one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/support/skip.h"

#include "hello.h"
#include "pcap.h"
#include "wire/nf_http.h"
#include "wire/nf_tls.h"

#define RECORDS_BYTES_MAX (6 * HELLO_BYTES_MAX) /* in records of one byte each */

/* Of a copy that ends where its memory does, so that the sanitizers see a byte too many.
 */
static int tls_name(const uint8_t *data, size_t len, char ret_name[TC_NF_HOST_BYTES],
                    bool *ret_ech)
{
    uint8_t *copy = malloc(len ? len : 1);
    int r;

    assert_non_null(copy);
    memcpy(copy, data, len);
    r = tc_nf_tls_name(copy, len, ret_name, ret_ech);
    free(copy);
    return r;
}

static int http_host(const char *text, size_t len, char ret_name[TC_NF_HOST_BYTES])
{
    uint8_t *copy = malloc(len ? len : 1);
    int r;

    assert_non_null(copy);
    memcpy(copy, text, len);
    r = tc_nf_http_host(copy, len, ret_name);
    free(copy);
    return r;
}

static void host_name_is_what_hosts_are_called(void **state)
{
    static const struct {
        const char *from, *want;
    } cases[] = {
        {"Example.COM", "example.com"},
        {"example.com.", "example.com"},
        {"a", "a"},
        {"_dmarc.x-1.example", "_dmarc.x-1.example"},
        {"192.0.2.1", "192.0.2.1"},
        {"", NULL},
        {".", NULL},
        {"example.com..", NULL},
        {".example.com", NULL},
        {"a..b", NULL},
        {"exa mple.com", NULL},
        {"ex\xc3\xa4mple.com", NULL},
        {"::1", NULL},
        {"example.com/x", NULL},
    };
    char name[TC_NF_HOST_BYTES], text[300];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int r =
            tc_nf_host_name((const uint8_t *)cases[i].from, strlen(cases[i].from), name);

        assert_int_equal(r, cases[i].want ? 0 : -EINVAL);
        if (cases[i].want)
            assert_string_equal(name, cases[i].want);
    }
    memset(text, 'a', sizeof(text));
    assert_int_equal(tc_nf_host_name((uint8_t *)text, 63, name), 0);
    assert_int_equal(tc_nf_host_name((uint8_t *)text, 64, name), -EINVAL);
    for (size_t i = 63; i < sizeof(text); i += 64)
        text[i] = '.';
    assert_int_equal(tc_nf_host_name((uint8_t *)text, 253, name), 0);
    assert_int_equal(strlen(name), 253);
    assert_int_equal(tc_nf_host_name((uint8_t *)text, 254, name), -EINVAL);
}

static void tls_finds_the_name_however_it_is_cut(void **state)
{
    static const int whats[] = {0, HELLO_GREASE, HELLO_BIG_SHARE,
                                HELLO_GREASE | HELLO_BIG_SHARE};
    static const size_t records[] = {16384, 600, 100, 7, 1};
    uint8_t hello[HELLO_BYTES_MAX], data[RECORDS_BYTES_MAX];
    char name[TC_NF_HOST_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(whats) / sizeof(*whats); i++) {
        size_t hello_len = hello_write(hello, "WWW.Example.com", whats[i]);

        for (size_t j = 0; j < sizeof(records) / sizeof(*records); j++) {
            size_t len = hello_records(hello, hello_len, records[j], data), first = 0;
            bool ech = true;

            for (size_t cut = 0; cut <= len; cut++) {
                int r = tls_name(data, cut, name, &ech);

                assert_int_equal(r, first ? 0 : r == 0 ? 0 : -EAGAIN);
                if (r == 0 && !first) {
                    first = cut;
                    assert_string_equal(name, "www.example.com");
                    assert_false(ech);
                }
            }
            /* As soon as it is there. */
            assert_true(first && data[first - 1] == 'm');
        }
    }
}

static void tls_says_when_there_is_no_name(void **state)
{
    uint8_t hello[HELLO_BYTES_MAX], data[RECORDS_BYTES_MAX];
    char name[TC_NF_HOST_BYTES] = "as it was";
    size_t len;

    (void)state;
    len = hello_write(hello, "", HELLO_NO_NAME | HELLO_GREASE);
    len = hello_records(hello, len, 50, data);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(tls_name(data, cut, name, NULL), -EAGAIN);
    assert_int_equal(tls_name(data, len, name, NULL), -ENOENT);
    /* Without any extensions, as it was in SSL 3. */
    len = 4 + 2 + 32 + 1 + 32 + 8;
    hello[3] = (uint8_t)(len - 4);
    hello[2] = 0;
    len = hello_records(hello, len, 16384, data);
    assert_int_equal(tls_name(data, len, name, NULL), -ENOENT);
    /* One that is not a host's. */
    len = hello_write(hello, "a b", 0);
    len = hello_records(hello, len, 16384, data);
    assert_int_equal(tls_name(data, len, name, NULL), -ENOENT);
    len = hello_write(hello, "2001:db8::1", 0);
    len = hello_records(hello, len, 16384, data);
    assert_int_equal(tls_name(data, len, name, NULL), -ENOENT);
    assert_string_equal(name, "as it was");
}

static void tls_reports_an_encrypted_hello(void **state)
{
    uint8_t hello[HELLO_BYTES_MAX], data[RECORDS_BYTES_MAX];
    char name[TC_NF_HOST_BYTES];
    bool ech = false;
    size_t len;

    (void)state;
    len = hello_write(hello, "public.example", HELLO_ECH);
    len = hello_records(hello, len, 16384, data);
    assert_int_equal(tls_name(data, len, name, &ech), 0);
    assert_string_equal(name, "public.example");
    assert_true(ech);
    len = hello_write(hello, "", HELLO_ECH | HELLO_NO_NAME);
    ech = false;
    assert_int_equal(tc_nf_tls_handshake_name(hello, len, name, &ech), -ENOENT);
    assert_true(ech);
}

static void tls_refuses_what_is_something_else(void **state)
{
    static const struct {
        const char *what;
        const char *data;
        size_t len;
    } cases[] = {
        {"HTTP", "GET / HTTP/1.1\r\n", 16},
        {"one byte of it", "G", 1},
        {"SSH", "SSH-2.0-x\r\n", 11},
        {"SSL 2", "\x80\x2e\x01\x00\x02", 5},
        {"a version that is none", "\x16\x02", 2},
        {"a record of data", "\x17\x03\x03\x00\x10", 5},
        {"an empty record", "\x16\x03\x01\x00\x00", 5},
        {"a record too long", "\x16\x03\x01\x40\x01", 5},
        {"a ServerHello", "\x16\x03\x03\x00\x10\x02", 6},
        {"a hello of 16 MB", "\x16\x03\x01\x00\x10\x01\xff\xff\xff", 9},
        {"a hello of 2 bytes", "\x16\x03\x01\x00\x10\x01\x00\x00\x02\x03\x03\x00", 12},
        {"data after half a hello", "\x16\x03\x01\x00\x01\x01\x17", 7},
    };
    char name[TC_NF_HOST_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (tls_name((const uint8_t *)cases[i].data, cases[i].len, name, NULL) != -EPROTO)
            fail_msg("%s passes for TLS", cases[i].what);
}

/* No length in it can be made to lead out of it: each byte is every value once. */
static void tls_survives_any_byte(void **state)
{
    uint8_t hello[HELLO_BYTES_MAX], data[RECORDS_BYTES_MAX];
    char name[TC_NF_HOST_BYTES];
    size_t len;

    (void)state;
    len = hello_write(hello, "example.com", HELLO_GREASE | HELLO_ECH);
    len = hello_records(hello, len, 60, data);
    for (size_t i = 0; i < len; i++) {
        uint8_t was = data[i];

        for (int value = 0; value < 256; value++) {
            int r;

            data[i] = (uint8_t)value;
            r = tls_name(data, len, name, NULL);
            assert_true(r == 0 || r == -EAGAIN || r == -ENOENT || r == -EPROTO);
        }
        data[i] = was;
    }
}

static void http_finds_the_host(void **state)
{
    static const struct {
        const char *request, *want;
        int r;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: Example.com\r\n\r\n", "example.com", 0},
        {"GET / HTTP/1.1\r\nAccept: */*\r\nhOST:example.com:8080\r\n", "example.com", 0},
        {"GET / HTTP/1.0\nHost:\t example.com. \t\n\n", "example.com", 0},
        {"\r\n\r\nPOST /a?b HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example", 0},
        {"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n", "239.255.255.250", 0},
        {"GET http://a.example/x?u=http://c HTTP/1.1\r\nHost: b.example\r\n", "a.example",
         0},
        {"GET http://user:p@w@a.example:80 HTTP/1.1\r\n", "a.example", 0},
        {"GET ws://a.example?x HTTP/1.1\r\n", "a.example", 0},
        {"GET /http://a.example/ HTTP/1.1\r\nHost: b.example\r\n", "b.example", 0},
        {"CONNECT a.example:443 HTTP/1.1\r\nHost: b.example\r\n", "a.example", 0},
        {"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n", "a.example", 0},
        {"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n", NULL, -ENOENT},
        {"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n", NULL, -ENOENT},
        {"GET / HTTP/1.1\r\nHost:\r\n", NULL, -ENOENT},
        {"GET / HTTP/1.1\r\nHost: a b\r\n", NULL, -ENOENT},
        {"GET / HTTP/1.0\r\n\r\nHost: a.example\r\n", NULL, -ENOENT},
        {"GET / HTTP/1.0\r\nHostess: a\r\n\r\n", NULL, -ENOENT},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NULL, -ENOENT},
        {"", NULL, -EAGAIN},
        {"G", NULL, -EAGAIN},
        {"PR", NULL, -EAGAIN},
        {"PRI * HTTP/2", NULL, -EAGAIN},
        {"GET / HTTP/1.", NULL, -EAGAIN},
        {"GET / HTTP/1.1\r\nHost: a.exam", NULL, -EAGAIN},
        {"PROPFIND / HTTP/1.1\r\n", NULL, -EAGAIN},
        {"\x16\x03\x01\x02", NULL, -EPROTO},
        {"SSH-2.0-OpenSSH_9.2\r\n", NULL, -EPROTO},
        {"EHLO a.example\r\n", NULL, -EPROTO},
        {"GET /\r\n", NULL, -EPROTO},
        {"GET  HTTP/1.1\r\n", NULL, -EPROTO},
        {"GET / SIP/2.0\r\n", NULL, -EPROTO},
        {"GET / HTTP/2.0\r\n", NULL, -EPROTO},
        {"GETTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT", NULL, -EPROTO},
        {"HTTP/1.1 200 OK\r\n", NULL, -EPROTO},
    };
    char name[TC_NF_HOST_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t len = strlen(cases[i].request);
        int r = http_host(cases[i].request, len, name);

        if (r != cases[i].r)
            fail_msg("%d instead of %d: %s", r, cases[i].r, cases[i].request);
        if (r == 0)
            assert_string_equal(name, cases[i].want);
        /* And no part of it is taken for something else. */
        for (size_t cut = 0; cut < len && r != -EPROTO; cut++)
            if (http_host(cases[i].request, cut, name) == -EPROTO)
                fail_msg("refused after %zu bytes: %s", cut, cases[i].request);
    }
}

static void http_finds_the_host_of_what_was_captured(void **state)
{
    char name[TC_NF_HOST_BYTES];
    struct tc_nf_packet packet;
    struct pcap pcap;

    (void)state;
    PCAP_OPEN_OR_SKIP(&pcap, "ipv4_tcp_http_xml_tso.pcap");
    assert_true(pcap_next_payload(&pcap, 0, &packet));
    assert_int_equal(tc_nf_http_host(packet.payload, packet.payload_bytes, name), 0);
    assert_string_equal(name, "gwm-ml-a2.wsodqa.com");
    PCAP_OPEN_OR_SKIP(&pcap, "ipv4_tcp_http_xml.pcap");
    assert_true(pcap_next_payload(&pcap, 0, &packet));
    assert_int_equal(tc_nf_http_host(packet.payload, packet.payload_bytes, name),
                     -EPROTO);
    PCAP_OPEN_OR_SKIP(&pcap, "ssh.pcap");
    assert_true(pcap_next_payload(&pcap, 22, &packet));
    assert_int_equal(tc_nf_http_host(packet.payload, packet.payload_bytes, name),
                     -EPROTO);
    assert_int_equal(tc_nf_tls_name(packet.payload, packet.payload_bytes, name, NULL),
                     -EPROTO);
}

/* Runs `client`, for whose shell $PORT is a port of ours, and reads what it sends first.
 */
static size_t first_bytes_of(const char *client, uint8_t *ret, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t address_len = sizeof(address);
    int listener, fd, status;
    char port[8];
    ssize_t n;
    pid_t pid;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &address_len), 0);
    snprintf(port, sizeof(port), "%d", ntohs(address.sin_port));
    assert_int_equal(setenv("PORT", port, 1), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        execl("/bin/sh", "sh", "-c", client, (char *)NULL);
        _exit(127);
    }
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    n = read(fd, ret, size);
    assert_true(n > 0);
    close(fd);
    close(listener);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return (size_t)n;
}

static void names_of_real_clients_are_found(void **state)
{
    uint8_t data[TC_NF_HOST_BYTES * 16];
    char name[TC_NF_HOST_BYTES];
    bool found = false;
    size_t len;

    (void)state;
    alarm(60); /* of clients that never come */
    if (!access("/usr/bin/openssl", X_OK)) {
        len = first_bytes_of("exec openssl s_client -connect 127.0.0.1:$PORT -servername "
                             "Client.Example </dev/null >/dev/null 2>&1",
                             data, sizeof(data));
        assert_int_equal(tls_name(data, len, name, NULL), 0);
        assert_string_equal(name, "client.example");
        found = true;
    }
    if (!access("/usr/bin/curl", X_OK)) {
        len = first_bytes_of("exec curl -s --resolve client.example:$PORT:127.0.0.1 "
                             "http://client.example:$PORT/ >/dev/null 2>&1",
                             data, sizeof(data));
        assert_int_equal(tc_nf_http_host(data, len, name), 0);
        assert_string_equal(name, "client.example");
        found = true;
    }
    alarm(0);
    if (!found)
        test_skip("neither openssl nor curl is here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_name_is_what_hosts_are_called),
        cmocka_unit_test(tls_finds_the_name_however_it_is_cut),
        cmocka_unit_test(tls_says_when_there_is_no_name),
        cmocka_unit_test(tls_reports_an_encrypted_hello),
        cmocka_unit_test(tls_refuses_what_is_something_else),
        cmocka_unit_test(tls_survives_any_byte),
        cmocka_unit_test(http_finds_the_host),
        cmocka_unit_test(http_finds_the_host_of_what_was_captured),
        cmocka_unit_test(names_of_real_clients_are_found),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
