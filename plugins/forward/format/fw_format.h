/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: an event in the words of others: Elastic Common Schema 8 (fw_ecs.c), OCSF 1.1
 * Detection Finding (fw_ocsf.c), and ArcSight's Common Event Format (fw_cef.c). Each file
 * is a table of what becomes what. One line, without a line feed. Pure. Any thread.
 */
#ifndef TC_FW_FORMAT_H
#define TC_FW_FORMAT_H

#include "base/fw_config.h"
#include "base/fw_event.h"
#include "base/fw_text.h"

#define TC_FW_PRODUCT "Tocsin"
#define TC_FW_PRODUCT_VERSION "0.1.0"

/* `host` is this machine's name, for events that do not say it. */
void tc_fw_format(enum tc_fw_format format, const struct tc_fw_event *event,
                  const char *host, struct tc_fw_text *text);

/* The event whole, for fw_format.c. */
void tc_fw_ecs(const struct tc_fw_event *event, const char *host,
               struct tc_fw_text *text);
void tc_fw_ocsf(const struct tc_fw_event *event, const char *host,
                struct tc_fw_text *text);
void tc_fw_cef(const struct tc_fw_event *event, const char *host,
               struct tc_fw_text *text);

/* What they share: one line for people; the host's name; whether a field is a time. */
struct tocsin_str tc_fw_title(const struct tc_fw_event *event);
struct tocsin_str tc_fw_host(const struct tc_fw_event *event, const char *host);
bool tc_fw_is_time(const char *key, size_t len);

#endif
