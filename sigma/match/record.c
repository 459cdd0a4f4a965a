/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see record.h: the values of a record's fields, by the tables. */
#include "sigma/match/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sigma/match/record_read.h"

/* ---- Values ---- */

static bool is_text(struct tc_sigma_value *ret, const char *text)
{
    *ret = (struct tc_sigma_value){.type = TC_SIGMA_TEXT, .text = {text, strlen(text)}};
    return true;
}

/* Keeps what was written behind the record's texts; nothing where there is no room. */
static struct tocsin_str keep(struct tc_sigma_record *record, int written)
{
    struct tocsin_str text = {"", 0};

    if (written < 0 || (size_t)written >= sizeof(record->texts) - record->texts_len)
        return text;
    text = (struct tocsin_str){record->texts + record->texts_len, (size_t)written};
    record->texts_len += text.len;
    return text;
}

static struct tocsin_str decimal(struct tc_sigma_record *record, uint64_t number,
                                 bool negative)
{
    char digits[24], *at = digits + sizeof(digits);
    size_t len;

    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    if (negative)
        *--at = '-';
    len = (size_t)(digits + sizeof(digits) - at);
    if (len < sizeof(record->texts) - record->texts_len)
        memcpy(record->texts + record->texts_len, at, len);
    return keep(record, (int)len);
}

/* A map has a value, without text. */
static void fill(struct tc_sigma_record *record, const struct tocsin_value *value,
                 struct tc_sigma_value *ret)
{
    *ret = (struct tc_sigma_value){.type = TC_SIGMA_TEXT, .text = {"", 0}};
    switch (value->type) {
    case TOCSIN_NIL:
        ret->type = TC_SIGMA_NULL;
        break;
    case TOCSIN_BOOL:
        ret->type = TC_SIGMA_BOOL;
        ret->text =
            value->b ? (struct tocsin_str){"true", 4} : (struct tocsin_str){"false", 5};
        break;
    case TOCSIN_UINT:
        ret->type = TC_SIGMA_NUMBER;
        ret->number = (double)value->u;
        ret->text = decimal(record, value->u, false);
        break;
    case TOCSIN_INT:
        ret->type = TC_SIGMA_NUMBER;
        ret->number = (double)value->i;
        ret->text = decimal(record, -(uint64_t)value->i, true);
        break;
    case TOCSIN_DOUBLE:
        ret->type = TC_SIGMA_NUMBER;
        ret->number = value->d;
        ret->text = keep(record, snprintf(record->texts + record->texts_len,
                                          sizeof(record->texts) - record->texts_len,
                                          "%.17g", value->d));
        break;
    case TOCSIN_STR:
    case TOCSIN_BIN:
    case TOCSIN_EXT:
        ret->text = (struct tocsin_str){value->ptr ? value->ptr : "", value->len};
        break;
    case TOCSIN_ARRAY:
    case TOCSIN_MAP:
        break;
    }
}

/* Item `index` of a list. They are mostly asked for in turn: it goes on from the last. */
static bool read_item(struct tc_sigma_record *record, const struct tocsin_value *list,
                      size_t index, struct tocsin_value *ret)
{
    const uint8_t *end = record->data + record->len, *at;
    uint32_t start = (uint32_t)((const uint8_t *)list->ptr - record->data);

    if (record->list != start || record->item > index) {
        record->list = record->item_at = start;
        record->item = 0;
    }
    for (at = record->data + record->item_at; record->item < index; record->item++) {
        at = tocsin_skip(at, end);
        if (!at) {
            record->list = 0;
            return false;
        }
    }
    record->item_at = (uint32_t)(at - record->data);
    return tocsin_read(at, end, ret) != NULL;
}

/* Value `*index` of what stands there; else *index is less by what it has. */
static bool take(struct tc_sigma_record *record, const struct tocsin_value *value,
                 size_t *index, struct tc_sigma_value *ret)
{
    size_t count = value->type == TOCSIN_ARRAY ? value->count : 1;
    struct tocsin_value item = *value;

    if (*index >= count) {
        *index -= count;
        return false;
    }
    if (value->type == TOCSIN_ARRAY && !read_item(record, value, *index, &item))
        return false;
    fill(record, &item, ret);
    return true;
}

static bool same_text(const struct tocsin_value *a, const struct tocsin_value *b)
{
    return a->type == TOCSIN_STR && b->type == TOCSIN_STR && a->len == b->len &&
           !memcmp(a->ptr, b->ptr, a->len);
}

static bool at_places(struct tc_sigma_record *record,
                      const struct tc_sigma_record_field *field, size_t index,
                      struct tc_sigma_value *ret)
{
    struct tocsin_value first, value;
    bool any = false;

