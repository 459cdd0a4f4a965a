/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the values of the event at hand, and the answers to atoms; see scratch.h. */
#include <errno.h>
#include <string.h>

#include "sigma/match/scratch.h"

static bool ask(const struct tc_sigma_scratch *s, uint32_t index, size_t value,
                struct tc_sigma_value *ret)
{
    const struct tc_sigma_event *event = s->event;
    const struct tc_field *field = &s->set->fields[index];

    if (index == TC_FIELD_ANY)
        return event->any && event->any(event->arg, value, ret);
    return event->numbered
               ? event->numbered(event->arg, field->number, field->name, value, ret)
               : event->field(event->arg, field->name, value, ret);
}

const struct tc_field_state *tc_values_of(struct tc_sigma_scratch *s, uint32_t field)
{
    struct tc_field_state *state = &s->fields[field];
    struct tc_value value = {.lower = {NULL, 0}};
    size_t index = 0;

    if (state->event == s->number)
        return state;
    state->event = s->number;
    state->first = s->value_count;
    while (ask(s, field, index, &value.is)) {
        if (index++ == TC_SIGMA_VALUES_MAX) {
            s->counters.values_cut++;
            break;
        }
        if (tc_grow(&s->values, &s->value_room, s->value_count, sizeof(*s->values)) < 0) {
            s->failed = true;
            break;
        }
        if (!value.is.text.ptr)
            value.is.text = (struct tocsin_str){"", 0};
        s->values[s->value_count++] = value;
    }
    state->count = s->value_count - state->first;
    return state;
}

void tc_value_lower(struct tc_sigma_scratch *s, struct tc_value *value)
{
    char *lower;

    if (value->lower.ptr)
        return;
    lower = tc_arena_take_raw(&s->arena, TC_FOLD_ROOM(value->is.text.len));
    if (!lower) {
        s->failed = true;
        value->lower = (struct tocsin_str){"", 0};
        return;
    }
    value->lower.ptr = lower;
    value->lower.len =
        tc_text_fold(lower, value->is.text.ptr, value->is.text.len, s->set->locale);
}

/* ---- The pass ---- */

static void hit(void *arg, uint32_t index)
{
    struct tc_sigma_scratch *s = arg;
    const struct tc_atom *atom = &s->set->atoms[index];

    if (tc_bit(s->hits, index))
        return;
    tc_set_bit(s->hits, index);
    for (size_t i = 0; i < atom->rule_count; i++)
        if (tc_bit(s->view->rules, atom->rules[i]))
            tc_set_bit(s->candidates, atom->rules[i]);
}

/* What the database would find, and more exactly. */
static void try_each(struct tc_sigma_scratch *s, const struct tc_sigma_scan *scan,
                     const struct tc_value *value)
{
    for (size_t i = 0; i < scan->count; i++)
        if (tc_value_matches(&s->set->atoms[scan->literals[i].atom], value, &s->work))
            hit(s, scan->literals[i].atom);
}

/* All values of the event in one text: a pass has its price even when it is short. */
static struct tocsin_str join(struct tc_sigma_scratch *s)
{
    const struct tc_field_state *state = tc_values_of(s, TC_FIELD_ANY);
    const struct tc_value *values = s->values + state->first;
    size_t len = 0, room = 0;
    char *text, *lower;

    if (s->joined.ptr)
        return s->joined;
    for (size_t i = 0; i < state->count; i++)
        room += values[i].is.text.len + 1;
    text = tc_arena_take_raw(&s->arena, room);
    lower = tc_arena_take_raw(&s->arena, TC_FOLD_ROOM(room));
    if (!text || !lower) {
        s->failed = true;
        return (struct tocsin_str){"", 0};
    }
    for (size_t i = 0; i < state->count; i++) {
        if (values[i].is.type == TC_SIGMA_NULL)
            continue;
        memcpy(text + len, values[i].is.text.ptr, values[i].is.text.len);
        len += values[i].is.text.len;
        text[len++] = TC_BETWEEN_VALUES;
    }
    len = tc_text_fold(lower, text, len, s->set->locale);
    s->joined = (struct tocsin_str){lower, len};
    return s->joined;
}

