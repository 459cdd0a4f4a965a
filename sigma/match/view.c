/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: which rules apply to the events of a log source, worked out once; see
 * scratch.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sigma/match/scratch.h"

/* What either side leaves open does not count. */
static bool agree(const char *rule, const char *event)
{
    return !rule || !event || !strcasecmp(rule, event);
}

static bool is_none(const char *part)
{
    return part && !*part;
}

/* A rule that names a product alone is about lines of its log files. What has no service,
 * or no category, is a record that was made of an event, and no such line. */
static bool applies(const struct tc_source *rule, const struct tc_sigma_event *event)
{
    if (rule->product && !rule->category && !rule->service &&
        (is_none(event->category) || is_none(event->service)))
        return false;
    return agree(rule->category, event->category) &&
           agree(rule->product, event->product) && agree(rule->service, event->service);
}

static enum tc_pass pass_of(const struct tc_sigma_set *set,
                            const struct tc_sigma_scan *scan, const struct tc_view *view)
{
    if (!scan->keys)
        return TC_PASS_REST;
    for (size_t i = 0; i < scan->count; i++) {
        const struct tc_atom *atom = &set->atoms[scan->literals[i].atom];

        for (size_t k = 0; k < atom->rule_count; k++)
            if (tc_bit(view->rules, atom->rules[k]))
                return TC_PASS_KEYS;
    }
    return TC_PASS_FOREIGN;
}

/* The passes over one field: scans of the set from `first` up to `end`. */
static void find_field_scans(const struct tc_sigma_set *set, const unsigned char *agrees,
                             struct tc_view *view, size_t first, size_t end,
                             uint32_t *count)
{
    struct tc_view_field *field = &view->fields[set->scans[first].field];

    for (int pass = 0; pass < TC_PASSES; pass++) {
        field->at[pass] = *count;
        for (size_t i = first; i < end; i++)
            if (agrees[set->scans[i].source] &&
                pass_of(set, &set->scans[i], view) == (enum tc_pass)pass)
                view->scans[(*count)++] = &set->scans[i];
    }
    field->at[TC_PASSES] = *count;
    if (field->at[TC_PASS_KEYS + 1] > field->at[TC_PASS_KEYS])
        view->key_fields[view->key_field_count++] = set->scans[first].field;
}

/* The passes for rules of the view. Those of a field follow each other in the set. */
static void find_scans(const struct tc_sigma_set *set, const unsigned char *agrees,
                       struct tc_view *view)
{
    uint32_t count = 0;
    size_t end;

    for (size_t i = 0; i < set->scan_count; i = end) {
        for (end = i + 1;
             end < set->scan_count && set->scans[end].field == set->scans[i].field;)
            end++;
        find_field_scans(set, agrees, view, i, end, &count);
    }
}

static void done(struct tc_view *view)
{
    free(view->category);
    free(view->product);
    free(view->service);
    free(view->rules);
    free(view->always);
    free(view->scans);
    free(view->fields);
    free(view->key_fields);
    *view = (struct tc_view){0};
}

static bool copy(const char *text, char **ret_copy)
{
    *ret_copy = text ? strdup(text) : NULL;
    return !text || *ret_copy;
}

static bool allocate(const struct tc_sigma_scratch *s, const struct tc_sigma_event *event,
                     struct tc_view *view)
{
    const struct tc_sigma_set *set = s->set;

    *view = (struct tc_view){
        .kind = event->kind,
        .rules = calloc(s->rule_words, sizeof(*view->rules)),
        .always = calloc(s->rule_words, sizeof(*view->always)),
        .scans = calloc(set->scan_count + 1, sizeof(*view->scans)),
        .fields = calloc(set->field_count + 1, sizeof(*view->fields)),
        .key_fields = calloc(set->field_count + 1, sizeof(*view->key_fields)),
    };
    return view->rules && view->always && view->scans && view->fields &&
           view->key_fields && copy(event->category, &view->category) &&
           copy(event->product, &view->product) && copy(event->service, &view->service);
}

static bool make(const struct tc_sigma_scratch *s, const struct tc_sigma_event *event,
                 struct tc_view *view)
{
    const struct tc_sigma_set *set = s->set;
    unsigned char *agrees = calloc(set->source_count + 1, 1);

    if (!allocate(s, event, view) || !agrees) {
        free(agrees);
        done(view);
        return false;
    }
    for (size_t i = 0; i < set->source_count; i++)
        agrees[i] = applies(&set->sources[i], event);
    for (size_t i = 0; i < set->rule_count; i++)
        if (set->rules[i].expr && agrees[set->rules[i].source] &&
            (!event->kind || event->can(event->kind, set, i)))
            tc_set_bit(view->rules, i);
    for (size_t i = 0; i < set->always_count; i++)
        if (tc_bit(view->rules, set->always[i]))
            tc_set_bit(view->always, set->always[i]);
    find_scans(set, agrees, view);
    free(agrees);
    return true;
}

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

const struct tc_view *tc_view_get(struct tc_sigma_scratch *s,
                                  const struct tc_sigma_event *event)
{
    struct tc_view made;
    size_t at;

    for (size_t i = 0; i < TC_VIEWS_MAX && s->views[i].rules; i++)
        if (s->views[i].kind == event->kind &&
            same(s->views[i].category, event->category) &&
            same(s->views[i].product, event->product) &&
            same(s->views[i].service, event->service))
            return &s->views[i];
    if (!make(s, event, &made))
        return NULL;
    at = s->view_count++ % TC_VIEWS_MAX;
    done(&s->views[at]);
    s->views[at] = made;
    return &s->views[at];
}

void tc_views_free(struct tc_sigma_scratch *s)
{
    for (size_t i = 0; i < TC_VIEWS_MAX; i++)
        done(&s->views[i]);
}
