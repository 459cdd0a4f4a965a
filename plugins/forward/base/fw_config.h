/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one line of `plugins.forward.sinks`, from text to settings, checked whole. Pure.
 *
 *     KIND TARGET                     [SETTING=VALUE ...]
 *     file:/var/log/tocsin/alerts.jsonl  severity=high max_size=100M keep=5
 *     journald:
 *     syslog+tls://siem.example:6514     format=cef ca_file=/etc/tocsin/siem.pem
 *     elasticsearch+https://es.example   index=alerts token_file=/etc/tocsin/es.token
 */
#ifndef TC_FW_CONFIG_H
#define TC_FW_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fw_event.h"

#define TC_FW_NAME_BYTES 33
#define TC_FW_WHY_BYTES 200
#define TC_FW_SINKS_MAX 16

enum tc_fw_kind {
    TC_FW_FILE,
    TC_FW_JOURNALD,
    TC_FW_SYSLOG_UDP,
    TC_FW_SYSLOG_TCP,
    TC_FW_SYSLOG_TLS,
    TC_FW_WEBHOOK,
    TC_FW_ELASTICSEARCH,
    TC_FW_SPLUNK,
    TC_FW_OTLP,
    TC_FW_KINDS,
};

enum tc_fw_format {
    TC_FW_ECS,
    TC_FW_OCSF,
    TC_FW_CEF,
    TC_FW_FORMATS,
};

enum tc_fw_setting {
    TC_FW_SET_NAME,
    TC_FW_SET_FORMAT,
    TC_FW_SET_SEVERITY,
    TC_FW_SET_TOPICS,
    TC_FW_SET_MAX_SIZE,
    TC_FW_SET_KEEP,
    TC_FW_SET_INDEX,
    TC_FW_SET_TOKEN_FILE,
    TC_FW_SET_SECRET_FILE,
    TC_FW_SET_CA_FILE,
    TC_FW_SETTINGS,
};

struct tc_fw_config {
    char name[TC_FW_NAME_BYTES]; /* of the sink; the kind's, unless set */
    enum tc_fw_kind kind;
    enum tc_fw_format format;
    enum tc_fw_severity severity;    /* and above */
    const char *target;              /* a path, HOST:PORT, or a URL */
    const char *set[TC_FW_SETTINGS]; /* as written, or the default; NULL: not set */
    uint64_t max_size;               /* bytes; of a message or a file */
    uint64_t keep;
    char *text; /* what the pointers point into */
};

/* -EINVAL and one sentence, without a place; -ENOMEM. Nothing to free on failure. */
int tc_fw_config_read(const char *line, struct tc_fw_config *ret,
                      char why[TC_FW_WHY_BYTES]);
void tc_fw_config_done(struct tc_fw_config *config);

/* Whether the sink wants an event of that topic and severity. */
bool tc_fw_config_wants(const struct tc_fw_config *config, const char *topic,
                        enum tc_fw_severity severity);

const char *tc_fw_kind_name(enum tc_fw_kind kind); /* "syslog+tls" */

#endif
