/* SPDX-License-Identifier: Apache-2.0 */
#include "indicators/nf_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "indicators/nf_csv.h"
#include "indicators/nf_indicators.h"
#include "indicators/nf_input.h"

#define HEADER "value,type,action,expires,severity,reason,who,when\n"
#define NEW_FILE TC_NF_STORE_FILE ".new"
#define STORE_BYTES_MAX (16u << 20)
#define TIME_TEXT 24

/* What the store holds, or is to hold; the items are shared between the two. */
struct items {
    struct tc_nf_stored **at;
    size_t count;
};

struct tc_nf_store {
    char *folder, *path;
    struct items items;
};

static int failed(char why[TC_NF_WHY_MAX], const char *path, int err)
{
    (void)tc_nf_refuse(why, "%s: %s", path, strerror(-err));
    return err;
}

static int append(struct items *items, struct tc_nf_stored *item)
{
    void *grown = realloc(items->at, (items->count + 1) * sizeof(struct tc_nf_stored *));

    if (!grown)
        return -ENOMEM;
    items->at = grown;
    items->at[items->count++] = item;
    return 0;
}

/* ---- Reading ---- */

struct columns {
    size_t value, type, action, expires, severity, reason, who, when;
};

static struct columns find_columns(const struct tc_nf_csv *csv)
{
    return (struct columns){.value = tc_nf_csv_column(csv, "value"),
                            .type = tc_nf_csv_column(csv, "type"),
                            .action = tc_nf_csv_column(csv, "action"),
                            .expires = tc_nf_csv_column(csv, "expires"),
                            .severity = tc_nf_csv_column(csv, "severity"),
                            .reason = tc_nf_csv_column(csv, "reason"),
                            .who = tc_nf_csv_column(csv, "who"),
                            .when = tc_nf_csv_column(csv, "when")};
}

static void copy_who(struct tc_nf_text text, char ret_who[TC_NF_WHO_MAX])
{
    char who[TC_NF_REASON_MAX];

    if (text.len >= TC_NF_WHO_MAX)
        text.len = TC_NF_WHO_MAX - 1;
    tc_nf_reason_copy(text, who);
    memcpy(ret_who, who, strlen(who) + 1);
}

static int read_item(const struct tc_nf_csv *csv, const struct columns *columns,
                     struct tc_nf_stored *item, char why[TC_NF_WHY_MAX])
{
    struct tc_nf_row row = {.value = tc_nf_csv_field(csv, columns->value),
                            .type = tc_nf_csv_field(csv, columns->type),
                            .action = tc_nf_csv_field(csv, columns->action),
                            .expires = tc_nf_csv_field(csv, columns->expires),
                            .severity = tc_nf_csv_field(csv, columns->severity),
                            .reason = tc_nf_csv_field(csv, columns->reason)};
    struct tc_nf_text when = tc_nf_csv_field(csv, columns->when);
    int r = tc_nf_entry_read(&row, TC_NF_BLOCK, &item->entry, why);

    if (r)
        return -EINVAL;
    item->when_s = 0;
    copy_who(tc_nf_csv_field(csv, columns->who), item->who);
    return when.len ? tc_nf_time_read(when, &item->when_s, why) : 0;
}

static int read_line(struct tc_nf_store *store, struct tc_nf_csv *csv,
                     const struct columns *columns, struct tc_nf_text line,
                     char why[TC_NF_WHY_MAX])
{
    struct tc_nf_stored *item;
    int r = tc_nf_csv_split(csv, line, why);

    if (r)
        return r;
    item = malloc(sizeof(*item));
    r = item ? read_item(csv, columns, item, why) : -ENOMEM;
    if (!r && store->items.count == TC_NF_STORE_MAX)
        r = tc_nf_refuse(why, "there are more than %d entries", TC_NF_STORE_MAX);
    if (!r)
        r = append(&store->items, item);
    if (r)
        free(item);
    return r;
}

/* Line by line, the first for the columns. */
static int read_lines(struct tc_nf_store *store, struct tc_nf_input *input,
                      struct tc_nf_csv *csv, char why[TC_NF_WHY_MAX])
{
    char sentence[TC_NF_WHY_MAX];
    struct columns columns = {.value = TC_NF_CSV_NONE};
    struct tc_nf_text line;
    bool header = true, too_long;
    int r = 0;

    while (!r && tc_nf_input_line(input, true, &line, &too_long)) {
        if (!tc_nf_trim(line).len)
            continue;
        if (too_long)
            r = tc_nf_refuse(sentence, "the line is too long");
        else if (!header)
            r = read_line(store, csv, &columns, line, sentence);
        else
            r = tc_nf_csv_split(csv, line, sentence);
        if (header && !r)
            columns = find_columns(csv);
        if (header && !r && columns.value == TC_NF_CSV_NONE)
            r = tc_nf_refuse(sentence, "no column is named value");
        header = false;
    }
    if (input->error || r == -ENOMEM)
        return failed(why, store->path, r ? r : input->error);
    if (r)
        (void)tc_nf_refuse(why, "%s:%u: %s; correct the line or remove it", store->path,
                           input->line, sentence);
    return r;
}

