/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the sentence that refuses a profile, and the words for a place in it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/why.h"
#include "core/profile/profile_priv.h"
#include "ipc/text.h"

#define NAME_SHOWN_MAX 100 /* of a file's name in a sentence; its end says more */
#define PATH_MAX_BYTES 200 /* "PayloadContent[12].Services..." */

/* What files hold may be any bytes; a sentence is one line that shows as it is. */
static void make_printable(char *why)
{
    size_t len = strlen(why), n;
    uint32_t character;

    for (size_t i = 0; i < len; i += n) {
        n = tc_text_next(why + i, len - i, &character);
        if (n && tc_text_shows(character))
            continue;
        n = n ? n : 1;
        memset(why + i, '?', n);
    }
}

int tc_profile_refuse(char why[256], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, TC_WHY_MAX, format, args);
    va_end(args);
    make_printable(why);
    return -EINVAL;
}

/* How many elements a walk meets before `wanted`, keys included. True when it has. */
static bool count_before(plist_t node, plist_t wanted, size_t *count)
{
    plist_array_iter items = NULL;
    plist_dict_iter pairs = NULL;
    plist_t child = NULL;
    bool found = node == wanted, dict = PLIST_IS_DICT(node);

    if (found)
        return true;
    ++*count;
    if (dict)
        plist_dict_new_iter(node, &pairs);
    else if (PLIST_IS_ARRAY(node))
        plist_array_new_iter(node, &items);
    while (!found && (pairs || items)) {
        if (dict)
            plist_dict_next_item(node, pairs, NULL, &child);
        else
            plist_array_next_item(node, items, &child);
        if (!child)
            break;
        *count += dict;
        found = count_before(child, wanted, count);
    }
    free(pairs);
    free(items);
    return found;
}

size_t tc_profile_count(plist_t root)
{
    size_t count = 0;

    count_before(root, NULL, &count);
    return count;
}

/* "PayloadContent[0].Services" of a node; "the profile" of the root. */
static void print_path(plist_t node, char *buf, size_t cap)
{
    plist_t parent = plist_get_parent(node);
    char *key = NULL;
    size_t len;

    if (!parent) {
        buf[0] = '\0';
        return;
    }
    print_path(parent, buf, cap);
    len = strlen(buf);
    if (PLIST_IS_DICT(parent)) {
        plist_dict_get_item_key(node, &key);
        snprintf(buf + len, cap - len, "%s%s", len ? "." : "", key ? key : "?");
        free(key);
    } else {
        snprintf(buf + len, cap - len, "[%u]", plist_array_get_item_index(node));
    }
}

int tc_profile_refuse_at(const struct tc_profile_source *source, plist_t node,
                         char why[256], const char *format, ...)
{
    size_t len = strlen(source->name), index = 0, at;
    bool cut = len > NAME_SHOWN_MAX;
    char path[PATH_MAX_BYTES];
    va_list args;
    int n;

    n = snprintf(why, TC_WHY_MAX, "%s%s:", cut ? "..." : "",
                 source->name + (cut ? len - NAME_SHOWN_MAX : 0));
    at = (size_t)n;
    if (count_before(source->root, node, &index) && index < source->places.count) {
        n = snprintf(why + at, TC_WHY_MAX - at, "%u:%u: ", source->places.at[index].line,
                     source->places.at[index].column);
    } else {
        print_path(node, path, sizeof(path));
        n = snprintf(why + at, TC_WHY_MAX - at, " %.60s%s", path, path[0] ? ": " : "");
    }
    at += (size_t)n;
    va_start(args, format);
    (void)vsnprintf(why + at, TC_WHY_MAX - at, format, args);
    va_end(args);
    make_printable(why);
    return -EINVAL;
}
