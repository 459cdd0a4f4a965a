/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the masking of command lines: the bytes as one, and as the arguments of an
 * event. Secrets lie within the text, in order and apart, and an event that has one has a
 * twin, which can be read.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/event.h"
#include "ipc/mask.h"
#include "ipc/topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void insist(bool condition)
{
    if (!condition)
        abort();
}

static size_t look(const char *text, size_t n)
{
    struct tc_mask_span spans[TC_MASK_SPANS_MAX];
    size_t count = tc_mask_find(text, n, spans), end = 0;

    insist(count <= TC_MASK_SPANS_MAX);
    for (size_t i = 0; i < count; i++) {
        insist(spans[i].n > 0 && spans[i].at >= end && spans[i].n <= n &&
               spans[i].at <= n - spans[i].n);
        end = spans[i].at + spans[i].n;
    }
    return count;
}

/* The bytes as a command line, and cut at NULs and newlines as arguments. */
static struct tc_event *make(struct tc_topics *topics, const char *text, size_t n)
{
    struct tocsin_event draft = {.size = sizeof(draft), .fd = -1};
    const struct tc_topic *topic;
    struct tc_event *event = NULL;
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_strn(&w, "command_line", text, n);
    tocsin_begin_array(&w, "args");
    for (size_t at = 0, end; at < n; at = end + 1) {
        for (end = at; end < n && text[end] && text[end] != '\n';)
            end++;
        tocsin_put_strn(&w, NULL, text + at, end - at);
    }
    tocsin_end(&w);
    tocsin_end(&w);
    draft.data = w.buf;
    draft.len = w.len;
    if (w.error || tc_topic_intern(topics, "process.started", &topic) ||
        tc_event_new(&draft, topic, "fuzz", 1, &event))
        event = NULL;
    tocsin_writer_done(&w);
    return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    struct tc_topics *topics = tc_topics_new();
    struct tc_event *event = topics ? make(topics, text, len) : NULL;
    struct tc_event *twin = event ? tc_event_mask(event) : NULL;
    bool has = look(text, len) > 0;

    if (twin) {
        insist(!has || twin != event);
        insist(tocsin_event_str(&twin->pub, "command_line").ptr != NULL);
    }
    tc_event_unref(event);
    tc_topics_free(topics);
    return 0;
}
