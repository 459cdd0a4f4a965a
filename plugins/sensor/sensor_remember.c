/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_remember.h"

#include <string.h>
#include <tocsin/event.h>
#include <tocsin/plugin.h>

/*
 * Change times are taken from a clock that ticks every 1 to 10 ms; file systems that keep
 * whole seconds only (ext4 with small inodes, vfat: two) have no fraction.
 */
#define TICK_NS 20000000ull
#define COARSE_TICK_NS 2020000000ull
#define NS_PER_S 1000000000ull

#define OF_VERDICT                                                                       \
    (TC_REMEMBER_DEFAULT | TC_REMEMBER_NO_VOTER | TC_REMEMBER_ONCE | TC_REMEMBER_OUTDATED)
#define OF_FILE                                                                          \
    (TC_REMEMBER_CHANGED | TC_REMEMBER_UNSETTLED | TC_REMEMBER_WRITABLE |                \
     TC_REMEMBER_SERVED | TC_REMEMBER_UPPER)

/*
 * The table: which facts stand against it.
 *
 * ES_ALLOW, UNSETTLED: the mark does not go by the change time. A write clears it, and
 * one before the mark was there ends with a close that is told.
 * UPPER: what is written through the overlay clears no mark, but changes the times.
 * KEXT_BAD: what was bad a moment ago is refused rather than let through; if the file has
 * changed, its change time mostly has, too, and its next close is judged anew.
 */
static const unsigned against[TC_REMEMBER_BYS] = {
    [TC_REMEMBER_ES_ALLOW] = OF_VERDICT | (OF_FILE & ~TC_REMEMBER_UNSETTLED),
    [TC_REMEMBER_KEXT_GOOD] = OF_VERDICT | (OF_FILE & ~TC_REMEMBER_UPPER),
    [TC_REMEMBER_KEXT_BAD] = OF_VERDICT | TC_REMEMBER_CHANGED,
    [TC_REMEMBER_AV_CLEAN] = OF_VERDICT | (OF_FILE & ~TC_REMEMBER_UPPER),
    [TC_REMEMBER_AV_INFECTED] = OF_VERDICT | (OF_FILE & ~TC_REMEMBER_UPPER),
};

bool tc_remember_may(enum tc_remember_by by, unsigned facts)
{
    return !(facts & against[by]);
}

unsigned tc_remember_of_verdict(const struct tocsin_event *final)
{
    struct tocsin_str why = tocsin_event_str(final, TOCSIN_FIELD_WHY);
    unsigned facts = 0;

    if (!tocsin_str_is(why, TOCSIN_WHY_ALLOWED) && !tocsin_str_is(why, TOCSIN_WHY_DENIED))
        facts |= TC_REMEMBER_DEFAULT;
    if (tocsin_event_int(final, "voters", 0) <= 0)
        facts |= TC_REMEMBER_NO_VOTER;
    if (!tocsin_find_bool(final->data, final->len, TOCSIN_FIELD_CACHEABLE, false))
        facts |= TC_REMEMBER_ONCE;
    return facts;
}

unsigned tc_remember_uses(const char *topic, bool allowed)
{
    if (!strcmp(topic, TOCSIN_TOPIC_FILE_EXEC))
        return TC_REMEMBER_EXEC;
    if (!allowed)
        return TC_REMEMBER_OPEN | TC_REMEMBER_EXEC;
    return strcmp(topic, TOCSIN_TOPIC_FILE_OPEN) ? 0 : TC_REMEMBER_OPEN;
}

unsigned tc_remember_settled(uint64_t ctime_ns, uint64_t now_ns)
{
    uint64_t tick_ns = ctime_ns % NS_PER_S ? TICK_NS : COARSE_TICK_NS;

    return now_ns > ctime_ns && now_ns - ctime_ns > tick_ns ? 0 : TC_REMEMBER_UNSETTLED;
}
