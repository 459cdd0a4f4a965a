/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: msgpack as JSON text (RFC 8259), on one line. Pure; any thread.
 *
 * The text is always valid JSON in valid UTF-8, and nothing is lost:
 *   str, when it is UTF-8   a string; what tc_text_shows does not show is escaped \uNNNN
 *   bin, or a str that is   {"$bin": "<hex>", "$text": "..."}: the bytes, and for people
 *   no UTF-8                the same with U+FFFD for each byte that is no character
 *   ext                     {"$ext": type, "$bin": "<hex>"}
 *   integers                all digits: nanosecond times and inodes go beyond 2^53
 *   NaN and infinities      null, as JSON has no such number
 *   map keys                strings; a key of another type is its own JSON text, quoted
 */
#ifndef TC_IPC_JSON_H
#define TC_IPC_JSON_H

#include <msgpack.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Writes a value without a line feed at the end. Errors: -EINVAL for a map or array that
 * is a key, and -EIO, `out` failed: part may be written.
 */
int tc_json_write(FILE *out, const msgpack_object *o);

/* The same into memory for free(), NUL-terminated. Errors: as above, or -ENOMEM. */
int tc_json_text(const msgpack_object *o, char **ret_text);

/* Writes n bytes as a JSON string, bytes that are no UTF-8 as U+FFFD. */
void tc_json_string(FILE *out, const char *s, size_t n);

#endif
