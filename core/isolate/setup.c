/* SPDX-License-Identifier: Apache-2.0 */
#include "core/isolate/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/why.h"
#include "core/conf/options.h"
#include "core/lone/lone.h"

/* ---- What to load and how ---- */

static void put_option(struct tocsin_writer *w, const struct tocsin_host *host,
                       const struct tocsin_option *option)
{
    char number[TC_OPTION_NUMBER_BYTES];
    const char *item;

    switch (option->type) {
    case TOCSIN_OPTION_BOOL:
        tocsin_put_str(w, option->name,
                       host->option_bool(host, option->name) ? "true" : "false");
        return;
    case TOCSIN_OPTION_INT:
    case TOCSIN_OPTION_DURATION:
    case TOCSIN_OPTION_SIZE:
        tc_option_format(option->type, host->option_int(host, option->name), number);
        tocsin_put_str(w, option->name, number);
        return;
    case TOCSIN_OPTION_LIST:
        tocsin_begin_array(w, option->name);
        for (size_t i = 0; (item = host->option_item(host, option->name, i)); i++)
            tocsin_put_str(w, NULL, item);
        tocsin_end(w);
        return;
    default:
        tocsin_put_str(w, option->name, host->option_text(host, option->name));
    }
}

void tc_setup_write(struct tocsin_writer *w, const struct tc_setup *setup,
                    const struct tocsin_host *host, const struct tocsin_plugin *plugin)
{
    const struct tocsin_option *option;

    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, "path", setup->path);
    tocsin_put_str(w, "state_dir", setup->state_dir);
    tocsin_put_bool(w, "look", setup->look);
    tocsin_put_int(w, "agent", setup->agent);
    tocsin_put_int(w, "supervisor", setup->supervisor);
    tocsin_put_int(w, "log_level", setup->log_level);
    tocsin_put_uint(w, "uid", setup->uid);
    tocsin_put_uint(w, "gid", setup->gid);
    tocsin_put_uint(w, "memory_bytes", setup->memory_bytes);
    tocsin_begin_map(w, "options");
    for (size_t i = 0; host; i++) {
        option = tc_option_table_at(
            (struct tc_option_table){plugin->options, plugin->option_size}, i);
        if (!option)
            break;
        put_option(w, host, option);
    }
    tocsin_end(w);
    tocsin_end(w);
}

static char *copy_text(struct tocsin_str s)
{
    return s.ptr ? strndup(s.ptr, s.len) : strdup("");
}

int tc_setup_read(const void *data, size_t len, struct tc_setup *ret_setup)
{
    struct tc_setup setup = {0};
    struct tocsin_value options;

    if (!tocsin_find(data, len, "options", &options) || options.type != TOCSIN_MAP)
        return -EPROTO;
    setup.path = copy_text(tocsin_find_str(data, len, "path"));
    setup.state_dir = copy_text(tocsin_find_str(data, len, "state_dir"));
    setup.look = tocsin_find_bool(data, len, "look", false);
    setup.agent = (int32_t)tocsin_find_int(data, len, "agent", 0);
    setup.supervisor = (int32_t)tocsin_find_int(data, len, "supervisor", 0);
    setup.log_level = (int32_t)tocsin_find_int(data, len, "log_level", TOCSIN_LOG_INFO);
    setup.uid = (uint32_t)tocsin_find_int(data, len, "uid", UINT16_MAX - 1);
    setup.gid = (uint32_t)tocsin_find_int(data, len, "gid", UINT16_MAX - 1);
    setup.memory_bytes = (uint64_t)tocsin_find_int(data, len, "memory_bytes", 0);
    setup.options_len = tocsin_value_size(&options);
    setup.options = options.start;
    if (!setup.path || !setup.state_dir || !setup.options_len) {
        tc_setup_done(&setup);
        return setup.options_len ? -ENOMEM : -EPROTO;
    }
    *ret_setup = setup;
    return 0;
}

void tc_setup_done(struct tc_setup *setup)
{
    free((void *)(uintptr_t)setup->path);
    free((void *)(uintptr_t)setup->state_dir);
}

/* {NULL, 0} of what is no text. */
static struct tocsin_str text_of(const struct tocsin_value *value)
{
    const struct tocsin_str none = {NULL, 0};

    if (value->type != TOCSIN_STR && value->type != TOCSIN_BIN)
        return none;
    return (struct tocsin_str){value->ptr, value->len};
}

static int set_list(struct tc_lone *lone, const char *key,
                    const struct tocsin_value *list, char why[256])
{
    char **items = calloc(list->count + 1u, sizeof(*items));
    struct tocsin_value item = {0};
    struct tocsin_iter it;
    size_t n = 0;
    int err = items ? 0 : -ENOMEM;

    tocsin_iter_init(&it, list);
    while (!err && n < list->count && tocsin_iter_next(&it, NULL, &item)) {
        items[n] = copy_text(text_of(&item));
        err = items[n++] ? 0 : -ENOMEM;
    }
    if (!err)
        err = tc_lone_set_list(lone, key, (const char *const *)items, n, why);
    for (size_t i = 0; items && i < n; i++)
        free(items[i]);
    free(items);
    return err;
}

int tc_setup_options(const struct tc_setup *setup, struct tc_lone *lone, char why[256])
{
    const uint8_t *from = setup->options;
    struct tocsin_value map = {0}, key = {0}, value = {0};
    struct tocsin_iter it;
    int err = 0;

    tc_why(why, "out of memory");
    if (!tocsin_read(from, from + setup->options_len, &map))
        return -EPROTO;
    tocsin_iter_init(&it, &map);
    while (!err && tocsin_iter_next(&it, &key, &value)) {
        char *name = copy_text(text_of(&key)), *text;

        if (!name)
            return -ENOMEM;
        if (value.type == TOCSIN_ARRAY) {
            err = set_list(lone, name, &value, why);
        } else {
            text = copy_text(text_of(&value));
            err = text ? tc_lone_set(lone, name, text, why) : -ENOMEM;
            free(text);
        }
        free(name);
    }
    return err;
}

static void offer_path(const struct tocsin_value *value,
                       void (*fn)(void *arg, const char *path), void *arg)
{
    const struct tocsin_str text = text_of(value);
    char *path = text.len && text.ptr[0] == '/' ? strndup(text.ptr, text.len) : NULL;

    if (path)
        fn(arg, path);
    free(path);
}

void tc_setup_paths(const struct tc_setup *setup, void (*fn)(void *arg, const char *path),
                    void *arg)
{
    const uint8_t *from = setup->options;
    struct tocsin_value map = {0}, key, value = {0}, item = {0};
    struct tocsin_iter it, items;

    if (!tocsin_read(from, from + setup->options_len, &map))
        return;
    tocsin_iter_init(&it, &map);
    while (tocsin_iter_next(&it, &key, &value)) {
        offer_path(&value, fn, arg);
        tocsin_iter_init(&items, &value);
        while (!items.map && tocsin_iter_next(&items, NULL, &item))
            offer_path(&item, fn, arg);
    }
}
