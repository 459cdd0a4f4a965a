/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/refusals.h"

#include <stdio.h>
#include <string.h>

static void count(struct tc_refused *refused, pid_t pid, const char *method,
                  uint64_t now_ns)
{
    size_t i = 0;

    if (!refused->count++)
        refused->first_ns = now_ns;
    refused->last_ns = now_ns;
    refused->pid = pid;
    while (i < refused->methods_len && strcmp(refused->methods[i].name, method) != 0)
        i++;
    if (i == TC_REFUSALS_METHODS_MAX)
        return;
    if (i == refused->methods_len) {
        (void)snprintf(refused->methods[i].name, TC_REFUSALS_METHOD_BYTES, "%s", method);
        refused->methods[i].count = 0;
        refused->methods_len++;
    }
    refused->methods[i].count++;
}

bool tc_refusals_note(struct tc_refusals *refusals, uid_t uid, pid_t pid,
                      const char *method, uint64_t now_ns)
{
    struct tc_refusals_caller *caller = refusals->callers;
    struct tc_refusals_caller *end = caller + refusals->callers_len;

    refusals->total++;
    while (caller < end && caller->refused.uid != uid)
        caller++;
    if (caller < end) {
        count(&caller->refused, pid, method, now_ns);
        return false;
    }
    if (refusals->callers_len == TC_REFUSALS_CALLERS_MAX) {
        if (!refusals->others.refused.count)
            refusals->others.told_at_ns = now_ns + TC_REFUSALS_PERIOD_NS;
        count(&refusals->others.refused, pid, method, now_ns);
        return false;
    }
    memset(caller, 0, sizeof(*caller));
    caller->refused.uid = uid;
    caller->told_at_ns = now_ns + TC_REFUSALS_PERIOD_NS;
    refusals->callers_len++;
    return true;
}

uint64_t tc_refusals_due(const struct tc_refusals *refusals)
{
    const struct tc_refusals_caller *others = &refusals->others;
    uint64_t due = others->refused.count ? others->told_at_ns : UINT64_MAX;

    for (size_t i = 0; i < refusals->callers_len; i++)
        if (refusals->callers[i].told_at_ns < due)
            due = refusals->callers[i].told_at_ns;
    return due;
}

static bool take(struct tc_refusals_caller *caller, uint64_t now_ns,
                 struct tc_refused *ret)
{
    if (!caller->refused.count || caller->told_at_ns > now_ns)
        return false;
    *ret = caller->refused;
    caller->refused.count = 0;
    caller->refused.methods_len = 0;
    caller->told_at_ns = now_ns + TC_REFUSALS_PERIOD_NS;
    return true;
}

bool tc_refusals_take(struct tc_refusals *refusals, uint64_t now_ns,
                      struct tc_refused *ret)
{
    size_t i = 0;

    while (i < refusals->callers_len) {
        struct tc_refusals_caller *caller = &refusals->callers[i];

        if (take(caller, now_ns, ret))
            return true;
        if (caller->told_at_ns <= now_ns)
            *caller = refusals->callers[--refusals->callers_len];
        else
            i++;
    }
    if (!take(&refusals->others, now_ns, ret))
        return false;
    ret->others = true;
    return true;
}
