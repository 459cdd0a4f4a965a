/* SPDX-License-Identifier: Apache-2.0 */
#include "detector_options.h"

#include <errno.h>

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
