/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see exclusions.h. A pattern is kept as the literal text it begins with and what
 * is left for the matcher, so that one memcmp decides for most names.
 */
#include "core/conf/exclusions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct compiled {
    struct tc_exclusion entry;
    char *strings; /* of entry, one after another */
    char *literal; /* what the name begins with, without backslashes */
    size_t literal_len;
    const char *rest; /* the pattern after the literal; "" when the name ends there */
};

struct tc_exclusions {
    struct compiled *list;
    size_t count;
};

int tc_exclusions_new(struct tc_exclusions **ret_exclusions)
{
    struct tc_exclusions *exclusions = calloc(1, sizeof(*exclusions));

    if (!exclusions)
        return -ENOMEM;
    *ret_exclusions = exclusions;
    return 0;
}

void tc_exclusions_free(struct tc_exclusions *exclusions)
{
    if (!exclusions)
        return;
    for (size_t i = 0; i < exclusions->count; i++) {
        free(exclusions->list[i].strings);
        free(exclusions->list[i].literal);
    }
    free(exclusions->list);
    free(exclusions);
}

static int check_pattern(const char *pattern, char why[256])
{
    size_t len = strlen(pattern);
    size_t slashes = 0;

    if (pattern[0] != '/' && strncmp(pattern, "**/", 3) != 0) {
        snprintf(why, 256, "\"%.64s\" must begin with / or **/", pattern);
        return -EINVAL;
    }
    if (pattern[len - 1] == '/') {
        snprintf(why, 256, "\"%.64s\" ends in /: write \"%.64s**\" for all that is below",
                 pattern, pattern);
        return -EINVAL;
    }
    while (slashes < len && pattern[len - 1 - slashes] == '\\')
        slashes++;
    if (slashes % 2) {
        snprintf(why, 256, "\"%.64s\" ends in a backslash with nothing after it",
                 pattern);
        return -EINVAL;
    }
    return 0;
}

/* Copies `text` (NULL stays NULL) to *at and moves on. */
static const char *pack(char **at, const char *text)
{
    char *copy = *at;

    if (!text)
        return NULL;
    *at = stpcpy(copy, text) + 1;
    return copy;
}

static int compile(struct compiled *c, const struct tc_exclusion *from)
{
    size_t room = strlen(from->pattern) + strlen(from->scope) +
                  (from->reason ? strlen(from->reason) : 0) + 3;
    char *at = malloc(room);
    const char *p;

    *c = (struct compiled){.strings = at};
    if (!at)
        return -ENOMEM;
    c->entry.by_process = from->by_process;
    c->entry.pattern = pack(&at, from->pattern);
    c->entry.scope = pack(&at, from->scope);
    c->entry.reason = pack(&at, from->reason);
    c->literal = malloc(strlen(from->pattern) + 1);
    if (!c->literal) {
        free(c->strings);
        return -ENOMEM;
    }
    for (p = c->entry.pattern; *p && *p != '*' && *p != '?'; p++) {
        p += *p == '\\';
        c->literal[c->literal_len++] = *p;
    }
    c->rest = p;
    return 0;
}

