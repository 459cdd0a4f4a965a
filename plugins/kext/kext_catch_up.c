/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what was written while nobody looked: found by a walk, judged like any other. */
#include <errno.h>
#include <sys/stat.h>

#include "kext.h"
#include "sensor_clock.h"
#include "sensor_scope.h"

/* What the walk has found, as if it had been seen written. */
static bool publish_found(void *arg, struct tc_sensor_found *found)
{
    struct tc_kext *kext = arg;
    struct tc_kext_item *item = tc_kext_item_new(TOCSIN_TOPIC_FILE_WRITTEN, found->path);
    uint64_t before = kext->counts.written;
    struct tc_kext_items items;

    if (!item)
        return false;
    item->time_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
    item->judged = true;
    tc_sensor_file_set(&item->file, &found->stx);
    item->file.reason = TC_SENSOR_CATCH_UP_REASON;
    item->key = tc_kext_key_of(item->file.device, item->file.inode, item->file.ctime_ns);
    item->keyed = true;
    if (found->fd <= kext->resolver.fd_ceiling) {
        item->fd = found->fd;
        found->fd = -1;
    }
    tc_kext_items_init(&items);
    tc_kext_items_add(&items, item);
    tc_kext_publish_items(kext, &items);
    return kext->counts.written != before;
}

static void ended(void *arg)
{
    struct tc_kext *kext = arg;

    if (kext->jobs.closing)
        tc_sensor_jobs_go_on(&kext->jobs);
    else
        tc_kext_catch_up_go(kext);
}

void tc_kext_catch_up_init(struct tc_kext *kext)
{
    const struct tc_sensor_catch_up_config config = {
        .host = kext->host, .publish = publish_found, .ended = ended, .arg = kext};

    tc_sensor_catch_up_init(&kext->catch_up, &config);
}

bool tc_kext_catch_up_event(struct tc_kext *kext, const struct tocsin_event *event)
{
    if (!tc_sensor_catch_up_event(&kext->catch_up, event, "rpc.kext.catch_up"))
        return false;
    if (kext->started)
        tc_kext_catch_up_go(kext);
    return true;
}

void tc_kext_catch_up_go(struct tc_kext *kext)
{
    if (kext->scope)
        tc_sensor_catch_up_go(&kext->catch_up, tc_sensor_scope_roots(kext->scope),
                              kext->scope);
}