static void scan_values(struct tc_sigma_scratch *s, const struct tc_sigma_scan *scan)
{
    const struct tc_field_state *state = tc_values_of(s, scan->field);

    for (size_t i = state->first; i < state->first + state->count; i++) {
        struct tc_value *value = &s->values[i];

        if (value->is.type == TC_SIGMA_NULL)
            continue;
        tc_value_lower(s, value);
        if (!scan->database)
            try_each(s, scan, value);
        else if (!tc_sigma_scan_text(scan, value->lower, s->scan, hit, s))
            s->failed = true;
    }
}

void tc_field_scan(struct tc_sigma_scratch *s, uint32_t index, enum tc_pass pass)
{
    const struct tc_view_field *field = &s->view->fields[index];

    if (s->fields[index].scanned[pass] == s->number)
        return;
    s->fields[index].scanned[pass] = s->number;
    for (uint32_t i = field->at[pass]; i < field->at[pass + 1]; i++) {
        const struct tc_sigma_scan *scan = s->view->scans[i];

        if (index != TC_FIELD_ANY || !scan->database)
            scan_values(s, scan);
        else if (!tc_sigma_scan_text(scan, join(s), s->scan, hit, s))
            s->failed = true;
    }
}

/* ---- Atoms ---- */

static bool needs_lower(const struct tc_atom *atom)
{
    return !atom->cased && (atom->kind == TC_ATOM_TEXT || atom->kind == TC_ATOM_FIELD);
}

/* FIELD: whether the value is, or has in it, one of the other field. */
static bool agrees(struct tc_sigma_scratch *s, const struct tc_atom *atom, size_t value)
{
    const struct tc_field_state *state = tc_values_of(s, atom->other);

    for (size_t i = state->first; i < state->first + state->count; i++) {
        if (!atom->cased)
            tc_value_lower(s, &s->values[i]);
        if (tc_values_agree(atom, &s->values[value], &s->values[i]))
            return true;
    }
    return false;
}

const struct tc_value *tc_atom_value(struct tc_sigma_scratch *s, uint32_t index)
{
    const struct tc_atom *atom = &s->set->atoms[index];
    const struct tc_field_state *state = tc_values_of(s, atom->field);

    for (size_t i = state->first; i < state->first + state->count; i++) {
        if (needs_lower(atom))
            tc_value_lower(s, &s->values[i]);
        if (atom->kind == TC_ATOM_EXISTS ||
            (atom->kind == TC_ATOM_NULL && s->values[i].is.type == TC_SIGMA_NULL) ||
            (atom->kind == TC_ATOM_FIELD && agrees(s, atom, i)) ||
            tc_value_matches(atom, &s->values[i], &s->work))
            return &s->values[i];
    }
    return NULL;
}

static bool work_out(struct tc_sigma_scratch *s, uint32_t index)
{
    const struct tc_atom *atom = &s->set->atoms[index];

    if (atom->scanned) {
        tc_field_scan(s, atom->field, atom->rule_count ? TC_PASS_KEYS : TC_PASS_REST);
        if (atom->rule_count && !tc_bit(s->hits, index))
            tc_field_scan(s, atom->field, TC_PASS_FOREIGN);
        if (atom->sure || !tc_bit(s->hits, index))
            return tc_bit(s->hits, index);
    }
    if (atom->kind == TC_ATOM_NULL && !tc_values_of(s, atom->field)->count)
        return true;
    return tc_atom_value(s, index) != NULL;
}

bool tc_atom_true(struct tc_sigma_scratch *s, uint32_t index)
{
    bool answer;

    if (tc_bit(s->known, index))
        return tc_bit(s->truth, index);
    answer = work_out(s, index);
    tc_set_bit(s->known, index);
    if (answer)
        tc_set_bit(s->truth, index);
    return answer;
}
