/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: requests (rpc.av.*): what each is called, and those about the definitions and the
 * counters. Loop thread.
 *
 *  restore {id, to?, overwrite?}   remove {id | user_id}   allow {id | sha256}
 *  allowed   disallow {sha256}
 * quarantine_list scan {path}   cancel {call?}   definitions   reload   stats
 */
#include <stdio.h>

#include "av.h"

static void reload(struct tc_av *av, const struct tocsin_event *request)
{
    tc_detector_defs_reload(&av->defs, request);
}

static void definitions(struct tc_av *av, const struct tocsin_event *request)
{
    const struct tc_av_rules *rules = av->rules;
    time_t updated = rules ? tc_av_rules_updated(rules) : 0;
    struct tocsin_writer w;
    const char *why;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "engine", tc_av_engine_version());
    tocsin_put_str(&w, "version", rules ? tc_av_rules_version(rules) : "none");
    tocsin_put_uint(&w, "updated_ns", (uint64_t)updated * UINT64_C(1000000000));
    tocsin_put_uint(&w, "files", rules ? tc_av_rules_files(rules) : 0);
    tocsin_put_uint(&w, "rules", rules ? tc_av_rules_count(rules) : 0);
    tocsin_put_uint(&w, "refused", rules ? tc_av_rules_failed(rules) : 0);
    tocsin_put_bool(&w, "loading", av->defs.running != NULL);
    tocsin_begin_array(&w, "items");
    for (size_t i = 0; rules && (why = tc_av_rules_issue(rules, i)); i++) {
        tocsin_begin_map(&w, NULL);
        tocsin_put_str(&w, "state", "refused");
        tocsin_put_str(&w, "why", why);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_reply(av->host, request, &w);
    tocsin_writer_done(&w);
}

static void stats(struct tc_av *av, const struct tocsin_event *request)
{
    const struct tc_av_counters *c = &av->counters;
    struct tc_av_cache_counters cache;
    struct tocsin_writer w;

    tc_av_cache_counters(av->cache, &cache);
    const struct tc_detector_counter table[] = {
        {"questions", c->questions},
        {"answered_from_cache", c->cached},
        {"joined", c->joined},
        {"scanned", c->scanned},
        {"scanned_inline", c->inlined},
        {"bytes", c->bytes},
        {"infected", c->infected},
        {"unknown", c->unknown},
        {"timeouts", c->timeouts},
        {"truncated", c->truncated},
        {"excluded", c->excluded},
        {"coalesced", c->coalesced},
        {"dropped", c->dropped},
        {"threats", c->threats},
        {"quarantined", c->quarantined},
        {"links_removed", c->links},
        {"quarantine_failed", c->failed},
        {"restored", c->restored},
        {"removed", c->removed},
        {"reloads", c->reloads},
        {"in_flight", av->jobs_n},
        {"cache_entries", cache.entries},
        {"cache_evicted", cache.evicted},
        {"rules", av->rules ? tc_av_rules_count(av->rules) : 0},
        {"rule_files", av->rules ? tc_av_rules_files(av->rules) : 0},
        {"rule_files_failed", av->rules ? tc_av_rules_failed(av->rules) : 0},
    };

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tc_detector_put_counters(&w, table, sizeof(table) / sizeof(table[0]));
    tocsin_end(&w);
    tocsin_reply(av->host, request, &w);
    tocsin_writer_done(&w);
}

void tc_av_rpc(struct tc_av *av, const struct tocsin_event *request)
{
    static const struct {
        const char *name;
        void (*handle)(struct tc_av *av, const struct tocsin_event *request);
    } methods[] = {
        {"restore", tc_av_rpc_restore},
        {"remove", tc_av_rpc_remove},
        {"allow", tc_av_rpc_allow},
        {"allowed", tc_av_rpc_allowed},
        {"disallow", tc_av_rpc_disallow},
        {"quarantine_list", tc_av_rpc_list},
        {"scan", tc_av_scan_request},
        {"cancel", tc_av_scan_cancel},
        {"definitions", definitions},
        {"reload", reload},
        {"stats", stats},
    };
    const char *name = strrchr(request->topic, '.') + 1;

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (!strcmp(name, methods[i].name)) {
            methods[i].handle(av, request);
            return;
        }
    }
    tc_detector_refuse(av->host, request, "unknown_method", "there is no method av.%s",
                       name);
}
