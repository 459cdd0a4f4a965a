/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see number.h. */
#include "sigma/base/number.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 64                  /* bytes of a number */
#define SIZES 18446744073709551616.0 /* how many a uint64_t has */

struct tc_number tc_number_whole(bool negative, uint64_t size)
{
    return (struct tc_number){.whole = true,
                              .negative = negative && size,
                              .size = size,
                              .real = negative ? -(double)size : (double)size};
}

struct tc_number tc_number_of(double real)
{
    double size = fabs(real);

    if (size < SIZES && !(floor(size) < size))
        return tc_number_whole(real < 0, (uint64_t)size);
    return (struct tc_number){.real = real};
}

bool tc_number_read(const char *text, size_t len, struct tc_number *ret)
{
    char copy[TEXT_MAX], *end;
    const char *digits = copy;
    unsigned long long size;
    double real;

    if (!len || len >= sizeof(copy) || memchr(text, '\0', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (copy[strspn(copy, "0123456789+-.eE")])
        return false;
    digits += *copy == '-' || *copy == '+';
    if (*digits && !digits[strspn(digits, "0123456789")]) {
        errno = 0;
        size = strtoull(digits, NULL, 10);
        if (!errno) {
            *ret = tc_number_whole(*copy == '-', size);
            return true;
        }
    }
    real = strtod(copy, &end);
    *ret = tc_number_of(real);
    return !*end && isfinite(real);
}

int tc_number_compare(const struct tc_number *a, const struct tc_number *b)
{
    int order = (a->size > b->size) - (a->size < b->size);

    /* What is not whole is either below 2^52, where (double)size is exact enough, or
     * beyond every whole one. */
    if (!a->whole || !b->whole)
        return (a->real > b->real) - (a->real < b->real);
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    return a->negative ? -order : order;
}
