/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a match as alert.raised. */
#include <stdio.h>
#include <sys/random.h>

#include "edr.h"

static void put_rule(struct tocsin_writer *w, const struct tc_sigma_rule *rule)
{
    tocsin_begin_map(w, "rule");
    if (rule->id)
        tocsin_put_str(w, "id", rule->id);
    tocsin_put_str(w, "name", rule->title);
    tocsin_put_str(w, "file", rule->file);
    tocsin_end(w);
}

static void put_alert(struct tocsin_writer *w, const struct tc_sigma_rule *rule)
{
    static const char *const severities[] = {"low", "low", "medium", "high", "critical"};
    unsigned char bytes[16];
    char id[TC_EDR_ALERT_ID_BYTES];
    size_t n = 0;

    if (getrandom(bytes, sizeof(bytes), 0) < 0)
        memset(bytes, 0, sizeof(bytes));
    bytes[6] = (unsigned char)(0x40 | (bytes[6] & 0x0f)); /* RFC 4122: a random UUID */
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f));
    for (size_t i = 0; i < sizeof(bytes); i++)
        n += (size_t)snprintf(id + n, sizeof(id) - n,
                              i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                              bytes[i]);
    tocsin_begin_map(w, "alert");
    tocsin_put_str(w, "id", id);
    tocsin_put_str(w, "title", rule->title);
    tocsin_put_str(w, "severity", severities[rule->level]);
    tocsin_put_str(w, "detected_from", "edr");
    tocsin_end(w);
}

void tc_edr_tell_match(struct tc_edr *edr, const struct tocsin_event *event,
                       const struct tc_sigma_match *match)
{
    const struct tc_sigma_rule *rule = tc_sigma_rule(edr->rules->set, match->rule);
    struct tocsin_value process;
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, TOCSIN_FIELD_TIMESTAMP, event->time_ns);
    put_alert(&w, rule);
    put_rule(&w, rule);
    if (tocsin_find(event->data, event->len, "process", &process))
        tocsin_put_encoded(&w, "process", process.start, tocsin_value_size(&process));
    tocsin_end(&w);
    if (tocsin_publish(edr->host, TOCSIN_TOPIC_ALERT_RAISED, event->id, &w))
        edr->counters.publish_errors++;
    else
        edr->counters.told++;
    tocsin_writer_done(&w);
}