    for (size_t i = 0; i < TC_FIELD_PLACES_MAX && field->places[i]; i++) {
        if (!tc_sigma_record_place(record, field->places[i], &value))
            continue;
        /* A second value that is the same is skipped. */
        if (any && same_text(&first, &value))
            continue;
        if (take(record, &value, &index, ret))
            return true;
        first = value;
        any = true;
    }
    return !any && index == 0 && field->otherwise && is_text(ret, field->otherwise);
}

/* ---- Values that are worked out ---- */

static bool user(struct tc_sigma_record *record,
                 const struct tc_sigma_record_field *field, size_t index,
                 struct tc_sigma_value *ret)
{
    struct tocsin_value value;

    if (tc_sigma_record_place(record, field->places[0], &value))
        return take(record, &value, &index, ret);
    return index == 0 && tc_sigma_record_place(record, TC_PLACE_USER_ID, &value) &&
           value.type == TOCSIN_UINT && value.u == 0 && is_text(ret, "root");
}

static bool initiated(struct tc_sigma_record *record,
                      const struct tc_sigma_record_field *field, size_t index,
                      struct tc_sigma_value *ret)
{
    bool outwards = record->kind->initiated;
    struct tocsin_value value;

    if (tc_sigma_record_place(record, field->places[0], &value))
        return take(record, &value, &index, ret);
    if (index > 0)
        return false;
    if (tc_sigma_record_place(record, TC_PLACE_NETWORK_DIRECTION, &value) &&
        value.type == TOCSIN_STR)
        outwards = value.len == 6 && !memcmp(value.ptr, "egress", 6);
    return is_text(ret, outwards ? "true" : "false");
}

static bool hashes(struct tc_sigma_record *record,
                   const struct tc_sigma_record_field *field, struct tc_sigma_value *ret)
{
    struct tocsin_value value;

    if (!tc_sigma_record_place(record, field->places[0], &value) ||
        value.type != TOCSIN_STR)
        return false;
    *ret = (struct tc_sigma_value){.type = TC_SIGMA_TEXT};
    ret->text = keep(record, snprintf(record->texts + record->texts_len,
                                      sizeof(record->texts) - record->texts_len,
                                      "SHA256=%.*s", (int)value.len, value.ptr));
    return true;
}

static bool octal(struct tc_sigma_record *record,
                  const struct tc_sigma_record_field *field, struct tc_sigma_value *ret)
{
    struct tocsin_value value;

    if (!tc_sigma_record_place(record, field->places[0], &value) ||
        value.type != TOCSIN_UINT)
        return false;
    *ret = (struct tc_sigma_value){.type = TC_SIGMA_TEXT};
    ret->text = keep(record, snprintf(record->texts + record->texts_len,
                                      sizeof(record->texts) - record->texts_len,
                                      "0%" PRIo64, value.u));
    return true;
}

static bool count(struct tc_sigma_record *record,
                  const struct tc_sigma_record_field *field, struct tc_sigma_value *ret)
{
    struct tocsin_value value;

    if (!tc_sigma_record_place(record, field->places[0], &value)) {
        if (!tc_sigma_record_place(record, field->places[1], &value) ||
            value.type != TOCSIN_ARRAY)
            return false;
        value.type = TOCSIN_UINT;
        value.u = value.count;
    }
    fill(record, &value, ret);
    return true;
}

static bool success(struct tc_sigma_record *record,
                    const struct tc_sigma_record_field *field, struct tc_sigma_value *ret)
{
    bool fails = record->kind->fails;
    struct tocsin_value value;

    if (tc_sigma_record_place(record, field->places[0], &value) &&
        value.type == TOCSIN_STR)
        fails = value.len == 7 && !memcmp(value.ptr, "failure", 7);
    return is_text(ret, fails ? "no" : "yes");
}

static bool syscall_name(struct tc_sigma_record *record,
                         const struct tc_sigma_record_field *field, size_t index,
                         struct tc_sigma_value *ret)
{
    const char *const *names = record->kind->syscalls;
    struct tocsin_value value;

    if (tc_sigma_record_place(record, field->places[0], &value))
        return take(record, &value, &index, ret);
    if (record->kind->says)
        return false;
    while (*names && index) {
        names++;
        index--;
    }
    return *names && is_text(ret, *names);
}

/* Of each map of a list the value of one key; the index is that of the map. */
static bool of_items(struct tc_sigma_record *record,
                     const struct tc_sigma_record_field *field, size_t index,
                     struct tc_sigma_value *ret)
{
    struct tocsin_value list, item;

    if (!tc_sigma_record_place(record, field->places[0], &list) ||
        list.type != TOCSIN_ARRAY || index >= list.count ||
        !read_item(record, &list, index, &item))
        return false;
    if (tocsin_find(item.start, (size_t)(item.end - item.start), field->otherwise, &item))
        fill(record, &item, ret);
    else
        *ret = (struct tc_sigma_value){.type = TC_SIGMA_NULL, .text = {"", 0}};
    return true;
}

