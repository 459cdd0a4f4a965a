/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the gates: what must be granted before a sensor may run, who is asked, in which
 * order, and until when. Consent, managed profiles, the system's own answers (probes) and
 * the time come in as arguments; prompts, probes to make and events go out through
 * callbacks. Must not: look at a clock, read a file, log, or know plugins and sensors.
 * Pure.
 *
 *   prerequisites -> es_extension -> network_extension -> network_filter ->
 *   full_disk_access
 *
 * One gate is prompted at a time; a gate is queued until those before it are granted. A
 * gate is granted when somebody who may has said yes (root, or a managed profile) and the
 * system's own probe has then succeeded. The minute (`timeout_ns`) runs from the first
 * prompt of an extension until both extensions are granted; network_filter and
 * full_disk_access wait as long as it takes.
 */
#ifndef TC_CORE_APPROVAL_H
#define TC_CORE_APPROVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_APPROVAL_WHO_MAX 64      /* bytes of who answered, with the NUL */
#define TC_APPROVAL_PROFILE_MAX 128 /* bytes of a profile's name, with the NUL */
#define TC_PREREQUISITES_MAX 8

/* In the order in which they are asked. */
enum tc_gate {
    TC_GATE_ES_EXTENSION,
    TC_GATE_NETWORK_EXTENSION,
    TC_GATE_NETWORK_FILTER,
    TC_GATE_FULL_DISK_ACCESS,
    TC_GATES,
};

enum tc_gate_state {
    TC_GATE_UNKNOWN,     /* not looked at yet, or granted and its probe is out */
    TC_GATE_UNREQUESTED, /* not asked for: not needed, or its prompt was withdrawn */
    TC_GATE_QUEUED,      /* waits for the gates before it */
    TC_GATE_PROMPTING,
    TC_GATE_GRANTED,
    TC_GATE_DENIED,
    TC_GATE_REVOKED,
    TC_GATE_FORBIDDEN,       /* by a profile */
    TC_GATE_REBOOT_REQUIRED, /* granted too late: takes effect at the next start */
    TC_GATE_ERROR,           /* there is consent, but the system says no */
};

enum tc_gate_source {
    TC_GATE_BY_NOBODY,
    TC_GATE_BY_USER,
    TC_GATE_BY_PROFILE,      /* printed as "managed" */
    TC_GATE_BY_EARLIER_USER, /* consent kept from a run before; "preexisting" */
};

/* What the managed profiles say of a gate, all of them taken together. */
enum tc_gate_managed {
    TC_GATE_UNMANAGED,
    TC_GATE_PROFILE_ALLOWS,
    TC_GATE_PROFILE_DENIES,
    TC_GATE_PROFILE_FORBIDS,
};

/* The system's own answer, in EndpointSecurity's names (es_new_client_result_t). */
enum tc_probe_result {
    TC_PROBE_OK,
    TC_PROBE_NOT_PRIVILEGED, /* EPERM, and we are not root */
    TC_PROBE_NOT_PERMITTED,  /* EPERM as root, or no consent */
    TC_PROBE_NOT_ENTITLED,   /* the kernel cannot: ENOSYS, EINVAL on a permission mark */
    TC_PROBE_TOO_MANY_CLIENTS, /* EMFILE */
    TC_PROBE_INTERNAL,
};

enum tc_approval_answer {
    TC_ANSWER_GRANT,
    TC_ANSWER_DENY,
    TC_ANSWER_REVOKE,
};

enum tc_approval_phase {
    TC_APPROVAL_IDLE,           /* not begun */
    TC_APPROVAL_PREREQ_FAILED,  /* nobody is asked */
    TC_APPROVAL_PROMPTING,      /* an extension's prompt shows: the minute runs */
    TC_APPROVAL_PROBING,        /* consent is there, the system's answer is not yet */
    TC_APPROVAL_FILTER_WAIT,    /* network_filter prompts */
    TC_APPROVAL_DISK_WAIT,      /* full_disk_access prompts */
    TC_APPROVAL_TIMED_OUT,      /* the minute has ended; a late grant is taken */
    TC_APPROVAL_DENIED,         /* `gate` was denied or revoked */
    TC_APPROVAL_FORBIDDEN,      /* `gate`, by a profile */
    TC_APPROVAL_ERROR,          /* `gate`'s probe failed */
    TC_APPROVAL_RESTART_NEEDED, /* all granted, but too late for this run */
    TC_APPROVAL_COMPLETE,
};

struct tc_prerequisite {
    const char *name;        /* "os_version", "product_version", "release_ring" */
    const char *have, *need; /* valid as long as the approval */
    bool met;
};

