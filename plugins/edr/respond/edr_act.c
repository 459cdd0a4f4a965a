/* SPDX-License-Identifier: Apache-2.0 */
#include "respond/edr_act.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "sensor_proc.h"
#include "sensor_signal.h"

static bool is_ours(void *arg, pid_t pid)
{
    const struct tc_edr_act *act = arg;

    return act->host->is_agent(act->host, pid);
}

static struct tc_sensor_who since_boot(const struct tc_edr_id *id, uint64_t boot_ns)
{
    uint64_t start = (uint64_t)id->start;

    return (struct tc_sensor_who){.pid = (pid_t)id->pid,
                                  .start_ns = start > boot_ns ? start - boot_ns : 0};
}

/*
 * Events count from the time of the start as it was when their sensor began; setting the
 * clock moves that. Takes the one by which the process is there, if any. Its pidfd, or
 * -ESRCH.
 */
static int open_process(struct tc_edr_act *act)
{
    const uint64_t boot_ns[] = {tc_sensor_proc_boot_ns(), act->boot_ns};
    struct tc_sensor_who who;
    int pidfd = -ESRCH;

    for (size_t i = 0; pidfd < 0 && i < sizeof(boot_ns) / sizeof(*boot_ns); i++) {
        act->boot_ns = boot_ns[i];
        who = since_boot(&act->who, act->boot_ns);
        pidfd = tc_sensor_open_process(&who);
    }
    return pidfd;
}

static void signal_tree(struct tc_edr_act *act, enum tc_edr_action action, int number,
                        bool is_there)
{
    const struct tc_sensor_signalling what = {
        .signal = number, .spare = is_ours, .arg = act};
    struct tc_sensor_who roots[1 + TC_EDR_BELOW_MAX];
    struct tc_edr_outcome *outcome = &act->outcomes[action];
    struct tc_sensor_signalled signalled;
    int err;

    roots[0] = since_boot(&act->who, act->boot_ns);
    for (size_t i = 0; i < act->below_n; i++)
        roots[i + 1] = since_boot(&act->below[i], act->boot_ns);
    err = tc_sensor_signal_tree(roots, 1 + act->below_n, &what, &signalled);
    if (err == -EPERM) {
        tc_edr_outcome_set(outcome, "refused",
                           "process %d is the agent's, the kernel's, or process 1",
                           (int)act->who.pid);
    } else if (err == -EACCES) {
        tc_edr_outcome_set(outcome, "failed", "the agent lacks the right: CAP_KILL");
    } else if (err) {
        tc_edr_outcome_set(outcome, "failed", "it had ended");
    } else {
        outcome->processes = signalled.count;
        tc_edr_outcome_set(outcome, "done", "%s%s",
                           is_there ? "" : "it had ended; these descend from it",
                           signalled.more ? "more were started than could be followed"
                                          : "");
    }
}

void tc_edr_act_run(struct tc_edr_act *act)
{
    int pidfd = open_process(act);

    /* The file first: once the process has gone, there is less to know it by. */
    if (act->actions & 1u << TC_EDR_QUARANTINE)
        tc_edr_program_find(act, pidfd);
    if (act->actions & 1u << TC_EDR_SUSPEND)
        signal_tree(act, TC_EDR_SUSPEND, SIGSTOP, pidfd >= 0);
    if (act->actions & 1u << TC_EDR_KILL)
        signal_tree(act, TC_EDR_KILL, SIGKILL, pidfd >= 0);
    if (pidfd >= 0)
        close(pidfd);
}

void tc_edr_act_resume(struct tc_edr_act *act)
{
    struct tc_sensor_who who = {.start_ns = 0};

    act->boot_ns = tc_sensor_proc_boot_ns();
    (void)tc_sensor_who_is((pid_t)act->who.pid, &who); /* or else it had ended */
    act->who.start = (int64_t)(act->boot_ns + who.start_ns);
    signal_tree(act, TC_EDR_SUSPEND, SIGCONT, true);
}
