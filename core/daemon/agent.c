/* SPDX-License-Identifier: Apache-2.0 */
#include "core/daemon/agent_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/health.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/pulse.h"
#include "core/base/why.h"
#include "core/conf/config.h"
#include "core/daemon/crash_context.h"
#include "core/host/registry.h"
#include "core/journal/journal.h"
#include "core/protect/protection.h"
#include "core/verdict/judge.h"
#include "ipc/bus.h"
#include "ipc/event.h"

#define MS UINT64_C(1000000)
/* The loop has not turned for so long, and is not killed: the machine, or all of the
 * agent, stood still. */
#define STOOD_STILL_NS ((TC_PULSE_EVERY_MS + TC_PULSE_STALE_MS) * MS)
/* A killed agent takes a while to go: its sensors' marks and programs are taken away. */
#define LISTEN_TRIES 100
#define LISTEN_EVERY_MS 50
#define TURN_MAX 512     /* events delivered before the loop polls again, */
#define TURN_NS (5 * MS) /* or as many as fit into this, in steps of: */
#define TURN_STEP 16
#define LAST_TURN 1024 /* at the end, when nothing is polled any more */
#define DROPS_EVERY_MS 1000

/* ---- bus and loop ---- */

static void on_drop_timer(uv_timer_t *timer)
{
    struct tc_agent *agent = timer->data;

    if (!tc_bus_report_drops(agent->services.notice.bus))
        return;
    if (agent->protection)
        tc_protection_lost(agent->protection);
    uv_timer_start(timer, on_drop_timer, DROPS_EVERY_MS, 0);
}

/* Delivers for one turn. Each step is a sign of life: a long turn is none that hangs. */
static bool deliver(struct tc_agent *agent)
{
    uint64_t from_ns = uv_hrtime(), now_ns = from_ns;
    bool more = true;

    for (int left = TURN_MAX / TURN_STEP; more && left && now_ns - from_ns < TURN_NS;
         left--) {
        more = tc_bus_turn(agent->services.notice.bus, TURN_STEP);
        now_ns = uv_hrtime();
        atomic_store(&agent->services.pulse->turned_ns, now_ns);
    }
    return more;
}

static void on_turn(uv_check_t *check)
{
    struct tc_agent *agent = check->data;

    if (!deliver(agent)) {
        uv_idle_stop(&agent->turn_due);
        uv_check_stop(check);
    }
    /* The first loss is reported at once; while the timer runs, the next ones wait for
     * it. */
    if (tc_bus_has_drops(agent->services.notice.bus) &&
        !uv_is_active((uv_handle_t *)&agent->drop_timer))
        on_drop_timer(&agent->drop_timer);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is what keeps the loop from waiting */
}

static void on_wake(void *arg)
{
    struct tc_agent *agent = arg;

    uv_idle_start(&agent->turn_due, on_idle);
    uv_check_start(&agent->turn, on_turn);
}

/* CLOCK_BOOTTIME goes on while the machine is suspended, as the others do not. */
static uint64_t boot_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

static void look_at_the_clock(struct tc_agent *agent)
{
    uint64_t now = boot_ns(), still = now - agent->looked_ns;

    if (agent->looked_ns && still > STOOD_STILL_NS && agent->protection)
        tc_protection_stood_still(agent->protection, still);
    agent->looked_ns = now;
}

static void on_pulse(uv_timer_t *timer)
{
    struct tc_agent *agent = timer->data;

    atomic_store(&agent->services.pulse->turned_ns, uv_hrtime());
    tc_last_life_beat(&agent->last_life, agent->services.pulse->holder);
    look_at_the_clock(agent);
}

static void on_keep(void *arg, struct tc_event *event)
{
    struct tc_agent *agent = arg;

    if (agent->services.journal)
        tc_journal_store(agent->services.journal, event);
}

static int keep_what_matters(struct tc_agent *agent)
{
    static const char *const patterns[] = {
        "threat.*",    "alert.*",         "approval.*",  "sensor.*",
        "plugin.*",    "config.*",        "agent.*",     "network_filter.changed",
        "isolation.*", "verdict.timeout", "bus.dropped", NULL};
    const struct tc_subscription what = {.name = "journal",
                                         .patterns = patterns,
                                         .text = TC_BUS_BOTH,
                                         .deliver = on_keep,
                                         .arg = agent};

    return tc_bus_subscribe(agent->services.notice.bus, &what,
                            &agent->journal_subscriber);
}

