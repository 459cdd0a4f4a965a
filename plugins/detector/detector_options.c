/* SPDX-License-Identifier: Apache-2.0 */
#include "detector_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tc_detector_list_add(struct tc_detector_list *list, const char *text)
{
    char **grown = realloc(list->items, (list->n + 1) * sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    list->items = grown;
    grown[list->n] = strdup(text);
    if (!grown[list->n])
        return -ENOMEM;
    list->n++;
    return 0;
}

int tc_detector_list_read(const struct tocsin_host *host, const char *option,
                          struct tc_detector_list *ret_list)
{
    struct tc_detector_list list = {.items = NULL};
    const char *item;
    int r = 0;

    while (!r && (item = host->option_item(host, option, list.n)) != NULL)
        r = tc_detector_list_add(&list, item);
    if (r)
        tc_detector_list_free(&list);
    else
        *ret_list = list;
    return r;
}

int tc_detector_list_copy(const struct tc_detector_list *list,
                          struct tc_detector_list *ret_list)
{
    struct tc_detector_list copy = {.items = NULL};
    int r = 0;

    while (!r && copy.n < list->n)
        r = tc_detector_list_add(&copy, list->items[copy.n]);
    if (r)
        tc_detector_list_free(&copy);
    else
        *ret_list = copy;
    return r;
}

void tc_detector_list_free(struct tc_detector_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct tc_detector_list){.items = NULL};
}

/* Whether a shell and YAML take the path as it is, and the sentence is that it is not
 * there. */
static bool is_missing(const char *path, const char *text)
{
    size_t len = path ? strlen(path) : 0;

    return len && len < 180 && !strncmp(text, path, len) && text[len] == ':' &&
           strstr(text + len, strerror(ENOENT)) &&
           strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        "/._-") == len;
}

const char *tc_detector_missing_fix(const struct tocsin_host *host, const char *plugin,
                                    const char *option, bool list, const char *text,
                                    const char *other, char fix[256])
{
    const char *path;

    if (!list) {
        if (!is_missing(host->option_text(host, option), text))
            return other;
        snprintf(fix, 256, "tocsin config unset plugins.%s.%s", plugin, option);
        return fix;
    }
    for (size_t i = 0; (path = host->option_item(host, option, i)); i++)
        if (is_missing(path, text)) {
            snprintf(fix, 256, "tocsin config remove plugins.%s.%s %s", plugin, option,
                     path);
            return fix;
        }
    return other;
}
