/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a question's parameters ask for, and what is wrong with them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/why.h"
#include "core/journal/journal.h"
#include "core/journal/journal_questions.h"
#include "ipc/filter.h"
#include "ipc/unpack.h"

static int64_t limit_of(const msgpack_object *params)
{
    int64_t limit = tc_unpack_int(params, "limit", TC_STORE_LIMIT_DEFAULT);

    return limit < 0 || limit > TC_STORE_LIMIT_MAX ? TC_STORE_LIMIT_MAX : limit;
}

/* Copies an id, which may be cut; -ENOENT: none is so. */
static int take_id(struct tocsin_str id, char ret[TC_STORE_ID_MAX + 1])
{
    if (!id.len || id.len > TC_STORE_ID_MAX || memchr(id.ptr, '\0', id.len))
        return -ENOENT;
    memcpy(ret, id.ptr, id.len);
    ret[id.len] = '\0';
    return 0;
}

/* A filter's text, or a list of texts that must all hold. */
static int read_filter(const struct tc_names *fields, const msgpack_object *params,
                       struct tc_filter **ret, char why[256])
{
    const msgpack_object *list = tc_unpack_array(params, "filter");
    struct tocsin_str text = tc_unpack_str(params, "filter");
    int err = 0;

    if (text.ptr)
        err = tc_filter_add(ret, text.ptr, text.len, fields, why);
    for (uint32_t i = 0; list && !err && i < list->via.array.size; i++) {
        text = tc_unpack_text(&list->via.array.ptr[i]);
        err = tc_filter_add(ret, text.ptr ? text.ptr : "", text.len, fields, why);
    }
    if (err) {
        tc_filter_free(*ret);
        *ret = NULL;
    }
    return err;
}

/* A page begins behind "<last_seen_ns>.<rowid>", which `next` of the one before was. */
static int read_cursor(const msgpack_object *params, struct tc_journal_asked *asked,
                       char why[256])
{
    struct tocsin_str text = tc_unpack_str(params, "before");
    char buf[TC_JOURNAL_CURSOR_MAX + 1] = "", end;

    asked->before_ns = asked->before_row = INT64_MAX;
    if (!text.ptr)
        return 0;
    if (text.len <= TC_JOURNAL_CURSOR_MAX)
        memcpy(buf, text.ptr, text.len);
    if (sscanf(buf, "%" SCNd64 ".%" SCNd64 "%c", &asked->before_ns, &asked->before_row,
               &end) == 2)
        return 0;
    tc_why(why, "before is what `next` of the page before was");
    return -EINVAL;
}

static int read_severity(const msgpack_object *params, struct tc_journal_asked *asked,
                         char why[256])
{
    static const char *const names[] = {"informational", "low", "medium", "high",
                                        "critical"};
    struct tocsin_str text = tc_unpack_str(params, "severity");

    for (size_t i = 0; text.ptr && i < sizeof(names) / sizeof(*names); i++)
        if (tocsin_str_is(text, names[i]))
            asked->rank = (int64_t)i + 1;
    if (!text.ptr || asked->rank)
        return 0;
    tc_why(why, "severity is informational, low, medium, high or critical");
    return -EINVAL;
}

static int read_state(const msgpack_object *params, char why[256])
{
    struct tocsin_str text = tc_unpack_str(params, "state");

    if (!text.ptr || tocsin_str_is(text, "open") || tocsin_str_is(text, "closed") ||
        tocsin_str_is(text, "all"))
        return 0;
    tc_why(why, "state is open, closed or all");
    return -EINVAL;
}

int tc_journal_asked_read(const struct tc_journal_question *question,
                          const msgpack_object *params, struct tc_journal_asked *ret,
                          char why[256])
{
    struct tocsin_str id = tc_unpack_str(params, "id");
    struct tocsin_str of_case = tc_unpack_str(params, "case");
    int err;

    *ret = (struct tc_journal_asked){.params = params, .limit = limit_of(params)};
    if (question->shape == TC_JOURNAL_ONE)
        return id.ptr ? take_id(id, ret->id) : -EINVAL;
    err = of_case.ptr ? take_id(of_case, ret->of_case) : 0;
    if (!err)
        err = read_cursor(params, ret, why);
    if (!err)
        err = read_severity(params, ret, why);
    if (!err)
        err = read_state(params, why);
    if (!err)
        err = read_filter(question->fields, params, &ret->filter, why);
    return err;
}

int tc_journal_may_ask(const char *kind, const msgpack_object *params, char why[256])
{
    const struct tc_journal_question *question = tc_journal_question(kind, params);
    struct tc_journal_asked asked;
    int err;

    if (!question || question->shape != TC_JOURNAL_LIST)
        return 0;
    err = tc_journal_asked_read(question, params, &asked, why);
    tc_filter_free(asked.filter);
    return err == -ENOENT ? 0 : err; /* that is the answer */
}