/* ---- journal and health ---- */

static void on_journal_health(void *arg, const char *why, const char *fix)
{
    struct tc_agent *agent = arg;

    tc_notice_report(&agent->services.notice, "core",
                     why ? TOCSIN_REPORT_ISSUE : TOCSIN_REPORT_CLEAR, "journal", why,
                     fix);
}

/* It protects nobody and keeps nobody from being protected: a note. The next reload of
 * the configuration reads it again. */
static void note_machine_id(const struct tc_agent *agent, struct tc_health_numbers *ret)
{
    struct tc_health_issue *issue;

    if (tc_health_fact(agent->services.notice.health, "machine_id"))
        return;
    issue = tc_health_add(ret);
    if (!issue)
        return;
    issue->note = true;
    snprintf(issue->id, sizeof(issue->id), "core.machine_id");
    snprintf(issue->text, sizeof(issue->text),
             "this machine has no name of its own: /etc/machine-id cannot be used");
    snprintf(issue->fix, sizeof(issue->fix),
             "tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id && tocsin config "
             "reload");
}

/* What health shows beside what was reported. */
static void put_numbers(void *arg, struct tc_health_numbers *ret)
{
    const struct tc_agent *agent = arg;
    struct tc_bus_counters bus;

    memset(ret, 0, sizeof(*ret));
    tc_bus_counters(agent->services.notice.bus, &bus);
    ret->events_dropped = bus.dropped;
    ret->passive = tc_agent_passive(agent);
    ret->now_ns = uv_hrtime();
    if (agent->protection)
        tc_protection_numbers(agent->protection, ret);
    tc_agent_put_refused(agent, ret);
    note_machine_id(agent, ret);
    tc_registry_count(agent->services.registry, &ret->plugins_loaded,
                      &ret->plugins_failed);
}

/* ---- configuration ---- */

static void on_hangup_done(void *arg, int status, const char *why,
                           const struct tc_config_changes *changes)
{
    struct tc_agent *agent = arg;

    if (status) {
        tc_log(TOCSIN_LOG_ERROR, "agent",
               "configuration not taken, the old one stays in force: %s", why);
        tc_notice_note(&agent->services.notice, "config.refused", NULL, why);
        return;
    }
    tc_log(TOCSIN_LOG_NOTICE, "agent", "configuration reloaded%s%s",
           *changes->restart ? "; to take effect at the next start: " : "",
           changes->restart);
}

static void on_hangup(uv_signal_t *handle, int signum)
{
    struct tc_agent *agent = handle->data;

    (void)signum;
    agent->hangup_waits = !agent->booted; /* a plugin that is not ready is not changed */
    if (agent->booted)
        tc_agent_reload(agent, NULL, false, on_hangup_done, agent);
}

/* ---- stop ---- */

static void on_journal_closed(void *arg)
{
    struct tc_agent *agent = arg;

    agent->services.journal = NULL;
    uv_close((uv_handle_t *)&agent->turn, NULL);
    uv_close((uv_handle_t *)&agent->turn_due, NULL);
    uv_close((uv_handle_t *)&agent->pulse_timer, NULL);
    uv_close((uv_handle_t *)&agent->drop_timer, NULL);
    uv_close((uv_handle_t *)&agent->record_timer, NULL);
    uv_close((uv_handle_t *)&agent->term, NULL);
    uv_close((uv_handle_t *)&agent->interrupt, NULL);
    uv_close((uv_handle_t *)&agent->hangup, NULL);
}

static void on_plugins_stopped(void *arg, int status, const char *why)
{
    struct tc_agent *agent = arg;

    (void)status;
    (void)why;
    tc_notice_note(&agent->services.notice, "agent.stopped", NULL, "asked to stop");
    /* The last word of every plugin reaches the journal before it closes. */
    while (tc_bus_turn(agent->services.notice.bus, LAST_TURN))
        ;
    tc_judge_free(agent->services.judge);
    agent->services.judge = NULL;
    tc_protection_free(agent->protection);
    agent->protection = NULL;
    tc_bus_unsubscribe(agent->journal_subscriber);
    agent->journal_subscriber = NULL;
    if (agent->services.journal)
        tc_journal_close(agent->services.journal, on_journal_closed, agent);
    else
        on_journal_closed(agent);
}

