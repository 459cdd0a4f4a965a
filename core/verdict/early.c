/* SPDX-License-Identifier: Apache-2.0 */
#include "core/verdict/early.h"

#include <sys/resource.h>

#include "ipc/event.h"

void tc_early_begin(struct tc_early *early)
{
    struct rlimit files = {.rlim_cur = 1024};

    getrlimit(RLIMIT_NOFILE, &files);
    early->max =
        files.rlim_cur / 16 < TC_EARLY_MAX ? (size_t)files.rlim_cur / 16 : TC_EARLY_MAX;
}

void tc_early_end(struct tc_early *early)
{
    while (early->count)
        tc_event_unref(early->kept[--early->count]);
    early->max = 0;
}

void tc_early_keep(struct tc_early *early, struct tc_event *question)
{
    if (early->count == early->max) {
        early->left_out += early->max != 0;
        return;
    }
    tc_event_ref(question);
    early->kept[early->count++] = question;
}
