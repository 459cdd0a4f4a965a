/* SPDX-License-Identifier: Apache-2.0 */
#include "core/protect/approver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/approval/probe.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/why.h"
#include "core/conf/config.h"
#include "core/conf/options.h"
#include "core/host/loader.h"
#include "core/host/registry.h"
#include "core/protect/approver_priv.h"

#define MS UINT64_C(1000000)

/* ---- probes ---- */

struct probe {
    uv_work_t work;
    struct tc_approver *approver;
    enum tc_gate gate;
    unsigned ticket;
    enum tc_probe_result result;
    int error;
};

static void probe_run(uv_work_t *work)
{
    struct probe *p = work->data;

    tc_probe_run(p->gate, p->approver->services->state_dir, &p->result, &p->error);
}

static void probe_done(uv_work_t *work, int status)
{
    struct probe *p = work->data;
    struct tc_approver *a = p->approver;

    if (!status && !a->closing) {
        tc_approval_probed(a->approval, p->gate, p->ticket, p->result, p->error,
                           uv_hrtime());
        tc_approver_changed(a);
    }
    free(p);
    tc_approver_release(a);
}

static void on_probe(void *arg, enum tc_gate gate, unsigned ticket)
{
    struct tc_approver *a = arg;
    struct probe *p;

    if (gate == TC_GATE_NETWORK_EXTENSION || gate == TC_GATE_NETWORK_FILTER) {
        tc_approver_network_probe(a, gate, ticket);
        return;
    }
    p = calloc(1, sizeof(*p));
    if (!p)
        return;
    p->approver = a;
    p->gate = gate;
    p->ticket = ticket;
    p->work.data = p;
    if (uv_queue_work(a->services->loop, &p->work, probe_run, probe_done))
        free(p);
    else
        a->work++;
}

/* ---- what the machine and the configuration say ---- */

static struct tc_approval_config config_of(const struct tc_services *services)
{
    const struct tc_options *core = tc_config_core(services->config);

    return (struct tc_approval_config){
        .required = tc_options_bool(core, "approval.required"),
        .timeout_ns = (uint64_t)tc_options_int(core, "approval.timeout") * MS,
        .late_swap = !strcmp(tc_options_text(core, "approval.late"), "swap"),
        .all_gates = !strcmp(tc_options_text(core, "approval.policy"), "all_gates"),
    };
}

static const char *primary(const struct tc_approver *a)
{
    return tc_options_text(tc_config_core(a->services->config), "sensor.primary");
}

/* The plugin that consent to a gate is given for, or NULL when it is not there. */
static const struct tc_plugin *plugin_of(const struct tc_approver *a, enum tc_gate gate)
{
    const struct tc_registry *registry = a->services->registry;
    bool network = gate == TC_GATE_NETWORK_EXTENSION || gate == TC_GATE_NETWORK_FILTER;
    const char *name = network
                           ? tc_registry_of_kind(registry, TOCSIN_KIND_NETWORK_EXTENSION)
                           : primary(a);

    return name && tc_registry_wants(registry, name) ? tc_registry_plugin(registry, name)
                                                     : NULL;
}

/* ---- consents ---- */

