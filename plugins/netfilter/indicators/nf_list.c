/* SPDX-License-Identifier: Apache-2.0 */
#include "indicators/nf_list.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "indicators/nf_csv.h"
#include "indicators/nf_index.h"

/* ---- For the readers ---- */

int tc_nf_list_fail(struct tc_nf_list *list, int err, const char *format, ...)
{
    char sentence[TC_NF_WHY_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    (void)tc_nf_refuse(list->why, "%s:%u: %s", list->path, list->input.line, sentence);
    return err;
}

void tc_nf_list_refuse(struct tc_nf_list *list, const char *what, const char *sentence)
{
    struct tc_nf_report *report = list->report;

    report->refused++;
    if (report->problems < TC_NF_PROBLEMS_MAX)
        (void)tc_nf_refuse(report->problem[report->problems++], "%s:%u: %s%s%s",
                           list->path, list->input.line, what ? what : "",
                           what ? ": " : "", sentence);
}

int tc_nf_list_take(struct tc_nf_list *list, const struct tc_nf_row *row,
                    const char *what)
{
    struct tc_nf_entry entry;
    char why[TC_NF_WHY_MAX];
    int r;

    if (tc_nf_entry_read(row, list->action, &entry, why)) {
        tc_nf_list_refuse(list, what, why);
        return 0;
    }
    if (entry.expires_s && entry.expires_s <= list->now_s) {
        list->report->expired++;
        return 0;
    }
    r = tc_nf_index_add(list->table, &entry, list->source);
    if (r == -E2BIG)
        return tc_nf_list_fail(list, r,
                               "there are more indicators than %u, or longer texts than "
                               "%u MiB; leave some lists out",
                               TC_NF_INDICATORS_MAX - 1, TC_NF_TEXTS_BYTES_MAX >> 20);
    if (r)
        return tc_nf_list_fail(list, r, "%s", strerror(-r));
    list->report->taken++;
    return 0;
}

static int input_failed(struct tc_nf_list *list)
{
    int err = list->input.error;

    if (err == -EFBIG)
        return tc_nf_list_fail(list, err, "the file is larger than %llu MiB; split it",
                               TC_NF_LIST_BYTES_MAX >> 20);
    return err ? tc_nf_list_fail(list, err, "%s", strerror(-err)) : 0;
}

int tc_nf_list_line(struct tc_nf_list *list, bool quoted, struct tc_nf_text *ret_line)
{
    struct tc_nf_text line;
    bool too_long;

    while (tc_nf_input_line(&list->input, quoted, &line, &too_long)) {
        struct tc_nf_text text = tc_nf_trim(line);

        if (too_long) {
            tc_nf_list_refuse(list, NULL, "the line is longer than 64 KiB");
        } else if (text.len && text.at[0] != '#') {
            *ret_line = line;
            return 1;
        }
    }
    return input_failed(list);
}

/* ---- Plain lists, and those in the style of /etc/hosts ---- */

static bool ends_word(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the next word off the line; a comment ends it. */
static struct tc_nf_text next_word(struct tc_nf_text *line)
{
    struct tc_nf_text word;

    *line = tc_nf_trim(*line);
    word = (struct tc_nf_text){line->at, 0};
    if (line->len && (line->at[0] == '#' || line->at[0] == ';'))
        line->len = 0;
    while (word.len < line->len && !ends_word(word.at[word.len]))
        word.len++;
    line->at += word.len;
    line->len -= word.len;
    return word;
}

/* The names that such a file has of the machine itself. */
static bool is_own_name(struct tc_nf_text name)
{
    return tc_nf_is(name, "localhost") || tc_nf_is(name, "localhost.localdomain") ||
           tc_nf_is(name, "local") || tc_nf_is(name, "broadcasthost") ||
           tc_nf_is(name, "0.0.0.0") ||
           (name.len > 4 && !strncasecmp(name.at, "ip6-", 4));
}

static bool leads_nowhere(struct tc_nf_text address)
{
    return tc_nf_is(address, "0.0.0.0") || tc_nf_is(address, "127.0.0.1") ||
           tc_nf_is(address, "::") || tc_nf_is(address, "::1");
}

/* Whether all of it is what such a file has of the machine itself. */
static bool are_own_names(struct tc_nf_text names)
{
    struct tc_nf_text name;

    while ((name = next_word(&names)).len)
        if (!is_own_name(name))
            return false;
    return true;
}

static int take_hosts(struct tc_nf_list *list, struct tc_nf_text address,
                      struct tc_nf_text names)
{
    struct tc_nf_row row = {.type = {"host", 4}};
    int r = 0;

    if (are_own_names(names))
        return 0;
    if (!leads_nowhere(address)) {
        tc_nf_list_refuse(list, NULL,
                          "there is more than one value; write one a line, or, as in "
                          "/etc/hosts, 0.0.0.0 and a name");
        return 0;
    }
    while (!r && (row.value = next_word(&names)).len)
        if (!is_own_name(row.value))
            r = tc_nf_list_take(list, &row, NULL);
    return r;
}

static int take_line(struct tc_nf_list *list, struct tc_nf_text line)
{
    struct tc_nf_row row = {.value = next_word(&line)};
    struct tc_nf_text rest = line;

    if (!row.value.len)
        return 0;
    if (next_word(&rest).len)
        return take_hosts(list, row.value, line);
    return tc_nf_list_take(list, &row, NULL);
}

int tc_nf_list_read_plain(struct tc_nf_list *list)
{
    struct tc_nf_text line = {.len = 0};
    int r;

    while ((r = tc_nf_list_line(list, false, &line)) > 0) {
        r = take_line(list, line);
        if (r)
            break;
    }
    return r;
}

/* ---- CSV ---- */

struct columns {
    size_t value, type, action, expires, severity, reason;
};

static int read_header(struct tc_nf_list *list, struct tc_nf_csv *csv,
                       struct columns *columns)
{
    char why[TC_NF_WHY_MAX];
    struct tc_nf_text line = {.len = 0};
    int r = tc_nf_list_line(list, true, &line);

    if (r <= 0)
        return r;
    if (tc_nf_csv_split(csv, line, why))
        return tc_nf_list_fail(list, -EINVAL, "%s", why);
    *columns = (struct columns){
        .value = tc_nf_csv_column(csv, "value|indicator|ioc|ioc_value"),
        .type = tc_nf_csv_column(csv, "type|indicator_type|ioc_type"),
        .action = tc_nf_csv_column(csv, "action"),
        .expires = tc_nf_csv_column(csv, "expires|expiration|valid_until"),
        .severity = tc_nf_csv_column(csv, "severity"),
        .reason = tc_nf_csv_column(csv, "reason|description|comment"),
    };
    if (columns->value == TC_NF_CSV_NONE)
        return tc_nf_list_fail(list, -EINVAL,
                               "no column is named value or indicator; the first line of "
                               "CSV names the columns");
    return 1;
}

static int take_record(struct tc_nf_list *list, struct tc_nf_csv *csv,
                       const struct columns *columns, struct tc_nf_text line)
{
    char why[TC_NF_WHY_MAX];
    struct tc_nf_row row;

    if (tc_nf_csv_split(csv, line, why)) {
        tc_nf_list_refuse(list, NULL, why);
        return 0;
    }
    row = (struct tc_nf_row){.value = tc_nf_csv_field(csv, columns->value),
                             .type = tc_nf_csv_field(csv, columns->type),
                             .action = tc_nf_csv_field(csv, columns->action),
                             .expires = tc_nf_csv_field(csv, columns->expires),
                             .severity = tc_nf_csv_field(csv, columns->severity),
                             .reason = tc_nf_csv_field(csv, columns->reason)};
    return tc_nf_list_take(list, &row, NULL);
}

int tc_nf_list_read_csv(struct tc_nf_list *list)
{
    struct columns columns = {.value = 0};
    struct tc_nf_csv csv;
    struct tc_nf_text line = {.len = 0};
    int r = tc_nf_csv_init(&csv);

    if (r)
        return tc_nf_list_fail(list, r, "%s", strerror(-r));
    r = read_header(list, &csv, &columns);
    while (r > 0 && (r = tc_nf_list_line(list, true, &line)) > 0) {
        r = take_record(list, &csv, &columns, line);
        r = r ? r : 1;
    }
    tc_nf_csv_done(&csv);
    return r;
}

/* ---- Which it is ---- */

static bool ends_with(const char *path, const char *extension)
{
    const char *dot = strrchr(path, '.');

    return dot && !strcasecmp(dot, extension);
}

/* By the name, and where that says nothing by the first line that is no comment: no value
 * has a comma in it. */
static int read_by_content(struct tc_nf_list *list)
{
    struct tc_nf_text ahead = tc_nf_input_ahead(&list->input), line;
    const char *end;

    for (;;) {
        end = memchr(ahead.at, '\n', ahead.len);
        line = tc_nf_trim(
            (struct tc_nf_text){ahead.at, end ? (size_t)(end - ahead.at) : ahead.len});
        if (!end || (line.len && line.at[0] != '#'))
            break;
        ahead.len -= (size_t)(end + 1 - ahead.at);
        ahead.at = end + 1;
    }
    if (line.len && (line.at[0] == '{' || line.at[0] == '['))
        return tc_nf_list_read_stix(list);
    if (line.len && line.at[0] != '#' && memchr(line.at, ',', line.len))
        return tc_nf_list_read_csv(list);
    return tc_nf_list_read_plain(list);
}

int tc_nf_list_read(struct tc_nf_list *list, int fd)
{
    struct tc_nf_text ahead;
    int r = tc_nf_input_init(&list->input, fd, TC_NF_LIST_BYTES_MAX);

    if (r)
        return tc_nf_list_fail(list, r, "%s", strerror(-r));
    ahead = tc_nf_input_ahead(&list->input);
    if (ahead.len >= 3 && !memcmp(ahead.at, "\xef\xbb\xbf", 3)) /* byte order mark */
        tc_nf_input_skip(&list->input, 3);
    r = input_failed(list);
    if (!r && ends_with(list->path, ".csv"))
        r = tc_nf_list_read_csv(list);
    else if (!r && (ends_with(list->path, ".json") || ends_with(list->path, ".stix")))
        r = tc_nf_list_read_stix(list);
    else if (!r)
        r = read_by_content(list);
    if (list->input.error) /* whatever it looked like to the reader */
        r = input_failed(list);
    tc_nf_input_done(&list->input);
    return r;
}
