/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see jsonevent.h. */
#include "cli/jsonevent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/jsonpack.h"

#define NAME_MAX_BYTES 512 /* of a dotted name */

/* ---- Fields ---- */

static void fill(json_object *object, struct tc_sigma_value *ret)
{
    json_object *text;

    *ret = (struct tc_sigma_value){.type = TC_SIGMA_TEXT};
    switch (json_object_get_type(object)) {
    case json_type_null:
        ret->type = TC_SIGMA_NULL;
        return;
    case json_type_boolean:
        ret->type = TC_SIGMA_BOOL;
        break;
    case json_type_int:
    case json_type_double:
        ret->type = TC_SIGMA_NUMBER;
        ret->number = json_object_get_double(object);
        break;
    case json_type_string:
        ret->text.len = (size_t)json_object_get_string_len(object);
        ret->text.ptr = json_object_get_string(object);
        return;
    case json_type_object:
        /* Bytes that are no UTF-8, as ipc/json.h has them. */
        if (json_object_object_get_ex(object, "$text", &text) &&
            json_object_is_type(text, json_type_string))
            object = text;
        break;
    case json_type_array:
        break; /* as JSON */
    }
    ret->text.ptr = json_object_get_string(object);
    ret->text.len = ret->text.ptr ? strlen(ret->text.ptr) : 0;
}

/* A search for value `index` of what has a name; `index` is less by what went by. */
struct search {
    size_t index;
    bool done;
    json_object *found; /* NULL: JSON's null */
};

/* Under one name: a value, or a list of them. */
static void pass_values(json_object *object, struct search *search)
{
    bool list = json_object_is_type(object, json_type_array);
    size_t count = list ? json_object_array_length(object) : 1;

    if (search->index >= count) {
        search->index -= count;
        return;
    }
    search->found = list ? json_object_array_get_idx(object, search->index) : object;
    search->done = true;
}

/* The values of the member of that name, or, where the name has dots, of a member's; of
 * a list of objects those of each. False: there is none. */
static bool search_in(json_object *object, const char *name, struct search *search)
{
    char head[NAME_MAX_BYTES];
    json_object *inner;
    bool there = false;

    if (json_object_is_type(object, json_type_array)) {
        for (size_t i = 0; !search->done && i < json_object_array_length(object); i++)
            there |= search_in(json_object_array_get_idx(object, i), name, search);
        return there;
    }
    if (!json_object_is_type(object, json_type_object))
        return false;
    if (json_object_object_get_ex(object, name, &inner)) {
        pass_values(inner, search);
        return true;
    }
    for (const char *dot = strchr(name, '.'); !there && dot; dot = strchr(dot + 1, '.')) {
        if ((size_t)(dot - name) >= sizeof(head))
            return false;
        memcpy(head, name, (size_t)(dot - name));
        head[dot - name] = '\0';
        if (json_object_object_get_ex(object, head, &inner))
            there = search_in(inner, dot + 1, search);
    }
    return there;
}

/* The first value of that name; false: there is none. */
static bool find(json_object *object, const char *name, json_object **ret)
{
    struct search search = {.index = 0};

    search_in(object, name, &search);
    *ret = search.found;
    return search.done;
}

static bool is_found(const struct search *search, struct tc_sigma_value *ret)
{
    if (!search->done)
        return false;
    fill(search->found, ret);
    return true;
}

static bool numbered(void *arg, uint32_t number, const char *name, size_t index,
                     struct tc_sigma_value *ret)
{
    const struct tc_json_event *event = arg;
    struct search search = {.index = index};
    const char *path;
    bool there;

    if (!strcmp(name, "logsource"))
        return false;
    there = search_in(event->line, name, &search);
    for (size_t i = 0;
         !there && !search.done && (path = tc_sigma_path(number, i)) != NULL; i++)
        search_in(event->line, path, &search);
    if (there && index == 0 && !search.done) { /* an empty list is there, too */
        *ret = (struct tc_sigma_value){.type = TC_SIGMA_NULL};
        return true;
    }
    return is_found(&search, ret);
}

static bool field(void *arg, const char *name, size_t index, struct tc_sigma_value *ret)
{
    return numbered(arg, tc_sigma_record_number(name), name, index, ret);
}

