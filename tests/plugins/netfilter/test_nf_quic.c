/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: that the name is found in QUIC's first datagrams: those of RFC 9001 A and RFC
 * 9369 A, captured ones, and ones made here whose frames and packets come in any order.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/skip.h"

#include "hello.h"
#include "pcap.h"
#include "quic_seal.h"

#define DATAGRAM_MAX 8192
#define ID "\x83\x94\xc8\xf0\x3e\x51\x57\x08"
#define ID_BYTES 8

struct rig {
    struct tc_nf_quic_crypto *crypto;
    struct tc_nf_quic quic;
    struct tc_nf_quic_keys keys;
    uint8_t datagram[DATAGRAM_MAX], frames[DATAGRAM_MAX], hello[HELLO_BYTES_MAX];
    size_t datagram_len, frames_len, hello_len;
    char name[TC_NF_HOST_BYTES];
    bool ech;
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    assert_int_equal(tc_nf_quic_crypto_new(&rig->crypto), 0);
    assert_int_equal(tc_nf_quic_derive(rig->crypto, QUIC_V1, (const uint8_t *)ID,
                                       ID_BYTES, &rig->keys),
                     0);
    rig->hello_len = hello_write(rig->hello, "www.example.com", HELLO_BIG_SHARE);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    tc_nf_quic_crypto_free(rig->crypto);
    free(rig);
    return 0;
}

static size_t from_hex(const char *hex, uint8_t *ret)
{
    size_t n = 0;
    unsigned byte;

    for (; *hex; hex += 2) {
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        ret[n++] = (uint8_t)byte;
    }
    return n;
}

/* Of a copy that ends where its memory does, so that the sanitizers see a byte too many.
 */
static int take(struct rig *rig, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    int r;

    assert_non_null(copy);
    memcpy(copy, data, len);
    r = tc_nf_quic_name(rig->crypto, &rig->quic, copy, len, rig->name, &rig->ech);
    free(copy);
    return r;
}

static int take_datagram(struct rig *rig)
{
    return take(rig, rig->datagram, rig->datagram_len);
}

/* Frames for the next packet. */
static void add_crypto(struct rig *rig, size_t offset, size_t len)
{
    rig->frames_len +=
        quic_crypto_frame(rig->frames + rig->frames_len, rig->hello, offset, len);
}

static void add_frame(struct rig *rig, const char *bytes, size_t len)
{
    memcpy(rig->frames + rig->frames_len, bytes, len);
    rig->frames_len += len;
}

/* Seals what frames there are as one more packet of the datagram. */
static void add_packet(struct rig *rig, const void *id, size_t id_bytes,
                       const void *token, size_t token_bytes, uint32_t number)
{
    uint8_t *at = rig->datagram + rig->datagram_len;
    size_t header = quic_header(at, QUIC_V1, id, id_bytes, token, token_bytes,
                                rig->frames_len, number);

    assert_true(quic_seal(&rig->keys, at, header, rig->frames, rig->frames_len));
    rig->datagram_len += header + rig->frames_len + QUIC_TAG;
    rig->frames_len = 0;
}

static void clear(struct rig *rig)
{
    rig->datagram_len = rig->frames_len = 0;
}

static void assert_keys(const struct tc_nf_quic_keys *keys, const char *key,
                        const char *iv, const char *header)
{
    uint8_t bytes[16];

    assert_int_equal(from_hex(key, bytes), 16);
    assert_memory_equal(keys->key, bytes, 16);
    assert_int_equal(from_hex(iv, bytes), 12);
    assert_memory_equal(keys->iv, bytes, 12);
    assert_int_equal(from_hex(header, bytes), 16);
    assert_memory_equal(keys->header, bytes, 16);
}

/* The ClientHello in the example of both documents, as its CRYPTO frame. */
static const char rfc_frame[] =
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c"
    "00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006"
    "001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa4"
    "7fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305"
    "0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ff"
    "ff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";

#define RFC_PAYLOAD 1162

/* The packets of the documents are this frame, padded and sealed: where keys, the start
 * and the tag at the end are theirs, all of it is. */
