/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: messages of the control plane as msgpack-c reads them: whole into objects, and
 * the few questions that are asked of an object. Must not: see bytes of others that no
 * check of ipc/frame.h has let through, since msgpack-c makes room for as many entries as
 * a head announces; be used on events' way, which tocsin/event.h reads in place.
 *
 * What it takes: sizeof(msgpack_object), 24 bytes, for each value, keys too; of memory at
 * most twice that and 8 KiB, by the way in which a zone grows. So the limit of values
 * that tc_frame_next keeps bounds the memory. Strings point into the bytes that were
 * read.
 */
#ifndef TC_IPC_UNPACK_H
#define TC_IPC_UNPACK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/event.h>

/*
 * Reads bytes that are exactly one value into `to`, which has been initialised and may
 * hold an earlier value, freed first. -EINVAL: they are not; -ENOMEM: also when maps and
 * arrays are more than 32 deep.
 */
int tc_unpack(msgpack_unpacked *to, const void *data, size_t len);

/*
 * The bytes of the last entry of an array, which begin where this points to and end where
 * the array does: msgpack-c's objects do not say where they came from. The array must be
 * well-formed and not empty.
 */
const uint8_t *tc_unpack_last(const void *data, size_t len);

/*
 * The field of a map by its dotted path; of a key that stands twice, the first. NULL when
 * there is none, or `map` is NULL or no map.
 */
const msgpack_object *tc_unpack_find(const msgpack_object *map, const char *path);

/* The text or bytes that an object is; {NULL, 0} when it is neither, or NULL. */
struct tocsin_str tc_unpack_text(const msgpack_object *o);

/* Whether it is exactly this text. */
bool tc_unpack_is(const msgpack_object *o, const char *text);

/* The same of a field: its text; its whole number, or `fallback`, also where it does not
 * fit; its boolean, or `fallback`. */
struct tocsin_str tc_unpack_str(const msgpack_object *map, const char *path);
int64_t tc_unpack_int(const msgpack_object *map, const char *path, int64_t fallback);
bool tc_unpack_bool(const msgpack_object *map, const char *path, bool fallback);

/* The field when it is an array, else NULL. */
const msgpack_object *tc_unpack_array(const msgpack_object *map, const char *path);

#endif
