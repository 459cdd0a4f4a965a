/* SPDX-License-Identifier: Apache-2.0 */
#include "base/av_lists.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMENT_BYTES_MAX 80

struct hashes {
    uint8_t (*items)[TC_AV_HASH_BYTES]; /* sorted */
    size_t count, cap;
};

struct tc_av_lists {
    atomic_uint refs;
    struct hashes allow, block;
    char *issues[TC_AV_LIST_ISSUES_MAX];
    size_t issues_n;
};

static void issue(struct tc_av_lists *lists, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void issue(struct tc_av_lists *lists, const char *format, ...)
{
    va_list args;
    char *text;

    if (lists->issues_n == TC_AV_LIST_ISSUES_MAX)
        return;
    va_start(args, format);
    if (vasprintf(&text, format, args) >= 0)
        lists->issues[lists->issues_n++] = text;
    va_end(args);
}

static int add(struct hashes *hashes, const uint8_t hash[TC_AV_HASH_BYTES])
{
    if (hashes->count == hashes->cap) {
        size_t cap = hashes->cap ? hashes->cap * 2 : 16;
        void *grown = realloc(hashes->items, cap * sizeof(hashes->items[0]));

        if (!grown)
            return -ENOMEM;
        hashes->items = grown;
        hashes->cap = cap;
    }
    memcpy(hashes->items[hashes->count++], hash, TC_AV_HASH_BYTES);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, TC_AV_HASH_BYTES);
}

static int parse(struct tc_av_lists *lists, struct hashes *into, const char *path,
                 const char *text)
{
    uint8_t hash[TC_AV_HASH_BYTES];
    unsigned line = 0;
    int r = 0;

    while (*text && !r) {
        const char *end = strchrnul(text, '\n'), *p = text;
        size_t word;

        line++;
        p += strspn(p, " \t\r");
        word = strcspn(p, " \t\r\n#");
        if (word && tc_av_hash_read(p, word, hash))
            r = add(into, hash);
        else if (word)
            issue(lists, "%s:%u: not a SHA-256 (64 hex digits)", path, line);
        text = *end ? end + 1 : end;
    }
    return r;
}

static int load(struct tc_av_lists *lists, struct hashes *into, int dirfd,
                const char *path, bool may_miss)
{
    char *text;
    size_t len;
    int r;

    if (!path || !*path)
        return 0;
    r = tc_av_read_whole(dirfd, path, TC_AV_LIST_BYTES_MAX, &text, &len);
    if (r == -ENOMEM)
        return r;
    if (r) {
        if (!may_miss || r != -ENOENT)
            issue(lists, "%s: %s", path, strerror(-r));
        return 0;
    }
    r = parse(lists, into, path, text);
    free(text);
    return r;
}

static void sort(struct hashes *hashes)
{
    if (hashes->count)
        qsort(hashes->items, hashes->count, sizeof(hashes->items[0]), compare);
}

int tc_av_lists_load(const char *allow, const char *block, int own_dirfd, const char *own,
                     struct tc_av_lists **ret_lists)
{
    struct tc_av_lists *lists = calloc(1, sizeof(*lists));
    int r;

    if (!lists)
        return -ENOMEM;
    atomic_init(&lists->refs, 1);
    r = load(lists, &lists->allow, AT_FDCWD, allow, false);
    if (!r)
        r = load(lists, &lists->block, AT_FDCWD, block, false);
    if (!r)
        r = load(lists, &lists->allow, own_dirfd, own, true);
    if (r) {
        tc_av_lists_unref(lists);
        return r;
    }
    sort(&lists->allow);
    sort(&lists->block);
    *ret_lists = lists;
    return 0;
}

static int copy(struct hashes *into, const struct hashes *from)
{
    int r = 0;

    for (size_t i = 0; !r && i < from->count; i++)
        r = add(into, from->items[i]);
    return r;
}

struct tc_av_lists *tc_av_lists_with(const struct tc_av_lists *lists,
                                     const uint8_t hash[TC_AV_HASH_BYTES])
{
    struct tc_av_lists *more = calloc(1, sizeof(*more));

    if (!more)
        return NULL;
    atomic_init(&more->refs, 1);
    if (copy(&more->allow, &lists->allow) || copy(&more->block, &lists->block) ||
        add(&more->allow, hash)) {
        tc_av_lists_unref(more);
        return NULL;
    }
    sort(&more->allow);
    return more;
}