int tc_exclusions_add(struct tc_exclusions *exclusions, const struct tc_exclusion *entry,
                      char why[256])
{
    struct compiled *list;
    int r = check_pattern(entry->pattern, why);

    if (r < 0)
        return r;
    if (exclusions->count == TC_EXCLUSIONS_MAX) {
        snprintf(why, 256, "there are more than %d exclusions", TC_EXCLUSIONS_MAX);
        return -EINVAL;
    }
    snprintf(why, 256, "out of memory");
    list = reallocarray(exclusions->list, exclusions->count + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    exclusions->list = list;
    r = compile(&list[exclusions->count], entry);
    if (r == 0)
        exclusions->count++;
    return r;
}

bool tc_exclusions_get(const struct tc_exclusions *exclusions, size_t index,
                       struct tc_exclusion *ret_entry)
{
    if (index >= exclusions->count)
        return false;
    *ret_entry = exclusions->list[index].entry;
    return true;
}

/* One place in the pattern to come back to, and how far in the name it was tried. */
struct retry {
    const char *pattern;
    const char *name;
};

/* Where a `**` that ended before `pattern` may try next after `name`, or NULL. */
static const char *next_try(const struct retry *deep)
{
    const char *slash;

    if (!deep->pattern || !*deep->name)
        return NULL;
    if (deep->pattern[-1] != '/')
        return deep->name + 1;
    slash = strchr(deep->name, '/');
    return slash ? slash + 1 : NULL;
}

/*
 * Going back to the last `*` or, when that would cross a slash, to the last `**` is
 * enough: what an earlier one could take, the last can take as well, so there is no
 * pattern that makes this slow. `whole` is where the pattern begins.
 */
static bool matches(const char *whole, const char *pattern, const char *name)
{
    struct retry star = {NULL, NULL}, deep = {NULL, NULL};

    while (*pattern || *name) {
        if (pattern[0] == '*' && pattern[1] == '*') {
            bool folders = pattern == whole || pattern[-1] == '/';

            pattern += 2;
            /* "**" and its slash: any number of folders, or none. */
            pattern += folders && *pattern == '/';
            deep = (struct retry){pattern, name};
            star.pattern = NULL;
            continue;
        }
        if (*pattern == '*') {
            star = (struct retry){++pattern, name};
            continue;
        }
        if (*name && *pattern == '?' && *name != '/') {
            pattern++;
            name++;
            continue;
        }
        if (*name && *pattern && *pattern != '?' && pattern[*pattern == '\\'] == *name) {
            pattern += 1 + (*pattern == '\\');
            name++;
            continue;
        }
        if (star.pattern && *star.name && *star.name != '/') {
            name = ++star.name;
            pattern = star.pattern;
            continue;
        }
        name = next_try(&deep);
        if (!name || !deep.pattern)
            return false;
        deep.name = name;
        pattern = deep.pattern;
        star.pattern = NULL;
    }
    return true;
}

static bool is_hit(const struct compiled *c, const char *name)
{
    if (strncmp(name, c->literal, c->literal_len) != 0)
        return false;
    name += c->literal_len;
    if (!strcmp(c->rest, "**"))
        return true;
    return matches(c->entry.pattern, c->rest, name);
}

static bool in_scope(const struct compiled *c, const char *scope)
{
    return !strcmp(c->entry.scope, TC_EXCLUSION_ALL) || !strcmp(c->entry.scope, scope);
}

int tc_exclusions_match(const struct tc_exclusions *exclusions, const char *scope,
                        const char *path, const char *executable)
{
    int found = TOCSIN_NOT_EXCLUDED;

    for (size_t i = 0; i < exclusions->count; i++) {
        const struct compiled *c = &exclusions->list[i];
        const char *name = c->entry.by_process ? executable : path;

        if (!name || (c->entry.by_process && found) || !in_scope(c, scope) ||
            !is_hit(c, name))
            continue;
        /* The path is the stronger answer, since it holds whoever comes next. */
        if (!c->entry.by_process)
            return TOCSIN_EXCLUDED_BY_PATH;
        found = TOCSIN_EXCLUDED_BY_PROCESS;
    }
    return found;
}

bool tc_exclusions_any(const struct tc_exclusions *exclusions, const char *scope)
{
    for (size_t i = 0; i < exclusions->count; i++)
        if (in_scope(&exclusions->list[i], scope))
            return true;
    return false;
}

bool tc_exclusions_cover(const struct tc_exclusions *exclusions, const char *scope,
                         const char *folder)
{
    /* Names and programs that only a pattern takes which takes all. */
    static const char *const names[] = {"\x01", "\x01/\x02/\x03", "\x01.\x02",
                                        "\x01/\x02/\x03.\x04"};
    static const char *const programs[] = {"/\x01", "/\x01/\x02/\x03"};
    size_t n = strlen(folder), files = 0, users = 0;
    char path[4096 + 16];

    while (n && folder[n - 1] == '/')
        n--;
    if (n > 4096)
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%.*s/%s", (int)n, folder, names[i]);
        files += tc_exclusions_match(exclusions, scope, path, NULL) != 0;
    }
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        users += tc_exclusions_match(exclusions, scope, NULL, programs[i]) != 0;
    return files == sizeof(names) / sizeof(names[0]) ||
           users == sizeof(programs) / sizeof(programs[0]);
}

int tc_exclusions_covering(const struct tc_exclusions *exclusions, const char *scope,
                           const char *folder)
{
    for (size_t i = 0; i < exclusions->count; i++) {
        const struct tc_exclusions one = {&exclusions->list[i], 1};

        if (tc_exclusions_cover(&one, scope, folder))
            return (int)i;
    }
    return -1;
}
