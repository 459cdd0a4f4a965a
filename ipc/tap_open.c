/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a tap is asked for: the parameters of tap.open, read with distrust. */
#include "ipc/tap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include "ipc/bus.h"
#include "ipc/filter.h"
#include "ipc/follow.h"
#include "ipc/names.h"
#include "ipc/tap_priv.h"
#include "ipc/topic.h"

static int read_topics(const struct tocsin_value *list, struct tc_tap_topics *ret_topics,
                       char why[256])
{
    struct tocsin_value value;
    struct tocsin_iter it;
    size_t i = 0;
    char *name;

    if (list->type != TOCSIN_ARRAY || !list->count || list->count > TC_TAP_TOPICS_MAX) {
        snprintf(why, 256, "topics is a list of 1 to %d patterns", TC_TAP_TOPICS_MAX);
        return -EINVAL;
    }
    tocsin_iter_init(&it, list);
    while (tocsin_iter_next(&it, NULL, &value)) {
        if (value.type != TOCSIN_STR || value.len >= PATTERN_BYTES)
            goto malformed;
        name = ret_topics->names[i];
        memcpy(name, value.ptr, value.len);
        name[value.len] = '\0';
        if (strlen(name) != value.len || !tc_topic_pattern_valid(name))
            goto malformed;
        ret_topics->patterns[i++] = name;
    }
    ret_topics->patterns[i] = NULL;
    return 0;

malformed:
    if (value.type != TOCSIN_STR)
        value.len = 0;
    snprintf(
        why, 256,
        "\"%.*s\" is no topic: give a whole name (file.open), its first words and .* "
        "(file.*), or * for all",
        (int)(value.len < 64 ? value.len : 64), value.len ? value.ptr : "");
    return -EINVAL;
}

/* A filter's text, or a list of them, all of which must hold. */
static int read_filter(struct tc_tap *tap, const struct tocsin_value *value,
                       char why[256])
{
    struct tocsin_value text;
    struct tocsin_iter it;
    int r = 0;

    if (value->type == TOCSIN_STR || value->type == TOCSIN_BIN)
        return tc_filter_add(&tap->filter, value->ptr, value->len, &tc_names_fields, why);
    snprintf(why, 256, "a filter is text, or a list of texts that must all hold");
    if (value->type != TOCSIN_ARRAY)
        return -EINVAL;
    tocsin_iter_init(&it, value);
    while (!r && tocsin_iter_next(&it, NULL, &text)) {
        if (text.type != TOCSIN_STR && text.type != TOCSIN_BIN)
            return -EINVAL;
        r = tc_filter_add(&tap->filter, text.ptr, text.len, &tc_names_fields, why);
    }
    return r;
}

/* The processes to follow, with the children they will have. */
static int read_follow(struct tc_tap *tap, const struct tocsin_value *list, char why[256])
{
    struct tocsin_value pid;
    struct tocsin_iter it;
    int r = 0;

    tap->follow = tc_follow_new();
    if (!tap->follow)
        return -ENOMEM;
    snprintf(why, 256, "follow is a list of 1 to %d pids", TC_FOLLOW_MAX);
    if (list->type != TOCSIN_ARRAY || !list->count)
        return -EINVAL;
    tocsin_iter_init(&it, list);
    while (!r && tocsin_iter_next(&it, NULL, &pid))
        r = pid.type == TOCSIN_UINT ? tc_follow_add(tap->follow, pid.u, 0) : -EINVAL;
    return r;
}

static int read_params(struct tc_tap *tap, const void *params, size_t len, char why[256])
{
    struct tocsin_value map, key = {0}, value;
    struct tocsin_iter it;
    int r = 0;

    if (!tocsin_read(params, (const uint8_t *)params + len, &map))
        return -EINVAL;
    tocsin_iter_init(&it, &map);
    while (!r && tocsin_iter_next(&it, &key, &value)) {
        struct tocsin_str name = {key.ptr, key.len};

        if (tocsin_str_is(name, "topics")) {
            r = read_topics(&value, &tap->topics, why);
        } else if (tocsin_str_is(name, "filter") && !tap->filter) {
            r = read_filter(tap, &value, why);
        } else if (tocsin_str_is(name, "follow") && !tap->follow) {
            r = read_follow(tap, &value, why);
        } else if (tocsin_str_is(name, "sample") && value.type == TOCSIN_UINT) {
            tap->sample = value.u;
        } else {
            snprintf(why, 256, "a tap takes topics, filter, follow and sample, not %.*s",
                     (int)(name.len < 64 ? name.len : 64), name.ptr);
            r = -EINVAL;
        }
    }
    return r;
}

static int subscribe(struct tc_tap *tap, char why[256])
{
    const char *patterns[TC_TAP_TOPICS_MAX + 2];
    struct tc_subscription what = {.patterns = patterns,
                                   .text = TC_BUS_MASKED,
                                   .reader = true,
                                   .deliver = tc_tap_deliver,
                                   .arg = tap};
    char name[32];
    size_t n = 0;
    int r;

    for (; tap->topics.patterns[n]; n++)
        patterns[n] = tap->topics.patterns[n];
    if (tap->follow)
        patterns[n++] = "process.forked";
    patterns[n] = NULL;
    snprintf(name, sizeof(name), "tap-%" PRIu64, tap->options.id);
    what.name = name;
    r = tc_bus_subscribe(tap->options.bus, &what, &tap->subscriber);
    if (r)
        snprintf(why, 256, "cannot subscribe: %s", strerror(-r));
    return r;
}

int tc_tap_open(const struct tc_tap_options *options, const void *params, size_t len,
                struct tc_tap **ret_tap, char why[256])
{
    struct tc_tap *tap;
    int r = -ENOMEM;

    snprintf(why, 256, "out of memory");
    tap = calloc(1, sizeof(*tap));
    if (!tap)
        return r;
    tap->options = *options;
    tap->topics.patterns[0] = "*";
    r = read_params(tap, params, len, why);
    if (!r)
        r = subscribe(tap, why);
    if (r)
        tc_tap_free(tap);
    else
        *ret_tap = tap;
    return r;
}
