/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many messages a second plugin netfilter reads the names of, on one core: DNS
 * answers (two CNAMEs, four addresses, OPT), a ClientHello of one segment and one with a
 * post-quantum key share in records of 1,400 bytes, and QUIC's first datagram of 1,200
 * bytes, of a new flow and of one whose keys are there. The floor is to touch each byte
 * once; for QUIC it is what libcrypto alone needs for the same keys and bytes. Rounds in
 * turn, the best of each.
 *
 *     {"bench":"names","case":"dns_answer","bytes":..,"per_s":..,"ns":..,
 *      "floor_per_s":..,"ratio":..}
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/plugins/netfilter/hello.h"
#include "tests/plugins/netfilter/quic_seal.h"
#include "wire/nf_dns.h"
#include "wire/nf_tls.h"

#define ROUNDS 7
#define ROUND_S 0.05
#define BATCH 64
#define ID "8 bytes!"
#define DATAGRAM 1200
#define HKDF_EXPANDS 4

struct bench {
    uint8_t dns[512], hello[HELLO_BYTES_MAX], big_hello[2 * HELLO_BYTES_MAX];
    uint8_t datagram[DATAGRAM];
    size_t dns_len, hello_len, big_hello_len;
    struct tc_nf_dns answer;
    struct tc_nf_quic_crypto *crypto;
    struct tc_nf_quic quic;
    struct tc_nf_quic_keys keys;
    char name[TC_NF_HOST_BYTES];
    /* The floor's own objects of libcrypto. */
    EVP_KDF_CTX *extract, *expand;
    EVP_CIPHER *gcm, *ecb;
    EVP_CIPHER_CTX *gcm_ctx, *ecb_ctx;
    volatile uint64_t sum;
};

typedef void (*work_fn)(struct bench *bench);

static void must(int ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_names: %s failed\n", what);
    exit(1);
}

/* Of this thread on a core: whatever else the machine does takes none of it. */
static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- What is read ---- */

static void put(struct bench *bench, const void *bytes, size_t len)
{
    memcpy(bench->dns + bench->dns_len, bytes, len);
    bench->dns_len += len;
}

static void make_answer(struct bench *bench)
{
    static const char question[] = "\x12\x34\x81\x80\0\1\0\6\0\0\0\1"
                                   "\3www\7example\3com\0\0\1\0\1";
    static const char alias[] = "\xc0\x0c\0\5\0\1\0\0\1\x2c\0\x12"
                                "\3www\3cdn\7network\xc0\x18";
    static const char edge[] = "\xc0\x2d\0\5\0\1\0\0\0\x3c\0\x07"
                               "\4edge\xc0\x31";
    static const char address[] = "\xc0\x4b\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1";
    static const char opt[] = "\0\0\x29\x04\xd0\0\0\0\0\0\0";

    put(bench, question, sizeof(question) - 1);
    put(bench, alias, sizeof(alias) - 1);
    put(bench, edge, sizeof(edge) - 1);
    for (int i = 0; i < 4; i++)
        put(bench, address, sizeof(address) - 1);
    put(bench, opt, sizeof(opt) - 1);
    must(!tc_nf_dns_parse(bench->dns, bench->dns_len, &bench->answer) &&
             bench->answer.answers_count == 6 && bench->answer.answers[5].belongs,
         "the answer");
}

static void make_hellos(struct bench *bench)
{
    uint8_t hello[HELLO_BYTES_MAX];
    size_t len = hello_write(hello, "www.example.com", HELLO_GREASE);

    bench->hello_len = hello_records(hello, len, 16384, bench->hello);
    len = hello_write(hello, "www.example.com", HELLO_GREASE | HELLO_BIG_SHARE);
    bench->big_hello_len = hello_records(hello, len, 1400, bench->big_hello);
}

static void make_datagram(struct bench *bench)
{
    uint8_t frames[DATAGRAM] = {0}, hello[HELLO_BYTES_MAX];
    size_t len = hello_write(hello, "www.example.com", HELLO_GREASE), header;
    size_t frames_len = DATAGRAM - (1 + 4 + 1 + 8 + 1 + 1 + 2 + 4) - QUIC_TAG;

    quic_crypto_frame(frames, hello, 0, len);
    header = quic_header(bench->datagram, QUIC_V1, ID, 8, NULL, 0, frames_len, 0);
    must(header + frames_len + QUIC_TAG == DATAGRAM &&
             quic_seal(&bench->keys, bench->datagram, header, frames, frames_len),
         "the datagram");
}

/* ---- What is measured ---- */

static void touch(struct bench *bench, const uint8_t *data, size_t len)
{
    uint64_t sum = bench->sum;

    for (size_t i = 0; i < len; i++)
        sum += data[i];
    bench->sum = sum;
}

static void dns_floor(struct bench *bench)
{
    touch(bench, bench->dns, bench->dns_len);
}

static void dns_parse(struct bench *bench)
{
    tc_nf_dns_parse(bench->dns, bench->dns_len, &bench->answer);
    bench->sum += bench->answer.answers_count;
}

static void hello_floor(struct bench *bench)
{
    touch(bench, bench->hello, bench->hello_len);
}

static void hello_name(struct bench *bench)
{
    bench->sum +=
        (uint64_t)tc_nf_tls_name(bench->hello, bench->hello_len, bench->name, NULL);
}

static void big_hello_floor(struct bench *bench)
{
    touch(bench, bench->big_hello, bench->big_hello_len);
}

static void big_hello_name(struct bench *bench)
{
    bench->sum += (uint64_t)tc_nf_tls_name(bench->big_hello, bench->big_hello_len,
                                           bench->name, NULL);
}

static OSSL_PARAM octets(const char *name, const void *data, size_t len)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)data, len);
}

