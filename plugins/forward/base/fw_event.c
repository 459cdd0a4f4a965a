/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fw_event.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <tocsin/event.h>

const char *const tc_fw_severity_names[TC_FW_SEVERITIES] = {"informational", "low",
                                                            "medium", "high", "critical"};

enum tc_fw_severity tc_fw_severity(const char *name, size_t len)
{
    for (int i = 0; i < TC_FW_SEVERITIES; i++)
        if (strlen(tc_fw_severity_names[i]) == len &&
            !memcmp(tc_fw_severity_names[i], name, len))
            return (enum tc_fw_severity)i;
    return TC_FW_SEVERITIES;
}

static void make_id(struct tc_fw_event *event)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char d[EVP_MAX_MD_SIZE] = {0};

    if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL)) {
        EVP_DigestUpdate(md, event->topic, strlen(event->topic) + 1);
        EVP_DigestUpdate(md, event->source, strlen(event->source) + 1);
        EVP_DigestUpdate(md, &event->time_ns, sizeof(event->time_ns));
        EVP_DigestUpdate(md, event->data, event->len);
        EVP_DigestFinal_ex(md, d, NULL);
    }
    EVP_MD_CTX_free(md);
    snprintf(event->id, sizeof(event->id),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[0],
             d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12],
             d[13], d[14], d[15]);
}

void tc_fw_event_know(struct tc_fw_event *event)
{
    struct tocsin_str name =
        tocsin_find_str(event->data, event->len, TOCSIN_FIELD_ALERT_SEVERITY);

    if (!name.ptr)
        name = tocsin_find_str(event->data, event->len, TOCSIN_FIELD_DETECTION_SEVERITY);
    event->severity = name.ptr ? tc_fw_severity(name.ptr, name.len) : TC_FW_SEVERITIES;
    if (event->severity == TC_FW_SEVERITIES)
        event->severity = TC_FW_INFORMATIONAL;
    make_id(event);
}
