/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see predicate.h. */
#include "sigma/match/predicate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHORT_TEXT_MAX 64 /* bytes of an address, a number, a date */
/* Of compiled expressions: what is on the thread's own stack is 32 KiB, too little for
 * long command lines. It grows as it is needed. */
#define REGEX_STACK_MIN (32u << 10)
#define REGEX_STACK_MAX (1u << 20)
#define REGEX_STARTS                                                                     \
    1024 /* places that a match may begin at, between looks at the clock */

int tc_work_init(struct tc_work *work)
{
    *work = (struct tc_work){
        .match = pcre2_match_data_create(1, NULL),
        .context = pcre2_match_context_create(NULL),
        .stack = pcre2_jit_stack_create(REGEX_STACK_MIN, REGEX_STACK_MAX, NULL)};
    if (!work->match || !work->context || !work->stack) {
        tc_work_done(work);
        return -ENOMEM;
    }
    pcre2_jit_stack_assign(work->context, NULL, work->stack);
    pcre2_set_match_limit(work->context, TC_REGEX_MATCH_LIMIT);
    pcre2_set_heap_limit(work->context, TC_REGEX_HEAP_KIB);
    return 0;
}

void tc_work_begin(struct tc_work *work)
{
    work->regex_bytes = 0;
    work->regex_ns = 0;
}

void tc_work_done(struct tc_work *work)
{
    pcre2_match_data_free(work->match);
    pcre2_match_context_free(work->context);
    pcre2_jit_stack_free(work->stack);
    *work = (struct tc_work){0};
}

static bool text_matches(const struct tc_atom *atom, const struct tc_value *value,
                         struct tc_work *work)
{
    struct tocsin_str text = atom->cased ? value->is.text : value->lower;
    uint64_t steps = TC_STEPS_MAX;
    bool matches = tc_pattern_match(atom->pattern, text.ptr, text.len, &steps);

    work->limits += steps == 0;
    return matches;
}

static uint64_t thread_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int match_from(const struct tc_atom *atom, const char *text, size_t len,
                      size_t from, struct tc_work *work)
{
    int found = pcre2_match(atom->code, (PCRE2_SPTR)text, len, from, 0, work->match,
                            work->context);

    /* The interpreter has the heap. */
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(atom->code, (PCRE2_SPTR)text, len, from, PCRE2_NO_JIT,
                            work->match, work->context);
    return found;
}

/* By some places at a time, until the event's time is spent. */
static int match_in_time(const struct tc_atom *atom, const char *text, size_t len,
                         struct tc_work *work)
{
    uint64_t start = thread_ns(), before = work->regex_ns;
    int found = PCRE2_ERROR_NOMATCH;

    for (size_t from = 0; from <= len && found == PCRE2_ERROR_NOMATCH;) {
        if (work->regex_ns > TC_REGEX_EVENT_NS) {
            found = PCRE2_ERROR_MATCHLIMIT;
            break;
        }
        pcre2_set_offset_limit(work->context, from + REGEX_STARTS - 1);
        found = match_from(atom, text, len, from, work);
        from += REGEX_STARTS;
        /* No match begins in the middle of a character. */
        while (from < len && ((unsigned char)text[from] & 0xc0) == 0x80)
            from++;
        work->regex_ns = before + (thread_ns() - start);
    }
    pcre2_set_offset_limit(work->context, PCRE2_UNSET);
    return found;
}

static bool regex_matches(const struct tc_atom *atom, struct tocsin_str text,
                          struct tc_work *work)
{
    size_t len = text.len < TC_REGEX_TEXT_MAX ? text.len : TC_REGEX_TEXT_MAX;
    int found;

    work->regex_bytes += len;
    found = work->regex_bytes <= TC_REGEX_FREE_BYTES
                ? match_from(atom, text.ptr, len, 0, work)
                : match_in_time(atom, text.ptr, len, work);
    work->limits += found < 0 && found != PCRE2_ERROR_NOMATCH;
    work->limits += found == PCRE2_ERROR_NOMATCH && len < text.len;
    return found >= 0;
}

