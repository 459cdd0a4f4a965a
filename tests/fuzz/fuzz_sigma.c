/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a rule file: each document is refused with a place and a sentence, or is a
 * rule that an event goes through.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sigma/base/sigma.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void on_problem(void *arg, const struct tc_sigma_problem *problem)
{
    (void)arg;
    require(problem->text[0] != '\0' && !strchr(problem->text, '\n'));
    require(!strcmp(problem->file, "fuzz"));
}

static const char *placeholder(void *arg, const char *name, size_t i)
{
    (void)arg;
    return *name == 'p' && i < 2 ? "a*b" : NULL;
}

/* The event has each field that is asked for: a text, a number, or nothing. */
static bool field(void *arg, const char *name, size_t index, struct tc_sigma_value *ret)
{
    (void)arg;
    if (index)
        return false;
    *ret = (struct tc_sigma_value){.type = TC_SIGMA_TEXT};
    ret->text = (struct tocsin_str){name, strlen(name)};
    if (*name == 'n')
        *ret = (struct tc_sigma_value){TC_SIGMA_NUMBER, {"5", 1}, 5};
    else if (*name == 'z')
        ret->type = TC_SIGMA_NULL;
    return *name != 'x';
}

static bool any(void *arg, size_t index, struct tc_sigma_value *ret)
{
    static const char text[] = "curl -o /tmp/x\xc3\x84\xff|sh";

    (void)arg;
    *ret = (struct tc_sigma_value){TC_SIGMA_TEXT, {text, sizeof(text) - 1}, 0};
    return index < 2;
}

static void on_match(void *arg, const struct tc_sigma_match *match)
{
    require(tc_sigma_rule(arg, match->rule) != NULL);
    for (size_t i = 0; i < match->field_count; i++)
        require(match->fields[i].name && match->fields[i].value.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tc_sigma_options options = {.problem = on_problem,
                                             .placeholder = placeholder};
    struct tc_sigma_event event = {.field = field, .any = any};
    struct tc_sigma_scratch *scratch;
    struct tc_sigma_loader *loader;
    struct tc_sigma_set *set;

    require(tc_sigma_loader_new(&options, &loader) == 0);
    require(tc_sigma_loader_add_text(loader, "fuzz", (const char *)data, size) == 0);
    require(tc_sigma_loader_finish(loader, &set) == 0);
    require(tc_sigma_scratch_new(set, &scratch) == 0);
    for (event.time_ns = 1; event.time_ns < 4; event.time_ns++)
        tc_sigma_evaluate(set, scratch, &event, on_match, set);
    tc_sigma_scratch_free(scratch);
    tc_sigma_set_free(set);
    return 0;
}
