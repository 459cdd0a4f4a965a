/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: messages of the control plane as they are built with msgpack-c: a packer on a
 * buffer, and what msgpack-c leaves to its caller: counting the entries of maps and
 * arrays, the choice between str and bin, and an error that sticks. Must not: write the
 * agent's events, which tocsin/event.h does.
 *
 * Write everything, then look at `error` once. Any thread, one at a time. It must not be
 * moved between init and done.
 */
#ifndef TC_IPC_PACK_H
#define TC_IPC_PACK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_PACK_DEPTH_MAX 16         /* maps and arrays within each other */
#define TC_PACK_COUNT_MAX UINT16_MAX /* entries of one */

struct tc_pack {
    msgpack_sbuffer bytes;
    msgpack_packer packer; /* to `bytes` */
    int error; /* 0; -ENOMEM; -ENOSPC: too many entries; -EINVAL: too deep, or bad input
                */
    unsigned depth;
    struct {
        size_t at; /* where its count goes */
        uint32_t count;
    } open[TC_PACK_DEPTH_MAX];
    msgpack_unpacked objects; /* what tc_pack_read has read */
};

void tc_pack_init(struct tc_pack *p);

/* Frees it all. Takes one that is zeroed, or done already. */
void tc_pack_done(struct tc_pack *p);

/*
 * Counts one more entry of the open map or array, and writes its key, if it has one: NULL
 * inside an array, and for the outermost value. The value must follow; it may go to the
 * packer that is returned, as any that msgpack-c can write.
 */
msgpack_packer *tc_pack_entry(struct tc_pack *p, const char *key);

/* Opens a map or an array; tc_pack_end closes the innermost one. */
void tc_pack_begin_map(struct tc_pack *p, const char *key);
void tc_pack_begin_array(struct tc_pack *p, const char *key);
void tc_pack_end(struct tc_pack *p);

/*
 * Text, as msgpack str when it is valid UTF-8, else as bin, losing nothing; NULL as nil.
 * tc_pack_str takes it NUL-terminated.
 */
void tc_pack_str(struct tc_pack *p, const char *key, const char *s);
void tc_pack_strn(struct tc_pack *p, const char *key, const char *s, size_t n);

/* Bytes that are exactly one encoded value already. */
void tc_pack_encoded(struct tc_pack *p, const char *key, const void *data, size_t n);

/* What has been packed, as objects that live until done or the next read. NULL: `error`
 * says why not. */
const msgpack_object *tc_pack_read(struct tc_pack *p);

static inline void tc_pack_nil(struct tc_pack *p, const char *key)
{
    msgpack_pack_nil(tc_pack_entry(p, key));
}

static inline void tc_pack_bool(struct tc_pack *p, const char *key, bool v)
{
    msgpack_packer *packer = tc_pack_entry(p, key);

    v ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
}

static inline void tc_pack_uint(struct tc_pack *p, const char *key, uint64_t v)
{
    msgpack_pack_uint64(tc_pack_entry(p, key), v);
}

static inline void tc_pack_int(struct tc_pack *p, const char *key, int64_t v)
{
    msgpack_pack_int64(tc_pack_entry(p, key), v);
}

static inline void tc_pack_double(struct tc_pack *p, const char *key, double v)
{
    msgpack_pack_double(tc_pack_entry(p, key), v);
}

static inline void tc_pack_bin(struct tc_pack *p, const char *key, const void *data,
                               size_t n)
{
    msgpack_pack_bin_with_body(tc_pack_entry(p, key), data, n);
}

static inline void tc_pack_object(struct tc_pack *p, const char *key,
                                  const msgpack_object *o)
{
    msgpack_pack_object(tc_pack_entry(p, key), *o);
}

/* An entry of a map as it stands in another. */
static inline void tc_pack_pair(struct tc_pack *p, const msgpack_object_kv *kv)
{
    tc_pack_object(p, NULL, &kv->key);
    msgpack_pack_object(&p->packer, kv->val);
}

#endif