/* Codes of DNS (RFC 1035, 2136) as Windows numbers them, which is what Sysmon writes. */
static bool answer_code(struct tc_sigma_record *record,
                        const struct tc_sigma_record_field *field, size_t index,
                        struct tc_sigma_value *ret)
{
    static const char *const codes[][2] = {
        {"NOERROR", "0"},     {"FORMERR", "9001"}, {"SERVFAIL", "9002"},
        {"NXDOMAIN", "9003"}, {"NOTIMP", "9004"},  {"REFUSED", "9005"},
        {"YXDOMAIN", "9006"}, {"YXRRSET", "9007"}, {"NXRRSET", "9008"},
        {"NOTAUTH", "9009"},  {"NOTZONE", "9010"},
    };
    struct tocsin_value value;

    if (!tc_sigma_record_place(record, field->places[0], &value) ||
        value.type != TOCSIN_STR)
        return false;
    if (take(record, &value, &index, ret))
        return true;
    for (size_t i = 0; index == 0 && i < sizeof(codes) / sizeof(*codes); i++)
        if (tocsin_str_is((struct tocsin_str){value.ptr, value.len}, codes[i][0]))
            return is_text(ret, codes[i][1]);
    return false;
}

static bool sigma_field(struct tc_sigma_record *record,
                        const struct tc_sigma_record_field *field, size_t index,
                        struct tc_sigma_value *ret)
{
    struct tocsin_value value;

    switch ((enum tc_field_how)field->how) {
    case TC_HOW_PLACES:
        return at_places(record, field, index, ret);
    case TC_HOW_USER:
        return user(record, field, index, ret);
    case TC_HOW_INITIATED:
        return initiated(record, field, index, ret);
    case TC_HOW_SYSCALL:
        return syscall_name(record, field, index, ret);
    case TC_HOW_ITEMS:
        return of_items(record, field, index, ret);
    case TC_HOW_ANSWER:
        return answer_code(record, field, index, ret);
    case TC_HOW_HASHES:
        return index == 0 && hashes(record, field, ret);
    case TC_HOW_OCTAL:
        return index == 0 && octal(record, field, ret);
    case TC_HOW_COUNT:
        return index == 0 && count(record, field, ret);
    case TC_HOW_SUCCESS:
        return index == 0 && success(record, field, ret);
    case TC_HOW_TYPE:
        return index == 0 && is_text(ret, record->kind->type);
    case TC_HOW_NAMETYPE:
        return index == 0 && is_text(ret, record->kind->nametype);
    case TC_HOW_PATH:
        return tc_sigma_record_place(record, record->kind->path, &value) &&
               take(record, &value, &index, ret);
    }
    return false;
}

/* ---- Names ---- */

static bool own_field(struct tc_sigma_record *record, const char *name, size_t index,
                      struct tc_sigma_value *ret)
{
    struct tocsin_value value;

    return tocsin_find(record->data, record->len, name, &value) &&
           take(record, &value, &index, ret);
}

static bool take_argument(struct tc_sigma_record *record, size_t n,
                          struct tc_sigma_value *ret)
{
    struct tocsin_value args;

    return tc_sigma_record_place(record, TC_PLACE_PROCESS_ARGS, &args) &&
           args.type == TOCSIN_ARRAY && take(record, &args, &n, ret);
}

static bool at_place(struct tc_sigma_record *record, size_t place, size_t index,
                     struct tc_sigma_value *ret)
{
    struct tocsin_value value;

    return tc_sigma_record_place(record, place, &value) &&
           take(record, &value, &index, ret);
}

/* Looks up a field by its number; one that the kind does not have is absent. */
static bool numbered(void *arg, uint32_t number, const char *name, size_t index,
                     struct tc_sigma_value *ret)
{
    struct tc_sigma_record *record = arg;
    unsigned of = record->kind ? record->kind->of : 0;

    if (number == TC_NAME_OURS)
        return own_field(record, name, index, ret);
    if (number >= TC_NAME_PLACE && number < TC_NAME_ARGUMENT)
        return at_place(record, number - TC_NAME_PLACE, index, ret);
    if (!of)
        return own_field(record, name, index, ret);
    if (number >= TC_NAME_ARGUMENT)
        return of & TC_OF_EXECVE && index == 0 &&
               take_argument(record, number - TC_NAME_ARGUMENT, ret);
    if (number < TC_NAME_FIELD ||
        !(tc_sigma_record_fields[number - TC_NAME_FIELD].of & of))
        return false;
    return sigma_field(record, &tc_sigma_record_fields[number - TC_NAME_FIELD], index,
                       ret);
}