struct tc_approval_config {
    bool required; /* false: every gate counts as granted unless a profile says no */
    uint64_t timeout_ns;
    bool late_swap; /* a late grant takes effect at once; else at the next start */
    bool all_gates; /* es needs every gate; else es_extension and full_disk_access only */
};

enum tc_approval_event_type {
    TC_APPROVAL_FLOW_STARTED,        /* approval.flow_started {gates} */
    TC_APPROVAL_PREREQUISITE_FAILED, /* approval.prerequisite_failed, one each */
    TC_APPROVAL_PROMPT_SHOWN,        /* approval.prompt_shown {gate, n, of, deadline} */
    TC_APPROVAL_PROMPT_WITHDRAWN,    /* approval.prompt_withdrawn {gate, reason} */
    TC_APPROVAL_GRANTED,             /* approval.granted {gate, source, who or profile};
                                        also when a profile comes to be the source of a
                                        granted gate, or ceases to */
    TC_APPROVAL_LATE_GRANTED,        /* approval.late_granted, instead of the above */
    TC_APPROVAL_GATE_DENIED,         /* approval.denied {gate, who or profile} */
    TC_APPROVAL_GATE_REVOKED,        /* approval.revoked {gate, who or profile} */
    TC_APPROVAL_GATE_FORBIDDEN,      /* approval.forbidden {gate, profile} */
    TC_APPROVAL_PROBE_FAILED,        /* approval.probe_failed {gate, result, errno} */
    TC_APPROVAL_TIMEOUT,             /* approval.timeout {pending} */
    TC_APPROVAL_REFUSED,             /* approval.refused {gate, who, reason} */
    TC_APPROVAL_FLOW_COMPLETED,      /* approval.flow_completed */
};

/* Valid inside the callback only. What does not apply is 0, NULL or "". */
struct tc_approval_event {
    enum tc_approval_event_type what;
    enum tc_gate gate;
    unsigned gates;   /* set of 1 << gate: asked for, pending */
    unsigned n, of;   /* prompt n of all that will show */
    uint64_t left_ns; /* until the timeout; 0: untimed */
    enum tc_gate_source source;
    enum tc_probe_result result;
    int error; /* the raw errno, positive */
    const char *who, *profile, *reason;
    const struct tc_prerequisite *prerequisite;
};

struct tc_approval_callbacks {
    void *arg;
    void (*event)(void *arg, const struct tc_approval_event *event);
    /* Asks the system; the answer comes by tc_approval_probed with the same ticket, later
     * or at once. */
    void (*probe)(void *arg, enum tc_gate gate, unsigned ticket);
};

/* What is known of one gate. Strings live until the next call that changes anything. */
struct tc_gate_view {
    enum tc_gate_state state;
    enum tc_gate_source source;
    bool asked;        /* it is needed: installed and enabled */
    bool consent;      /* a person has said yes, whatever profiles say */
    uint64_t since_ns; /* of this state, on the caller's clock */
    enum tc_gate_managed managed;
    enum tc_probe_result result;
    int error;
    const char *who, *profile; /* the profile that is, or was, the reason; else "" */
};

struct tc_approval_view {
    enum tc_approval_phase phase;
    enum tc_gate gate;    /* the one that the phase is about */
    unsigned n, of;       /* of the prompt */
    uint64_t left_ns;     /* PROMPTING: until the timeout */
    unsigned pending;     /* set of 1 << gate: asked for and not granted */
    bool primary_allowed; /* es may hold the slot */
    bool network_allowed; /* netfilter may run */
    bool settled;         /* no probe is out */
    const struct tc_prerequisite *prerequisites;
    size_t prerequisite_count;
};

struct tc_approval;
struct tc_pack;

struct tc_approval *tc_approval_new(const struct tc_approval_config *config,
                                    const struct tc_approval_callbacks *callbacks);
void tc_approval_free(struct tc_approval *approval); /* takes NULL */

/*
 * What is known before the flow begins; each may change later too, and is acted upon at
 * once. set_gates: which are asked for (set of 1 << gate): those of an extension that is
 * not installed or not enabled are excluded. set_consent: kept from an earlier run; NULL:
 * it is void (another binary), and the gate is asked for as if it had never been given.
 * set_managed, UNMANAGED: the profile is gone; what it alone had granted is revoked.
 *
 * Callbacks may call in again, any of these functions but free.
 */
void tc_approval_configure(struct tc_approval *approval,
                           const struct tc_approval_config *config, uint64_t now_ns);
void tc_approval_set_gates(struct tc_approval *approval, unsigned gates, uint64_t now_ns);
void tc_approval_set_prerequisites(struct tc_approval *approval,
                                   const struct tc_prerequisite *list, size_t count,
                                   uint64_t now_ns);
