/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which verdicts are kept in the cache, and which of those still hold; by the table
 * of sensor_remember.h. Loop thread. Must not: wait.
 */
#include <stdio.h>
#include <string.h>

#include "av.h"
#include "sensor_remember.h"

bool tc_av_served(const struct tocsin_event *event)
{
    return tocsin_find_bool(event->data, event->len, TOCSIN_FIELD_FILE_SERVED, false);
}

/* Of a file that no sensor has reported nobody knows where it is. Whether somebody can
 * write to it is looked at when it is answered by what is known: that costs less often.
 */
unsigned tc_av_facts(const struct tocsin_event *event, const struct tc_av_result *result,
                     bool current)
{
    unsigned facts = tc_remember_settled((uint64_t)result->key.ctime_ns, result->read_ns);

    if (!event || tc_av_served(event))
        facts |= TC_REMEMBER_SERVED;
    if (result->changed)
        facts |= TC_REMEMBER_CHANGED;
    if (!current)
        facts |= TC_REMEMBER_OUTDATED;
    return facts;
}

/*
 * Of a clean file nobody depends on it: who remembers that it was allowed looks by
 * himself (es_cache.c, kext_verdict.c), and what is known here is known of what it was
 * before it was read, which it will not be again. Of a served file it is a copy that was
 * read.
 */
bool tc_av_may_have_changed(const struct tocsin_event *event,
                            const struct tc_av_result *result)
{
    return result->found != TC_AV_CLEAN && !tc_av_served(event) &&
           tc_av_content_changed(event->fd, result);
}

uint64_t tc_av_since(const struct tocsin_event *event)
{
    if (!strcmp(event->topic, TOCSIN_TOPIC_FILE_WRITTEN))
        return event->id;
    return (uint64_t)tocsin_event_int(event, TOCSIN_FIELD_FILE_WRITTEN_EVENT, 0);
}

/*
 * Known is what was read since the last writer had closed the file, while there is no
 * other: the sensors see to the same for what they remember. On a served file system,
 * where looking for writers may wait, nothing is.
 */
bool tc_av_known(struct tc_av *av, const struct tocsin_event *event,
                 const struct tc_av_key *key, const char **ret_reason)
{
    return !tc_av_served(event) &&
           tc_av_cache_find(av->cache, key, tc_av_since(event), ret_reason) &&
           !tc_sensor_writers_any(&av->writers, event->fd);
}

void tc_av_known_reason(const struct tc_av_result *result, char *ret, size_t cap)
{
    snprintf(ret, cap, "%.60s (rule %.80s)", result->hit.name, result->hit.rule);
}

void tc_av_known_put(struct tc_av *av, uint64_t event_id,
                     const struct tc_av_result *result, unsigned facts)
{
    bool infected = result->found == TC_AV_INFECTED;
    char reason[TC_AV_CACHE_REASON];

    if (result->found == TC_AV_UNKNOWN ||
        !tc_remember_may(infected ? TC_REMEMBER_AV_INFECTED : TC_REMEMBER_AV_CLEAN,
                         facts))
        return;
    if (infected)
        tc_av_known_reason(result, reason, sizeof(reason));
    tc_av_cache_put(av->cache, &result->key, event_id, infected ? reason : NULL);
}
