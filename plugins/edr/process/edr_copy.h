/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: copying what an event says into another, within limits: a long text is cut and
 * says by how much, a long list or map keeps its first entries. Pure.
 */
#ifndef TC_EDR_COPY_H
#define TC_EDR_COPY_H

#include <tocsin/event.h>

#define TC_EDR_COPY_ALL SIZE_MAX
#define TC_EDR_COPY_TEXT_MAX 4096 /* of the limits below, when it is not all */

struct tc_edr_copy {
    size_t text;  /* bytes of one: TC_EDR_COPY_ALL, or up to TC_EDR_COPY_TEXT_MAX */
    size_t items; /* entries of one list or map: TC_EDR_COPY_ALL, or any */
    bool cut;     /* something was */
};

/* Puts a text; NULL as nil. */
void tc_edr_copy_str(struct tocsin_writer *w, const char *key, struct tocsin_str s,
                     struct tc_edr_copy *copy);

/* Puts a value of any type, nested or not. */
void tc_edr_copy_value(struct tocsin_writer *w, const char *key,
                       const struct tocsin_value *v, struct tc_edr_copy *copy);

/*
 * The key of an entry as a string, in `ret`; false: it is none, too long, or has a NUL,
 * and the entry is skipped.
 */
#define TC_EDR_COPY_KEY_BYTES 256
bool tc_edr_copy_key(const struct tocsin_value *key, char ret[TC_EDR_COPY_KEY_BYTES]);

#endif
