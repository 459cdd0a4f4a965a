/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_quic.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "nf_tls.h"

#define SECRET_BYTES 32
#define TAG_BYTES 16
#define SAMPLE_BYTES 16
#define LABEL_MAX 16 /* of those below */

/* Types of packets, less that of Initial ones in that version. */
#define TYPE_INITIAL 0x00
#define TYPE_0RTT 0x10
#define TYPE_RETRY 0x30
#define TYPE_MASK 0x30

#define FRAME_PADDING 0x00
#define FRAME_PING 0x01
#define FRAME_ACK 0x02
#define FRAME_ACK_ECN 0x03
#define FRAME_CRYPTO 0x06

/* RFC 9001, 5.2 and RFC 9369, 3 */
static const struct version {
    uint32_t number;
    uint8_t initial; /* the type of Initial packets, in the first byte */
    uint8_t salt[20];
    const char *key, *iv, *header;
} versions[] = {
    {.number = 1,
     .initial = 0x00,
     .salt = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
              0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a},
     .key = "quic key",
     .iv = "quic iv",
     .header = "quic hp"},
    {.number = 0x6b3343cf,
     .initial = 0x10,
     .salt = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
              0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9},
     .key = "quicv2 key",
     .iv = "quicv2 iv",
     .header = "quicv2 hp"},
};

struct tc_nf_quic_crypto {
    EVP_KDF_CTX *extract, *expand;
    EVP_CIPHER *gcm, *ecb;
    EVP_CIPHER_CTX *gcm_ctx, *ecb_ctx;
    uint8_t plain[TC_NF_QUIC_PACKET_MAX];
};

/* A packet with a long header. */
struct packet {
    const struct version *version;
    const uint8_t *at;
    const uint8_t *id;
    size_t id_bytes;
    size_t number; /* where the packet number is, behind `at` */
    size_t bytes;
    uint8_t type;
};

static const struct version *find_version(uint32_t number)
{
    for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++)
        if (versions[i].number == number)
            return &versions[i];
    return NULL;
}

/* ---- libcrypto ---- */

/* A context of HKDF (RFC 5869) that does one of its two steps. */
static EVP_KDF_CTX *new_kdf(EVP_KDF *kdf, int mode)
{
    char digest[] = "SHA256";
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    if (ctx && EVP_KDF_CTX_set_params(ctx, params) == 1)
        return ctx;
    EVP_KDF_CTX_free(ctx);
    return NULL;
}

int tc_nf_quic_crypto_new(struct tc_nf_quic_crypto **ret)
{
    struct tc_nf_quic_crypto *crypto = calloc(1, sizeof(*crypto));
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    int r = -ENOMEM;

    if (!crypto)
        goto out;
    crypto->gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    crypto->ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    if (!kdf || !crypto->gcm || !crypto->ecb) {
        r = -ENOSYS;
        goto out;
    }
    crypto->extract = new_kdf(kdf, EVP_KDF_HKDF_MODE_EXTRACT_ONLY);
    crypto->expand = new_kdf(kdf, EVP_KDF_HKDF_MODE_EXPAND_ONLY);
    crypto->gcm_ctx = EVP_CIPHER_CTX_new();
    crypto->ecb_ctx = EVP_CIPHER_CTX_new();
    if (!crypto->extract || !crypto->expand || !crypto->gcm_ctx || !crypto->ecb_ctx)
        goto out;
    *ret = crypto;
    crypto = NULL;
    r = 0;
out:
    EVP_KDF_free(kdf);
    tc_nf_quic_crypto_free(crypto);
    return r;
}

void tc_nf_quic_crypto_free(struct tc_nf_quic_crypto *crypto)
{
    if (!crypto)
        return;
    EVP_KDF_CTX_free(crypto->extract);
    EVP_KDF_CTX_free(crypto->expand);
    EVP_CIPHER_CTX_free(crypto->gcm_ctx);
    EVP_CIPHER_CTX_free(crypto->ecb_ctx);
    EVP_CIPHER_free(crypto->gcm);
    EVP_CIPHER_free(crypto->ecb);
    free(crypto);
}

