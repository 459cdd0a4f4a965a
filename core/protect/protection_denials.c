/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: that a sensor which comes hears of what was denied before it did. kext refuses
 * what it knows; all else it lets run until it is judged, and what es has refused up to a
 * handover it would not know.
 */
#include <string.h>

#include "core/protect/protection_priv.h"
#include "core/verdict/judge.h"
#include "ipc/bus.h"
#include "ipc/event.h"

static void on_denied(void *arg, const struct tocsin_event *question)
{
    struct tc_protection *p = arg;
    int64_t device = tocsin_event_int(question, TOCSIN_FIELD_FILE_DEVICE, -1);
    int64_t inode = tocsin_event_int(question, TOCSIN_FIELD_FILE_INODE, -1);
    int64_t ctime_ns = tocsin_event_int(question, TOCSIN_FIELD_FILE_CTIME, -1);
    const struct tc_denial denial = {(uint64_t)device, (uint64_t)inode,
                                     (uint64_t)ctime_ns};

    if (device >= 0 && inode > 0 && ctime_ns >= 0)
        tc_denials_add(&p->denials, &denial);
}

/* What changes verdicts; a handover does not. */
static void on_reset(void *arg, struct tc_event *event)
{
    struct tc_protection *p = arg;
    struct tocsin_str reason = tocsin_event_str(&event->pub, TOCSIN_FIELD_REASON);

    if (!tocsin_str_is(reason, TC_PROTECTION_HANDOVER))
        tc_denials_forget(&p->denials);
}

int tc_protection_denials_start(struct tc_protection *p)
{
    static const char *const patterns[] = {TOCSIN_TOPIC_VERDICT_RESET, NULL};
    const struct tc_subscription what = {
        .name = "protection", .patterns = patterns, .deliver = on_reset, .arg = p};
    int err = tc_bus_subscribe(p->services->notice.bus, &what, &p->resets);

    if (!err)
        tc_judge_on_denied(p->services->judge, on_denied, p);
    return err;
}

void tc_protection_denials_stop(struct tc_protection *p)
{
    if (p->services->judge)
        tc_judge_on_denied(p->services->judge, NULL, NULL);
    tc_bus_unsubscribe(p->resets);
    p->resets = NULL;
}

void tc_protection_denials_tell(struct tc_protection *p)
{
    struct tocsin_writer w;
    uint8_t buf[128];

    for (size_t i = 0; i < p->denials.count; i++) {
        const struct tc_denial *denial = &p->denials.all[i];

        tocsin_writer_init(&w, buf, sizeof(buf));
        tocsin_begin_map(&w, NULL);
        tocsin_begin_map(&w, "file");
        tocsin_put_uint(&w, "device", denial->device);
        tocsin_put_uint(&w, "inode", denial->inode);
        tocsin_put_uint(&w, "ctime", denial->ctime_ns);
        tocsin_end(&w);
        tocsin_end(&w);
        tc_notice_publish(&p->services->notice, TOCSIN_TOPIC_VERDICT_DENIED, &w);
    }
}
