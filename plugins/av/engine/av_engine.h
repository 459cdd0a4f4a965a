/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: sets of YARA rules: loaded whole from files and folders, immutable from then on,
 * shared by reference count so that a scan under way keeps the set it began with. Any
 * thread. Must not: open the files that are scanned (av_content.c does), or know hosts
 * and events.
 *
 * A file that does not compile is skipped and named in an issue; all others load. Each
 * file is a namespace of its own. `include` is off: a rule file is one file, so that
 * nothing outside the rule folders can become a rule.
 *
 * libyara guards each scan with handlers for SIGSEGV and SIGBUS, because it usually scans
 * mapped files that may shrink. Scans here read into memory of their own, so the guard is
 * switched off (SCAN_FLAGS_NO_TRYCATCH): it would change the process's signal handlers
 * on every scan and hide crashes from the agent.
 */
#ifndef TC_AV_ENGINE_H
#define TC_AV_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/av_file.h"

#define TC_AV_RULE_FILES_MAX 4096
#define TC_AV_RULE_FILE_BYTES_MAX (32 * 1024 * 1024)
#define TC_AV_RULE_FOLDER_DEPTH 8
#define TC_AV_RULE_ISSUES_MAX 16  /* kept as text; the rest are counted */
#define TC_AV_SCANNERS_IDLE_MAX 4 /* kept for the next scan; creating one is dear */

struct tc_av_rules;

/* What a match is reported as. Severity is low, medium, high or critical. */
struct tc_av_hit {
    char rule[128]; /* identifier */
    char id[128];   /* its metadata `id`, else the identifier */
    char name[128]; /* its metadata `threat_name`, else the identifier */
    char severity[12];
    char description[200];
    char reference[200];
};

/* libyara's own start and end; counted, so pairs may nest. Loop thread. */
int tc_av_engine_start(void);
void tc_av_engine_stop(void);
const char *tc_av_engine_version(void);

/*
 * Loads *.yar and *.yara (source) and *.yarc (compiled) from files and folders, with
 * their sub-folders, in name order. Missing and broken ones are issues, not errors: only
 * -ENOMEM is one. `folder` (may be
 * NULL) is called with each folder before it is read. The caller gets one reference.
 */
int tc_av_rules_load(const char *const *paths, size_t count,
                     void (*folder)(void *arg, const char *path), void *arg,
                     struct tc_av_rules **ret_rules);
void tc_av_rules_ref(struct tc_av_rules *rules);
void tc_av_rules_unref(struct tc_av_rules *rules); /* takes NULL */

/*
 * Scans the first `len` bytes of a file of `size` bytes. 1: *ret_hit is the most severe
 * rule that matched; 0: none did; -ETIMEDOUT, -ENOMEM, -EIO.
 */
int tc_av_rules_scan(struct tc_av_rules *rules, const void *data, size_t len,
                     uint64_t size, unsigned timeout_ms, struct tc_av_hit *ret_hit);

/* What each set has a rule of its own for, which no file is reported for. */
#define TC_AV_SAMPLE "TOCSIN-SELF-TEST: a harmless sample that the scanner must find."

/* Scans the sample. 0: every rule could be evaluated, and its own rule has found it;
 * -ENOMSG: it has not; else as tc_av_rules_scan. */
int tc_av_rules_selftest(struct tc_av_rules *rules, unsigned timeout_ms);

unsigned tc_av_rules_count(const struct tc_av_rules *rules);
unsigned tc_av_rules_files(const struct tc_av_rules *rules);
unsigned tc_av_rules_failed(const struct tc_av_rules *rules);     /* files skipped */
const char *tc_av_rules_version(const struct tc_av_rules *rules); /* hash, 12 digits */
int64_t tc_av_rules_updated(const struct tc_av_rules *rules); /* newest file, s; or 0 */
const char *tc_av_rules_issue(const struct tc_av_rules *rules,
                              size_t index); /* or NULL */

#endif