/* OSSL_PARAM has no const; what is passed this way is only read. */
static OSSL_PARAM octets(const char *name, const void *data, size_t len)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)data, len);
}

static int extract(EVP_KDF_CTX *ctx, const struct version *version, const uint8_t *id,
                   size_t id_bytes, uint8_t ret[SECRET_BYTES])
{
    OSSL_PARAM params[] = {
        octets(OSSL_KDF_PARAM_SALT, version->salt, sizeof(version->salt)),
        octets(OSSL_KDF_PARAM_KEY, id, id_bytes),
        OSSL_PARAM_construct_end(),
    };

    return EVP_KDF_derive(ctx, ret, SECRET_BYTES, params) == 1 ? 0 : -EIO;
}

/* HKDF-Expand-Label of RFC 8446, 7.1, with an empty context. */
static int expand(EVP_KDF_CTX *ctx, const uint8_t secret[SECRET_BYTES], const char *label,
                  uint8_t *ret, size_t len)
{
    static const char prefix[] = "tls13 ";
    uint8_t info[2 + 1 + sizeof(prefix) + LABEL_MAX + 1];
    size_t prefix_len = sizeof(prefix) - 1, label_len = strlen(label), n = 0;
    OSSL_PARAM params[3];

    info[n++] = 0;
    info[n++] = (uint8_t)len;
    info[n++] = (uint8_t)(prefix_len + label_len);
    memcpy(info + n, prefix, prefix_len);
    n += prefix_len;
    memcpy(info + n, label, label_len);
    n += label_len;
    info[n++] = 0;
    params[0] = octets(OSSL_KDF_PARAM_KEY, secret, SECRET_BYTES);
    params[1] = octets(OSSL_KDF_PARAM_INFO, info, n);
    params[2] = OSSL_PARAM_construct_end();
    return EVP_KDF_derive(ctx, ret, len, params) == 1 ? 0 : -EIO;
}

int tc_nf_quic_derive(struct tc_nf_quic_crypto *crypto, uint32_t version,
                      const uint8_t *id, size_t id_bytes, struct tc_nf_quic_keys *ret)
{
    const struct version *of = find_version(version);
    uint8_t initial[SECRET_BYTES], client[SECRET_BYTES];
    struct tc_nf_quic_keys keys;
    int r;

    if (!of)
        return -EPROTO;
    r = extract(crypto->extract, of, id, id_bytes, initial);
    if (r == 0)
        r = expand(crypto->expand, initial, "client in", client, sizeof(client));
    if (r == 0)
        r = expand(crypto->expand, client, of->key, keys.key, sizeof(keys.key));
    if (r == 0)
        r = expand(crypto->expand, client, of->iv, keys.iv, sizeof(keys.iv));
    if (r == 0)
        r = expand(crypto->expand, client, of->header, keys.header, sizeof(keys.header));
    if (r == 0)
        *ret = keys;
    return r;
}

