/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/notice.h"

#include <tocsin/event.h>
#include <tocsin/plugin.h>

#include "core/base/health.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "ipc/bus.h"

void tc_notice_publish(const struct tc_notice *notice, const char *topic,
                       const struct tocsin_writer *w)
{
    struct tocsin_event event = {
        .size = sizeof(event), .fd = -1, .time_ns = tc_wall_ns(), .topic = topic};

    if (w->error)
        return;
    event.data = w->buf;
    event.len = w->len;
    (void)tc_bus_publish(notice->bus, &event, "core", NULL, NULL);
}

void tc_notice_note(const struct tc_notice *notice, const char *topic, const char *name,
                    const char *reason)
{
    struct tocsin_writer w;
    uint8_t buf[1024];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    if (name)
        tocsin_put_str(&w, "name", name);
    tocsin_put_str(&w, TOCSIN_FIELD_REASON, reason);
    tocsin_end(&w);
    tc_notice_publish(notice, topic, &w);
}

void tc_notice_report(const struct tc_notice *notice, const char *owner, uint32_t what,
                      const char *key, const char *text, const char *fix)
{
    if (!tc_health_report(notice->health, owner, what, key, text, fix))
        return;
    if (what == TOCSIN_REPORT_ISSUE)
        tc_log(TOCSIN_LOG_WARNING, owner, "%s%s%s", text, fix ? "; fix: " : "",
               fix ? fix : "");
    else if (what == TOCSIN_REPORT_CLEAR)
        tc_log(TOCSIN_LOG_NOTICE, owner, "issue %s is over", key);
}
