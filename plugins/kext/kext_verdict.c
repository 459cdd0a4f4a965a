/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a verdict leads to. Denied: the process that runs the file is killed with
 * all below it, and the file is known bad; allowed: it is known good; both as far as
 * sensor_remember.h says. It also learns from what other sensors ask and what detectors
 * find.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kext.h"
#include "sensor_clock.h"
#include "sensor_remember.h"

#define ANY_USE (TC_KEXT_FOR_OPEN | TC_KEXT_FOR_EXEC)
#define NO_SLOT UINT32_MAX
#define NS_PER_MS 1000000ull

_Static_assert((int)TC_KEXT_FOR_OPEN == (int)TC_REMEMBER_OPEN &&
                   (int)TC_KEXT_FOR_EXEC == (int)TC_REMEMBER_EXEC,
               "the kernel's uses are those of sensor_remember.h");

int tc_kext_verdicts_init(struct tc_kext *kext)
{
    kext->pending = calloc(TC_KEXT_PENDING_MAX, sizeof(*kext->pending));
    kext->buckets = calloc(TC_KEXT_PENDING_MAX, sizeof(*kext->buckets));
    kext->peers = calloc(TC_KEXT_PEER_MAX, sizeof(*kext->peers));
    if (!kext->pending || !kext->buckets || !kext->peers)
        return -ENOMEM;
    for (uint32_t i = 0; i < TC_KEXT_PENDING_MAX; i++) {
        kext->buckets[i] = NO_SLOT;
        kext->pending[i].next = i + 1 < TC_KEXT_PENDING_MAX ? i + 1 : NO_SLOT;
    }
    kext->free_slot = 0;
    return 0;
}

void tc_kext_verdicts_done(struct tc_kext *kext)
{
    for (uint32_t i = 0; kext->pending && i < TC_KEXT_PENDING_MAX; i++) {
        struct tc_kext_pending *pending = &kext->pending[i];

        if (!pending->event)
            continue;
        kext->host->event_unref(kext->host, pending->event);
        pending->event = NULL;
    }
    kext->pending_count = 0;
    free(kext->pending);
    free(kext->buckets);
    free(kext->peers);
    kext->pending = NULL;
    kext->buckets = NULL;
    kext->peers = NULL;
}

void tc_kext_resume(struct tc_kext *kext, int32_t pid, uint64_t start_ns, uint16_t flags)
{
    const struct tc_kext_order order = {TC_KEXT_ORDER_RESUME, pid, start_ns};

    if (flags & TC_KEXT_WAS_STOPPED && !kext->jobs.closing) /* else the close does it */
        tc_kext_reader_order(&kext->reader, &order);
}

static uint32_t *bucket_of(struct tc_kext *kext, uint64_t id)
{
    return &kext->buckets[id % TC_KEXT_PENDING_MAX];
}

/* It is read by detectors after this: what speaks against remembering it by its key. */
static unsigned facts_of(const struct tc_kext_item *item)
{
    unsigned facts =
        tc_remember_settled(item->file.ctime_ns, tc_sensor_clock_ns(CLOCK_REALTIME));

    if (item->flags & TC_KEXT_WRITABLE)
        facts |= TC_REMEMBER_WRITABLE;
    if (item->file.served)
        facts |= TC_REMEMBER_SERVED;
    return facts;
}

void tc_kext_verdict_expect(struct tc_kext *kext, const struct tc_kext_item *item,
                            const struct tocsin_event *event)
{
    uint32_t slot = kext->free_slot, *bucket = bucket_of(kext, event->id);
    struct tc_kext_pending *pending;

    if (slot == NO_SLOT) {
        kext->counts.unanswered++;
        tc_kext_resume(kext, item->pid, item->start_ns, item->flags);
        kext->host->event_unref(kext->host, event);
        return;
    }
    pending = &kext->pending[slot];
    kext->free_slot = pending->next;
    *pending = (struct tc_kext_pending){.event = event,
                                        .key = item->key,
                                        .asked_ns = kext->host->now_ns(kext->host),
                                        .start_ns = item->start_ns,
                                        .pid = item->pid,
                                        .flags = item->flags,
                                        .keyed = item->keyed,
                                        .executes = item->executes,
                                        .file_facts = facts_of(item),
                                        .generation = kext->generation,
                                        .next = *bucket};
    *bucket = slot;
    kext->pending_count++;
}

