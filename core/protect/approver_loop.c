/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the approver's timer, and its end once no work is under way. */
#include <stdlib.h>

#include "core/protect/approver_priv.h"

#define MS UINT64_C(1000000)
#define BUSY_MS 5 /* until the registry is asked again */

static void on_timer(uv_timer_t *timer);

/* After everything that may have changed a gate. */
void tc_approver_changed(struct tc_approver *a)
{
    uint64_t now = uv_hrtime(), next, network;

    if (a->closing)
        return;
    tc_approver_network_review(a);
    next = tc_approver_network_apply(a) ? tc_approval_next_ns(a->approval)
                                        : now + BUSY_MS * MS;
    network = tc_approver_network_next_ns(a);
    next = network < next ? network : next;
    if (next == UINT64_MAX) {
        uv_timer_stop(&a->timer);
    } else {
        uv_update_time(a->timer.loop);
        uv_timer_start(&a->timer, on_timer, next > now ? (next - now + MS - 1) / MS : 0,
                       0);
    }
    a->changed(a->arg);
}

static void on_timer(uv_timer_t *timer)
{
    struct tc_approver *a = timer->data;

    tc_approval_tick(a->approval, uv_hrtime());
    tc_approver_changed(a);
}

void tc_approver_reported(struct tc_approver *a)
{
    if (!a->closing)
        uv_timer_start(&a->timer, on_timer, 0, 0);
}

void tc_approver_destroy(struct tc_approver *a)
{
    tc_approval_free(a->approval);
    for (size_t i = 0; i < TC_APPROVER_TEXTS; i++)
        free(a->texts[i]);
    free(a);
}

static void on_closed(uv_handle_t *handle)
{
    struct tc_approver *a = handle->data;

    tc_approver_destroy(a);
}

static void on_consent_closed(uv_handle_t *handle)
{
    struct tc_approver *a = handle->data;

    uv_close((uv_handle_t *)&a->timer, on_closed);
}

/* One piece of work less; the last one of a closing approver closes it. */
void tc_approver_release(struct tc_approver *a)
{
    if (--a->work == 0 && a->closing)
        uv_close((uv_handle_t *)&a->consent_timer, on_consent_closed);
}