/* The hash of a plugin's file, as consents keep it. */
static void hash_of(const struct tc_plugin *plugin, uint8_t ret[TC_CONSENT_HASH_BYTES])
{
    const char *hex = tc_plugin_module(plugin)->sha256;
    char byte[3] = "";

    for (size_t i = 0; i < TC_CONSENT_HASH_BYTES; i++) {
        memcpy(byte, hex + 2 * i, 2);
        ret[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
}

/* Consent holds for the very file that it was given for. */
static void apply_consent(struct tc_approver *a, enum tc_gate gate)
{
    const struct tc_plugin *plugin = plugin_of(a, gate);
    uint8_t hash[TC_CONSENT_HASH_BYTES];
    struct tc_gate_view view;
    bool same;

    if (!a->consent.gates[gate].given || !plugin)
        return;
    hash_of(plugin, hash);
    same = !memcmp(a->consent.gates[gate].sha256, hash, sizeof(hash));
    tc_approval_gate(a->approval, gate, &view);
    if (same != view.consent)
        tc_approval_set_consent(a->approval, gate,
                                same ? a->consent.gates[gate].who : NULL, uv_hrtime());
    if (!same && !a->other_file[gate])
        tc_log(TOCSIN_LOG_WARNING, "approval",
               "%s was granted for another file of plugin %s: it has to be granted again",
               tc_gate_name(gate), tc_plugin_name(plugin));
    a->other_file[gate] = !same;
}

static void apply_consents(struct tc_approver *a)
{
    for (int g = 0; g < TC_GATES; g++)
        apply_consent(a, (enum tc_gate)g);
}

static void apply_gates(struct tc_approver *a)
{
    unsigned gates = 0;

    for (int g = 0; g < TC_GATES; g++)
        if (plugin_of(a, (enum tc_gate)g))
            gates |= 1u << g;
    tc_approval_set_gates(a->approval, gates, uv_hrtime());
}

/* An answer on its way to the disk. */
struct answer {
    uv_work_t work;
    struct tc_approver *approver;
    enum tc_gate gate;
    enum tc_approval_answer answer;
    struct tc_consent next;
    char who[TC_APPROVAL_WHO_MAX];
    int err;
    char why[TC_WHY_MAX];
    tc_approver_done_fn done;
    void *arg;
};

static void answer_store(uv_work_t *work)
{
    struct answer *answer = work->data;

    answer->err = tc_consent_write(answer->approver->services->state_dir, &answer->next,
                                   answer->why);
}

static void answer_stored(uv_work_t *work, int status)
{
    struct answer *answer = work->data;
    struct tc_approver *a = answer->approver;

    if (status && !answer->err)
        answer->err = status;
    a->storing = false;
    if (!answer->err) {
        tc_notice_report(&a->services->notice, "core", TOCSIN_REPORT_CLEAR, "consent",
                         NULL, NULL);
        a->consent = answer->next;
        answer->err = tc_approval_answer(a->approval, answer->gate, answer->answer,
                                         answer->who, uv_hrtime(), answer->why);
    }
    answer->done(answer->arg, answer->err, answer->why);
    tc_approver_changed(a);
    free(answer);
    tc_approver_release(a);
}

static void write_down(struct answer *answer, uid_t uid, pid_t pid)
{
    const struct tc_plugin *plugin = plugin_of(answer->approver, answer->gate);
    struct tc_consent_gate *gate = &answer->next.gates[answer->gate];

    answer->next = answer->approver->consent;
    memset(gate, 0, sizeof(*gate));
    if (answer->answer != TC_ANSWER_GRANT || !plugin)
        return;
    gate->given = true;
    gate->time_ns = tc_wall_ns();
    gate->uid = uid;
    gate->pid = pid;
    memcpy(gate->who, answer->who, sizeof(answer->who));
    hash_of(plugin, gate->sha256);
}

void tc_approver_answer(struct tc_approver *a, enum tc_gate gate,
                        enum tc_approval_answer what, uid_t uid, pid_t pid,
                        tc_approver_done_fn done, void *arg)
{
    struct answer *answer = NULL;
    char who[TC_APPROVAL_WHO_MAX], why[TC_WHY_MAX];
    int err;

    snprintf(who, sizeof(who), "uid %u (pid %d)", uid, pid);
    err = tc_approval_may_answer(a->approval, gate, what, why);
    if (!err && a->storing) {
        tc_why(why, "another answer is being stored: try again in a moment");
        err = -EAGAIN;
    }
    if (err) {
        if (err != -EALREADY)
            tc_approval_refuse(a->approval, gate, who, why);
        done(arg, err, why);
        return;
    }
    answer = calloc(1, sizeof(*answer));
    if (!answer) {
        done(arg, -ENOMEM, "out of memory");
        return;
    }
    answer->approver = a;
    answer->gate = gate;
    answer->answer = what;
    answer->done = done;
    answer->arg = arg;
    answer->work.data = answer;
    memcpy(answer->who, who, sizeof(who));
    write_down(answer, uid, pid);
    err = uv_queue_work(a->services->loop, &answer->work, answer_store, answer_stored);
    if (err) {
        free(answer);
        done(arg, err, "no thread to store the answer");
        return;
    }
    a->storing = true;
    a->work++;
}

/* ---- life ---- */

int tc_approver_new(const struct tc_services *services, void (*changed)(void *arg),
                    void *arg, struct tc_approver **ret_approver)
{
    const struct tc_approval_config config = config_of(services);
    struct tc_approver *a = calloc(1, sizeof(*a));
    struct tc_approval_callbacks callbacks = {
        .arg = a, .event = tc_approver_emit, .probe = on_probe};
    char why[TC_WHY_MAX];

    if (!a)
        return -ENOMEM;
    a->services = services;
    a->changed = changed;
    a->arg = arg;
    a->work = 1; /* the approver itself, until it is freed */
    a->approval = tc_approval_new(&config, &callbacks);
    if (!a->approval || tc_approver_profiles_init(a)) {
        tc_approver_destroy(a);
        return -ENOMEM;
    }
    uv_timer_init(services->loop, &a->timer);
    a->timer.data = a;
    if (tc_consent_read(services->state_dir, &a->consent, why))
        tc_notice_report(&services->notice, "core", TOCSIN_REPORT_ISSUE, "consent", why,
                         "tocsin approval grant es_extension");
    tc_approver_consent_watch(a);
    tc_approver_profiles_start(a);
    tc_approver_facts_read(a);
    *ret_approver = a;
    return 0;
}

void tc_approver_free(struct tc_approver *a)
{
    if (!a)
        return;
    a->closing = true;
    uv_timer_stop(&a->timer);
    uv_timer_stop(&a->consent_timer);
    tc_approver_profiles_stop(a);
    tc_approver_release(a);
}

void tc_approver_prepare(struct tc_approver *a)
{
    apply_gates(a);
    apply_consents(a);
    tc_approver_facts_apply(a);
    tc_approver_profiles_apply(a);
    tc_approval_prepare(a->approval, uv_hrtime());
    tc_approver_changed(a);
}

void tc_approver_begin(struct tc_approver *a)
{
    if (a->begun)
        return;
    a->begun = true;
    tc_approval_begin(a->approval, uv_hrtime());
    tc_approver_changed(a);
}

void tc_approver_configured(struct tc_approver *a)
{
    const struct tc_approval_config config = config_of(a->services);

    tc_approval_configure(a->approval, &config, uv_hrtime());
    apply_gates(a);
    tc_approver_facts_apply(a);
    tc_approver_changed(a);
}

void tc_approver_plugin(struct tc_approver *a, const char *name, const char *what)
{
    tc_approver_network_plugin(a, name, what);
    apply_gates(a);
    apply_consents(a);
    tc_approver_changed(a);
}

void tc_approver_retry(struct tc_approver *a)
{
    tc_approval_retry(a->approval, uv_hrtime());
    tc_approver_changed(a);
}

const struct tc_approval *tc_approver_approval(const struct tc_approver *a)
{
    return a->approval;
}

void tc_approver_snapshot(const struct tc_approver *a, struct tc_approval_view *ret,
                          struct tc_gate_view ret_gates[TC_GATES])
{
    tc_approval_snapshot(a->approval, uv_hrtime(), ret);
    for (int g = 0; ret_gates && g < TC_GATES; g++)
        tc_approval_gate(a->approval, (enum tc_gate)g, &ret_gates[g]);
}

const char *tc_approver_ring(const struct tc_approver *a, bool *ret_managed)
{
    if (ret_managed)
        *ret_managed = a->ring_managed;
    return a->ring;
}

const char *tc_approver_managed(const struct tc_approver *a)
{
    return a->managed;
}

const struct tc_profiles *tc_approver_profiles(const struct tc_approver *a)
{
    return a->profiles;
}
