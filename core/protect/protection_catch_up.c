/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: having a sensor report, after a gap, what was written in it. */
#include <stdio.h>
#include <tocsin/event.h>

#include "core/protect/protection_priv.h"

/* How long a walk through all files may take. */
#define WALK_NS (600 * UINT64_C(1000000000))

/* Whether the sensor that was walking may have gone before its walk had ended. */
static bool is_cut_short(const struct tc_protection *p, enum tc_slot_sensor sensor)
{
    return p->walk_from_ns && p->walker != sensor &&
           uv_hrtime() - p->walk_asked_ns < WALK_NS;
}

void tc_protection_catch_up(struct tc_protection *p, enum tc_slot_sensor sensor)
{
    struct tocsin_writer w;
    uint8_t buf[64];
    char topic[96];

    if (p->gap_from_ns) {
        p->walk_from_ns = p->gap_from_ns;
        p->walk_asked_ns = uv_hrtime();
        p->gap_from_ns = 0;
    } else if (sensor == TC_SLOT_NOBODY || !is_cut_short(p, sensor)) {
        return;
    }
    p->walker = sensor;
    snprintf(topic, sizeof(topic), "rpc.%s.catch_up", p->sensors[sensor].name);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "from", p->walk_from_ns);
    tocsin_end(&w);
    tc_notice_publish(&p->services->notice, topic, &w);
}
