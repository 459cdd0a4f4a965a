/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/version.h"

#include <stddef.h>
#include <string.h>

#define DIGITS "0123456789"

/* One number of a version: its digits without leading zeros; n is 0 for 0. */
struct number {
    const char *digits;
    size_t n;
};

/* Takes the next number from *at; where there is none, 0, and *at stays. */
static struct number take(const char **at)
{
    const char *zeros = *at + strspn(*at, "0");
    struct number number = {zeros, strspn(zeros, DIGITS)};

    *at = zeros + number.n;
    if (**at == '.' && strspn(*at + 1, DIGITS) > 0)
        (*at)++;
    else
        *at += strlen(*at);
    return number;
}

int tc_version_compare(const char *a, const char *b)
{
    struct number x, y;
    int order;

    while (*a || *b) {
        x = take(&a);
        y = take(&b);
        /* As text, so that no number is too large. */
        if (x.n != y.n)
            return x.n < y.n ? -1 : 1;
        order = memcmp(x.digits, y.digits, x.n);
        if (order)
            return order < 0 ? -1 : 1;
    }
    return 0;
}

int tc_version_valid(const char *text)
{
    return strspn(text, DIGITS) > 0;
}
