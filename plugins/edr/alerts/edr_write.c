/* SPDX-License-Identifier: Apache-2.0 */
#include "alerts/edr_write.h"

#include "alerts/edr_attack.h"
#include "process/edr_copy.h"

#define CATEGORY "behaviour"
#define DETECTED_FROM "edr"

/* Of what we say ourselves; together well below TOCSIN_EVENT_MAX_BYTES. */
#define RULE_TEXT_MAX 4096
#define RULE_ITEM_MAX 512
#define RULE_ITEMS_MAX 48 /* references, and tags */
#define VALUE_MAX 1024    /* of a field that matched */
#define VALUES_MAX 64
#define LINK_TEXT_MAX 2048 /* of an ancestor: its executable, its command line */

/* How much of the event's own maps is reported: the first row that leaves room. */
static const struct extent {
    bool maps;
    size_t text, items;
} extents[] = {
    {true, TC_EDR_COPY_ALL, TC_EDR_COPY_ALL},
    {true, 4096, 256},
    {true, 256, 16},
    {false, 256, 16},
};
#define EXTENTS (sizeof(extents) / sizeof(*extents))

static void put_cut(struct tocsin_writer *w, const char *key, struct tocsin_str s,
                    size_t max)
{
    struct tc_edr_copy copy = {.text = max};

    if (s.ptr)
        tc_edr_copy_str(w, key, s, &copy);
}

static void put_text(struct tocsin_writer *w, const char *key, const char *text,
                     size_t max)
{
    if (text)
        put_cut(w, key, (struct tocsin_str){text, strlen(text)}, max);
}

static void put_texts(struct tocsin_writer *w, const char *key, const char *const *texts)
{
    if (!texts || !*texts)
        return;
    tocsin_begin_array(w, key);
    for (size_t i = 0; texts[i] && i < RULE_ITEMS_MAX; i++)
        put_text(w, NULL, texts[i], RULE_ITEM_MAX);
    tocsin_end(w);
}

static const char *level_name(enum tc_sigma_level level)
{
    static const char *const names[] = {
        [TC_SIGMA_INFORMATIONAL] = "informational",
        [TC_SIGMA_LOW] = "low",
        [TC_SIGMA_MEDIUM] = "medium",
        [TC_SIGMA_HIGH] = "high",
        [TC_SIGMA_CRITICAL] = "critical",
    };

    return names[level];
}

static void put_alert(struct tocsin_writer *w, const struct tc_edr_news *news)
{
    const struct tc_edr_alert *alert = news->alert;

    tocsin_begin_map(w, "alert");
    tocsin_put_str(w, "id", alert->id);
    put_text(w, "title", alert->title ? alert->title : alert->file, RULE_TEXT_MAX);
    if (news->rule)
        put_text(w, "description", news->rule->description, RULE_TEXT_MAX);
    tocsin_put_str(w, "severity", level_name(alert->level));
    tocsin_put_str(w, "category", CATEGORY);
    tocsin_put_str(w, "detected_from", DETECTED_FROM);
    tocsin_put_uint(w, "count", alert->count);
    tocsin_put_uint(w, "first_seen", alert->first_ns);
    tocsin_put_uint(w, "last_seen", alert->last_ns);
    tocsin_end(w);
}

/* Who wrote the rule, and under which licence, goes wherever an alert of it goes. */
static void put_rule(struct tocsin_writer *w, const struct tc_edr_news *news)
{
    const struct tc_edr_alert *alert = news->alert;

    tocsin_begin_map(w, "rule");
    put_text(w, "id", alert->rule_id, RULE_TEXT_MAX);
    put_text(w, "name", alert->title, RULE_TEXT_MAX);
    put_text(w, "author", alert->author, RULE_TEXT_MAX);
    put_text(w, "license", alert->license, RULE_TEXT_MAX);
    put_text(w, "file", alert->file, RULE_TEXT_MAX);
    tocsin_put_str(w, "level", level_name(alert->level));
    if (news->rule) {
        put_text(w, "description", news->rule->description, RULE_TEXT_MAX);
        put_texts(w, "reference", news->rule->references);
        put_texts(w, "tags", news->rule->tags);
        put_texts(w, "false_positives", news->rule->falsepositives);
    }
    tocsin_end(w);
}

static void put_matched(struct tocsin_writer *w, const struct tc_edr_news *news)
{
    const struct tc_sigma_match *match = news->match;

    tocsin_begin_map(w, "matched");
    tocsin_put_str(w, "topic", news->event->topic);
    put_cut(w, "sensor", tocsin_event_str(news->event, TOCSIN_FIELD_SENSOR), VALUE_MAX);
    if (news->rule->correlation)
        tocsin_put_uint(w, "count", match->count);
    tocsin_begin_array(w, "fields");
    for (size_t i = 0; i < match->field_count && i < VALUES_MAX; i++) {
        tocsin_begin_map(w, NULL);
        put_text(w, "name", match->fields[i].name, VALUE_MAX);
        put_cut(w, "value", match->fields[i].value, VALUE_MAX);
        tocsin_end(w);
    }
    tocsin_end(w);
    tocsin_end(w);
}

/* ---- Who ---- */

