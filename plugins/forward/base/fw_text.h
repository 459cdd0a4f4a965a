/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: text that grows, and JSON (RFC 8259) made of msgpack in it. Pure. Any thread.
 *
 * Errors stick: put everything, then look at `failed` once. `p` is NUL-terminated as soon
 * as something was put.
 */
#ifndef TC_FW_TEXT_H
#define TC_FW_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/event.h>

struct tc_fw_text {
    char *p;
    size_t len, cap;
    bool failed; /* out of memory: what it holds is not whole */
};

void tc_fw_text_done(struct tc_fw_text *text); /* takes a zeroed one; zeroes it */
void tc_fw_text_cut(struct tc_fw_text *text, size_t len);

void tc_fw_put(struct tc_fw_text *text, const char *s, size_t n);
void tc_fw_puts(struct tc_fw_text *text, const char *s);
void tc_fw_putf(struct tc_fw_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* n bytes as a JSON string, quoted; a byte that is no UTF-8 is U+FFFD. */
void tc_fw_put_string(struct tc_fw_text *text, const char *s, size_t n);

/* "key": with a comma before it unless it is the first of its object. */
void tc_fw_put_key(struct tc_fw_text *text, const char *key);
void tc_fw_put_pair(struct tc_fw_text *text, const char *key, const char *value);

/* Nanoseconds since the epoch as 2026-12-31T18:00:00.123456789Z (RFC 3339). */
void tc_fw_put_time(struct tc_fw_text *text, uint64_t ns);

/* One msgpack value. Bytes are shown as text; a key that `is_time` holds for, with a
 * whole number of nanoseconds, is RFC 3339. `is_time` may be NULL. */
void tc_fw_put_value(struct tc_fw_text *text, const struct tocsin_value *value,
                     bool (*is_time)(const char *key, size_t len));

#endif