void tc_av_lists_ref(struct tc_av_lists *lists)
{
    atomic_fetch_add_explicit(&lists->refs, 1, memory_order_relaxed);
}

void tc_av_lists_unref(struct tc_av_lists *lists)
{
    if (!lists || atomic_fetch_sub_explicit(&lists->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < lists->issues_n; i++)
        free(lists->issues[i]);
    free(lists->allow.items);
    free(lists->block.items);
    free(lists);
}

bool tc_av_lists_empty(const struct tc_av_lists *lists)
{
    return !lists->allow.count && !lists->block.count;
}

static bool contains(const struct hashes *hashes, const uint8_t hash[TC_AV_HASH_BYTES])
{
    return hashes->count &&
           bsearch(hash, hashes->items, hashes->count, sizeof(hashes->items[0]), compare);
}

enum tc_av_listed tc_av_lists_find(const struct tc_av_lists *lists,
                                   const uint8_t hash[TC_AV_HASH_BYTES])
{
    if (contains(&lists->allow, hash))
        return TC_AV_ALLOWED;
    return contains(&lists->block, hash) ? TC_AV_BLOCKED : TC_AV_UNLISTED;
}

const char *tc_av_lists_issue(const struct tc_av_lists *lists, size_t index)
{
    return index < lists->issues_n ? lists->issues[index] : NULL;
}

static bool allowed_already(int own_dirfd, const char *own,
                            const uint8_t hash[TC_AV_HASH_BYTES])
{
    struct tc_av_lists *lists;
    bool allowed;

    if (tc_av_lists_load(NULL, NULL, own_dirfd, own, &lists))
        return false;
    allowed = tc_av_lists_find(lists, hash) == TC_AV_ALLOWED;
    tc_av_lists_unref(lists);
    return allowed;
}

int tc_av_lists_append(int own_dirfd, const char *own,
                       const uint8_t hash[TC_AV_HASH_BYTES], const char *comment)
{
    char hex[TC_AV_HASH_TEXT], *old = NULL, *text = NULL;
    size_t note = strcspn(comment, "\r\n"), len;
    int r;

    if (allowed_already(own_dirfd, own, hash))
        return 0;
    r = tc_av_read_whole(own_dirfd, own, TC_AV_LIST_BYTES_MAX, &old, &len);
    if (r && r != -ENOENT)
        return r;
    tc_av_hash_text(hash, hex);
    len = old ? strlen(old) : 0;
    /* a line of its own, whatever the last one and the comment look like */
    r = asprintf(&text, "%s%s%s # %.*s\n", old ? old : "",
                 len && old[len - 1] != '\n' ? "\n" : "", hex,
                 note < COMMENT_BYTES_MAX ? (int)note : COMMENT_BYTES_MAX, comment);
    free(old);
    if (r < 0)
        return -ENOMEM;
    r = tc_av_write_durable(own_dirfd, own, text, (size_t)r);
    free(text);
    return r;
}

/* Whether the line, of n bytes, is about that hash. */
static bool is_about(const char *line, size_t n, const uint8_t hash[TC_AV_HASH_BYTES])
{
    uint8_t found[TC_AV_HASH_BYTES];
    size_t from = strspn(line, " \t\r"), word;

    word = from < n ? strcspn(line + from, " \t\r\n#") : 0;
    return word && tc_av_hash_read(line + from, word, found) &&
           !memcmp(found, hash, TC_AV_HASH_BYTES);
}

int tc_av_lists_remove(int own_dirfd, const char *own,
                       const uint8_t hash[TC_AV_HASH_BYTES], bool *ret_removed)
{
    char *text = NULL, *to;
    const char *line;
    size_t len, n;
    int r;

    *ret_removed = false;
    r = tc_av_read_whole(own_dirfd, own, TC_AV_LIST_BYTES_MAX, &text, &len);
    if (r)
        return r == -ENOENT ? 0 : r;
    for (line = to = text; *line; line += n) {
        n = strcspn(line, "\n");
        n += line[n] == '\n';
        if (is_about(line, n, hash)) {
            *ret_removed = true;
            continue;
        }
        memmove(to, line, n);
        to += n;
    }
    if (*ret_removed)
        r = tc_av_write_durable(own_dirfd, own, text, (size_t)(to - text));
    free(text);
    return r;
}
