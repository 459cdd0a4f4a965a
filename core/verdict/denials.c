/* SPDX-License-Identifier: Apache-2.0 */
#include "core/verdict/denials.h"

void tc_denials_add(struct tc_denials *denials, const struct tc_denial *denial)
{
    for (size_t i = 0; i < denials->count; i++) {
        const struct tc_denial *one = &denials->all[i];

        if (one->inode == denial->inode && one->device == denial->device &&
            one->ctime_ns == denial->ctime_ns)
            return;
    }
    denials->all[denials->next] = *denial;
    denials->next = (denials->next + 1) % TC_DENIALS_MAX;
    if (denials->count < TC_DENIALS_MAX)
        denials->count++;
}

void tc_denials_forget(struct tc_denials *denials)
{
    denials->next = denials->count = 0;
}
