/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes filters: the first line is one's text, what follows the event, which nobody has
 * checked. What a filter matches, its text with "or" and any other term matches, too.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/filter.h"
#include "ipc/follow.h"
#include "ipc/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void insist(bool condition)
{
    if (!condition)
        abort();
}

static bool matches(const char *text, size_t n, const struct tc_filter_event *event,
                    bool *ret_valid)
{
    struct tc_filter *filter = NULL;
    char why[256] = "";
    bool match = false;

    *ret_valid = !tc_filter_add(&filter, text, n, NULL, why);
    if (*ret_valid)
        match = tc_filter_match(filter, event);
    else
        insist(*why && memchr(why, '\0', sizeof(why)));
    tc_filter_free(filter);
    return match;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t *end = len ? memchr(data, '\n', len) : NULL;
    static const char other[] = " or id=8";
    size_t n = end ? (size_t)(end - data) : len;
    struct tc_filter_event event = {
        .topic = {"file.open", 9}, .source = {"es", 2}, .id = 7, .reply_to = 6};
    struct tc_follow *follow = tc_follow_new();
    struct tc_filter *filter = NULL;
    char wider[TC_FILTER_BYTES_MAX + 1], why[256];
    bool valid, match;

    event.data = end ? end + 1 : data + len;
    event.len = end ? len - n - 1 : 0;
    match = matches((const char *)data, n, &event, &valid);
    if (valid && n < sizeof(wider) - sizeof(other)) {
        memcpy(wider, data, n);
        memcpy(wider + n, other, sizeof(other) - 1);
        if (match)
            insist(matches(wider, n + sizeof(other) - 1, &event, &valid) && valid);
    }
    (void)tc_filter_add(&filter, (const char *)data, n, &tc_names_fields, why);
    tc_filter_free(filter);
    if (follow && !tc_follow_add(follow, 1, 0) && event.len)
        (void)tc_follow_match(follow, event.data, event.len);
    tc_follow_free(follow);
    return 0;
}