static void assert_rfc_packet(struct rig *rig, uint32_t version, const char *start,
                              const char *tag)
{
    uint8_t want[64];
    size_t header, len;

    memset(rig->frames, 0, RFC_PAYLOAD);
    from_hex(rfc_frame, rig->frames);
    header = quic_header(rig->datagram, version, ID, ID_BYTES, NULL, 0, RFC_PAYLOAD, 2);
    assert_true(quic_seal(&rig->keys, rig->datagram, header, rig->frames, RFC_PAYLOAD));
    len = from_hex(start, want);
    assert_memory_equal(rig->datagram, want, len);
    rig->datagram_len = header + RFC_PAYLOAD + QUIC_TAG;
    assert_int_equal(rig->datagram_len, 1200);
    if (tag) {
        from_hex(tag, want);
        assert_memory_equal(rig->datagram + rig->datagram_len - QUIC_TAG, want, QUIC_TAG);
    }
    assert_int_equal(take_datagram(rig), 0);
    assert_string_equal(rig->name, "example.com");
    assert_false(rig->ech);
}

static void quic_reads_the_example_of_version_1(void **state)
{
    struct rig *rig = *state;

    assert_keys(&rig->keys, "1f369613dd76d5467730efcbe3b1a22d",
                "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2");
    assert_rfc_packet(rig, QUIC_V1,
                      "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11",
                      "e221af44860018ab0856972e194cd934");
}

static void quic_reads_the_example_of_version_2(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(tc_nf_quic_derive(rig->crypto, QUIC_V2, (const uint8_t *)ID,
                                       ID_BYTES, &rig->keys),
                     0);
    assert_keys(&rig->keys, "8b1a0bc121284290a29e0971b5cd045d",
                "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9");
    assert_rfc_packet(rig, QUIC_V2,
                      "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
                      NULL);
}

static void quic_puts_frames_in_order(void **state)
{
    struct rig *rig = *state;

    add_crypto(rig, 700, rig->hello_len - 700);
    add_frame(rig, "\x01\0\0\x02\x05\x00\x01\x02\x00\x01\x03\x05\0\0\0\1\2\3", 18);
    add_crypto(rig, 0, 300);
    add_crypto(rig, 250, 450);
    add_packet(rig, ID, ID_BYTES, NULL, 0, 0);
    assert_int_equal(take_datagram(rig), 0);
    assert_string_equal(rig->name, "www.example.com");
}

static void quic_waits_for_the_other_datagrams(void **state)
{
    struct rig *rig = *state;

    add_crypto(rig, 900, rig->hello_len - 900);
    add_packet(rig, ID, ID_BYTES, NULL, 0, 1);
    assert_int_equal(take_datagram(rig), -EAGAIN);
    assert_int_equal(take_datagram(rig), -EAGAIN); /* again */
    clear(rig);
    /* The server has answered, and its id is in front: the keys are the first id's. */
    add_crypto(rig, 0, 900);
    add_packet(rig, "server's", 8, NULL, 0, 2);
    assert_int_equal(take_datagram(rig), 0);
    assert_string_equal(rig->name, "www.example.com");
}

static void quic_reads_packets_that_share_a_datagram(void **state)
{
    static const uint8_t early[16 + 20] = "\xd0\0\0\0\1\x08" ID "\0\x14";
    struct rig *rig = *state;

    /* 0-RTT in front: its length says where the next packet is. */
    memcpy(rig->datagram, early, sizeof(early));
    rig->datagram_len = sizeof(early);
    assert_int_equal(take_datagram(rig), -EAGAIN);
    add_crypto(rig, 0, 700);
    add_packet(rig, ID, ID_BYTES, NULL, 0, 0);
    add_crypto(rig, 700, rig->hello_len - 700);
    add_packet(rig, ID, ID_BYTES, NULL, 0, 1);
    memset(rig->datagram + rig->datagram_len, 0, 100);
    rig->datagram_len += 100;
    assert_int_equal(take_datagram(rig), 0);
    assert_string_equal(rig->name, "www.example.com");
}

static void quic_begins_again_after_a_retry(void **state)
{
    struct rig *rig = *state;

    add_crypto(rig, 0, 700);
    add_packet(rig, ID, ID_BYTES, NULL, 0, 0);
    assert_int_equal(take_datagram(rig), -EAGAIN);
    clear(rig);
    assert_int_equal(tc_nf_quic_derive(rig->crypto, QUIC_V1, (const uint8_t *)"retry's!",
                                       8, &rig->keys),
                     0);
    add_crypto(rig, 0, 600);
    add_packet(rig, "retry's!", 8, "token", 5, 1);
    assert_int_equal(take_datagram(rig), -EAGAIN);
    assert_int_equal(tc_nf_stream_bytes(&rig->quic.hello), 600);
    clear(rig);
    add_crypto(rig, 600, rig->hello_len - 600);
    add_packet(rig, "retry's!", 8, "token", 5, 2);
    assert_int_equal(take_datagram(rig), 0);
    assert_string_equal(rig->name, "www.example.com");
}

