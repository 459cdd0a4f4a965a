/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one thing that has happened, on its way from the thread that found out what it is
 * about to the loop, which publishes it. Everything in it is its own.
 */
#ifndef TC_KEXT_ITEM_H
#define TC_KEXT_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/kext_abi.h"
#include "sensor_encode.h"
#include "sensor_process.h"

struct tc_kext_item {
    struct tc_kext_item *next;
    const char *topic;      /* a constant */
    uint16_t flags;         /* enum tc_kext_flags */
    bool judged;            /* a verdict is wanted */
    bool executes;          /* the process runs it */
    bool keyed;             /* key is known */
    struct tc_kext_key key; /* as the kernel knows the file */
    uint64_t time_ns;       /* since the epoch */
    uint64_t start_ns;      /* of the process, since boot; 0: not known */
    int32_t pid;            /* 0: not known */
    char *path, *old_path;  /* old_path of a rename, else NULL */
    struct tc_sensor_file file;
    bool identified; /* process is known */
    struct tc_sensor_process process;
    int fd; /* of the file, or -1 */
};

/* A list, oldest first. */
struct tc_kext_items {
    struct tc_kext_item *first, **end;
    size_t count;
};

/* `path` is copied. NULL: out of memory. */
struct tc_kext_item *tc_kext_item_new(const char *topic, const char *path);
void tc_kext_item_free(struct tc_kext_item *item); /* takes NULL; closes fd */

/* Copies who did it. False: out of memory, the item then has no process. */
bool tc_kext_item_identify(struct tc_kext_item *item,
                           const struct tc_sensor_process *process);

void tc_kext_items_init(struct tc_kext_items *items);
void tc_kext_items_add(struct tc_kext_items *items, struct tc_kext_item *item);
struct tc_kext_item *tc_kext_items_take(struct tc_kext_items *items); /* NULL: empty */
/* Moves all of `from` to the end of `items`. */
void tc_kext_items_append(struct tc_kext_items *items, struct tc_kext_items *from);
void tc_kext_items_clear(struct tc_kext_items *items);

#endif