static EVP_KDF_CTX *new_kdf(int mode)
{
    char digest[] = "SHA256";
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    must(ctx && EVP_KDF_CTX_set_params(ctx, params) == 1, "HKDF");
    EVP_KDF_free(kdf);
    return ctx;
}

/* As many bytes through as many steps; what they say does not matter. */
static void derive_floor(struct bench *bench)
{
    uint8_t secret[32], info[18] = {0};
    OSSL_PARAM extract[] = {octets(OSSL_KDF_PARAM_SALT, secret, 20),
                            octets(OSSL_KDF_PARAM_KEY, ID, 8),
                            OSSL_PARAM_construct_end()};
    OSSL_PARAM expand[] = {octets(OSSL_KDF_PARAM_KEY, secret, sizeof(secret)),
                           octets(OSSL_KDF_PARAM_INFO, info, sizeof(info)),
                           OSSL_PARAM_construct_end()};

    memset(secret, 1, sizeof(secret));
    EVP_KDF_derive(bench->extract, secret, sizeof(secret), extract);
    for (int i = 0; i < HKDF_EXPANDS; i++)
        EVP_KDF_derive(bench->expand, secret, sizeof(secret), expand);
    bench->sum += secret[0];
}

static void open_floor(struct bench *bench)
{
    uint8_t out[DATAGRAM];
    int n;

    EVP_EncryptInit_ex2(bench->ecb_ctx, bench->ecb, bench->keys.header, NULL, NULL);
    EVP_EncryptUpdate(bench->ecb_ctx, out, &n, bench->datagram + 30, 16);
    EVP_DecryptInit_ex2(bench->gcm_ctx, bench->gcm, bench->keys.key, bench->keys.iv,
                        NULL);
    EVP_CIPHER_CTX_ctrl(bench->gcm_ctx, EVP_CTRL_AEAD_SET_TAG, QUIC_TAG, out);
    EVP_DecryptUpdate(bench->gcm_ctx, NULL, &n, bench->datagram, 22);
    EVP_DecryptUpdate(bench->gcm_ctx, out, &n, bench->datagram + 22, DATAGRAM - 38);
    EVP_DecryptFinal_ex(bench->gcm_ctx, out, &n);
    bench->sum += out[0];
}

static void new_flow_floor(struct bench *bench)
{
    derive_floor(bench);
    open_floor(bench);
}

static void known_flow(struct bench *bench)
{
    bench->quic.hello.pieces_count = 0;
    bench->sum += (uint64_t)tc_nf_quic_name(bench->crypto, &bench->quic, bench->datagram,
                                            DATAGRAM, bench->name, NULL);
}

static void new_flow(struct bench *bench)
{
    bench->quic.version = 0;
    known_flow(bench);
}

/* One round: how many a second. */
static double measure(struct bench *bench, work_fn work)
{
    double start = now_s(), took;
    size_t count = 0;

    do {
        for (int i = 0; i < BATCH; i++)
            work(bench);
        count += BATCH;
        took = now_s() - start;
    } while (took < ROUND_S);
    return (double)count / took;
}

static void compare(struct bench *bench, const char *name, size_t bytes, work_fn work,
                    work_fn floor)
{
    double best = 0, best_floor = 0, value;

    for (int round = 0; round < ROUNDS; round++) {
        value = measure(bench, floor);
        best_floor = value > best_floor ? value : best_floor;
        value = measure(bench, work);
        best = value > best ? value : best;
    }
    printf(
        "{\"bench\":\"names\",\"case\":\"%s\",\"bytes\":%zu,\"per_s\":%.0f,\"ns\":%.0f,"
        "\"floor_per_s\":%.0f,\"ratio\":%.2f}\n",
        name, bytes, best, 1e9 / best, best_floor, best / best_floor);
}

static void setup(struct bench *bench)
{
    must(!tc_nf_quic_crypto_new(&bench->crypto) &&
             !tc_nf_quic_derive(bench->crypto, QUIC_V1, (const uint8_t *)ID, 8,
                                &bench->keys),
         "libcrypto");
    bench->extract = new_kdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY);
    bench->expand = new_kdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY);
    bench->gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    bench->ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    bench->gcm_ctx = EVP_CIPHER_CTX_new();
    bench->ecb_ctx = EVP_CIPHER_CTX_new();
    must(bench->gcm && bench->ecb && bench->gcm_ctx && bench->ecb_ctx, "libcrypto");
    make_answer(bench);
    make_hellos(bench);
    make_datagram(bench);
    must(!tc_nf_quic_name(bench->crypto, &bench->quic, bench->datagram, DATAGRAM,
                          bench->name, NULL),
         "the datagram's name");
}

static void teardown(struct bench *bench)
{
    EVP_KDF_CTX_free(bench->extract);
    EVP_KDF_CTX_free(bench->expand);
    EVP_CIPHER_CTX_free(bench->gcm_ctx);
    EVP_CIPHER_CTX_free(bench->ecb_ctx);
    EVP_CIPHER_free(bench->gcm);
    EVP_CIPHER_free(bench->ecb);
    tc_nf_quic_crypto_free(bench->crypto);
}

int main(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    must(bench != NULL, "calloc");
    setup(bench);
    compare(bench, "dns_answer", bench->dns_len, dns_parse, dns_floor);
    compare(bench, "client_hello", bench->hello_len, hello_name, hello_floor);
    compare(bench, "client_hello_big", bench->big_hello_len, big_hello_name,
            big_hello_floor);
    compare(bench, "quic_new_flow", DATAGRAM, new_flow, new_flow_floor);
    compare(bench, "quic_known_flow", DATAGRAM, known_flow, open_floor);
    teardown(bench);
    free(bench);
    return 0;
}
