/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: which rules apply to the events of a log source, worked out once; see
 * scratch.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sigma/scratch.h"

/* What either side leaves open does not count. */
static bool agree(const char *rule, const char *event)
{
    return !rule || !event || !strcasecmp(rule, event);
}

/* The fields of atoms that point to rules of the view. */
static void find_fields(const struct tc_sigma_set *set, struct tc_view *view,
                        unsigned char *seen)
{
    for (size_t i = 0; i < set->atom_count; i++) {
        const struct tc_atom *atom = &set->atoms[i];

        for (size_t k = 0; !seen[atom->field] && k < atom->rule_count; k++)
            if (tc_bit(view->rules, atom->rules[k])) {
                seen[atom->field] = 1;
                view->fields[view->field_count++] = atom->field;
            }
    }
}

static void done(struct tc_view *view)
{
    free(view->category);
    free(view->product);
    free(view->service);
    free(view->rules);
    free(view->always);
    free(view->fields);
    *view = (struct tc_view){0};
}

static bool copy(const char *text, char **ret_copy)
{
    *ret_copy = text ? strdup(text) : NULL;
    return !text || *ret_copy;
}

static bool make(const struct tc_sigma_scratch *s, const struct tc_sigma_event *event,
                 struct tc_view *view)
{
    const struct tc_sigma_set *set = s->set;
    unsigned char *seen = calloc(set->field_count + 1, 1);

    *view = (struct tc_view){
        .rules = calloc(s->rule_words, sizeof(*view->rules)),
        .always = calloc(s->rule_words, sizeof(*view->always)),
        .fields = calloc(set->field_count + 1, sizeof(*view->fields)),
    };
    if (!view->rules || !view->always || !view->fields || !seen ||
        !copy(event->category, &view->category) ||
        !copy(event->product, &view->product) || !copy(event->service, &view->service)) {
        free(seen);
        done(view);
        return false;
    }
    for (size_t i = 0; i < set->rule_count; i++) {
        const struct tc_sigma_rule *info = &set->rules[i].info;

        if (agree(info->category, event->category) &&
            agree(info->product, event->product) && agree(info->service, event->service))
            tc_set_bit(view->rules, i);
    }
    for (size_t i = 0; i < set->always_count; i++)
        if (tc_bit(view->rules, set->always[i]))
            tc_set_bit(view->always, set->always[i]);
    find_fields(set, view, seen);
    free(seen);
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
        if (same(s->views[i].category, event->category) &&
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
