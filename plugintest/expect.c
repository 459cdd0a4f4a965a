/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see expect.h. */
#include "plugintest/expect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/jsonpack.h"
#include "core/base/why.h"

struct one {
    json_object *wanted;
    bool met;
};

struct tc_expect {
    struct one *all;
    size_t count;
};

static int add(struct tc_expect *expect, const char *line, size_t len, char why[128])
{
    struct one *grown = reallocarray(expect->all, expect->count + 1, sizeof(*grown));
    json_object *wanted = NULL;
    int err;

    snprintf(why, 128, "out of memory");
    if (!grown)
        return -ENOMEM;
    expect->all = grown;
    err = tc_json_parse(line, len, &wanted, why);
    if (!err)
        expect->all[expect->count++] = (struct one){.wanted = wanted};
    return err;
}

int tc_expect_read(const char *path, struct tc_expect **ret_expect, char why[256])
{
    struct tc_expect *expect = calloc(1, sizeof(*expect));
    FILE *file = fopen(path, "re");
    unsigned long number = 0;
    char *line = NULL, wrong[128];
    size_t room = 0;
    int err = 0;

    if (!expect || !file) {
        err = expect ? -errno : -ENOMEM;
        tc_why(why, "%s: %s", path, strerror(-err));
    }
    while (!err && getline(&line, &room, file) >= 0) {
        number++;
        line[strcspn(line, "\r\n")] = '\0';
        if (line[strspn(line, " \t")])
            err = add(expect, line, strlen(line), wrong);
        if (err)
            tc_why(why, "%s:%lu: %s", path, number, wrong);
    }
    free(line);
    if (file)
        (void)fclose(file);
    if (err) {
        tc_expect_free(expect);
        return err;
    }
    *ret_expect = expect;
    return 0;
}

void tc_expect_free(struct tc_expect *expect)
{
    if (!expect)
        return;
    for (size_t i = 0; i < expect->count; i++)
        json_object_put(expect->all[i].wanted);
    free(expect->all);
    free(expect);
}

/* Whether `there` has all that `wanted` has; what is no object must be the same. */
static bool has(json_object *there, json_object *wanted)
{
    struct json_object_iterator at, end;
    json_object *inner;

    if (!json_object_is_type(wanted, json_type_object))
        return json_object_equal(there, wanted);
    if (!json_object_is_type(there, json_type_object))
        return false;
    at = json_object_iter_begin(wanted);
    end = json_object_iter_end(wanted);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
        if (!json_object_object_get_ex(there, json_object_iter_peek_name(&at), &inner) ||
            !has(inner, json_object_iter_peek_value(&at)))
            return false;
    return true;
}

void tc_expect_offer(struct tc_expect *expect, json_object *object)
{
    for (size_t i = 0; expect && i < expect->count; i++) {
        if (expect->all[i].met || !has(object, expect->all[i].wanted))
            continue;
        expect->all[i].met = true;
        return;
    }
}

const char *tc_expect_missed(const struct tc_expect *expect, size_t *at)
{
    while (expect && *at < expect->count) {
        const struct one *one = &expect->all[(*at)++];

        if (!one->met)
            return json_object_to_json_string_ext(
                one->wanted, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    }
    return NULL;
}