static void put_link_texts(struct tocsin_writer *w, const struct tc_edr_link *link)
{
    put_cut(w, "name", link->name, LINK_TEXT_MAX);
    put_cut(w, "executable", link->executable, LINK_TEXT_MAX);
    put_cut(w, "command_line", link->command_line, LINK_TEXT_MAX);
    if (link->user >= 0) {
        tocsin_begin_map(w, "user");
        tocsin_put_int(w, "id", link->user);
        tocsin_end(w);
    }
}

static void put_link(struct tocsin_writer *w, const char *key,
                     const struct tc_edr_link *link)
{
    tocsin_begin_map(w, key);
    tocsin_put_int(w, "pid", link->pid);
    if (link->start)
        tocsin_put_int(w, "start", link->start);
    put_link_texts(w, link);
    tocsin_end(w);
}

/* Leaves out of a link what the event's own map says. */
static struct tc_edr_link without_known(const struct tc_edr_link *link,
                                        const struct tocsin_event *event)
{
    struct tc_edr_link rest = *link;
    struct tocsin_value v;

    if (tocsin_event_str(event, TOCSIN_FIELD_PROCESS_NAME).ptr)
        rest.name.ptr = NULL;
    if (tocsin_event_str(event, TOCSIN_FIELD_PROCESS_EXECUTABLE).ptr)
        rest.executable.ptr = NULL;
    if (tocsin_event_str(event, TOCSIN_FIELD_PROCESS_COMMAND_LINE).ptr)
        rest.command_line.ptr = NULL;
    if (tocsin_find(event->data, event->len, "process.user", &v))
        rest.user = -1;
    return rest;
}

/* The process as the event has it, but with what else is known of it, and its ancestors
 * as we know them. */
static void put_process(struct tocsin_writer *w, const struct tc_edr_news *news,
                        const struct tocsin_value *process, struct tc_edr_copy *copy)
{
    char name[TC_EDR_COPY_KEY_BYTES];
    struct tocsin_value key, item;
    struct tc_edr_link rest;
    struct tocsin_iter it;

    tocsin_begin_map(w, "process");
    tocsin_iter_init(&it, process);
    while (tocsin_iter_next(&it, &key, &item))
        if (tc_edr_copy_key(&key, name) && strcmp(name, "ancestors") != 0)
            tc_edr_copy_value(w, name, &item, copy);
    if (news->chain_len) {
        rest = without_known(&news->chain[0], news->event);
        put_link_texts(w, &rest);
    }
    if (news->chain_len > 1 &&
        !tocsin_find(news->event->data, news->event->len, "process.parent", &item))
        put_link(w, "parent", &news->chain[1]);
    if (news->chain_len > 1) {
        tocsin_begin_array(w, "ancestors");
        for (size_t i = 1; i < news->chain_len; i++)
            put_link(w, NULL, &news->chain[i]);
        tocsin_end(w);
    }
    tocsin_end(w);
}

/* What the event is about: all its maps but those that say how it came. */
static void put_event(struct tocsin_writer *w, const struct tc_edr_news *news,
                      struct tc_edr_copy *copy)
{
    static const char *const not [] = {"event",  "alert",   "rule",
                                       "threat", "matched", "host"};
    char name[TC_EDR_COPY_KEY_BYTES];
    struct tocsin_value root, key, item;
    struct tocsin_iter it;
    size_t i;

    if (!tocsin_read(news->event->data,
                     (const uint8_t *)news->event->data + news->event->len, &root))
        return;
    tocsin_iter_init(&it, &root);
    while (tocsin_iter_next(&it, &key, &item)) {
        if (item.type != TOCSIN_MAP || !tc_edr_copy_key(&key, name))
            continue;
        for (i = 0; i < sizeof(not ) / sizeof(*not ) && strcmp(name, not [i]) != 0; i++)
            ;
        if (i < sizeof(not ) / sizeof(*not ))
            continue;
        if (!strcmp(name, "process"))
            put_process(w, news, &item, copy);
        else
            tc_edr_copy_value(w, name, &item, copy);
    }
}

static void write_to(struct tocsin_writer *w, const struct tc_edr_news *news,
                     const struct extent *extent)
{
    struct tc_edr_copy copy = {.text = extent->text, .items = extent->items};

    tocsin_begin_map(w, NULL);
    tocsin_put_uint(w, TOCSIN_FIELD_TIMESTAMP, news->now_ns);
    put_alert(w, news);
    put_rule(w, news);
    tc_edr_distinct_put(w, news->alert->distinct);
    if (news->rule) {
        tc_edr_attack_put(w, news->rule->tags);
        put_matched(w, news);
        if (extent->maps)
            put_event(w, news, &copy);
        if (copy.cut || !extent->maps)
            tocsin_put_bool(w, "truncated", true);
    }
    tc_edr_machine_put(w, news->machine);
    tocsin_end(w);
}

void tc_edr_write_alert(struct tocsin_writer *w, const struct tc_edr_news *news)
{
    for (size_t i = 0; i < EXTENTS; i++) {
        write_to(w, news, &extents[i]);
        if (w->error == -ENOMEM || (!w->error && w->len <= TOCSIN_EVENT_MAX_BYTES))
            return;
        if (i + 1 < EXTENTS) {
            tocsin_writer_done(w);
            tocsin_writer_init_growing(w);
        }
    }
}
