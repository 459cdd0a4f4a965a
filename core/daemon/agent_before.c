/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what became of the core, or of the whole agent, before this one: found out once,
 * told, and held against the plugin that did it.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/machine.h"
#include "core/base/pulse.h"
#include "core/base/why.h"
#include "core/conf/config.h"
#include "core/daemon/agent_priv.h"
#include "core/host/registry.h"
#include "core/journal/journal.h"

#define CRASHES_MAX 3                                  /* of one plugin within ... */
#define CRASHES_WITHIN_NS (600 * UINT64_C(1000000000)) /* ... before it is disabled */

static void count_crash(struct tc_agent *agent, const char *name)
{
    uint64_t now = agent->services.pulse->end_to_ns;
    unsigned crashes = 0;
    char why[TC_WHY_MAX];

    if (!agent->services.journal)
        return;
    tc_journal_add_crash(agent->services.journal, name, now);
    if (tc_journal_count_crashes(agent->services.journal, name, now - CRASHES_WITHIN_NS,
                                 &crashes) ||
        crashes < CRASHES_MAX)
        return;
    tc_why(why, "plugin %s took the agent down %u times in 10 minutes and is disabled",
           name, crashes);
    tc_registry_disable_crashed(agent->services.registry, name, why);
}

/* Of a core before this one the supervisor knows; of an agent before, what that left. */
static void find(struct tc_agent *agent)
{
    const struct tc_last_life *life = &agent->last_life;
    struct tc_pulse *pulse = agent->services.pulse;

    tc_last_life_open(
        &agent->last_life,
        tc_options_text(tc_config_core(agent->services.config), "paths.runtime"),
        agent->state_dir);
    if (pulse->starts > 1 || !life->known)
        return;
    pulse->end = life->stopped ? TC_END_STOPPED : TC_END_KILLED;
    pulse->end_from_ns = life->alive_ns;
    pulse->end_to_ns = tc_wall_ns();
    snprintf(pulse->end_holder, sizeof(pulse->end_holder), "%s", life->holder);
}

static void report(struct tc_agent *agent)
{
    const struct tc_pulse *pulse = agent->services.pulse;
    static const char *const hows[] = {
        [TC_END_CRASHED] = "the agent crashed",
        [TC_END_HUNG] = "the agent's loop hung and it was killed",
        [TC_END_KILLED] = "the agent ended, and its supervisor with it",
    };
    struct tocsin_writer w;
    uint8_t buf[1024];

    if (pulse->end == TC_END_NONE || pulse->end == TC_END_STOPPED)
        return;
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, TOCSIN_FIELD_REASON, hows[pulse->end]);
    tocsin_put_uint(&w, "from", pulse->end_from_ns);
    tocsin_put_uint(&w, "to", pulse->end_to_ns);
    tocsin_put_int(&w, "signal", pulse->signal);
    tocsin_put_str(&w, "plugin", pulse->end_plugin);
    tocsin_put_uint(&w, "starts", pulse->starts);
    tocsin_end(&w);
    tc_notice_publish(&agent->services.notice, "agent.ended", &w);
    if (pulse->end_plugin[0])
        count_crash(agent, pulse->end_plugin);
}

void tc_agent_look_back(struct tc_agent *agent)
{
    find(agent);
    report(agent);
}
