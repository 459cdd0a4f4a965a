/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the inside of a rule set, shared by av_engine.c (use) and av_load.c (making). */
#ifndef TC_AV_ENGINE_PRIV_H
#define TC_AV_ENGINE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <yara.h>

#include "engine/av_engine.h"

/* The namespace of the rule for the sample, which is no file's name. */
#define TC_AV_OWN_NAMESPACE "tocsin:selftest"

struct tc_av_scanner; /* one YR_SCANNER for each part */

struct tc_av_rules {
    atomic_uint refs;
    YR_RULES **parts; /* all sources together, and each compiled file */
    size_t parts_n;
    unsigned rules_n, files_n, failed_n;
    char version[13];
    int64_t updated_s;
    char *issues[TC_AV_RULE_ISSUES_MAX];
    size_t issues_n;

    pthread_mutex_t lock; /* of the two below */
    struct tc_av_scanner *idle;
    unsigned idle_n;
};

#endif
