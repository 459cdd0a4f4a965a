/* SPDX-License-Identifier: Apache-2.0 */
#include "send/fw_sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "format/fw_format.h"

const struct tc_fw_ops *tc_fw_ops(enum tc_fw_kind kind)
{
    static const struct tc_fw_ops *const ops[TC_FW_KINDS] = {
        [TC_FW_FILE] = &tc_fw_file_ops,
        [TC_FW_JOURNALD] = &tc_fw_journald_ops,
        [TC_FW_SYSLOG_UDP] = &tc_fw_udp_ops,
        [TC_FW_SYSLOG_TCP] = &tc_fw_stream_ops,
        [TC_FW_SYSLOG_TLS] = &tc_fw_stream_ops,
        [TC_FW_WEBHOOK] = &tc_fw_webhook_ops,
        [TC_FW_ELASTICSEARCH] = &tc_fw_elasticsearch_ops,
        [TC_FW_SPLUNK] = &tc_fw_splunk_ops,
        [TC_FW_OTLP] = &tc_fw_otlp_ops,
    };

    return ops[kind];
}

void tc_fw_sink_end(struct tc_fw_sink *sink, enum tc_fw_outcome outcome, const char *why,
                    ...)
{
    va_list args;

    va_start(args, why);
    (void)vsnprintf(sink->batch.why, sizeof(sink->batch.why), why, args);
    va_end(args);
    for (size_t i = 0; i < sink->batch.count; i++)
        sink->batch.items[i].outcome = outcome;
    sink->batch.whole = true;
    sink->sending = false;
    sink->wake_ms = 0;
}

void tc_fw_sink_end_each(struct tc_fw_sink *sink)
{
    sink->batch.whole = false;
    sink->sending = false;
    sink->wake_ms = 0;
}

void tc_fw_sink_put(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                    struct tc_fw_text *text)
{
    tc_fw_format(sink->config.format, event, sink->host, text);
}

uint64_t tc_fw_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
