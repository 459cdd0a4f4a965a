/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see tapline.h. */
#include "cli/tapline.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/print.h"
#include "ipc/unpack.h"

#define NAME_MAX_BYTES 256
#define NESTED_MAX 12 /* maps within maps; deeper ones print as one value */
#define TOPIC_COLUMNS 17
#define NS_PER_MS 1000000u

/* What a line shows before the fields, and so not among them. */
struct shown {
    const char *fields[4];
    size_t count;
    bool wide; /* all of the others are shown, too */
};

int tc_tapline_read(const msgpack_object *params, struct tc_tap_event *ret)
{
    const msgpack_object *items = params->via.array.ptr;

    if (params->type != MSGPACK_OBJECT_ARRAY || params->via.array.size < 4 ||
        items[0].type != MSGPACK_OBJECT_STR || items[1].type != MSGPACK_OBJECT_STR ||
        items[2].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
        items[3].type != MSGPACK_OBJECT_MAP)
        return -EINVAL;
    ret->topic = tc_unpack_text(&items[0]);
    ret->source = tc_unpack_text(&items[1]);
    ret->id = items[2].via.u64;
    ret->map = &items[3];
    ret->time_ns = ret->reply_to = 0;
    if (params->via.array.size >= 6 && items[4].type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
        items[5].type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        ret->time_ns = items[4].via.u64;
        ret->reply_to = items[5].via.u64;
    }
    return 0;
}

/* Finds a field, and remembers that the line shows it. */
static const msgpack_object *take(const struct tc_tap_event *event, struct shown *shown,
                                  const char *field)
{
    const msgpack_object *o = tc_unpack_find(event->map, field);

    if (!o || o->type == MSGPACK_OBJECT_NIL)
        return NULL;
    shown->fields[shown->count++] = field;
    return o;
}

static void print_time(FILE *out, const struct tc_tap_event *event, struct shown *shown,
                       uint64_t now_ns)
{
    const msgpack_object *time = take(event, shown, TOCSIN_FIELD_TIMESTAMP);
    uint64_t ns = event->time_ns ? event->time_ns : now_ns;

    if (time && time->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        ns = time->via.u64;
    tc_print_time(out, ns, TC_TIME_DATE);
    fprintf(out, ".%03u ", (unsigned)(ns / NS_PER_MS % 1000));
}

/* name[pid]; the name is the last part of the executable's path where none is given. */
static void print_process(FILE *out, const struct tc_tap_event *event,
                          struct shown *shown)
{
    const msgpack_object *pid = take(event, shown, TOCSIN_FIELD_PROCESS_PID), *name;
    const char *slash;

    if (!pid)
        return;
    fputc(' ', out);
    name = take(event, shown, TOCSIN_FIELD_PROCESS_NAME);
    if (name) {
        tc_print_value(out, name);
    } else {
        struct tocsin_str path =
            tc_unpack_str(event->map, TOCSIN_FIELD_PROCESS_EXECUTABLE);

        slash = path.ptr ? memrchr(path.ptr, '/', path.len) : NULL;
        if (slash) {
            path.len -= (size_t)(slash + 1 - path.ptr);
            path.ptr = slash + 1;
        }
        tc_print_str(out, path);
    }
    fputc('[', out);
    tc_print_value(out, pid);
    fputc(']', out);
}

/* What the event is about, by the first of these fields that it has. */
static void print_summary(FILE *out, const struct tc_tap_event *event,
                          struct shown *shown)
{
    static const char *const fields[] = {
        TOCSIN_FIELD_ALERT_TITLE,
        TOCSIN_FIELD_DETECTION_NAME,
        "dns.question.name",
        TOCSIN_FIELD_FILE_PATH,
        "destination.domain",
        "destination.ip",
        TOCSIN_FIELD_PROCESS_COMMAND_LINE,
    };
    const msgpack_object *o;

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        o = take(event, shown, fields[i]);
        if (!o)
            continue;
        fputc(' ', out);
        tc_print_value(out, o);
        return;
    }
}

/* Whether the field is for programs: what only tells one thing from another. */
static bool is_for_programs(const char *name)
{
    static const char *const names[] = {
        "epoch",
        "dedupe_key",
        "event.sequence",
        "sensor",
        "file.name",
        "file.inode",
        "file.device",
        "file.mtime",
        "file.ctime",
        "cgroup.id",
        "cgroup.path",
        "budget_ns",
        "file.written_event",
        "process.session",
        "process.args_count",
        "flow.id",
        "flow.network_namespace",
    };
    const char *end = strrchr(name, '.');

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(names[i], name))
            return true;
    return (end && !strcmp(end, ".start")) || !strcmp(name, "process.ancestors") ||
           !strcmp(name, "process.parent.executable") || strstr(name, ".group.") ||
           strstr(name, ".effective.") || strstr(name, ".saved.");
}