/* What hides the packet number and part of the first byte (RFC 9001, 5.4). */
static int header_mask(struct tc_nf_quic_crypto *crypto,
                       const struct tc_nf_quic_keys *keys, const uint8_t *sample,
                       uint8_t ret[SAMPLE_BYTES])
{
    EVP_CIPHER_CTX *ctx = crypto->ecb_ctx;
    int n;

    if (EVP_EncryptInit_ex2(ctx, crypto->ecb, keys->header, NULL, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
        EVP_EncryptUpdate(ctx, ret, &n, sample, SAMPLE_BYTES) != 1)
        return -EIO;
    return 0;
}

/* Decrypts an Initial packet into crypto->plain. -EBADMSG: these are not its keys. */
static int open_packet(struct tc_nf_quic_crypto *crypto,
                       const struct tc_nf_quic_keys *keys, const struct packet *packet,
                       size_t *ret_len)
{
    EVP_CIPHER_CTX *ctx = crypto->gcm_ctx;
    const uint8_t *at = packet->at + packet->number;
    size_t number_bytes, len = packet->bytes - packet->number;
    uint8_t mask[SAMPLE_BYTES], nonce[sizeof(keys->iv)], tag[TAG_BYTES], first, number[4];
    int r, n;

    r = header_mask(crypto, keys, at + sizeof(number), mask);
    if (r)
        return r;
    first = packet->at[0] ^ (mask[0] & 0x0f);
    number_bytes = (size_t)(first & 3) + 1;
    memcpy(nonce, keys->iv, sizeof(nonce));
    for (size_t i = 0; i < number_bytes; i++) {
        number[i] = at[i] ^ mask[1 + i];
        /* The first packets' numbers are small: what is sent is all of them. */
        nonce[sizeof(nonce) - number_bytes + i] ^= number[i];
    }
    at += number_bytes;
    len -= number_bytes + TAG_BYTES;
    memcpy(tag, at + len, TAG_BYTES);
    if (EVP_DecryptInit_ex2(ctx, crypto->gcm, keys->key, nonce, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) != 1 ||
        EVP_DecryptUpdate(ctx, NULL, &n, &first, 1) != 1 ||
        EVP_DecryptUpdate(ctx, NULL, &n, packet->at + 1, (int)packet->number - 1) != 1 ||
        EVP_DecryptUpdate(ctx, NULL, &n, number, (int)number_bytes) != 1 ||
        EVP_DecryptUpdate(ctx, crypto->plain, &n, at, (int)len) != 1)
        return -EIO;
    *ret_len = len;
    return EVP_DecryptFinal_ex(ctx, crypto->plain + len, &n) == 1 ? 0 : -EBADMSG;
}

/* ---- What is in the bytes ---- */

struct rest {
    const uint8_t *at;
    size_t len;
};

static bool take(struct rest *rest, size_t n, const uint8_t **ret)
{
    if (rest->len < n)
        return false;
    *ret = rest->at;
    rest->at += n;
    rest->len -= n;
    return true;
}

/* RFC 9000, 16 */
static bool take_number(struct rest *rest, uint64_t *ret)
{
    const uint8_t *at;
    size_t n;

    if (!rest->len)
        return false;
    n = (size_t)1 << (*rest->at >> 6);
    if (!take(rest, n, &at))
        return false;
    *ret = at[0] & 0x3f;
    for (size_t i = 1; i < n; i++)
        *ret = *ret << 8 | at[i];
    return true;
}

/* A length of one byte, and as many bytes. */
static bool take_id(struct rest *rest, const uint8_t **ret, size_t *ret_len)
{
    const uint8_t *len;

    if (!take(rest, 1, &len) || *len > TC_NF_QUIC_ID_MAX)
        return false;
    *ret_len = *len;
    return take(rest, *len, ret);
}

/* Reads what is in front of the packet number (RFC 9000, 17.2): false, no packet of ours,
 * and where the next would be is not known. */
static bool read_packet(const uint8_t *data, size_t len, struct packet *ret)
{
    struct rest rest = {.at = data, .len = len};
    struct packet packet = {.at = data};
    const uint8_t *at, *unused;
    size_t unused_len;
    uint64_t n;

    if (!take(&rest, 5, &at) || (*at & 0xc0) != 0xc0)
        return false;
    packet.version = find_version(tc_nf_be32(at + 1));
    if (!packet.version || !take_id(&rest, &packet.id, &packet.id_bytes) ||
        !take_id(&rest, &unused, &unused_len))
        return false;
    packet.type = (uint8_t)(*at - packet.version->initial) & TYPE_MASK;
    if (packet.type == TYPE_RETRY)
        return false; /* only servers send it, and it has no length */
    if (packet.type == TYPE_INITIAL &&
        (!take_number(&rest, &n) || n > rest.len || !take(&rest, (size_t)n, &unused)))
        return false; /* the token */
    if (!take_number(&rest, &n) || n > rest.len)
        return false;
    packet.number = (size_t)(rest.at - data);
    packet.bytes = packet.number + (size_t)n;
    /* Enough for a sample, behind the longest packet number, and so for a tag, too. */
    if (packet.type == TYPE_INITIAL &&
        (n < 4 + SAMPLE_BYTES || packet.bytes > TC_NF_QUIC_PACKET_MAX))
        return false;
    *ret = packet;
    return true;
}

static bool skip_numbers(struct rest *rest, uint64_t count)
{
    uint64_t n;

    while (count--)
        if (!take_number(rest, &n))
            return false;
    return true;
}

/* Goes past an ACK: nothing in it is of use (RFC 9000, 19.3). */
static bool skip_ack(struct rest *rest, uint8_t type)
{
    uint64_t ranges;

    if (!skip_numbers(rest, 2) || !take_number(rest, &ranges) || ranges > rest->len)
        return false;
    return skip_numbers(rest, 1 + 2 * ranges + (type == FRAME_ACK_ECN ? 3 : 0));
}

/* Adds the CRYPTO frames to the hello; what else may stand in an Initial packet ends it.
 */
static void read_frames(struct tc_nf_quic *quic, const uint8_t *plain, size_t len)
{
    struct rest rest = {.at = plain, .len = len};
    const uint8_t *type, *data;
    uint64_t offset, n;

    while (take(&rest, 1, &type)) {
        switch (*type) {
        case FRAME_PADDING: /* most of the packet */
            while (rest.len && *rest.at == FRAME_PADDING)
                take(&rest, 1, &type);
            break;
        case FRAME_PING:
            break;
        case FRAME_ACK:
        case FRAME_ACK_ECN:
            if (!skip_ack(&rest, *type))
                return;
            break;
        case FRAME_CRYPTO:
            if (!take_number(&rest, &offset) || !take_number(&rest, &n) || n > rest.len ||
                !take(&rest, (size_t)n, &data))
                return;
            if (offset < TC_NF_STREAM_MAX)
                tc_nf_stream_add(&quic->hello, (uint32_t)offset, data, (size_t)n);
            break;
        default:
            return;
        }
    }
}

/* -EBADMSG: not encrypted as it says it is. */
static int take_initial(struct tc_nf_quic_crypto *crypto, struct tc_nf_quic *quic,
                        const struct packet *packet)
{
    struct tc_nf_quic_keys keys;
    bool ours = quic->version == packet->version->number;
    bool same = ours && quic->id_bytes == packet->id_bytes &&
                !memcmp(quic->id, packet->id, packet->id_bytes);
    size_t len;
    int r = -EBADMSG;

    /* The server's id takes the place of the client's in its later packets, and the keys
     * stay; after a Retry there are new ones, and the hello begins again. */
    if (ours)
        r = open_packet(crypto, &quic->keys, packet, &len);
    if (r == -EBADMSG && !same) {
        r = tc_nf_quic_derive(crypto, packet->version->number, packet->id,
                              packet->id_bytes, &keys);
        if (r == 0)
            r = open_packet(crypto, &keys, packet, &len);
        if (r == 0) {
            quic->keys = keys;
            quic->version = packet->version->number;
            quic->id_bytes = (uint8_t)packet->id_bytes;
            memcpy(quic->id, packet->id, packet->id_bytes);
            tc_nf_stream_init(&quic->hello, 0);
        }
    }
    if (r == 0)
        read_frames(quic, crypto->plain, len);
    return r;
}

int tc_nf_quic_name(struct tc_nf_quic_crypto *crypto, struct tc_nf_quic *quic,
                    const uint8_t *data, size_t len, char ret_name[TC_NF_HOST_BYTES],
                    bool *ret_ech)
{
    struct packet packet;
    bool early = false; /* 0-RTT has come before its Initial */
    size_t bytes;
    int r = 0;

    for (int i = 0; i < TC_NF_QUIC_INITIALS_MAX && read_packet(data, len, &packet); i++) {
        if (packet.type == TYPE_INITIAL)
            r = take_initial(crypto, quic, &packet);
        else if (packet.type == TYPE_0RTT)
            early = true;
        if (r && r != -EBADMSG)
            return r;
        data += packet.bytes;
        len -= packet.bytes;
    }
    if (!quic->version)
        return early && r == 0 ? -EAGAIN : -EPROTO;
    bytes = tc_nf_stream_bytes(&quic->hello);
    r = tc_nf_tls_handshake_name(quic->hello.data, bytes, ret_name, ret_ech);
    return r == -EAGAIN && bytes == TC_NF_STREAM_MAX ? -ENOENT : r;
}
