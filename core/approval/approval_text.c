/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the words of an approval: names, and for a state the sentence and the command
 * that health, the command line and the portal show. Pure. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/approval/approval.h"
#include "core/approval/approval_priv.h"

#define NS_PER_S 1000000000u

/* The entry of a table of names; what is not in it is a bug of the caller's. */
#define NAME_OF(names, index)                                                            \
    ((size_t)(index) < sizeof(names) / sizeof(*(names)) ? (names)[index] : "?")

static const char *const gate_names[TC_GATES] = {
    [TC_GATE_ES_EXTENSION] = "es_extension",
    [TC_GATE_NETWORK_EXTENSION] = "network_extension",
    [TC_GATE_NETWORK_FILTER] = "network_filter",
    [TC_GATE_FULL_DISK_ACCESS] = "full_disk_access",
};

const char *tc_gate_name(enum tc_gate gate)
{
    return NAME_OF(gate_names, gate);
}

int tc_gate_find(const char *name, enum tc_gate *ret_gate)
{
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        if (strcmp(name, gate_names[g]) != 0)
            continue;
        *ret_gate = g;
        return 0;
    }
    return -EINVAL;
}

const char *tc_gate_state_name(enum tc_gate_state state)
{
    static const char *const names[] = {
        [TC_GATE_UNKNOWN] = "unknown",
        [TC_GATE_UNREQUESTED] = "unrequested",
        [TC_GATE_QUEUED] = "queued",
        [TC_GATE_PROMPTING] = "prompting",
        [TC_GATE_GRANTED] = "granted",
        [TC_GATE_DENIED] = "denied",
        [TC_GATE_REVOKED] = "revoked",
        [TC_GATE_FORBIDDEN] = "forbidden",
        [TC_GATE_REBOOT_REQUIRED] = "reboot_required",
        [TC_GATE_ERROR] = "error",
    };

    return NAME_OF(names, state);
}

const char *tc_gate_source_name(enum tc_gate_source source)
{
    static const char *const names[] = {
        [TC_GATE_BY_NOBODY] = "",
        [TC_GATE_BY_USER] = "user",
        [TC_GATE_BY_PROFILE] = "managed",
        [TC_GATE_BY_EARLIER_USER] = "preexisting",
    };

    return NAME_OF(names, source);
}

const char *tc_probe_result_name(enum tc_probe_result result)
{
    static const char *const names[] = {
        [TC_PROBE_OK] = "OK",
        [TC_PROBE_NOT_PRIVILEGED] = "NOT_PRIVILEGED",
        [TC_PROBE_NOT_PERMITTED] = "NOT_PERMITTED",
        [TC_PROBE_NOT_ENTITLED] = "NOT_ENTITLED",
        [TC_PROBE_TOO_MANY_CLIENTS] = "TOO_MANY_CLIENTS",
        [TC_PROBE_INTERNAL] = "INTERNAL",
    };

    return NAME_OF(names, result);
}

const char *tc_approval_phase_name(enum tc_approval_phase phase)
{
    static const char *const names[] = {
        [TC_APPROVAL_IDLE] = "idle",
        [TC_APPROVAL_PREREQ_FAILED] = "prerequisites_failed",
        [TC_APPROVAL_PROMPTING] = "prompting",
        [TC_APPROVAL_PROBING] = "probing",
        [TC_APPROVAL_FILTER_WAIT] = "filter_wait",
        [TC_APPROVAL_DISK_WAIT] = "disk_wait",
        [TC_APPROVAL_TIMED_OUT] = "timed_out",
        [TC_APPROVAL_DENIED] = "denied",
        [TC_APPROVAL_FORBIDDEN] = "forbidden",
        [TC_APPROVAL_ERROR] = "error",
        [TC_APPROVAL_RESTART_NEEDED] = "restart_needed",
        [TC_APPROVAL_COMPLETE] = "complete",
    };

    return NAME_OF(names, phase);
}

const char *tc_approval_topic(enum tc_approval_event_type what)
{
    static const char *const names[] = {
        [TC_APPROVAL_FLOW_STARTED] = "approval.flow_started",
        [TC_APPROVAL_PREREQUISITE_FAILED] = "approval.prerequisite_failed",
        [TC_APPROVAL_PROMPT_SHOWN] = "approval.prompt_shown",
        [TC_APPROVAL_PROMPT_WITHDRAWN] = "approval.prompt_withdrawn",
        [TC_APPROVAL_GRANTED] = "approval.granted",
        [TC_APPROVAL_LATE_GRANTED] = "approval.late_granted",
        [TC_APPROVAL_GATE_DENIED] = "approval.denied",
        [TC_APPROVAL_GATE_REVOKED] = "approval.revoked",
        [TC_APPROVAL_GATE_FORBIDDEN] = "approval.forbidden",
        [TC_APPROVAL_PROBE_FAILED] = "approval.probe_failed",
        [TC_APPROVAL_TIMEOUT] = "approval.timeout",
        [TC_APPROVAL_REFUSED] = "approval.refused",
        [TC_APPROVAL_FLOW_COMPLETED] = "approval.flow_completed",
    };

    return NAME_OF(names, what);
}

const char *tc_gate_extension_state(const struct tc_gate_view *gate)
{
    if (!gate->asked)
        return "not installed";
    switch (gate->state) {
    case TC_GATE_GRANTED:
        return "activated enabled";
    case TC_GATE_DENIED:
    case TC_GATE_FORBIDDEN:
    case TC_GATE_ERROR:
        return "activated disabled";
    case TC_GATE_REVOKED:
        return "terminated waiting to uninstall on reboot";
    case TC_GATE_REBOOT_REQUIRED:
        return "activated waiting for reboot";
    default:
        return "activated waiting for user";
    }
}

