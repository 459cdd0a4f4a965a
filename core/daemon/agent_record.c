/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the look at the record from time to time, so that health knows of what no event
 * has come upon: a journal that cannot be written, was deleted, or does not read back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <tocsin/plugin.h>

#include "core/base/machine.h"
#include "core/daemon/agent_priv.h"
#include "core/journal/journal.h"

#define EVERY_MS 60000

static void on_checked(void *arg, int status)
{
    struct tc_agent *agent = arg;
    char text[160];

    agent->record_checking = false;
    if (status)
        snprintf(text, sizeof(text), "the record fails its self-test: %s",
                 strerror(-status));
    tc_notice_report(
        &agent->services.notice, "core",
        status ? TOCSIN_REPORT_ISSUE : TOCSIN_REPORT_CLEAR, "journal_check", text,
        status == -ENOSPC || status == -EDQUOT
            ? "free space on the disk of the state folder"
            : "make the state folder writable; then systemctl restart tocsind");
}

static void on_due(uv_timer_t *timer)
{
    struct tc_agent *agent = timer->data;

    if (agent->record_checking || !agent->services.journal)
        return;
    agent->record_checking =
        !tc_journal_check(agent->services.journal, tc_wall_ns(), on_checked, agent);
}

void tc_agent_watch_record(struct tc_agent *agent)
{
    uv_timer_start(&agent->record_timer, on_due, 0, EVERY_MS);
}