static int read_file(struct tc_nf_store *store, int fd, char why[TC_NF_WHY_MAX])
{
    struct tc_nf_input input = {.buffer = NULL};
    struct tc_nf_csv csv = {.unquoted = NULL};
    int r = tc_nf_input_init(&input, fd, STORE_BYTES_MAX);

    if (!r)
        r = tc_nf_csv_init(&csv);
    if (r)
        (void)failed(why, store->path, r);
    else
        r = read_lines(store, &input, &csv, why);
    tc_nf_csv_done(&csv);
    tc_nf_input_done(&input);
    return r;
}

int tc_nf_store_open(const char *folder, struct tc_nf_store **ret_store,
                     char why[TC_NF_WHY_MAX])
{
    struct tc_nf_store *store = calloc(1, sizeof(*store));
    int fd = -1, r = -ENOMEM;

    if (!store)
        return failed(why, folder, r);
    store->folder = strdup(folder);
    store->path = malloc(strlen(folder) + sizeof("/" TC_NF_STORE_FILE));
    if (!store->folder || !store->path) {
        (void)failed(why, folder, r);
        goto out;
    }
    (void)sprintf(store->path, "%s/" TC_NF_STORE_FILE, folder);
    fd = open(store->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    r = fd < 0 ? -errno : 0;
    if (r == -ENOENT)
        r = 0;
    else if (r)
        (void)failed(why, store->path, r);
    else
        r = read_file(store, fd, why);
out:
    if (fd >= 0)
        close(fd);
    if (r)
        tc_nf_store_close(store);
    else
        *ret_store = store;
    return r;
}

void tc_nf_store_close(struct tc_nf_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->items.count; i++)
        free(store->items.at[i]);
    free(store->items.at);
    free(store->folder);
    free(store->path);
    free(store);
}

const char *tc_nf_store_path(const struct tc_nf_store *store)
{
    return store->path;
}

/* ---- Writing ---- */

static const char *time_text(uint32_t s, char ret_text[TIME_TEXT])
{
    time_t t = s;
    struct tm tm;

    ret_text[0] = '\0';
    if (s && gmtime_r(&t, &tm))
        (void)strftime(ret_text, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return ret_text;
}

static void put_quoted(FILE *out, const char *text, char end)
{
    (void)fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            (void)fputc('"', out);
        (void)fputc(*text, out);
    }
    (void)fprintf(out, "\"%c", end);
}

/* The file's text; -ENOMEM. */
static int make_text(const struct items *items, char **ret_text, size_t *ret_len)
{
    FILE *out = open_memstream(ret_text, ret_len);
    char value[TC_NF_NAME_MAX], time[TIME_TEXT];
    bool bad;

    if (!out)
        return -ENOMEM;
    (void)fputs(HEADER, out);
    for (size_t i = 0; i < items->count; i++) {
        const struct tc_nf_stored *item = items->at[i];

        tc_nf_value_text(&item->entry.value, value);
        (void)fprintf(out, "%s,%s,%s,", value, tc_nf_kind_name(item->entry.value.kind),
                      tc_nf_action_name(item->entry.action));
        (void)fprintf(out, "%s,%s,", time_text(item->entry.expires_s, time),
                      tc_nf_severity_name(item->entry.severity));
        put_quoted(out, item->entry.reason, ',');
        put_quoted(out, item->who, ',');
        (void)fprintf(out, "%s\n", time_text(item->when_s, time));
    }
    bad = ferror(out);
    if (!fclose(out) && !bad)
        return 0;
    free(*ret_text);
    return -ENOMEM;
}

static int write_all(int fd, const char *text, size_t len)
{
    ssize_t n;

    for (; len; text += n, len -= (size_t)n) {
        n = write(fd, text, len);
        if (n < 0 && errno != EINTR)
            return -errno;
        n = n < 0 ? 0 : n;
    }
    return 0;
}

/* The old file, or the new one: it has its name once it is whole and on the disk. */
static int write_file(const struct tc_nf_store *store, const char *text, size_t len)
{
    int dirfd = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1, r;

    if (dirfd < 0)
        return -errno;
    fd = openat(dirfd, NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                0600);
    r = fd < 0 ? -errno : write_all(fd, text, len);
    if (!r && fsync(fd))
        r = -errno;
    if (!r && renameat(dirfd, NEW_FILE, dirfd, TC_NF_STORE_FILE))
        r = -errno;
    if (r && fd >= 0)
        (void)unlinkat(dirfd, NEW_FILE, 0);
    /* Where this fails, the new file is there all the same, and only a crash of the
     * machine may bring the old one back: nothing that could be undone here. */
    if (!r)
        (void)fsync(dirfd);
    if (fd >= 0)
        close(fd);
    close(dirfd);
    return r;
}

static int save(const struct tc_nf_store *store, const struct items *items)
{
    char *text;
    size_t len;
    int r = make_text(items, &text, &len);

    if (r)
        return r;
    r = write_file(store, text, len);
    free(text);
    return r;
}

