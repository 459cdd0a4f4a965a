/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the buffer in which a function leaves one sentence for people, beside its errno.
 */
#ifndef TC_CORE_WHY_H
#define TC_CORE_WHY_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define TC_WHY_MAX 256

/* Fills a caller's `char why[TC_WHY_MAX]`, printf-style; a longer sentence is cut. */
__attribute__((format(printf, 2, 3))) static inline void tc_why(char *why,
                                                                const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, TC_WHY_MAX, format, args);
    va_end(args);
}

/* The same of what somebody has written and cannot be taken. Returns -EINVAL. */
__attribute__((format(printf, 2, 3))) static inline int
tc_why_refuse(char *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, TC_WHY_MAX, format, args);
    va_end(args);
    return -EINVAL;
}

#endif
