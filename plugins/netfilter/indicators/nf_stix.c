/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: indicators in a bundle of STIX 2.1 (or the envelope of TAXII, or a bare array of
 * objects). One object is in memory at a time, whatever the file's size: the bundle
 * around them is walked here, each value in it read by json-c.
 */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "indicators/nf_list.h"
#include "indicators/nf_pattern.h"

#define DEPTH_MAX 32 /* of a value in the bundle */

struct stix {
    struct tc_nf_list *list;
    struct json_tokener *tokener;
    bool objects; /* there were some, if only an empty array */
};

/* ---- JSON, a value at a time ---- */

static int ends_early(struct stix *stix)
{
    return tc_nf_list_fail(stix->list, -EINVAL,
                           "the JSON ends too early; the file is not complete");
}

/* The next byte that is no blank; 0 at the end. */
static char peek(struct stix *stix)
{
    struct tc_nf_input *input = &stix->list->input;
    struct tc_nf_text ahead;
    size_t blanks;

    while ((ahead = tc_nf_input_ahead(input)).len) {
        blanks = 0;
        while (blanks < ahead.len && tc_nf_is_one_of(ahead.at[blanks], " \t\r\n"))
            blanks++;
        tc_nf_input_skip(input, blanks);
        if (blanks < ahead.len)
            return ahead.at[blanks];
    }
    return '\0';
}

static int expect(struct stix *stix, char wanted)
{
    char c = peek(stix);

    if (!c)
        return ends_early(stix);
    if (c != wanted)
        return tc_nf_list_fail(stix->list, -EINVAL, "this is no JSON: '%c' is missing",
                               wanted);
    tc_nf_input_skip(&stix->list->input, 1);
    return 0;
}

static int read_value(struct stix *stix, struct json_object **ret_value)
{
    struct tc_nf_input *input = &stix->list->input;
    enum json_tokener_error error = json_tokener_continue;
    size_t bytes = 0, used;
    struct tc_nf_text ahead;

    json_tokener_reset(stix->tokener);
    while (error == json_tokener_continue) {
        ahead = tc_nf_input_ahead(input);
        if (!ahead.len)
            return ends_early(stix);
        *ret_value = json_tokener_parse_ex(stix->tokener, ahead.at, (int)ahead.len);
        error = json_tokener_get_error(stix->tokener);
        used = json_tokener_get_parse_end(stix->tokener);
        bytes += used;
        if (error != json_tokener_continue && error != json_tokener_success)
            return tc_nf_list_fail(stix->list, -EINVAL, "this is no JSON: %s",
                                   json_tokener_error_desc(error));
        tc_nf_input_skip(input, used);
        if (bytes > TC_NF_OBJECT_BYTES_MAX) {
            if (error == json_tokener_success)
                json_object_put(*ret_value);
            return tc_nf_list_fail(stix->list, -E2BIG, "an object is larger than %u MiB",
                                   TC_NF_OBJECT_BYTES_MAX >> 20);
        }
    }
    return 0;
}

/* ---- Objects ---- */

/* Empty where there is none, or it is no text. */
static struct tc_nf_text text_of(const struct json_object *object, const char *key)
{
    struct json_object *value;

