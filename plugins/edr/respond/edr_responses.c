/* SPDX-License-Identifier: Apache-2.0 */
#include "respond/edr_responses.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBLEM_BYTES 512

static const char *const names[TC_EDR_ACTIONS] = {
    [TC_EDR_SUSPEND] = "suspend",
    [TC_EDR_KILL] = "kill",
    [TC_EDR_QUARANTINE] = "quarantine",
    [TC_EDR_ISOLATE] = "isolate",
};

struct entry {
    char *text, *rule_id; /* rule_id NULL: it is not written as an entry is */
    unsigned bit;         /* 0: no such action */
};

struct tc_edr_responses {
    struct entry *entries;
    size_t count;
    char problem[PROBLEM_BYTES];
};

const char *tc_edr_action_name(enum tc_edr_action action)
{
    return names[action];
}

static char *trim(char *text)
{
    size_t n;

    text += strspn(text, " \t");
    n = strlen(text);
    while (n && strchr(" \t", text[n - 1]))
        n--;
    text[n] = '\0';
    return text;
}

static unsigned bit_of(const char *action)
{
    for (unsigned i = 0; i < TC_EDR_ACTIONS; i++)
        if (!strcmp(names[i], action))
            return 1u << i;
    return 0;
}

/* A rule's id may hold either separator; an action holds none. */
static char *last_separator(char *text)
{
    char *colon = strrchr(text, ':'), *equals = strrchr(text, '=');

    return !colon || (equals && equals > colon) ? equals : colon;
}

static int read_entry(struct entry *entry, const char *text)
{
    char *at, *id;

    entry->text = strdup(text);
    entry->rule_id = strdup(text);
    if (!entry->text || !entry->rule_id)
        return -ENOMEM;
    at = last_separator(entry->rule_id);
    if (at) {
        *at = '\0';
        entry->bit = bit_of(trim(at + 1));
        id = trim(entry->rule_id);
        memmove(entry->rule_id, id, strlen(id) + 1);
    }
    if (!at || !*entry->rule_id) {
        free(entry->rule_id);
        entry->rule_id = NULL;
    }
    return 0;
}

int tc_edr_responses_new(const char *const *entries, size_t count,
                         struct tc_edr_responses **ret_responses)
{
    struct tc_edr_responses *responses = calloc(1, sizeof(*responses));
    int err = -ENOMEM;

    if (responses)
        responses->entries = calloc(count + 1, sizeof(*responses->entries));
    if (responses && responses->entries)
        err = 0;
    for (size_t i = 0; !err && i < count; i++) {
        responses->count++;
        err = read_entry(&responses->entries[i], entries[i]);
    }
    if (err)
        tc_edr_responses_free(responses);
    else
        *ret_responses = responses;
    return err;
}

void tc_edr_responses_free(struct tc_edr_responses *responses)
{
    if (!responses)
        return;
    for (size_t i = 0; i < responses->count; i++) {
        free(responses->entries[i].text);
        free(responses->entries[i].rule_id);
    }
    free(responses->entries);
    free(responses);
}

unsigned tc_edr_responses_find(const struct tc_edr_responses *responses,
                               const char *rule_id)
{
    unsigned actions = 0;

    for (size_t i = 0; rule_id && i < responses->count; i++)
        if (responses->entries[i].rule_id &&
            !strcmp(responses->entries[i].rule_id, rule_id))
            actions |= responses->entries[i].bit;
    return actions;
}

size_t tc_edr_responses_count(const struct tc_edr_responses *responses)
{
    return responses->count;
}

const char *tc_edr_responses_text(const struct tc_edr_responses *responses, size_t index)
{
    return responses->entries[index].text;
}

const char *tc_edr_responses_problem(struct tc_edr_responses *responses, size_t index,
                                     bool (*is_rule)(void *arg, const char *rule_id),
                                     void *arg)
{
    const struct entry *entry = &responses->entries[index];
    const char *what = NULL;

    if (!entry->rule_id)
        what = "is not written as RULE-ID=ACTION";
    else if (!entry->bit)
        what = "names no action that there is: kill, suspend, quarantine or isolate";
    else if (!is_rule(arg, entry->rule_id))
        what = "is for a rule that is not loaded";
    if (!what)
        return NULL;
    snprintf(responses->problem, sizeof(responses->problem), "responses: \"%.300s\" %s",
             entry->text, what);
    return responses->problem;
}
