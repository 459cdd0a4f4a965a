/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see answer.h. */
#include "core/verdict/answer.h"

#include <tocsin/plugin.h>

#define PATH_BYTES_MAX (4096 + 3) /* encoded */
#define DESTINATION_BYTES_MAX 512

/* Whether it was answered by default. That a detector abstained is told by its verdict.
 */
static bool is_default(enum tc_verdict_why why)
{
    return why == TC_VERDICT_TIMEOUT || why == TC_VERDICT_OVERFLOW ||
           why == TC_VERDICT_ABSENT;
}

/* Copies one value of a map of the question, if it is there and not too long. */
static void copy(struct tocsin_writer *w, const struct tocsin_value *map, const char *key,
                 size_t max)
{
    struct tocsin_value v;
    size_t n;

    if (!tocsin_find(map->start, (size_t)(map->end - map->start), key, &v))
        return;
    n = tocsin_value_size(&v);
    if (n && n <= max)
        tocsin_put_encoded(w, key, v.start, n);
}

static void put_question(struct tocsin_writer *w, const struct tocsin_event *question)
{
    struct tocsin_value map;

    tocsin_put_str(w, "question", question->topic);
    if (tocsin_find(question->data, question->len, "file", &map)) {
        tocsin_begin_map(w, "file");
        copy(w, &map, "path", PATH_BYTES_MAX);
        tocsin_end(w);
    } else if (tocsin_find(question->data, question->len, "destination", &map)) {
        tocsin_begin_map(w, "destination");
        copy(w, &map, "ip", DESTINATION_BYTES_MAX);
        copy(w, &map, "port", DESTINATION_BYTES_MAX);
        copy(w, &map, "domain", DESTINATION_BYTES_MAX);
        tocsin_end(w);
    }
    if (tocsin_find(question->data, question->len, "process", &map)) {
        tocsin_begin_map(w, "process");
        copy(w, &map, "pid", PATH_BYTES_MAX);
        copy(w, &map, "executable", PATH_BYTES_MAX);
        tocsin_end(w);
    }
}

void tc_answer_put(struct tocsin_writer *w, const struct tc_verdict_final *final,
                   bool cacheable, const char *who, const struct tocsin_event *question)
{
    static const char *const whys[TC_VERDICT_WHYS] = {
        [TC_VERDICT_ALL_ALLOWED] = TOCSIN_WHY_ALLOWED,
        [TC_VERDICT_DENIED] = TOCSIN_WHY_DENIED,
        [TC_VERDICT_TIMEOUT] = "timeout",
        [TC_VERDICT_OVERFLOW] = "overflow",
        [TC_VERDICT_ABSENT] = "absent",
        [TC_VERDICT_ABSTAINED] = "abstained"};

    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, TOCSIN_FIELD_DECISION, final->allow ? "allow" : "deny");
    tocsin_put_bool(w, TOCSIN_FIELD_CACHEABLE, cacheable);
    tocsin_put_str(w, TOCSIN_FIELD_REASON, final->reason);
    tocsin_put_str(w, TOCSIN_FIELD_WHY, whys[final->why]);
    tocsin_put_bool(w, "timeout", is_default(final->why));
    tocsin_put_uint(w, "voters", final->voters);
    tocsin_put_uint(w, "budget_ns", final->budget_ns);
    tocsin_put_uint(w, "took_ns", final->closed_ns - final->opened_ns);
    if (*who)
        tocsin_put_str(w, final->why == TC_VERDICT_DENIED ? "denied_by" : "missing", who);
    if (question)
        put_question(w, question);
    tocsin_end(w);
}