static void quic_says_when_there_is_no_name(void **state)
{
    struct rig *rig = *state;

    rig->hello_len = hello_write(rig->hello, "", HELLO_NO_NAME | HELLO_ECH);
    add_crypto(rig, 0, rig->hello_len);
    add_packet(rig, ID, ID_BYTES, NULL, 0, 0);
    assert_int_equal(take_datagram(rig), -ENOENT);
    assert_true(rig->ech);
}

static void quic_refuses_what_is_something_else(void **state)
{
    static const struct {
        const char *what;
        const char *data;
        size_t len;
    } cases[] = {
        {"nothing", "", 0},
        {"DNS", "\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", 19},
        {"a short header", "\x40xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 33},
        {"version 0", "\xc0\0\0\0\0\x08xxxxxxxx\0\0\x14xxxxxxxxxxxxxxxxxxxx", 37},
        {"a draft", "\xc0\xff\0\0\x1d\x08xxxxxxxx\0\0\x14xxxxxxxxxxxxxxxxxxxx", 37},
        {"a wrong tag", "\xc0\0\0\0\1\x08xxxxxxxx\0\0\x14xxxxxxxxxxxxxxxxxxxx", 37},
        {"an id of 21 bytes",
         "\xc0\0\0\0\1\x15xxxxxxxxxxxxxxxxxxxxx\0\0\x14"
         "xxxxxxxxxxxxxxxxxxxx",
         50},
        {"no room for a sample", "\xc0\0\0\0\1\x08xxxxxxxx\0\0\x13xxxxxxxxxxxxxxxxxxx",
         36},
        {"a length past its end", "\xc0\0\0\0\1\x08xxxxxxxx\0\0\x15xxxxxxxxxxxxxxxxxxxx",
         37},
        {"a token past its end",
         "\xc0\0\0\0\1\x08xxxxxxxx\0\xff\xff\xff\xff\xff\xff\xff\xff", 23},
        {"a Handshake packet", "\xe0\0\0\0\1\x08xxxxxxxx\0\x14xxxxxxxxxxxxxxxxxxxx", 36},
        {"a Retry", "\xf0\0\0\0\1\x08xxxxxxxx\0\0\x14xxxxxxxxxxxxxxxxxxxx", 17},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (take(rig, (const uint8_t *)cases[i].data, cases[i].len) != -EPROTO)
            fail_msg("%s passes for QUIC", cases[i].what);
    assert_int_equal(
        tc_nf_quic_derive(rig->crypto, 2, (const uint8_t *)ID, ID_BYTES, &rig->keys),
        -EPROTO);
}

static void quic_does_not_forget_when_something_else_comes(void **state)
{
    struct rig *rig = *state;

    add_crypto(rig, 0, 700);
    add_packet(rig, ID, ID_BYTES, NULL, 0, 0);
    assert_int_equal(take_datagram(rig), -EAGAIN);
    rig->datagram[rig->datagram_len - 1] ^= 1;
    assert_int_equal(take_datagram(rig), -EAGAIN);
    assert_int_equal(take(rig, (const uint8_t *)"\x40xxxxxxxxxxxxxxx", 16), -EAGAIN);
    clear(rig);
    add_crypto(rig, 700, rig->hello_len - 700);
    add_packet(rig, ID, ID_BYTES, NULL, 0, 1);
    assert_int_equal(take_datagram(rig), 0);
}

/* Frames past any limit, and frames that do not fit their packet. */
static void quic_survives_frames_of_any_length(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } frames[] = {
        {"\x06\xff\xff\xff\xff\xff\xff\xff\xff\x01z", 11}, /* offset 2^62 - 1 */
        {"\x06\x80\0\x40\0\x01z", 7},                      /* at the stream's end */
        {"\x06\x7f\xff\x01z", 5},                          /* its last byte */
        {"\x06\0\x01", 3},
        {"\x06\0\xff\xff\xff\xff\xff\xff\xff\xff", 10},
        {"\x02\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0", 12},
        {"\x02\0\0\x01\0", 5},
        {"\x06", 1},
        {"\x1c\0\0\0", 4},
        {"\x99", 1},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
        clear(rig);
        memset(rig->frames, 0, 20);
        rig->frames_len = 20;
        add_frame(rig, frames[i].bytes, frames[i].len);
        add_packet(rig, ID, ID_BYTES, NULL, 0, (uint32_t)i);
        assert_int_equal(take_datagram(rig), -EAGAIN);
        assert_int_equal(tc_nf_stream_bytes(&rig->quic.hello), 0);
    }
}

static void quic_gives_up_when_the_stream_is_full(void **state)
{
    struct rig *rig = *state;
    uint8_t *hello = calloc(1, TC_NF_STREAM_MAX);

    assert_non_null(hello);
    memcpy(hello, "\x01\0\x80\0\x03\x03", 6); /* of 32 KB */
    hello[4 + 2 + 32] = 0;
    memcpy(hello + 39, "\x7f\x00", 2); /* nearly all of which are ciphers */
    for (size_t at = 0; at < TC_NF_STREAM_MAX; at += 1024) {
        clear(rig);
        rig->frames_len = quic_crypto_frame(rig->frames, hello, at, 1024);
        add_packet(rig, ID, ID_BYTES, NULL, 0, (uint32_t)at / 1024);
        assert_int_equal(take_datagram(rig),
                         at + 1024 < TC_NF_STREAM_MAX ? -EAGAIN : -ENOENT);
    }
    free(hello);
}

static void quic_reads_ids_of_any_length(void **state)
{
    static const uint8_t id[TC_NF_QUIC_ID_MAX] = {9};
    struct rig *rig = *state;

    for (size_t len = 0; len <= TC_NF_QUIC_ID_MAX; len++) {
        memset(&rig->quic, 0, sizeof(rig->quic));
        clear(rig);
        assert_int_equal(tc_nf_quic_derive(rig->crypto, QUIC_V1, id, len, &rig->keys), 0);
        add_crypto(rig, 0, rig->hello_len);
        add_packet(rig, id, len, NULL, 0, 0);
        assert_int_equal(take_datagram(rig), 0);
    }
}

static void quic_reads_what_was_captured(void **state)
{
    static const char *const files[] = {"quic_handshake.pcap", "quic_retry.pcap"};
    struct rig *rig = *state;
    struct tc_nf_packet packet;
    struct pcap pcap;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        if (!pcap_open(&pcap, files[i]))
            test_skip("../shared/data/pcap is not here");
        memset(&rig->quic, 0, sizeof(rig->quic));
        /* From the first datagram on; what comes later does not change it. */
        while (pcap_next_payload(&pcap, 443, &packet)) {
            memset(rig->name, 0, sizeof(rig->name));
            assert_int_equal(take(rig, packet.payload, packet.payload_bytes), 0);
            assert_string_equal(rig->name, "localhost");
        }
    }
    /* Only from the answer to a Retry on: its id is another, and it has a token. */
    assert_true(pcap_open(&pcap, "quic_retry.pcap"));
    memset(&rig->quic, 0, sizeof(rig->quic));
    assert_true(pcap_next_payload(&pcap, 443, &packet));
    assert_true(pcap_next_payload(&pcap, 443, &packet));
    assert_int_equal(take(rig, packet.payload, packet.payload_bytes), 0);
    assert_string_equal(rig->name, "localhost");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(quic_reads_the_example_of_version_1, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(quic_reads_the_example_of_version_2, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(quic_puts_frames_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(quic_waits_for_the_other_datagrams, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(quic_reads_packets_that_share_a_datagram, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(quic_begins_again_after_a_retry, setup, teardown),
        cmocka_unit_test_setup_teardown(quic_says_when_there_is_no_name, setup, teardown),
        cmocka_unit_test_setup_teardown(quic_refuses_what_is_something_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(quic_does_not_forget_when_something_else_comes,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(quic_survives_frames_of_any_length, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(quic_gives_up_when_the_stream_is_full, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(quic_reads_ids_of_any_length, setup, teardown),
        cmocka_unit_test_setup_teardown(quic_reads_what_was_captured, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