/* Takes the one that waits for this verdict out of its bucket; false: none does. */
static bool take(struct tc_kext *kext, uint64_t id, struct tc_kext_pending *ret)
{
    uint32_t *at = bucket_of(kext, id), slot;

    while (*at != NO_SLOT && kext->pending[*at].event->id != id)
        at = &kext->pending[*at].next;
    slot = *at;
    if (slot == NO_SLOT)
        return false;
    *ret = kext->pending[slot];
    *at = ret->next;
    kext->pending[slot].event = NULL;
    kext->pending[slot].next = kext->free_slot;
    kext->free_slot = slot;
    kext->pending_count--;
    return true;
}

void tc_kext_verdicts_sweep(struct tc_kext *kext)
{
    uint64_t now_ns = kext->host->now_ns(kext->host);
    struct tc_kext_pending pending;

    for (uint32_t i = 0; kext->pending_count && i < TC_KEXT_PENDING_MAX; i++) {
        if (!kext->pending[i].event ||
            now_ns - kext->pending[i].asked_ns < TC_KEXT_PENDING_MS * NS_PER_MS ||
            !take(kext, kext->pending[i].event->id, &pending))
            continue;
        kext->counts.unanswered++;
        tc_kext_resume(kext, pending.pid, pending.start_ns, pending.flags);
        kext->host->event_unref(kext->host, pending.event);
    }
}

static void put_bad(struct tc_kext *kext, const struct tc_kext_key *key, unsigned uses)
{
    int err = tc_kext_put_bad(&kext->programs, key, uses);

    if (!err) {
        kext->counts.bad++;
        return;
    }
    kext->counts.bad_full++;
    kext->host->report(kext->host, TOCSIN_REPORT_ISSUE, "kext_known",
                       "the kernel has no room for more files known bad: they are still "
                       "judged each time",
                       "raise plugins.kext.max_known");
}

/* ---- Denied. ---- */

static void deny(struct tc_kext *kext, const struct tc_kext_pending *pending,
                 unsigned facts)
{
    const struct tc_kext_order kill_it = {TC_KEXT_ORDER_KILL, pending->pid,
                                          pending->start_ns};

    kext->counts.denied++;
    if (pending->changed)
        facts |= TC_REMEMBER_CHANGED;
    if (pending->keyed && tc_remember_may(TC_REMEMBER_KEXT_BAD, facts))
        put_bad(kext, &pending->key, tc_remember_uses(pending->event->topic, false));
    if (pending->executes && !(pending->flags & TC_KEXT_WAS_KILLED))
        tc_kext_reader_order(&kext->reader, &kill_it);
}

/* ---- Allowed. ---- */

/* By the descriptor that was judged: no path is looked up, nothing is opened. */
static bool unchanged(const struct tc_kext_pending *pending)
{
    struct stat st;

    return !pending->changed && pending->event->fd >= 0 &&
           !fstat(pending->event->fd, &st) && st.st_ino == pending->key.inode &&
           (uint64_t)st.st_ctim.tv_sec == pending->key.ctime_s &&
           (uint64_t)st.st_ctim.tv_nsec == pending->key.ctime_ns;
}

/* If it was known bad for that, it is no longer; nor after it was written for anything.
 */
static void drop_bad(struct tc_kext *kext, const struct tc_kext_pending *pending)
{
    unsigned uses = tc_remember_uses(pending->event->topic, true);

    tc_kext_drop_bad(&kext->programs, &pending->key, uses ? uses : ANY_USE);
}

static void put_good(struct tc_kext *kext, const struct tc_kext_pending *pending,
                     unsigned facts)
{
    unsigned uses = tc_remember_uses(pending->event->topic, true);

    if (!uses)
        return;
    facts |= pending->file_facts;
    if (pending->generation != kext->generation)
        facts |= TC_REMEMBER_OUTDATED;
    if (!unchanged(pending))
        facts |= TC_REMEMBER_CHANGED;
    if (tc_remember_may(TC_REMEMBER_KEXT_GOOD, facts) &&
        !tc_kext_put_good(&kext->programs, &pending->key, uses))
        kext->counts.cached++;
    else
        kext->counts.not_cached++;
}