/* ---- Health issues. ---- */

/* A sentence and a command under way. */
struct issue {
    char *text, *fix;
};

#define SAY(issue, ...) (void)snprintf((issue)->text, 256, __VA_ARGS__)
#define FIX(issue, ...) (void)snprintf((issue)->fix, 128, __VA_ARGS__)

static bool say_prerequisite(struct issue *issue, const struct tc_approval_view *view,
                             size_t index)
{
    static const struct {
        const char *name, *fix;
    } fixes[] = {
        {"os_version", "upgrade the operating system and restart the machine"},
        {"product_version", "upgrade tocsin and run: systemctl restart tocsind"},
    };
    const struct tc_prerequisite *p = view->prerequisites;
    const struct tc_prerequisite *end = p + view->prerequisite_count;

    for (; p < end; p++)
        if (!p->met && !index--)
            break;
    if (p == end)
        return false;
    SAY(issue, "%s is %s, needed is %s", p->name, p->have, p->need);
    for (size_t i = 0; i < sizeof(fixes) / sizeof(*fixes); i++)
        if (!strcmp(p->name, fixes[i].name))
            FIX(issue, "%s", fixes[i].fix);
    if (!strcmp(p->name, "release_ring"))
        FIX(issue, "tocsin config set release_ring %.*s; systemctl restart tocsind",
            (int)strcspn(p->need, ","), p->need);
    return true;
}

static void say_prompt(struct issue *issue, const struct tc_approval_view *view)
{
    uint64_t seconds = view->left_ns / NS_PER_S + (view->left_ns % NS_PER_S != 0);

    SAY(issue, "waiting for approval: %s (%u of %u), %" PRIu64 " second%s left",
        tc_gate_name(view->gate), view->n, view->of, seconds, seconds == 1 ? "" : "s");
}

/* The extensions only: the others have no time to keep to. */
static void say_timeout(struct issue *issue, const struct tc_approval_view *view)
{
    const char *between = "";
    size_t n;

    SAY(issue, "approval timed out: ");
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        if (!(view->pending & 1u << g) || !tc_gate_is_extension(g))
            continue;
        n = strlen(issue->text);
        (void)snprintf(issue->text + n, 256 - n, "%s%s", between, tc_gate_name(g));
        between = ", ";
    }
}

static void say_refused(struct issue *issue, const struct tc_approval_view *view,
                        const struct tc_gate_view *gate)
{
    const char *name = tc_gate_name(view->gate);
    const char *done = gate->state == TC_GATE_REVOKED ? "revoked" : "refused";

    if (gate->managed != TC_GATE_UNMANAGED) {
        SAY(issue, "%s was refused by managed policy %s", name, gate->profile);
        FIX(issue, "tocsin profile check");
    } else if (*gate->profile) {
        SAY(issue, "%s was revoked: managed policy %s is gone", name, gate->profile);
    } else {
        SAY(issue, "%s was %s", name, done);
    }
}

static void say_error(struct issue *issue, const struct tc_approval_view *view,
                      const struct tc_gate_view *gate)
{
    SAY(issue, "%s does not work: %s (%s)", tc_gate_name(view->gate),
        tc_probe_result_name(gate->result),
        gate->error ? strerror(gate->error) : "no reason given");
    FIX(issue, "tocsin approval retry");
}

/* Says what the phase is, if anything. True when granting its gate is what helps. */
static bool say_phase(struct issue *issue, const struct tc_approval_view *view,
                      const struct tc_gate_view *gate)
{
    switch (view->phase) {
    case TC_APPROVAL_IDLE:
        SAY(issue, "starting");
        return false;
    case TC_APPROVAL_PROMPTING:
        say_prompt(issue, view);
        return true;
    case TC_APPROVAL_PROBING:
        SAY(issue, "%s is granted and is being checked", tc_gate_name(view->gate));
        return false;
    case TC_APPROVAL_FILTER_WAIT:
        SAY(issue, "network event provider not running");
        return true;
    case TC_APPROVAL_DISK_WAIT:
        SAY(issue, "full disk access has not been granted");
        return true;
    case TC_APPROVAL_TIMED_OUT:
        say_timeout(issue, view);
        return true;
    case TC_APPROVAL_DENIED:
        say_refused(issue, view, gate);
        return true;
    case TC_APPROVAL_FORBIDDEN:
        SAY(issue, "%s is blocked by managed policy %s", tc_gate_name(view->gate),
            gate->profile);
        FIX(issue, "tocsin profile check");
        return false;
    case TC_APPROVAL_ERROR:
        say_error(issue, view, gate);
        return false;
    case TC_APPROVAL_RESTART_NEEDED:
        SAY(issue, "approved too late for this run: the sensor changes at the next "
                   "start");
        FIX(issue, "systemctl restart tocsind");
        return false;
    default:
        return false;
    }
}

bool tc_approval_issue(const struct tc_approval_view *view,
                       const struct tc_gate_view gates[TC_GATES], size_t index,
                       char text[256], char fix[128])
{
    struct issue issue = {text, fix};

    *text = '\0';
    *fix = '\0';
    if (view->phase == TC_APPROVAL_PREREQ_FAILED)
        return say_prerequisite(&issue, view, index);
    if (index)
        return false;
    if (say_phase(&issue, view, &gates[view->gate]) && !*fix)
        FIX(&issue, "tocsin approval grant %s", tc_gate_name(view->gate));
    return *text != '\0';
}