void tc_approval_set_consent(struct tc_approval *approval, enum tc_gate gate,
                             const char *who, uint64_t now_ns);
void tc_approval_set_managed(struct tc_approval *approval, enum tc_gate gate,
                             enum tc_gate_managed managed, const char *profile,
                             uint64_t now_ns);

/*
 * Probes what has consent already, without showing a prompt (the bridge may still be
 * arming); then begin shows the first prompt. begin twice is harmless.
 */
void tc_approval_prepare(struct tc_approval *approval, uint64_t now_ns);
void tc_approval_begin(struct tc_approval *approval, uint64_t now_ns);

/*
 * Somebody answers. Whether they may is the caller's to judge; an answer that was refused
 * there goes to tc_approval_refuse, for the record. Errors, with one sentence in
 * `why`: -EBUSY another gate must be answered first (named); -EPERM a profile says
 * otherwise (named); -EALREADY it is so, nothing changes; -ENOENT the gate is not asked
 * for; -EINVAL approval is not required; -EAGAIN the prerequisites are not met (named).
 * Each of them is an event TC_APPROVAL_REFUSED too. Full disk access may be answered at
 * any time.
 */
int tc_approval_answer(struct tc_approval *approval, enum tc_gate gate,
                       enum tc_approval_answer answer, const char *who, uint64_t now_ns,
                       char why[256]);
void tc_approval_refuse(struct tc_approval *approval, enum tc_gate gate, const char *who,
                        const char *reason);

/* What answer would say, changing nothing. */
int tc_approval_may_answer(const struct tc_approval *approval, enum tc_gate gate,
                           enum tc_approval_answer answer, char why[256]);

/* The flow anew, with a full timeout: for what is denied, revoked, timed out or failed.
 */
void tc_approval_retry(struct tc_approval *approval, uint64_t now_ns);

/* The answer to callbacks.probe; one with an old ticket is ignored. */
void tc_approval_probed(struct tc_approval *approval, enum tc_gate gate, unsigned ticket,
                        enum tc_probe_result result, int error, uint64_t now_ns);

/* A probe that failed would succeed now: of an ERROR gate the system is asked anew. */
void tc_approval_probe_again(struct tc_approval *approval, enum tc_gate gate,
                             uint64_t now_ns);

/* The sensor that a gate stands for did not work though its probe succeeded (no canary):
 * the gate turns to ERROR until retry. */
void tc_approval_failed(struct tc_approval *approval, enum tc_gate gate, int error,
                        uint64_t now_ns);

/* Time passes. next_ns: when tick is due; UINT64_MAX: never. */
void tc_approval_tick(struct tc_approval *approval, uint64_t now_ns);
uint64_t tc_approval_next_ns(const struct tc_approval *approval);

void tc_approval_snapshot(const struct tc_approval *approval, uint64_t now_ns,
                          struct tc_approval_view *ret);
void tc_approval_gate(const struct tc_approval *approval, enum tc_gate gate,
                      struct tc_gate_view *ret);

/* approval_put.c: the answer of the method approval.list, or only its `gates`, into the
 * open map of p. */
void tc_approval_put(const struct tc_approval *approval, uint64_t now_ns,
                     struct tc_pack *p);
void tc_approval_put_gates(const struct tc_approval *approval, uint64_t now_ns,
                           struct tc_pack *p);

/* Names as users write and read them; -EINVAL for no such gate. */
const char *tc_gate_name(enum tc_gate gate);
int tc_gate_find(const char *name, enum tc_gate *ret_gate);
const char *tc_gate_state_name(enum tc_gate_state state);
const char *tc_gate_source_name(enum tc_gate_source source); /* "" for nobody */
const char *tc_probe_result_name(enum tc_probe_result result);
const char *tc_approval_phase_name(enum tc_approval_phase phase);
const char *tc_approval_topic(enum tc_approval_event_type what);

/*
 * approval_text.c: the health issue of a state: one sentence, and the one command that
 * helps. False when there is nothing to say (COMPLETE, or not required). Prerequisites
 * have one sentence each: ask with index 0, 1, ... until false.
 */
bool tc_approval_issue(const struct tc_approval_view *view,
                       const struct tc_gate_view gates[TC_GATES], size_t index,
                       char text[256], char fix[128]);

/* The state of a gate in the words of `systemextensionsctl list`: "activated waiting for
 * user", "activated enabled", "terminated waiting to uninstall on reboot", ... */
const char *tc_gate_extension_state(const struct tc_gate_view *gate);

#endif