static void allow(struct tc_kext *kext, const struct tc_kext_pending *pending,
                  unsigned facts)
{
    kext->counts.allowed++;
    if (pending->keyed && !facts)
        drop_bad(kext, pending);
    if (pending->keyed)
        put_good(kext, pending, facts);
    tc_kext_resume(kext, pending->pid, pending->start_ns, pending->flags);
}

/* ---- What comes from the bus. ---- */

/* An answer to another sensor's question. */
static void peer_answered(struct tc_kext *kext, uint64_t id, unsigned facts)
{
    const struct tc_kext_peer *peer = &kext->peers[id % TC_KEXT_PEER_MAX];

    if (peer->id != id || !tc_remember_may(TC_REMEMBER_KEXT_BAD, facts))
        return;
    put_bad(kext, &peer->key, peer->uses);
    kext->counts.peer++;
}

void tc_kext_verdict_came(struct tc_kext *kext, const struct tocsin_event *event)
{
    bool allowed = tocsin_str_is(tocsin_event_str(event, TOCSIN_FIELD_DECISION), "allow");
    bool passive = kext->host->passive(kext->host);
    unsigned facts = tc_remember_of_verdict(event);
    struct tc_kext_pending pending;

    if (!take(kext, event->reply_to, &pending)) {
        if (!allowed && !passive)
            peer_answered(kext, event->reply_to, facts);
        return;
    }
    if (allowed || passive)
        allow(kext, &pending, allowed ? facts : facts | TC_REMEMBER_ONCE);
    else
        deny(kext, &pending, facts);
    kext->host->event_unref(kext->host, pending.event);
}

/* The key of the file that an event reports; false when it does not say. */
static bool key_of_event(const struct tocsin_event *event, struct tc_kext_key *ret)
{
    int64_t device = tocsin_event_int(event, TOCSIN_FIELD_FILE_DEVICE, -1);
    int64_t inode = tocsin_event_int(event, TOCSIN_FIELD_FILE_INODE, -1);
    int64_t ctime_ns = tocsin_event_int(event, TOCSIN_FIELD_FILE_CTIME, -1);

    if (device < 0 || inode <= 0 || ctime_ns < 0)
        return false;
    *ret = tc_kext_key_of((uint64_t)device, (uint64_t)inode, (uint64_t)ctime_ns);
    return true;
}

void tc_kext_peer_asked(struct tc_kext *kext, const struct tocsin_event *event)
{
    struct tc_kext_peer *peer = &kext->peers[event->id % TC_KEXT_PEER_MAX];

    if (!(event->flags & TOCSIN_EVENT_AUTH) || !key_of_event(event, &peer->key))
        return;
    peer->id = event->id;
    peer->uses = tc_remember_uses(event->topic, false);
}

void tc_kext_threat_found(struct tc_kext *kext, const struct tocsin_event *event)
{
    struct tc_kext_key key;

    if (!kext->host->passive(kext->host) && key_of_event(event, &key))
        put_bad(kext, &key, ANY_USE);
}

void tc_kext_verdict_changed(struct tc_kext *kext, const struct tc_kext_key *key)
{
    tc_kext_drop_good(&kext->programs, key);
    for (uint32_t i = 0; kext->pending_count && i < TC_KEXT_PENDING_MAX; i++)
        if (kext->pending[i].event && kext->pending[i].key.inode == key->inode &&
            kext->pending[i].key.device == key->device)
            kext->pending[i].changed = true;
}

void tc_kext_places_changed(struct tc_kext *kext)
{
    kext->generation++;
    kext->counts.resets++;
    tc_kext_forget_good(&kext->programs);
}

void tc_kext_verdicts_reset(struct tc_kext *kext)
{
    tc_kext_places_changed(kext);
    tc_kext_forget_bad(&kext->programs, &kext->canary.key);
    kext->host->report(kext->host, TOCSIN_REPORT_CLEAR, "kext_known", NULL, NULL);
}
