/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see run_options.h. */
#include "plugintest/run_options.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/plugin.h>

#include "cli/jsonpack.h"
#include "core/base/why.h"
#include "core/lone/lone.h"

#define ITEMS_MAX 4096

static bool is_list(const struct tocsin_plugin *plugin, const char *key)
{
    for (const struct tocsin_option *o = plugin->options; o && o->name; o++)
        if (!strcmp(o->name, key))
            return o->type == TOCSIN_OPTION_LIST;
    return false;
}

/* "a,b" as the items of a list. */
static int set_list(struct tc_lone *lone, const char *key, char *text, char why[256])
{
    const char **items = calloc(ITEMS_MAX, sizeof(*items));
    char *rest = NULL;
    size_t n = 0;
    int err;

    if (!items) {
        tc_why(why, "out of memory");
        return -ENOMEM;
    }
    for (char *item = strtok_r(text, ",", &rest); item && n < ITEMS_MAX;
         item = strtok_r(NULL, ",", &rest))
        items[n++] = item;
    err = tc_lone_set_list(lone, key, items, n, why);
    free(items);
    return err;
}

int tc_run_options_pair(struct tc_lone *lone, const struct tocsin_plugin *plugin,
                        const char *pair, char why[256])
{
    char *key = strdup(pair), *value = key ? strchr(key, '=') : NULL,
         sentence[TC_WHY_MAX];
    int err = -EINVAL;

    if (!value) {
        tc_why(why, "%s: is not KEY=VALUE", pair);
        free(key);
        return -EINVAL;
    }
    *value++ = '\0';
    if (is_list(plugin, key))
        err = set_list(lone, key, value, sentence);
    else
        err = tc_lone_set(lone, key, value, sentence);
    if (err)
        tc_why(why, "%.64s: %.180s", pair, sentence);
    free(key);
    return err;
}

/* ---- JSON ---- */

static int set_array(struct tc_lone *lone, const char *key, json_object *array,
                     char why[256])
{
    size_t count = json_object_array_length(array);
    const char **items = calloc(count + 1, sizeof(*items));
    int err;

    if (!items) {
        tc_why(why, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = json_object_get_string(json_object_array_get_idx(array, i));
        items[i] = items[i] ? items[i] : "";
    }
    err = tc_lone_set_list(lone, key, items, count, why);
    free(items);
    return err;
}

int tc_run_options_json(struct tc_lone *lone, const char *json, char why[256])
{
    struct json_object_iterator at, end;
    json_object *object = NULL, *value;
    char sentence[TC_WHY_MAX];
    int err = tc_json_parse(json, strlen(json), &object, sentence);

    if (err) {
        tc_why(why, "the options: %.200s", sentence);
        return err;
    }
    at = json_object_iter_begin(object);
    end = json_object_iter_end(object);
    for (; !err && !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        const char *key = json_object_iter_peek_name(&at);

        value = json_object_iter_peek_value(&at);
        if (!value)
            err = tc_why_refuse(sentence, "null is no value");
        else if (json_object_is_type(value, json_type_array))
            err = set_array(lone, key, value, sentence);
        else
            err = tc_lone_set(lone, key, json_object_get_string(value), sentence);
        if (err)
            tc_why(why, "%.64s: %.180s", key, sentence);
    }
    json_object_put(object);
    return err;
}
