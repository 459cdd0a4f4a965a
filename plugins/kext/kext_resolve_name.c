/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what became of a name that fanotify has reported, as an item. */
#include <pthread.h>
#include <sys/fanotify.h>
#include <time.h>
#include <tocsin/plugin.h>

#include "kext_item.h"
#include "kext_load.h"
#include "kext_resolve.h"
#include "sensor_clock.h"
#include "sensor_names.h"

struct tc_kext_item *tc_kext_resolve_name(struct tc_kext_resolver *resolver,
                                          struct tc_sensor_name *name)
{
    const struct tc_sensor_process *process;
    struct tc_kext_item *item;

    if (name->pid > 0 && resolver->host->is_agent(resolver->host, name->pid)) {
        resolver->own++;
        return NULL;
    }
    item = tc_kext_item_new(tc_sensor_topic_of(name->mask), name->path);
    if (!item)
        return NULL;
    item->time_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
    item->old_path = name->old_path;
    name->old_path = NULL;
    item->file.old_path = item->old_path;
    item->pid = name->pid;
    item->judged = name->mask == FAN_CLOSE_WRITE;
    if (name->known) {
        tc_sensor_file_set(&item->file, &name->stx);
        item->key =
            tc_kext_key_of(item->file.device, item->file.inode, item->file.ctime_ns);
        item->keyed = S_ISREG(name->stx.stx_mode);
    }
    if (name->fd <= resolver->fd_ceiling) {
        item->fd = name->fd;
        name->fd = -1;
    }
    if (name->pid > 0) {
        pthread_mutex_lock(&resolver->lock);
        process = tc_sensor_processes_find(resolver->processes, name->pid);
        if (process)
            tc_kext_item_identify(item, process);
        pthread_mutex_unlock(&resolver->lock);
    }
    return item;
}