static bool field(void *arg, const char *name, size_t index, struct tc_sigma_value *ret)
{
    return numbered(arg, tc_sigma_record_number(name), name, index, ret);
}

const char *tc_sigma_path(uint32_t number, size_t index)
{
    const struct tc_sigma_record_field *found;

    if (number < TC_NAME_FIELD || number >= TC_NAME_PLACE || index >= TC_FIELD_PLACES_MAX)
        return NULL;
    found = &tc_sigma_record_fields[number - TC_NAME_FIELD];
    if (!(found->of & TC_OF_CATEGORIES) || found->how == TC_HOW_HASHES ||
        !found->places[index])
        return NULL;
    return tc_places[found->places[index]].path;
}

/* ---- Keywords ---- */

/* Of a record of auditd, what stands in its line: its fields one after another, and the
 * arguments. `walked` counts fields, `depth` the values of the one at hand. */
static bool any_of_line(struct tc_sigma_record *record, struct tc_sigma_value *ret)
{
    const struct tc_sigma_record_field *at;

    for (; record->walked < tc_sigma_record_field_count;
         record->walked++, record->depth = 0) {
        at = &tc_sigma_record_fields[record->walked];
        if (at->of & record->kind->of && sigma_field(record, at, record->depth++, ret))
            return true;
    }
    return record->kind->of & TC_OF_EXECVE && take_argument(record, record->depth++, ret);
}

/* The event's texts; of a map not the keys, and no number, which is none of its words. */
static bool any_of_event(struct tc_sigma_record *record, struct tc_sigma_value *ret)
{
    const uint8_t *end = record->data + record->len, *next;
    struct tocsin_value value;
    struct tc_sigma_record_reach *in;

    while (record->depth) {
        in = &record->walk[record->depth - 1];
        next = record->data + in->next;
        if (!in->left) {
            if (--record->depth)
                in[-1].next = in->next;
            continue;
        }
        in->left--;
        if (in->map)
            next = tocsin_skip(next, end);
        next = next ? tocsin_read(next, end, &value) : NULL;
        if (!next) {
            record->depth = 0;
            return false;
        }
        if (value.type == TOCSIN_MAP || value.type == TOCSIN_ARRAY) {
            if (record->depth == TOCSIN_EVENT_MAX_DEPTH)
                return false;
            in[1] = (struct tc_sigma_record_reach){
                .next = (uint32_t)(next - record->data),
                .left = value.count,
                .map = value.type == TOCSIN_MAP,
            };
            record->depth++;
            continue;
        }
        in->next = (uint32_t)(next - record->data);
        if (value.type == TOCSIN_STR || value.type == TOCSIN_BIN) {
            fill(record, &value, ret);
            return true;
        }
    }
    return false;
}

static bool any(void *arg, size_t index, struct tc_sigma_value *ret)
{
    struct tc_sigma_record *record = arg;
    bool line = record->kind && record->kind->of & TC_OF_AUDITD;

    if (index == 0) {
        record->walked = 0;
        record->depth = line ? 0 : 1;
        tc_sigma_record_open(record, 0, &record->walk[0]);
    }
    return line ? any_of_line(record, ret) : any_of_event(record, ret);
}

/* ---- Records ---- */

static const struct tc_sigma_record_kind *first_kind(const char *topic)
{
    for (size_t i = 0; i < tc_sigma_record_kind_count; i++)
        if (!strcmp(tc_sigma_record_kinds[i].topic, topic))
            return &tc_sigma_record_kinds[i];
    return NULL;
}

static const struct tc_sigma_record_kind *
next_kind(const struct tc_sigma_record_kind *kind)
{
    const struct tc_sigma_record_kind *next = kind + 1;

    return next < tc_sigma_record_kinds + tc_sigma_record_kind_count &&
                   !strcmp(next->topic, kind->topic)
               ? next
               : NULL;
}

bool tc_sigma_record(struct tc_sigma_record *record, size_t index, const char *topic,
                     const void *data, size_t len, uint64_t time_ns)
{
    const struct tc_sigma_record_kind *kind;

    if (index == 0) {
        kind = first_kind(topic);
        record->data = data;
        record->len = len;
        memset(record->at, 0, sizeof(record->at));
        memset(record->reach, 0, sizeof(record->reach));
        record->list = 0;
    } else {
        kind = record->kind ? next_kind(record->kind) : NULL;
        if (!kind)
            return false;
    }
    record->kind = kind;
    record->texts_len = 0;
    record->sigma = (struct tc_sigma_event){
        .category = kind ? kind->category : "",
        .product = kind ? TC_RECORD_PRODUCT : "",
        .service = kind ? kind->service : "",
        .kind = kind,
        .can = tc_sigma_record_can,
        .time_ns = time_ns,
        .field = field,
        .numbered = numbered,
        .any = any,
        .arg = record,
    };
    return true;
}
