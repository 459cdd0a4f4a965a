/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor's way over the wire. What a process of its own says of itself is no reason
 * to read beyond what it sent. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/options.h"
#include "core/isolate/setup.h"

#define TOPICS_MAX 64 /* as descriptor.c has it, in each list */

static void put_topics(struct tocsin_writer *w, const char *key,
                       const char *const *topics)
{
    tocsin_begin_array(w, key);
    for (; topics && *topics; topics++)
        tocsin_put_str(w, NULL, *topics);
    tocsin_end(w);
}

void tc_told_write(struct tocsin_writer *w, const struct tocsin_plugin *plugin)
{
    const struct tc_option_table table = {plugin->options, plugin->option_size};
    const struct tocsin_option *option;

    tocsin_begin_map(w, NULL);
    tocsin_put_uint(w, "kind", plugin->kind);
    tocsin_put_str(w, "name", plugin->name);
    tocsin_put_str(w, "version", plugin->version);
    tocsin_put_str(w, "summary", plugin->summary);
    put_topics(w, "publishes", plugin->publishes);
    put_topics(w, "subscribes", plugin->subscribes);
    tocsin_begin_array(w, "options");
    for (size_t i = 0; (option = tc_option_table_at(table, i)); i++) {
        tocsin_begin_map(w, NULL);
        tocsin_put_str(w, "name", option->name);
        tocsin_put_uint(w, "type", option->type);
        if (option->fallback)
            tocsin_put_str(w, "fallback", option->fallback);
        tocsin_put_str(w, "help", option->help);
        if (option->choices)
            tocsin_put_str(w, "choices", option->choices);
        tocsin_put_int(w, "min", option->min);
        tocsin_put_int(w, "max", option->max);
        tocsin_end(w);
    }
    tocsin_end(w);
    tocsin_end(w);
}

/* ---- Reading ---- */

/* Each text had a head of at least one byte, which is where its NUL goes: as much memory
 * as the message had is enough for all. */
struct reader {
    const void *data;
    size_t len;
    char *next;
};

static const char *keep(struct reader *r, struct tocsin_str s)
{
    char *to = r->next;

    if (!s.ptr)
        return NULL;
    memcpy(to, s.ptr, s.len);
    to[s.len] = '\0';
    r->next += s.len + 1;
    return to;
}

static int read_topics(struct reader *r, const char *key, const char **to)
{
    struct tocsin_value list = {0}, item = {0};
    struct tocsin_iter it;
    size_t n = 0;

    if (!tocsin_find(r->data, r->len, key, &list) || list.type != TOCSIN_ARRAY)
        return -EPROTO;
    tocsin_iter_init(&it, &list);
    while (tocsin_iter_next(&it, NULL, &item)) {
        if (n == TOPICS_MAX || item.type != TOCSIN_STR)
            return -EPROTO;
        to[n++] = keep(r, (struct tocsin_str){item.ptr, item.len});
    }
    return 0;
}

static void read_option(struct reader *r, const struct tocsin_value *value,
                        struct tocsin_option *option)
{
    const void *at = value->start;
    size_t len = tocsin_value_size(value);

    option->name = keep(r, tocsin_find_str(at, len, "name"));
    option->type = (uint32_t)tocsin_find_int(at, len, "type", 0);
    /* Its process is started anew for each change: there is no reload to take it. */
    option->flags = TOCSIN_OPTION_RESTART;
    option->fallback = keep(r, tocsin_find_str(at, len, "fallback"));
    option->help = keep(r, tocsin_find_str(at, len, "help"));
    option->choices = keep(r, tocsin_find_str(at, len, "choices"));
    option->min = tocsin_find_int(at, len, "min", 0);
    option->max = tocsin_find_int(at, len, "max", 0);
}

static int read_options(struct reader *r, struct tc_told *told)
{
    struct tocsin_value list = {0}, item = {0};
    struct tocsin_iter it;
    size_t n = 0;

    if (!tocsin_find(r->data, r->len, "options", &list) || list.type != TOCSIN_ARRAY ||
        list.count > TC_OPTIONS_MAX)
        return -EPROTO;
    told->options = calloc(list.count + 1u, sizeof(*told->options));
    if (!told->options)
        return -ENOMEM;
    tocsin_iter_init(&it, &list);
    while (n < list.count && tocsin_iter_next(&it, NULL, &item)) {
        read_option(r, &item, &told->options[n]);
        if (!told->options[n++].name)
            return -EPROTO;
    }
    return 0;
}

int tc_told_read(const void *data, size_t len, struct tc_told *ret_told)
{
    struct reader r = {.data = data, .len = len};
    struct tc_told told = {.plugin = {TOCSIN_PLUGIN_HEADER(0)}};
    int err = -ENOMEM;

    told.texts = malloc(len + 1);
    told.topics = calloc(2 * (TOPICS_MAX + 1), sizeof(*told.topics));
    if (!told.texts || !told.topics)
        goto failed;
    r.next = told.texts;
    told.plugin.kind = (uint32_t)tocsin_find_int(data, len, "kind", 0);
    told.plugin.name = keep(&r, tocsin_find_str(data, len, "name"));
    told.plugin.version = keep(&r, tocsin_find_str(data, len, "version"));
    told.plugin.summary = keep(&r, tocsin_find_str(data, len, "summary"));
    told.plugin.publishes = told.topics;
    told.plugin.subscribes = told.topics + TOPICS_MAX + 1;
    err = read_topics(&r, "publishes", told.topics);
    if (!err)
        err = read_topics(&r, "subscribes", told.topics + TOPICS_MAX + 1);
    if (!err)
        err = read_options(&r, &told);
    told.plugin.options = told.options;
    if (!err) {
        *ret_told = told;
        return 0;
    }
failed:
    tc_told_done(&told);
    return err;
}

void tc_told_done(struct tc_told *told)
{
    free(told->texts);
    free(told->topics);
    free(told->options);
    *told = (struct tc_told){0};
}
