/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see pack.h. */
#include "ipc/pack.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <tocsin/event.h>

#include "ipc/unpack.h"

/* The packer's way to the buffer. Nothing is written behind an error. */
static int pack_write(void *data, const char *bytes, size_t n)
{
    struct tc_pack *p = data;

    if (!p->error && msgpack_sbuffer_write(&p->bytes, bytes, n) < 0)
        p->error = -ENOMEM;
    return p->error;
}

void tc_pack_init(struct tc_pack *p)
{
    memset(p, 0, sizeof(*p));
    msgpack_sbuffer_init(&p->bytes);
    msgpack_packer_init(&p->packer, p, pack_write);
}

void tc_pack_done(struct tc_pack *p)
{
    msgpack_unpacked_destroy(&p->objects);
    msgpack_sbuffer_destroy(&p->bytes);
    memset(p, 0, sizeof(*p));
}

msgpack_packer *tc_pack_entry(struct tc_pack *p, const char *key)
{
    if (p->depth)
        p->open[p->depth - 1].count++;
    if (key)
        msgpack_pack_str_with_body(&p->packer, key, strlen(key));
    return &p->packer;
}

/* The head that has just been written has room for any count: it is put there at the end.
 */
static void begin(struct tc_pack *p)
{
    if (!p->error && p->depth == TC_PACK_DEPTH_MAX)
        p->error = -EINVAL;
    if (p->error)
        return;
    p->open[p->depth].at = p->bytes.size - sizeof(uint16_t);
    p->open[p->depth++].count = 0;
}

void tc_pack_begin_map(struct tc_pack *p, const char *key)
{
    msgpack_pack_map(tc_pack_entry(p, key), TC_PACK_COUNT_MAX);
    begin(p);
}

void tc_pack_begin_array(struct tc_pack *p, const char *key)
{
    msgpack_pack_array(tc_pack_entry(p, key), TC_PACK_COUNT_MAX);
    begin(p);
}

void tc_pack_end(struct tc_pack *p)
{
    uint32_t count;
    char *at;

    if (p->error)
        return;
    assert(p->depth);
    count = p->open[--p->depth].count;
    at = p->bytes.data + p->open[p->depth].at;
    if (count > TC_PACK_COUNT_MAX)
        p->error = -ENOSPC;
    at[0] = (char)(count >> 8);
    at[1] = (char)count;
}

void tc_pack_strn(struct tc_pack *p, const char *key, const char *s, size_t n)
{
    msgpack_packer *packer = tc_pack_entry(p, key);

    if (!s)
        msgpack_pack_nil(packer);
    else if (tocsin_utf8_valid(s, n))
        msgpack_pack_str_with_body(packer, s, n);
    else
        msgpack_pack_bin_with_body(packer, s, n);
}

void tc_pack_str(struct tc_pack *p, const char *key, const char *s)
{
    tc_pack_strn(p, key, s, s ? strlen(s) : 0);
}

void tc_pack_encoded(struct tc_pack *p, const char *key, const void *data, size_t n)
{
    tc_pack_entry(p, key);
    pack_write(p, data, n);
}

const msgpack_object *tc_pack_read(struct tc_pack *p)
{
    if (!p->error)
        p->error = tc_unpack(&p->objects, p->bytes.data, p->bytes.size);
    return p->error ? NULL : &p->objects.data;
}