static void on_control_stopped(void *arg)
{
    struct tc_agent *agent = arg;

    tc_registry_stop(agent->services.registry, on_plugins_stopped, agent);
}

static void stop(struct tc_agent *agent)
{
    struct tc_control *control;

    if (agent->stopping)
        return;
    agent->stopping = true;
    tc_last_life_stop(&agent->last_life, agent->services.pulse->holder);
    control = agent->control;
    agent->control = NULL;
    if (agent->protection)
        tc_protection_stop(agent->protection);
    if (control)
        tc_control_stop(control, on_control_stopped, agent);
    else
        on_control_stopped(agent);
}

static void on_stop_signal(uv_signal_t *handle, int signum)
{
    (void)signum;
    stop(handle->data);
}

/* ---- start ---- */

static void say_ready(struct tc_agent *agent)
{
    if (!agent->booted || !agent->settled)
        return;
    atomic_store(&agent->services.pulse->ready, true);
    tc_log(TOCSIN_LOG_NOTICE, "agent", "ready");
}

/* A sensor protects, or none can before an approval. */
static void on_settled(void *arg)
{
    struct tc_agent *agent = arg;

    agent->settled = true;
    tc_last_life_beat(&agent->last_life, agent->services.pulse->holder);
    say_ready(agent);
}

/* Each plugin runs, or has failed. */
static void on_booted(void *arg, int status, const char *why)
{
    struct tc_agent *agent = arg;

    (void)status;
    (void)why;
    agent->booted = true;
    tc_protection_judged(agent->protection);
    say_ready(agent);
    if (agent->hangup_waits)
        on_hangup(&agent->hangup, SIGHUP);
}

static int make_dirs(struct tc_agent *agent, char why[TC_WHY_MAX])
{
    const char *runtime =
        tc_options_text(tc_config_core(agent->services.config), "paths.runtime");
    int err;

    snprintf(agent->state_dir, sizeof(agent->state_dir), "%s",
             tc_options_text(tc_config_core(agent->services.config), "paths.state"));
    snprintf(agent->private_dir, sizeof(agent->private_dir), "%s/plugins",
             agent->state_dir);
    err = tc_machine_make_dir(agent->state_dir, 0700, why);
    if (!err)
        err = tc_machine_make_dir(agent->private_dir, 0700, why);
    if (!err)
        err = tc_machine_make_dir(runtime, 0755, why);
    return err;
}

static void init_handles(struct tc_agent *agent)
{
    uv_check_init(&agent->loop, &agent->turn);
    uv_idle_init(&agent->loop, &agent->turn_due);
    uv_timer_init(&agent->loop, &agent->pulse_timer);
    uv_timer_init(&agent->loop, &agent->drop_timer);
    uv_timer_init(&agent->loop, &agent->record_timer);
    uv_signal_init(&agent->loop, &agent->term);
    uv_signal_init(&agent->loop, &agent->interrupt);
    uv_signal_init(&agent->loop, &agent->hangup);
    agent->turn.data = agent->turn_due.data = agent;
    agent->pulse_timer.data = agent->drop_timer.data = agent->record_timer.data = agent;
    agent->term.data = agent->interrupt.data = agent->hangup.data = agent;
}

static void start_handles(struct tc_agent *agent)
{
    sigset_t hangup;

    uv_timer_start(&agent->pulse_timer, on_pulse, 0, TC_PULSE_EVERY_MS);
    uv_signal_start(&agent->term, on_stop_signal, SIGTERM);
    uv_signal_start(&agent->interrupt, on_stop_signal, SIGINT);
    uv_signal_start(&agent->hangup, on_hangup, SIGHUP);
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &hangup, NULL); /* the supervisor has blocked it */
}

