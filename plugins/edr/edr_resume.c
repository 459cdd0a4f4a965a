/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: rpc.edr.resume: a process that was suspended, and all below it, go on. Nothing is
 * remembered of who was suspended, so it works after a restart, too. Loop thread but for
 * run().
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "edr.h"
#include "respond/edr_act.h"

struct resuming {
    struct tc_edr *edr;
    const struct tocsin_event *request; /* a reference */
    struct tc_edr_act act;
};

static void run(void *arg)
{
    struct resuming *resuming = arg;

    tc_edr_act_resume(&resuming->act);
}

static void answer(struct resuming *resuming)
{
    const struct tc_edr_outcome *outcome = &resuming->act.outcomes[TC_EDR_SUSPEND];
    struct tocsin_writer w;
    uint8_t buf[128];

    if (strcmp(outcome->status, "done") != 0) {
        tc_detector_refuse(resuming->edr->host, resuming->request,
                           !strcmp(outcome->status, "refused") ? "refused" : "not_found",
                           "process %d: %s", (int)resuming->act.who.pid, outcome->reason);
        return;
    }
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_int(&w, "pid", resuming->act.who.pid);
    tocsin_put_uint(&w, "processes", outcome->processes);
    tocsin_end(&w);
    tocsin_reply(resuming->edr->host, resuming->request, &w);
}

static void done(void *arg, int status)
{
    struct resuming *resuming = arg;
    struct tc_edr *edr = resuming->edr;

    if (status)
        tc_detector_refuse(edr->host, resuming->request, "failed",
                           "the plugin was stopped");
    else
        answer(resuming);
    edr->host->event_unref(edr->host, resuming->request);
    free(resuming);
}

/* A number, or one as text; 0: it is none. */
static int64_t pid_of(const struct tocsin_event *request)
{
    int64_t pid = tocsin_event_int(request, "pid", 0);
    struct tocsin_str text = tocsin_event_str(request, "pid");
    char digits[16], *end;

    if (text.ptr && text.len && text.len < sizeof(digits)) {
        memcpy(digits, text.ptr, text.len);
        digits[text.len] = '\0';
        pid = strtoll(digits, &end, 10);
        if (*end)
            pid = 0;
    }
    return pid > 0 && pid <= INT_MAX ? pid : 0;
}

void tc_edr_resume(struct tc_edr *edr, const struct tocsin_event *request)
{
    int64_t pid = pid_of(request);
    struct resuming *resuming = pid ? calloc(1, sizeof(*resuming)) : NULL;
    int r = resuming ? 0 : -ENOMEM;

    if (!pid) {
        tc_detector_refuse(edr->host, request, "usage",
                           "pid must be the number of a process");
        return;
    }
    if (!r) {
        resuming->edr = edr;
        resuming->request = request;
        resuming->act.host = edr->host;
        resuming->act.who.pid = pid;
        if (edr->processes)
            resuming->act.below_n = tc_edr_processes_below(
                edr->processes, resuming->act.who, resuming->act.below, TC_EDR_BELOW_MAX);
        r = tc_detector_work_submit(&edr->work, run, done, resuming);
    }
    if (!r) {
        edr->host->event_ref(edr->host, request);
        return;
    }
    free(resuming);
    tc_detector_refuse(edr->host, request, "failed", "%s", strerror(-r));
}