/* ---- Keywords ---- */

static int add_leaves(struct tc_json_event *event, json_object *object)
{
    struct json_object_iterator at, end;
    json_object **grown;
    int error = 0;

    if (json_object_is_type(object, json_type_array)) {
        for (size_t i = 0; error == 0 && i < json_object_array_length(object); i++)
            error = add_leaves(event, json_object_array_get_idx(object, i));
        return error;
    }
    if (json_object_is_type(object, json_type_object)) {
        at = json_object_iter_begin(object);
        end = json_object_iter_end(object);
        for (; error == 0 && !json_object_iter_equal(&at, &end);
             json_object_iter_next(&at))
            if (object != event->line ||
                strcmp(json_object_iter_peek_name(&at), "logsource") != 0)
                error = add_leaves(event, json_object_iter_peek_value(&at));
        return error;
    }
    if (event->leaf_count == event->leaf_room) {
        event->leaf_room = event->leaf_room ? 2 * event->leaf_room : 64;
        grown = reallocarray(event->leaves, event->leaf_room, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        event->leaves = grown;
    }
    event->leaves[event->leaf_count++] = object;
    return 0;
}

static bool any(void *arg, size_t index, struct tc_sigma_value *ret)
{
    struct tc_json_event *event = arg;

    if (!event->leaves_known) {
        event->leaves_known = true;
        add_leaves(event, event->line);
    }
    if (index >= event->leaf_count)
        return false;
    fill(event->leaves[index], ret);
    return true;
}

/* ---- Time ---- */

/* Since the epoch: seconds, or the finer units that a number of this size can be. */
static uint64_t number_ns(double number)
{
    if (!(number > 0) || number > 1e19)
        return 0;
    if (number < 1e11)
        return (uint64_t)(number * 1e9);
    if (number < 1e14)
        return (uint64_t)(number * 1e6);
    return (uint64_t)(number < 1e17 ? number * 1e3 : number);
}

/* East of UTC: Z, +02:00, -0330, or nothing, which is UTC. */
static bool read_zone(const char *text, long *ret_seconds)
{
    unsigned hours, minutes;
    char sign, more;

    *ret_seconds = 0;
    text += strspn(text, " ");
    if (!*text || !strcasecmp(text, "Z") || !strcasecmp(text, "UTC"))
        return true;
    if ((sscanf(text, "%c%2u:%2u%c", &sign, &hours, &minutes, &more) != 3 &&
         sscanf(text, "%c%2u%2u%c", &sign, &hours, &minutes, &more) != 3) ||
        (sign != '+' && sign != '-') || hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (long)(hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
    return true;
}

/* 2026-03-01T14:03:07.25+01:00, or a number of seconds. */
static uint64_t text_ns(const char *text)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    double fraction = 0;
    long zone = 0;
    size_t digits;
    time_t seconds;
    char *end;

    if (!rest) {
        fraction = strtod(text, &end);
        return end > text && !*end ? number_ns(fraction) : 0;
    }
    if (*rest == 'T' || *rest == ' ')
        rest = strptime(rest + 1, "%H:%M:%S", &tm);
    if (rest && (*rest == '.' || *rest == ',')) {
        digits = strspn(rest + 1, "0123456789");
        for (size_t i = digits; i > 0; i--)
            fraction = (fraction + (rest[i] - '0')) / 10;
        rest += 1 + digits;
    }
    if (!rest || !read_zone(rest, &zone))
        return 0;
    seconds = timegm(&tm) - zone;
    return seconds > 0
               ? (uint64_t)seconds * UINT64_C(1000000000) + (uint64_t)(fraction * 1e9)
               : 0;
}

/* When the tap says that an event was, which may not say so itself. */
static uint64_t time_beside(json_object *line, uint64_t before_ns)
{
    json_object *found;

    return json_object_object_get_ex(line, "time_ns", &found) &&
                   json_object_is_type(found, json_type_int)
               ? json_object_get_uint64(found)
               : before_ns;
}

/* Under the names that exports have it by; before_ns when there is none. */
static uint64_t time_of(json_object *data, uint64_t before_ns,
                        enum tc_json_time *ret_time)
{
    static const char *const names[] = {
        "@timestamp",  "timestamp",  "UtcTime", "EventTime", "eventTime",
        "TimeCreated", "SystemTime", "time",    "_time",     "ts"};
    json_object *found;
    uint64_t ns = 0;

    *ret_time = TC_JSON_TIME_NONE;
    for (size_t i = 0; !ns && i < sizeof(names) / sizeof(*names); i++) {
        if (!find(data, names[i], &found))
            continue;
        *ret_time = TC_JSON_TIME_UNREADABLE;
        if (json_object_is_type(found, json_type_string))
            ns = text_ns(json_object_get_string(found));
        else if (json_object_is_type(found, json_type_int))
            /* A double holds no nanoseconds. */
            ns = json_object_get_uint64(found) > UINT64_C(100000000000000000)
                     ? json_object_get_uint64(found)
                     : number_ns((double)json_object_get_uint64(found));
        else
            ns = number_ns(json_object_get_double(found));
    }
    if (ns)
        *ret_time = TC_JSON_TIME_SAID;
    return ns ? ns : before_ns;
}

/* ---- Reading ---- */

static const char *source_part(json_object *source, const char *name)
{
    json_object *found;

    if (json_object_object_get_ex(source, name, &found) &&
        json_object_is_type(found, json_type_string) &&
        json_object_get_string_len(found) > 0)
        return json_object_get_string(found);
    return NULL;
}

static void fill_event(struct tc_json_event *event)
{
    struct tc_sigma_event *sigma = &event->sigma;
    json_object *source;

    *sigma = (struct tc_sigma_event){.time_ns = event->time_ns,
                                     .field = field,
                                     .numbered = numbered,
                                     .any = any,
                                     .arg = event};
    if (json_object_object_get_ex(event->line, "logsource", &source) &&
        json_object_is_type(source, json_type_object)) {
        sigma->category = source_part(source, "category");
        sigma->product = source_part(source, "product");
        sigma->service = source_part(source, "service");
    }
}

/* As `tocsin tap --output json` prints it: {"topic": ..., "event": {...}}. */
static bool is_of_tap(json_object *line, json_object **ret_topic, json_object **ret_data)
{
    return json_object_object_get_ex(line, "topic", ret_topic) &&
           json_object_is_type(*ret_topic, json_type_string) &&
           json_object_object_get_ex(line, "event", ret_data) &&
           json_object_is_type(*ret_data, json_type_object);
}

int tc_json_event_read(struct tc_json_event *event, const char *text, size_t len,
                       uint64_t before_ns, char why[128])
{
    json_object *data, *topic;
    int error;

    event->line = NULL;
    event->topic = NULL;
    event->leaves = NULL;
    event->leaf_count = event->leaf_room = 0;
    event->leaves_known = false;
    tc_pack_init(&event->packed);
    error = tc_json_parse(text, len, &event->line, why);
    if (error < 0)
        return error;
    if (!is_of_tap(event->line, &topic, &data)) {
        event->time_ns = time_of(event->line, before_ns, &event->time);
        fill_event(event);
        return 0;
    }
    event->topic = json_object_get_string(topic);
    event->time_ns = time_of(data, time_beside(event->line, before_ns), &event->time);
    if (event->time == TC_JSON_TIME_NONE) /* the tap's own */
        event->time = TC_JSON_TIME_SAID;
    tc_json_pack(&event->packed, data);
    if (event->packed.error)
        snprintf(why, 128, "this is no event: it is nested too deep");
    return event->packed.error;
}

const struct tc_sigma_event *tc_json_event_record(struct tc_json_event *event,
                                                  size_t index)
{
    if (!event->topic)
        return index == 0 ? &event->sigma : NULL;
    return tc_sigma_record(&event->record, index, event->topic, event->packed.bytes.data,
                           event->packed.bytes.size, event->time_ns)
               ? &event->record.sigma
               : NULL;
}

void tc_json_event_done(struct tc_json_event *event)
{
    json_object_put(event->line);
    tc_pack_done(&event->packed);
    free(event->leaves);
}
