/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_tls.h"

#include <errno.h>

#define RECORD_HANDSHAKE 22
#define RECORD_MAX 16384 /* RFC 8446, 5.1 */
#define CLIENT_HELLO 1
#define HELLO_MAX 65536 /* bytes; the longest that libraries take are 16 or 64 KB */
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ECH 0xfe0d /* RFC 9849, 5 */
#define NAME_TYPE_HOST 0

/*
 * The handshake's bytes, as if no records were in between. `left` counts down what
 * the innermost length says is still to come: whoever reads more is refused (-EPROTO),
 * whoever reads past what has come is asked for more (-EAGAIN).
 */
struct reader {
    const uint8_t *at;
    size_t len;    /* here, with the heads of records */
    size_t record; /* left of this record; SIZE_MAX: there are none */
    size_t left;
};

/* Opens the next record. */
static int next_record(struct reader *reader)
{
    /* What is not TLS shows in the first byte, and must not be waited for. */
    if (reader->len && reader->at[0] != RECORD_HANDSHAKE)
        return -EPROTO;
    if (reader->len > 1 && reader->at[1] != 3)
        return -EPROTO;
    if (reader->len < 5)
        return -EAGAIN;
    reader->record = tc_nf_be16(reader->at + 3);
    if (!reader->record || reader->record > RECORD_MAX)
        return -EPROTO;
    reader->at += 5;
    reader->len -= 5;
    return 0;
}

/* Reads n bytes, into `to` if that is not NULL. */
static int take(struct reader *reader, void *to, size_t n)
{
    uint8_t *out = to;
    size_t part;
    int r;

    if (n > reader->left)
        return -EPROTO;
    reader->left -= n;
    while (n) {
        if (!reader->record) {
            r = next_record(reader);
            if (r)
                return r;
        }
        part = n < reader->record ? n : reader->record;
        if (part > reader->len)
            part = reader->len;
        if (!part)
            return -EAGAIN;
        if (out) {
            memcpy(out, reader->at, part);
            out += part;
        }
        reader->at += part;
        reader->len -= part;
        if (reader->record != SIZE_MAX)
            reader->record -= part;
        n -= part;
    }
    return 0;
}

/* Reads a number of n bytes. */
static int take_number(struct reader *reader, size_t n, size_t *ret)
{
    uint8_t bytes[4];
    int r = take(reader, bytes, n);

    if (r)
        return r;
    *ret = 0;
    for (size_t i = 0; i < n; i++)
        *ret = *ret << 8 | bytes[i];
    return 0;
}

/* Reads a length of n bytes, and goes past as many as it says. */
static int skip_vector(struct reader *reader, size_t n)
{
    size_t len;
    int r = take_number(reader, n, &len);

    return r ? r : take(reader, NULL, len);
}

/* In server_name, of which `left` is the rest. -ENOENT: no name, or no host's. */
static int read_server_name(struct reader *reader, char ret_name[TC_NF_HOST_BYTES])
{
    uint8_t name[TC_NF_HOST_BYTES];
    size_t list, type, len;
    int r = take_number(reader, 2, &list);

    if (r == 0 && list > reader->left)
        r = -EPROTO;
    while (r == 0 && reader->left) {
        r = take_number(reader, 1, &type);
        if (r == 0)
            r = take_number(reader, 2, &len);
        if (r == 0 && type != NAME_TYPE_HOST) {
            r = take(reader, NULL, len);
            continue;
        }
        if (r == 0 && len > sizeof(name))
            return -ENOENT;
        if (r == 0)
            r = take(reader, name, len);
        if (r)
            return r;
        return tc_nf_host_name(name, len, ret_name) ? -ENOENT : 0;
    }
    return r ? r : -ENOENT;
}

/* Goes through the extensions, of which `left` are all; GREASE (RFC 8701) is one more
 * that is not known. */
static int read_extensions(struct reader *reader, char ret_name[TC_NF_HOST_BYTES],
                           bool *ret_ech)
{
    size_t all = reader->left, type, len, before;
    int r = 0, name = -ENOENT;
    bool seen = false;

    while (r == 0 && all) {
        reader->left = all;
        r = take_number(reader, 2, &type);
        if (r == 0)
            r = take_number(reader, 2, &len);
        if (r)
            break;
        if (len > reader->left) {
            r = -EPROTO;
            break;
        }
        all = reader->left - len;
        reader->left = len;
        if (type == EXTENSION_ECH)
            *ret_ech = true;
        if (type == EXTENSION_SERVER_NAME && !seen) {
            seen = true;
            name = read_server_name(reader, ret_name);
            if (name == -EAGAIN)
                return name;
            if (name == -EPROTO) /* the hello is one, only this is wrong */
                name = -ENOENT;
        }
        before = reader->left;
        r = take(reader, NULL, before);
    }
    /* The name is known: what is still to come, or is wrong behind it, does not matter.
     */
    return r == 0 || name == 0 ? name : r;
}

static int read_hello(struct reader *reader, char ret_name[TC_NF_HOST_BYTES],
                      bool *ret_ech)
{
    char name[TC_NF_HOST_BYTES];
    bool ech = false;
    size_t type, len;
    int r;

    reader->left = 4;
    r = take_number(reader, 1, &type);
    if (r == 0 && type != CLIENT_HELLO)
        r = -EPROTO;
    if (r == 0)
        r = take_number(reader, 3, &len);
    if (r == 0 && len > HELLO_MAX)
        r = -EPROTO;
    if (r)
        return r;
    reader->left = len;
    r = take(reader, NULL, 2 + 32); /* version, random */
    if (r == 0)
        r = skip_vector(reader, 1); /* session */
    if (r == 0)
        r = skip_vector(reader, 2); /* ciphers */
    if (r == 0)
        r = skip_vector(reader, 1); /* compression */
    if (r == 0 && reader->left) {
        r = take_number(reader, 2, &len);
        if (r == 0 && len > reader->left)
            r = -EPROTO;
        reader->left = len;
    }
    if (r == 0)
        r = read_extensions(reader, name, &ech);
    if (r == 0)
        memcpy(ret_name, name, sizeof(name));
    if (ret_ech && (r == 0 || r == -ENOENT))
        *ret_ech = ech;
    return r;
}

int tc_nf_tls_name(const uint8_t *data, size_t len, char ret_name[TC_NF_HOST_BYTES],
                   bool *ret_ech)
{
    struct reader reader = {.at = data, .len = len};

    return read_hello(&reader, ret_name, ret_ech);
}

int tc_nf_tls_handshake_name(const uint8_t *data, size_t len,
                             char ret_name[TC_NF_HOST_BYTES], bool *ret_ech)
{
    struct reader reader = {.at = data, .len = len, .record = SIZE_MAX};

    return read_hello(&reader, ret_name, ret_ech);
}