/* Whether the item stays in the store. */
typedef bool (*stays_fn)(const void *arg, const struct tc_nf_stored *item);

/* Writes the store as it is with those that stay and the `added` one, if any; only then
 * is it so. */
static int change(struct tc_nf_store *store, stays_fn stays, const void *arg,
                  struct tc_nf_stored *added, char why[TC_NF_WHY_MAX])
{
    struct items items = {.at = NULL};
    int r = 0;

    for (size_t i = 0; !r && i < store->items.count; i++)
        if (stays(arg, store->items.at[i]))
            r = append(&items, store->items.at[i]);
    if (!r && added && items.count == TC_NF_STORE_MAX) {
        r = -ENOSPC;
        (void)tc_nf_refuse(why, "%d indicators are set already; put more into a list",
                           TC_NF_STORE_MAX);
    } else {
        if (!r && added)
            r = append(&items, added);
        if (!r)
            r = save(store, &items);
        if (r)
            (void)failed(why, store->path, r);
    }
    if (r) {
        free(items.at);
        return r;
    }
    for (size_t i = 0; i < store->items.count; i++)
        if (!stays(arg, store->items.at[i]))
            free(store->items.at[i]);
    free(store->items.at);
    store->items = items;
    return 0;
}

static bool is_name(const struct tc_nf_value *value)
{
    return value->kind == TC_NF_DOMAIN || value->kind == TC_NF_HOST;
}

/* A domain and the host of that name are the same here. */
static bool same(const struct tc_nf_value *a, const struct tc_nf_value *b)
{
    if (is_name(a) || is_name(b))
        return is_name(a) && is_name(b) && !strcmp(a->name, b->name);
    return a->length == b->length && !memcmp(a->address, b->address, sizeof(a->address));
}

struct adding {
    const struct tc_nf_value *value;
    uint64_t now_s;
};

static bool stays_beside(const void *arg, const struct tc_nf_stored *item)
{
    const struct adding *adding = arg;
    const struct tc_nf_value *value = &item->entry.value;

    if (item->entry.expires_s && item->entry.expires_s <= adding->now_s)
        return false;
    return !same(value, adding->value) || value->kind != adding->value->kind;
}

int tc_nf_store_add(struct tc_nf_store *store, const struct tc_nf_row *row,
                    const char *who, uint64_t now_s, char why[TC_NF_WHY_MAX])
{
    struct tc_nf_stored *item = malloc(sizeof(*item));
    struct adding adding = {.now_s = now_s};
    int r;

    if (!item)
        return failed(why, store->path, -ENOMEM);
    r = tc_nf_entry_read(row, TC_NF_BLOCK, &item->entry, why) ? -EINVAL : 0;
    if (!r && item->entry.expires_s && item->entry.expires_s <= now_s)
        r = tc_nf_refuse(why, "it would have expired already; give a time to come");
    if (!r) {
        item->when_s = now_s < UINT32_MAX ? (uint32_t)now_s : UINT32_MAX;
        copy_who((struct tc_nf_text){who, strlen(who)}, item->who);
        adding.value = &item->entry.value;
        r = change(store, stays_beside, &adding, item, why);
    }
    if (r)
        free(item);
    return r;
}

static bool is_another(const void *arg, const struct tc_nf_stored *item)
{
    return !same(arg, &item->entry.value);
}

int tc_nf_store_remove(struct tc_nf_store *store, struct tc_nf_text value,
                       char why[TC_NF_WHY_MAX])
{
    char quote[TC_NF_QUOTE_MAX];
    struct tc_nf_value wanted;
    int r = tc_nf_value_read(value, &wanted, why);

    if (r)
        return r;
    for (size_t i = 0; i < store->items.count; i++)
        if (same(&wanted, &store->items.at[i]->entry.value))
            return change(store, is_another, &wanted, NULL, why);
    (void)tc_nf_refuse(why,
                       "\"%s\" is not among the indicators set here; those of a list "
                       "are removed in its file",
                       tc_nf_quote(value, quote));
    return -ENOENT;
}

/* ---- Listing ---- */

static bool matches(const struct tc_nf_filter *filter, const struct tc_nf_stored *item)
{
    char value[TC_NF_NAME_MAX];

    if (filter->kind >= 0 && item->entry.value.kind != (enum tc_nf_kind)filter->kind)
        return false;
    if (filter->action != TC_NF_NONE && item->entry.action != filter->action)
        return false;
    tc_nf_value_text(&item->entry.value, value);
    return !filter->text || strcasestr(value, filter->text) ||
           strcasestr(item->entry.reason, filter->text);
}

size_t tc_nf_store_list(const struct tc_nf_store *store,
                        const struct tc_nf_filter *filter,
                        void (*each)(void *arg, const struct tc_nf_stored *stored),
                        void *arg)
{
    size_t count = 0;

    for (size_t i = 0; i < store->items.count; i++) {
        if (!matches(filter, store->items.at[i]))
            continue;
        if (count >= filter->skip && count - filter->skip < filter->limit)
            each(arg, store->items.at[i]);
        count++;
    }
    return count;
}
