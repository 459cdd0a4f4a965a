/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see published.h. */
#include "cli/cmd/published.h"

#include <stdio.h>
#include <string.h>

#include "cli/call.h"
#include "cli/cli.h"
#include "ipc/topic.h"
#include "sigma/match/record.h"

/* False when it is too long. */
static bool copy(char *to, size_t size, struct tocsin_str text)
{
    if (!text.ptr || text.len >= size)
        return false;
    memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
    return true;
}

void tc_published_take(struct tc_published *published, const msgpack_object *items)
{
    const msgpack_object *item;

    for (uint32_t i = 0; items && i < items->via.array.size; i++) {
        item = &items->via.array.ptr[i];
        if (!tc_unpack_is(tc_unpack_find(item, "state"), "running"))
            continue;
        if (published->plugin_count < TC_PUBLISHED_PLUGINS_MAX &&
            copy(published->plugins[published->plugin_count], TC_PUBLISHED_NAME_BYTES,
                 tc_unpack_str(item, "name")))
            published->plugin_count++;
        else
            published->unknown = true;
    }
}

static void take_topics(struct tc_published *published, size_t plugin,
                        const msgpack_object *topics)
{
    published->unknown = published->unknown || !topics;
    for (uint32_t i = 0; topics && i < topics->via.array.size; i++)
        if (published->count < TC_PUBLISHED_MAX &&
            copy(published->patterns[published->count], TC_PUBLISHED_TOPIC_BYTES,
                 tc_unpack_text(&topics->via.array.ptr[i])))
            published->owners[published->count++] = (unsigned char)plugin;
        else
            published->unknown = true;
}

static void take_plugin(struct tc_published *published, size_t plugin,
                        const msgpack_object *info)
{
    const msgpack_object *facts = tc_unpack_find(info, "facts");

    take_topics(published, plugin, tc_unpack_array(info, "publishes"));
    if (facts)
        (void)copy(published->missing[plugin], TC_PUBLISHED_MISSING_BYTES,
                   tc_unpack_str(facts, "not_published"));
}

void tc_published_ask(struct tc_published *published, struct tc_cli *cli)
{
    struct tc_answer answer;
    struct tc_pack p;

    for (size_t i = 0; i < published->plugin_count && !published->unknown; i++) {
        tc_pack_init(&p);
        tc_pack_begin_map(&p, NULL);
        tc_pack_str(&p, "name", published->plugins[i]);
        tc_pack_end(&p);
        if (tc_call(cli, "plugin.info", &p, NULL, NULL, &answer))
            published->unknown = true;
        else
            take_plugin(published, i, answer.result);
        tc_pack_done(&p);
    }
}

/* Whether one of the patterns in `list`, with spaces between them, takes the topic. */
static bool is_listed(const char *list, const char *topic)
{
    char pattern[TC_PUBLISHED_TOPIC_BYTES];
    size_t n;

    for (; *list; list += n + strspn(list + n, " ")) {
        n = strcspn(list, " ");
        snprintf(pattern, sizeof(pattern), "%.*s", (int)n, list);
        if (tc_topic_match(pattern, topic))
            return true;
    }
    return false;
}

static bool is_published(const struct tc_published *published, const char *topic)
{
    for (size_t i = 0; i < published->count; i++)
        if (tc_topic_match(published->patterns[i], topic) &&
            !is_listed(published->missing[published->owners[i]], topic))
            return true;
    return false;
}

bool tc_published_lacks(const struct tc_published *published, struct tocsin_str category,
                        struct tocsin_str service, char ret_why[TC_PUBLISHED_WHY_BYTES])
{
    const char *first = NULL, *topic;

    for (size_t i = 0; !published->unknown; i++) {
        topic = tc_sigma_topic(category, service, i);
        if (!topic)
            break;
        if (is_published(published, topic))
            return false;
        first = first ? first : topic;
    }
    if (!first)
        return false;
    snprintf(ret_why, TC_PUBLISHED_WHY_BYTES, "no plugin that runs here publishes %s",
             first);
    return true;
}

bool tc_published_lacks_all(const struct tc_published *published,
                            const msgpack_object *topics,
                            char ret_why[TC_PUBLISHED_WHY_BYTES])
{
    char first[TC_PUBLISHED_TOPIC_BYTES] = "", topic[TC_PUBLISHED_TOPIC_BYTES];

    for (uint32_t i = 0; topics && i < topics->via.array.size; i++) {
        if (published->unknown ||
            !copy(topic, sizeof(topic), tc_unpack_text(&topics->via.array.ptr[i])) ||
            is_published(published, topic))
            return false;
        if (!*first)
            (void)snprintf(first, sizeof(first), "%s", topic);
    }
    (void)snprintf(ret_why, TC_PUBLISHED_WHY_BYTES,
                   "no plugin that runs here publishes %s", first);
    return *first;
}