    if (!json_object_object_get_ex(object, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return (struct tc_nf_text){"", 0};
    return (struct tc_nf_text){json_object_get_string(value),
                               (size_t)json_object_get_string_len(value)};
}

static bool is_true(const struct json_object *object, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(object, key, &value) &&
           json_object_get_boolean(value);
}

static bool is_benign(const struct json_object *object)
{
    struct json_object *types;
    const char *type;
    bool benign = false;

    if (!json_object_object_get_ex(object, "indicator_types", &types) ||
        !json_object_is_type(types, json_type_array))
        return false;
    for (size_t i = 0; i < json_object_array_length(types) && !benign; i++) {
        type = json_object_get_string(json_object_array_get_idx(types, i));
        benign = type && !strcmp(type, "benign");
    }
    return benign;
}

struct indicator {
    struct tc_nf_list *list;
    struct tc_nf_row row;
    const char *id;
};

static int take(void *arg, struct tc_nf_text type, struct tc_nf_text value)
{
    struct indicator *indicator = arg;

    indicator->row.type = type;
    indicator->row.value = value;
    return tc_nf_list_take(indicator->list, &indicator->row, indicator->id);
}

/* Why the indicator is not to be taken, or NULL. */
static const char *objection(const struct tc_nf_list *list,
                             const struct json_object *object)
{
    struct tc_nf_text language = text_of(object, "pattern_type"),
                      from = text_of(object, "valid_from");
    char why[TC_NF_WHY_MAX];
    uint32_t from_s;

    if (language.len && !tc_nf_is(language, "stix")) /* 2.0 had no other */
        return "its pattern is not in STIX's own language";
    if (list->action != TC_NF_ALLOW && is_benign(object))
        return "it is of type benign; put it into a list of what is allowed";
    if (from.len && !tc_nf_time_read(from, &from_s, why) && from_s > list->now_s)
        return "it is not valid yet";
    return NULL;
}

static int take_object(struct stix *stix, const struct json_object *object)
{
    struct tc_nf_list *list = stix->list;
    struct indicator indicator = {.list = list};
    char why[TC_NF_WHY_MAX], id[TC_NF_QUOTE_MAX];
    const char *refused;
    int r;

    if (!json_object_is_type(object, json_type_object) ||
        !tc_nf_is(text_of(object, "type"), "indicator"))
        return 0;
    if (is_true(object, "revoked")) {
        list->report->expired++;
        return 0;
    }
    indicator.id = tc_nf_quote(text_of(object, "id"), id);
    refused = objection(list, object);
    if (refused) {
        tc_nf_list_refuse(list, indicator.id, refused);
        return 0;
    }
    indicator.row.expires = text_of(object, "valid_until");
    indicator.row.reason = text_of(object, "name");
    if (!indicator.row.reason.len)
        indicator.row.reason = text_of(object, "description");
    r = tc_nf_pattern_read(text_of(object, "pattern"), take, &indicator, why);
    if (r == -EINVAL) {
        tc_nf_list_refuse(list, indicator.id, why);
        r = 0;
    }
    return r;
}

/* ---- The bundle ---- */

/* After an item: takes the comma that another follows, or `end`. */
static int next_item(struct stix *stix, char end, bool *ret_more)
{
    *ret_more = peek(stix) == ',';
    return expect(stix, *ret_more ? ',' : end);
}

static int read_objects(struct stix *stix)
{
    struct json_object *object = NULL;
    int r = expect(stix, '[');
    bool more = true;

    stix->objects = true;
    if (!r && peek(stix) == ']')
        return expect(stix, ']');
    while (!r && more) {
        r = read_value(stix, &object);
        if (r)
            break;
        r = take_object(stix, object);
        json_object_put(object);
        if (!r)
            r = next_item(stix, ']', &more);
    }
    return r;
}

static int read_member(struct stix *stix)
{
    struct json_object *value = NULL;
    bool objects;
    int r;

    if (peek(stix) != '"')
        return expect(stix, '"');
    r = read_value(stix, &value);
    if (r)
        return r;
    objects = !strcmp(json_object_get_string(value), "objects");
    json_object_put(value);
    r = expect(stix, ':');
    if (r || (objects && peek(stix) == '['))
        return r ? r : read_objects(stix);
    r = read_value(stix, &value);
    if (!r)
        json_object_put(value);
    return r;
}

static int read_bundle(struct stix *stix)
{
    int r = expect(stix, '{');
    bool more = true;

    while (!r && more) {
        r = read_member(stix);
        if (!r)
            r = next_item(stix, '}', &more);
    }
    return r;
}

int tc_nf_list_read_stix(struct tc_nf_list *list)
{
    struct stix stix = {.list = list, .tokener = json_tokener_new_ex(DEPTH_MAX)};
    int r;

    if (!stix.tokener)
        return tc_nf_list_fail(list, -ENOMEM, "%s", strerror(ENOMEM));
    json_tokener_set_flags(stix.tokener,
                           JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    r = peek(&stix) == '[' ? read_objects(&stix) : read_bundle(&stix);
    if (!r && peek(&stix))
        r = tc_nf_list_fail(list, -EINVAL, "something follows the bundle");
    if (!r && !stix.objects)
        r = tc_nf_list_fail(list, -EINVAL,
                            "this is no STIX bundle: there is no array \"objects\"");
    json_tokener_free(stix.tokener);
    return r;
}
