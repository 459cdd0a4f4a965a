/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent gives the parts that use the others (core/protect, core/control):
 * one struct, made by the agent, borrowed by them, which outlives them. Loop thread.
 */
#ifndef TC_CORE_SERVICES_H
#define TC_CORE_SERVICES_H

#include <uv.h>

#include "core/base/notice.h"

struct tc_config;
struct tc_journal;
struct tc_judge;
struct tc_pulse;
struct tc_registry;

struct tc_services {
    uv_loop_t *loop;
    struct tc_pulse *pulse;
    struct tc_notice notice;    /* and with it the bus and health */
    struct tc_config *config;   /* in force; a reload puts another in its place */
    struct tc_journal *journal; /* NULL: nothing is kept */
    struct tc_judge *judge;
    struct tc_registry *registry;
    const char *state_dir;
    const char *private_dir; /* for the loader's copies of plugins */
};

#endif