/* Whether a number must be nanoseconds since the epoch: of the years 2001 to 2096. */
static bool is_time(const char *name, const msgpack_object *o)
{
    return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
           o->via.u64 >= UINT64_C(1000000000000000000) &&
           o->via.u64 < UINT64_C(4000000000000000000) && strcmp(name, "dedupe_key") != 0;
}

static void print_duration(FILE *out, uint64_t ns)
{
    static const struct {
        uint64_t ns;
        const char *name;
    } units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "us"}};

    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (ns >= units[i].ns) {
            fprintf(out, "%.4g%s", (double)ns / (double)units[i].ns, units[i].name);
            return;
        }
    fprintf(out, "%" PRIu64 "ns", ns);
}

/* The value as people read it: times as such, and durations with a unit. */
static void print_value(FILE *out, const char *name, const msgpack_object *o)
{
    size_t n = strlen(name);

    if (is_time(name, o))
        tc_print_time(out, o->via.u64, TC_TIME_DATE);
    else if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && n > 3 &&
             !strcmp(name + n - 3, "_ns"))
        print_duration(out, o->via.u64);
    else
        tc_print_value(out, o);
}

/* key=value, in quotes where a blank would end it. */
static void print_field(FILE *out, const char *name, const msgpack_object *o)
{
    size_t n = 0, shown = strlen(name);
    char *text = NULL;
    FILE *copy = open_memstream(&text, &n);

    if (!copy)
        return;
    print_value(copy, name, o);
    if (fclose(copy)) {
        free(text);
        return;
    }
    if (shown > 3 && !strcmp(name + shown - 3, "_ns"))
        shown -= 3;
    fprintf(out, " %.*s=", (int)shown, name);
    if (n && !strpbrk(text, " \"")) {
        fputs(text, out);
    } else {
        fputc('"', out);
        for (const char *p = text; *p; p++)
            fprintf(out, *p == '"' ? "\\%c" : "%c", *p);
        fputc('"', out);
    }
    free(text);
}

static void print_fields(FILE *out, const msgpack_object_map *map,
                         const struct shown *shown, char *name, unsigned depth)
{
    const msgpack_object_kv *kv, *last = map->ptr + map->size;
    size_t n = strlen(name), i;
    FILE *end;

    for (kv = map->ptr; kv < last; kv++) {
        end = fmemopen(name + n, NAME_MAX_BYTES - n, "w");
        if (!end)
            return;
        if (n)
            fputc('.', end);
        tc_print_value(end, &kv->key);
        fclose(end);
        name[NAME_MAX_BYTES - 1] = 0;
        for (i = 0; i < shown->count; i++)
            if (!strcmp(shown->fields[i], name))
                break;
        if (kv->val.type == MSGPACK_OBJECT_MAP && depth < NESTED_MAX)
            print_fields(out, &kv->val.via.map, shown, name, depth + 1);
        else if (i == shown->count && (shown->wide || !is_for_programs(name)))
            print_field(out, name, &kv->val);
        name[n] = 0;
    }
}

static void print_line(FILE *out, bool wide, const struct tc_tap_event *event,
                       uint64_t now_ns)
{
    struct shown shown = {.count = 0, .wide = wide};
    char name[NAME_MAX_BYTES] = "";

    print_time(out, event, &shown, now_ns);
    tc_print_str(out, event->topic);
    if (event->topic.len < TOPIC_COLUMNS)
        fprintf(out, "%*s", (int)(TOPIC_COLUMNS - event->topic.len), "");
    print_process(out, event, &shown);
    print_summary(out, event, &shown);
    print_fields(out, &event->map->via.map, &shown, name, 0);
    fprintf(out, " id=%" PRIu64, event->id);
    if (event->reply_to)
        fprintf(out, " reply_to=%" PRIu64, event->reply_to);
    fputs(" source=", out);
    tc_print_str(out, event->source);
}

void tc_tapline_print(FILE *out, const struct tc_tapline *style,
                      const struct tc_tap_event *event, uint64_t now_ns)
{
    char *line = NULL;
    size_t n = 0;
    FILE *whole = open_memstream(&line, &n);

    if (!whole)
        return;
    print_line(whole, style->wide, event, now_ns);
    if (!fclose(whole))
        tc_print_cut(out, line, n, style->columns, style->ascii);
    fputc('\n', out);
    free(line);
}