/* A copy with a NUL behind it; false: it is too long, or has a NUL in it. */
static bool short_text(struct tocsin_str text, char ret[SHORT_TEXT_MAX])
{
    if (text.len >= SHORT_TEXT_MAX || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(ret, text.ptr, text.len);
    ret[text.len] = '\0';
    return true;
}

/* An address in either writing; one of IPv6 may have its zone, and one that is mapped is
 * of IPv4. */
static bool address_of(struct tocsin_str text, struct in6_addr *ret, int *ret_family)
{
    char copy[SHORT_TEXT_MAX], *zone;

    if (!short_text(text, copy))
        return false;
    *ret_family = AF_INET;
    if (inet_pton(AF_INET, copy, ret) == 1)
        return true;
    zone = strchr(copy, '%');
    if (zone && zone[1])
        *zone = '\0';
    if (inet_pton(AF_INET6, copy, ret) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(ret))
        memmove(ret, &ret->s6_addr[TC_MAPPED_BYTES], 4);
    else
        *ret_family = AF_INET6;
    return true;
}

static bool cidr_matches(const struct tc_atom *atom, struct tocsin_str text)
{
    size_t bytes = atom->bits / 8u, rest = atom->bits % 8u;
    struct in6_addr found = IN6ADDR_ANY_INIT;
    const unsigned char *address = found.s6_addr;
    int family;

    if (!address_of(text, &found, &family) || family != atom->family)
        return false;
    if (memcmp(address, atom->address, bytes) != 0)
        return false;
    return !rest || (address[bytes] & (0xff00u >> rest & 0xff)) == atom->address[bytes];
}

static bool compares(enum tc_compare compare, const struct tc_number *a,
                     const struct tc_number *b)
{
    int order = tc_number_compare(a, b);

    switch (compare) {
    case TC_COMPARE_EQ:
        return order == 0;
    case TC_COMPARE_NEQ:
        return order != 0;
    case TC_COMPARE_LT:
        return order < 0;
    case TC_COMPARE_LTE:
        return order <= 0;
    case TC_COMPARE_GT:
        return order > 0;
    case TC_COMPARE_GTE:
        return order >= 0;
    }
    return false;
}

static bool number_of(const struct tc_sigma_value *value, struct tc_number *ret)
{
    if (value->type != TC_SIGMA_TEXT && value->type != TC_SIGMA_NUMBER)
        return false;
    if (tc_number_read(value->text.ptr, value->text.len, ret))
        return true;
    *ret = tc_number_of(value->number);
    return value->type == TC_SIGMA_NUMBER;
}

/* Of 2026-03-01T14:03:07 or 2026-03-01 14:03, and whatever stands behind; no zones. */
static bool part_of(enum tc_time_part part, struct tocsin_str text, double *ret)
{
    struct tm tm = {0};
    char copy[SHORT_TEXT_MAX], week[8];
    const char *rest;

    if (!short_text(text, copy))
        return false;
    rest = strptime(copy, "%Y-%m-%d", &tm);
    if (!rest)
        return false;
    tm.tm_isdst = 0;
    if (part <= TC_PART_HOUR &&
        ((*rest != 'T' && *rest != ' ') || !strptime(rest + 1, "%H:%M", &tm)))
        return false;
    switch (part) {
    case TC_PART_MINUTE:
        *ret = tm.tm_min;
        break;
    case TC_PART_HOUR:
        *ret = tm.tm_hour;
        break;
    case TC_PART_DAY:
        *ret = tm.tm_mday;
        break;
    case TC_PART_WEEK: /* ISO 8601 */
        strftime(week, sizeof(week), "%V", &tm);
        *ret = strtod(week, NULL);
        break;
    case TC_PART_MONTH:
        *ret = tm.tm_mon + 1;
        break;
    case TC_PART_YEAR:
        *ret = tm.tm_year + 1900;
        break;
    }
    return true;
}

bool tc_value_matches(const struct tc_atom *atom, const struct tc_value *value,
                      struct tc_work *work)
{
    struct tc_number number;
    double part = 0;

    if (value->is.type == TC_SIGMA_NULL)
        return false;
    switch (atom->kind) {
    case TC_ATOM_TEXT:
        return text_matches(atom, value, work);
    case TC_ATOM_REGEX:
        return regex_matches(atom, value->is.text, work);
    case TC_ATOM_CIDR:
        return cidr_matches(atom, value->is.text);
    case TC_ATOM_NUMBER:
        return number_of(&value->is, &number) &&
               compares(atom->compare, &number, &atom->number);
    case TC_ATOM_TIME:
        if (value->is.type != TC_SIGMA_TEXT ||
            !part_of(atom->part, value->is.text, &part))
            return false;
        number = tc_number_of(part);
        return compares(atom->compare, &number, &atom->number);
    case TC_ATOM_EXISTS:
    case TC_ATOM_NULL:
    case TC_ATOM_FIELD:
        break;
    }
    return false;
}

bool tc_values_agree(const struct tc_atom *atom, const struct tc_value *a,
                     const struct tc_value *b)
{
    struct tocsin_str text = atom->cased ? a->is.text : a->lower;
    struct tocsin_str part = atom->cased ? b->is.text : b->lower;

    if (a->is.type == TC_SIGMA_NULL || b->is.type == TC_SIGMA_NULL || text.len < part.len)
        return false;
    if (atom->before && atom->after)
        return !part.len || memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
    if (atom->before)
        return !memcmp(text.ptr + text.len - part.len, part.ptr, part.len);
    return (atom->after || text.len == part.len) && !memcmp(text.ptr, part.ptr, part.len);
}