/* What only a lack of memory can refuse. */
static int make_parts(struct tc_agent *agent)
{
    int err;

    agent->services.notice.health = tc_health_new();
    agent->services.notice.bus = tc_bus_new(on_wake, agent);
    if (!agent->services.notice.health || !agent->services.notice.bus)
        return -ENOMEM;
    err = tc_agent_make_plugins(agent);
    if (!err)
        err = keep_what_matters(agent);
    return err;
}

/* Waits for an agent that goes; one that stays refuses this one. */
static int start_control(struct tc_agent *agent, const struct tc_control_options *options,
                         char why[TC_WHY_MAX])
{
    const struct timespec moment = {.tv_nsec = LISTEN_EVERY_MS * (long)MS};
    int err = tc_control_start(options, &agent->control, why);

    for (int left = LISTEN_TRIES; err == -EADDRINUSE && left; left--) {
        nanosleep(&moment, NULL);
        atomic_store(&agent->services.pulse->turned_ns, uv_hrtime());
        err = tc_control_start(options, &agent->control, why);
    }
    return err;
}

/* What may refuse to work. After a failure, stop() takes down what there is. */
static int start(struct tc_agent *agent, char why[TC_WHY_MAX])
{
    struct tc_control_options control = {.services = &agent->services,
                                         .reload = tc_agent_reload,
                                         .edit = tc_agent_edit,
                                         .numbers = put_numbers,
                                         .arg = agent};
    int err = make_dirs(agent, why);

    if (err)
        return err;
    /* Without a journal the agent protects all the same; health says that nothing is
     * kept. */
    if (tc_journal_open(&agent->loop, agent->state_dir, on_journal_health, agent,
                        &agent->services.journal, why))
        on_journal_health(agent, why,
                          "make paths.state writable, then restart the agent");
    tc_agent_watch_record(agent);
    tc_agent_configure(agent);
    err = tc_protection_new(&agent->services, &agent->protection);
    if (err) {
        tc_why(why, "%s", strerror(-err));
        return err;
    }
    control.protection = agent->protection;
    err = start_control(agent, &control, why);
    if (err)
        return err;
    tc_agent_look_back(agent); /* there is no other agent whose traces these would be */
    err = tc_registry_boot(agent->services.registry, agent->services.config, on_booted,
                           agent, why);
    if (err)
        return err;
    tc_notice_note(&agent->services.notice, "agent.started", NULL, TOCSIN_VERSION);
    /* Now, and not when all plugins run: none of them may hold the sensors up. */
    tc_protection_start(agent->protection, on_settled, agent);
    return 0;
}

int tc_agent_run(struct tc_pulse *pulse, const struct tc_agent_options *options)
{
    struct tc_agent agent = {
        .options = options, .pid = getpid(), .last_life = {.fd = -1}};
    char why[TC_WHY_MAX];

    agent.services.loop = &agent.loop;
    agent.services.pulse = pulse;
    agent.services.state_dir = agent.state_dir;
    agent.services.private_dir = agent.private_dir;
    if (tc_agent_read_config(&agent, why)) {
        tc_log(TOCSIN_LOG_ERROR, "agent", "%s", why);
        return 1;
    }
    tc_machine_prepare();
    tc_crash_context_start(pulse);
    uv_loop_init(&agent.loop);
    tc_pool_make(&agent.pool, &agent.loop);
    init_handles(&agent);
    if (make_parts(&agent)) {
        tc_log(TOCSIN_LOG_ERROR, "agent", "cannot start: out of memory");
        return 1;
    }
    start_handles(&agent);
    if (start(&agent, why)) {
        tc_log(TOCSIN_LOG_ERROR, "agent", "cannot start: %s", why);
        agent.exit_status = 1;
        stop(&agent);
    }
    uv_run(&agent.loop, UV_RUN_DEFAULT);
    tc_registry_free(agent.services.registry);
    uv_run(&agent.loop, UV_RUN_DEFAULT);
    tc_bus_free(agent.services.notice.bus);
    tc_health_free(agent.services.notice.health);
    tc_config_free(agent.services.config);
    tc_pool_done(&agent.pool);
    if (uv_loop_close(&agent.loop))
        tc_log(TOCSIN_LOG_WARNING, "agent", "a handle was left open at the end");
    return agent.exit_status;
}
