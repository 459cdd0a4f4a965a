/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what an indicator can be, and how it is written: an address, a network, a domain
 * with all below it, one host. Pure; any thread.
 *
 * Names are compared as DNS does, in ASCII and without case; they are held in lower case
 * and without the last dot. A name that is not ASCII is refused: which of the forms that
 * look alike somebody has meant is not ours to guess.
 */
#ifndef TC_NF_VALUE_H
#define TC_NF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TC_NF_WHY_MAX 256  /* bytes of a sentence for people */
#define TC_NF_NAME_MAX 254 /* of a name, with the NUL (RFC 1035, 2.3.4) */

enum tc_nf_kind {
    TC_NF_ADDRESS,
    TC_NF_NETWORK,
    TC_NF_DOMAIN, /* and every name below it */
    TC_NF_HOST,   /* this name only */
};

#define TC_NF_KINDS 4

struct tc_nf_value {
    enum tc_nf_kind kind;
    uint8_t length;            /* of ADDRESS, NETWORK: bits of the 128; ADDRESS has all */
    uint8_t address[16];       /* those behind the length are 0 */
    char name[TC_NF_NAME_MAX]; /* of DOMAIN and HOST */
};

/* A piece of somebody's text; not NUL-terminated. */
struct tc_nf_text {
    const char *at;
    size_t len;
};

/*
 * Reads 192.0.2.1, 2001:db8::1, 198.51.100.0/24, example.com, *.example.com (the same as
 * example.com) or a URL, of which the host counts: HOST, or ADDRESS where it is one.
 * Blanks around it are left out; bits behind a network's length are cleared. -EINVAL with
 * why, which quotes the text.
 */
int tc_nf_value_read(struct tc_nf_text text, struct tc_nf_value *ret_value,
                     char why[TC_NF_WHY_MAX]);

/* As tc_nf_value_read takes it, but for HOST, which is the bare name. */
void tc_nf_value_text(const struct tc_nf_value *value, char ret_text[TC_NF_NAME_MAX]);

/* "address", "network", "domain", "host" */
const char *tc_nf_kind_name(enum tc_nf_kind kind);

/* Of ASCII letters; the rest as it is. */
static inline char tc_nf_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool tc_nf_is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

struct tc_nf_text tc_nf_trim(struct tc_nf_text text);

/* Whether the text is that word, without regard to case. */
bool tc_nf_is(struct tc_nf_text text, const char *word);

/* Writes the sentence, and returns -EINVAL. */
int tc_nf_refuse(char why[TC_NF_WHY_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A text for a sentence: cut, and what does not print replaced. Returns ret_quote. */
#define TC_NF_QUOTE_MAX 64
const char *tc_nf_quote(struct tc_nf_text text, char ret_quote[TC_NF_QUOTE_MAX]);

#endif
