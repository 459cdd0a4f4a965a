/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/place.h"

#include <libfyaml.h>

/* libfyaml's marks are after the quote or the asterisk that opens a value. */
static bool is_quoted(const struct fy_event *event)
{
    enum fy_scalar_style style;

    if (event->type != FYET_SCALAR || !event->scalar.value)
        return false;
    style = fy_token_scalar_style(event->scalar.value);
    return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

static bool opens_with_sign(const struct fy_event *event)
{
    return event->type == FYET_ALIAS || is_quoted(event);
}

/* A value or a line of --- that is not written. libfyaml gives it a mark since 0.8. */
static bool is_absent(const struct fy_event *event)
{
    struct fy_token *token;

    if (event->type == FYET_DOCUMENT_START)
        return event->document_start.implicit;
    if (event->type != FYET_SCALAR)
        return false;
    token = event->scalar.value;
    return !token || (fy_token_scalar_style(token) == FYSS_PLAIN &&
                      fy_token_get_text_length(token) == 0);
}

struct tc_yaml_place tc_yaml_place_of(const struct fy_event *event,
                                      struct tc_yaml_place other)
{
    const struct fy_mark *mark = fy_event_start_mark((struct fy_event *)(uintptr_t)event);
    struct tc_yaml_place place;

    if (!mark || is_absent(event))
        return other;
    place.line = (unsigned)mark->line + 1;
    place.column = (unsigned)mark->column + 1;
    if (place.column > 1 && opens_with_sign(event))
        place.column--;
    return place;
}

struct tc_yaml_span tc_yaml_span_of(const struct fy_event *event)
{
    struct fy_event *e = (struct fy_event *)(uintptr_t)event;
    const struct fy_mark *from = fy_event_start_mark(e), *to = fy_event_end_mark(e);
    struct tc_yaml_span span = {0, 0};

    if (!from || !to || is_absent(event) || from->input_pos > to->input_pos)
        return span;
    span.from = (unsigned)from->input_pos;
    span.to = (unsigned)to->input_pos;
    if (span.from && opens_with_sign(event))
        span.from--;
    if (is_quoted(event))
        span.to++;
    return span;
}
