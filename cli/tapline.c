/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see tapline.h. */
#include "cli/tapline.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/print.h"

#define NAME_MAX_BYTES 256
#define NESTED_MAX 12 /* maps within maps; deeper ones print as one value */
#define TOPIC_COLUMNS 17
#define NS_PER_MS 1000000u

/* What a line shows before the fields, and so not among them. */
struct shown {
    const char *fields[4];
    size_t count;
};

int tc_tapline_read(const void *params, size_t len, struct tc_tap_event *ret)
{
    const uint8_t *start = params;
    struct tocsin_value array, v[4];
    struct tocsin_iter it;

    if (!tocsin_read(start, start + len, &array) || array.type != TOCSIN_ARRAY ||
        array.count < 4)
        return -EINVAL;
    tocsin_iter_init(&it, &array);
    for (size_t i = 0; i < 4; i++)
        if (!tocsin_iter_next(&it, NULL, &v[i]))
            return -EINVAL;
    if (v[0].type != TOCSIN_STR || v[1].type != TOCSIN_STR || v[2].type != TOCSIN_UINT ||
        v[3].type != TOCSIN_MAP)
        return -EINVAL;
    ret->topic = (struct tocsin_str){v[0].ptr, v[0].len};
    ret->source = (struct tocsin_str){v[1].ptr, v[1].len};
    ret->id = v[2].u;
    ret->data = v[3].start;
    ret->len = tocsin_value_size(&v[3]);
    return 0;
}

/* Finds a field, and remembers that the line shows it. */
static bool take(const struct tc_tap_event *event, struct shown *shown, const char *field,
                 struct tocsin_value *ret)
{
    if (!tocsin_find(event->data, event->len, field, ret) || ret->type == TOCSIN_NIL)
        return false;
    shown->fields[shown->count++] = field;
    return true;
}

static void print_time(FILE *out, const struct tc_tap_event *event, struct shown *shown,
                       uint64_t now_ns)
{
    struct tocsin_value v;
    uint64_t ns = now_ns;

    if (take(event, shown, TOCSIN_FIELD_TIMESTAMP, &v) && v.type == TOCSIN_UINT)
        ns = v.u;
    tc_print_time(out, ns, TC_TIME_CLOCK);
    fprintf(out, ".%03u ", (unsigned)(ns / NS_PER_MS % 1000));
}

/* name[pid]; the name is the last part of the executable's path where none is given. */
static void print_process(FILE *out, const struct tc_tap_event *event,
                          struct shown *shown)
{
    struct tocsin_value pid, name;
    const char *slash;

    if (!take(event, shown, TOCSIN_FIELD_PROCESS_PID, &pid))
        return;
    fputc(' ', out);
    if (take(event, shown, TOCSIN_FIELD_PROCESS_NAME, &name)) {
        tc_print_value(out, &name);
    } else {
        struct tocsin_str path =
            tocsin_find_str(event->data, event->len, TOCSIN_FIELD_PROCESS_EXECUTABLE);

        slash = path.ptr ? memrchr(path.ptr, '/', path.len) : NULL;
        if (slash) {
            path.len -= (size_t)(slash + 1 - path.ptr);
            path.ptr = slash + 1;
        }
        tc_print_str(out, path);
    }
    fputc('[', out);
    tc_print_value(out, &pid);
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
    struct tocsin_value v;

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        if (!take(event, shown, fields[i], &v))
            continue;
        fputc(' ', out);
        tc_print_value(out, &v);
        return;
    }
}

/* key=value, in quotes where a blank would end it. */
static void print_field(FILE *out, const char *name, const struct tocsin_value *v)
{
    char *text = NULL;
    size_t n = 0;
    FILE *copy = open_memstream(&text, &n);

    if (!copy)
        return;
    tc_print_value(copy, v);
    if (fclose(copy)) {
        free(text);
        return;
    }
    fprintf(out, " %s=", name);
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

static void print_fields(FILE *out, const struct tocsin_value *map,
                         const struct shown *shown, char *name, unsigned depth)
{
    struct tocsin_value key, v;
    struct tocsin_iter it;
    size_t n = strlen(name), i;
    FILE *end;

    tocsin_iter_init(&it, map);
    while (tocsin_iter_next(&it, &key, &v)) {
        end = fmemopen(name + n, NAME_MAX_BYTES - n, "w");
        if (!end)
            return;
        if (n)
            fputc('.', end);
        tc_print_value(end, &key);
        fclose(end);
        name[NAME_MAX_BYTES - 1] = 0;
        for (i = 0; i < shown->count; i++)
            if (!strcmp(shown->fields[i], name))
                break;
        if (v.type == TOCSIN_MAP && depth < NESTED_MAX)
            print_fields(out, &v, shown, name, depth + 1);
        else if (i == shown->count)
            print_field(out, name, &v);
        name[n] = 0;
    }
}

void tc_tapline_print(FILE *out, const struct tc_tap_event *event, uint64_t now_ns)
{
    struct shown shown = {.count = 0};
    char name[NAME_MAX_BYTES] = "";
    struct tocsin_value map;

    print_time(out, event, &shown, now_ns);
    tc_print_str(out, event->topic);
    if (event->topic.len < TOPIC_COLUMNS)
        fprintf(out, "%*s", (int)(TOPIC_COLUMNS - event->topic.len), "");
    print_process(out, event, &shown);
    print_summary(out, event, &shown);
    fprintf(out, " id=%" PRIu64 " source=", event->id);
    tc_print_str(out, event->source);
    if (tocsin_read(event->data, event->data + event->len, &map))
        print_fields(out, &map, &shown, name, 0);
    fputc('\n', out);
}
