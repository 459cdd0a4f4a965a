/* SPDX-License-Identifier: Apache-2.0 */
#include "indicators/nf_csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "indicators/nf_indicators.h" /* TC_NF_LINE_BYTES_MAX */

int tc_nf_csv_init(struct tc_nf_csv *csv)
{
    csv->count = 0;
    csv->unquoted = malloc(TC_NF_LINE_BYTES_MAX);
    return csv->unquoted ? 0 : -ENOMEM;
}

void tc_nf_csv_done(struct tc_nf_csv *csv)
{
    free(csv->unquoted);
}

static struct tc_nf_text from(struct tc_nf_text text, size_t at)
{
    return (struct tc_nf_text){text.at + at, text.len - at};
}

/* The field behind the quote that `rest` begins with, written to `*to`, which moves on;
 * `rest` is then what follows it. False when nothing closes it. */
static bool unquote(struct tc_nf_text *rest, char **to, struct tc_nf_text *ret_field)
{
    const char *quote;
    size_t len;

    *ret_field = (struct tc_nf_text){*to, 0};
    for (*rest = from(*rest, 1);; *rest = from(*rest, len + 2)) {
        quote = rest->len ? memchr(rest->at, '"', rest->len) : NULL;
        if (!quote)
            return false;
        len = (size_t)(quote - rest->at);
        memcpy(*to, rest->at, len);
        *to += len;
        if (len + 1 >= rest->len || quote[1] != '"')
            break;
        *(*to)++ = '"'; /* two of them are one */
    }
    *rest = from(*rest, len + 1);
    ret_field->len = (size_t)(*to - ret_field->at);
    return true;
}

int tc_nf_csv_split(struct tc_nf_csv *csv, struct tc_nf_text line,
                    char why[TC_NF_WHY_MAX])
{
    struct tc_nf_text rest = tc_nf_trim(line), field;
    char *to = csv->unquoted;
    const char *comma;
    bool more = true;

    for (csv->count = 0; more; csv->count++) {
        if (csv->count == TC_NF_CSV_FIELDS_MAX)
            return tc_nf_refuse(why, "there are more than %d fields",
                                TC_NF_CSV_FIELDS_MAX);
        rest = tc_nf_trim(rest);
        if (rest.len && rest.at[0] == '"') {
            if (!unquote(&rest, &to, &field))
                return tc_nf_refuse(why, "a quoted field has no end; close it, and "
                                         "write a quote within it twice");
            rest = tc_nf_trim(rest);
            if (rest.len && rest.at[0] != ',')
                return tc_nf_refuse(why, "something follows a quoted field; write a "
                                         "quote within it twice");
            more = rest.len;
            rest = from(rest, more);
        } else {
            comma = rest.len ? memchr(rest.at, ',', rest.len) : NULL;
            field = tc_nf_trim((struct tc_nf_text){
                rest.at, comma ? (size_t)(comma - rest.at) : rest.len});
            more = comma;
            rest = comma ? from(rest, (size_t)(comma + 1 - rest.at)) : rest;
        }
        csv->fields[csv->count] = field;
    }
    return 0;
}

size_t tc_nf_csv_column(const struct tc_nf_csv *csv, const char *words)
{
    size_t len;

    for (;; words += len + 1) {
        len = strcspn(words, "|");
        for (size_t i = 0; i < csv->count; i++)
            if (csv->fields[i].len == len && !strncasecmp(csv->fields[i].at, words, len))
                return i;
        if (!words[len])
            return TC_NF_CSV_NONE;
    }
}

struct tc_nf_text tc_nf_csv_field(const struct tc_nf_csv *csv, size_t column)
{
    return column < csv->count ? csv->fields[column] : (struct tc_nf_text){"", 0};
}
