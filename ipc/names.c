/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see names.h. docs/events.md says what each is; tests/docs/test_documents.c sees
 * that it and these tables have the same.
 */
#include "ipc/names.h"

#include <stdio.h>
#include <string.h>

#include "ipc/nearest.h"
#include "ipc/topic.h"

static const char *const topics[] = {
    "file.open",
    "file.exec",
    "file.written",
    "file.created",
    "file.renamed",
    "file.deleted",
    "file.attributes_changed",
    "verdict",
    "verdict.final",
    "verdict.denied",
    "verdict.reset",
    "verdict.timeout",
    "threat.detected",
    "threat.remediated",
    "quarantine.requested",
    "quarantine.done",
    "isolation.requested",
    "isolation.done",
    "isolation.changed",
    "alert.raised",
    "alert.response",
    "alert.closed",
    "alert.reopened",
    "approval.flow_started",
    "approval.prerequisite_failed",
    "approval.prompt_shown",
    "approval.prompt_withdrawn",
    "approval.granted",
    "approval.late_granted",
    "approval.denied",
    "approval.revoked",
    "approval.forbidden",
    "approval.probe_failed",
    "approval.timeout",
    "approval.refused",
    "approval.flow_completed",
    "network.flow",
    "dns.answered",
    "network_filter.gate",
    "network_filter.changed",
    "sensor.starting",
    "sensor.canary_ok",
    "sensor.overlap_begin",
    "sensor.overlap_end",
    "sensor.swapped",
    "sensor.handover_aborted",
    "sensor.crashed",
    "sensor.barred",
    "sensor.degraded",
    "sensor.gap",
    "process.forked",
    "process.started",
    "process.exited",
    "process.credentials_changed",
    "process.traced",
    "process.signalled",
    "process.memfd_created",
    "network.connected",
    "network.connect_failed",
    "network.accepted",
    "network.listening",
    "network.bound",
    "kernel.module_loaded",
    "kernel.module_unloaded",
    "kernel.bpf_loaded",
    "filesystem.mounted",
    "filesystem.unmounted",
    "plugin.loaded",
    "plugin.started",
    "plugin.stopped",
    "plugin.kept",
    "plugin.failed",
    "plugin.refused",
    "config.reloaded",
    "config.refused",
    "agent.started",
    "agent.stopped",
    "agent.ended",
    "agent.command",
    "bus.dropped",
    "journal.lost",
    "rpc.reply",
    "rpc.progress",
    NULL,
};

static const char *const fields[] = {
    /* what goes with every event */
    "topic",
    "source",
    "id",
    "reply_to",
    /* of many */
    "@timestamp",
    "event.sequence",
    "event.reason",
    "event.action",
    "event.outcome",
    "sensor",
    "epoch",
    "dedupe_key",
    "error.code",
    "cgroup.id",
    "cgroup.path",
    "container.id",
    /* files */
    "file.path",
    "file.name",
    "file.path_truncated",
    "file.path_unverified",
    "file.old_path",
    "file.inode",
    "file.device",
    "file.size",
    "file.mtime",
    "file.ctime",
    "file.written_event",
    "file.uid",
    "file.gid",
    "file.mode",
    "file.served",
    "file.xattr",
    "file.hash.sha256",
    /* connections, flows, names */
    "source.ip",
    "source.port",
    "source.domain",
    "destination.ip",
    "destination.port",
    "destination.domain",
    "network.transport",
    "network.type",
    "network.direction",
    "network.initiated",
    "network.protocol",
    "flow.id",
    "flow.network_namespace",
    "flow.attributed",
    "flow.kernel",
    "flow.passed",
    "flow.repeated",
    "flow.encrypted_name",
    "would_deny",
    "indicator.value",
    "indicator.source",
    "dns.question.name",
    "dns.question.type",
    "dns.response_code",
    "dns.answers.name",
    "dns.answers.type",
    "dns.answers.ttl",
    "dns.answers.data",
    "dns.resolved_ip",
    /* acts */
    "ptrace.request",
    "signal.number",
    "signal.name",
    "module.name",
    "bpf.program.type",
    "bpf.program.name",
    "mount.source",
    "mount.type",
    "mount.flags",
    "mount.options",
    /* verdicts */
    "decision",
    "cacheable",
    "reason",
    "why",
    "timeout",
    "voters",
    "budget_ns",
    "took_ns",
    "question",
    "denied_by",
    "missing",
    "answer",
    "count",
    "name",
    /* threats, alerts */
    "detection.id",
    "detection.name",
    "detection.severity",
    "detection.action",
    "detection.status",
    "detection.reason",
    "status",
    "text",
    "for_s",
    "alert.id",
    "alert.title",
    "alert.description",
    "alert.severity",
    "alert.category",
    "alert.detected_from",
    "alert.count",
    "alert.first_seen",
    "alert.last_seen",
    "case.id",
    "rule.id",
    "rule.name",
    "rule.description",
    "rule.author",
    "rule.license",
    "rule.level",
    "rule.file",
    "rule.false_positives",
    "rule.reference",
    "rule.tags",
    "threat.framework",
    "threat.technique.id",
    "threat.tactic.id",
    "threat.tactic.name",
    "matches.command_lines",
    "matches.command_lines_more",
    "matches.paths",
    "matches.paths_more",
    "matches.addresses",
    "matches.addresses_more",
    "matched.topic",
    "matched.sensor",
    "matched.fields.name",
    "matched.fields.value",
    "matched.count",
    "truncated",
    "host.name",
    "host.id",
    "host.os.kernel",
    "host.os.name",
    "response.action",
    "response.status",
    "response.reason",
    "response.processes",
    /* approvals, the slot, the network filter */
    "gates",
    "gate",
    "prerequisite",
    "have",
    "need",
    "n",
    "of",
    "command",
    "left_seconds",
    "who",
    "profile",
    "result",
    "errno",
    "pending",
    "granted",
    "state",
    "enabled",
    "isolated",
    "since_ns",
    "until_ns",
    "allow",
    "cut_out",
    "cut_in",
    "cut_forwarded",
    "from",
    "to",
    "matched",
    "only_from",
    "only_to",
    "suppressed",
    "microseconds",
    "mechanism",
    "cpus",
    /* the agent */
    "plugin",
    "signal",
    "starts",
    "method",
    "allowed",
    "user_id",
    "pid",
    "subscriber",
    "dropped",
    "total",
    "lost",
    /* calls */
    "path",
    "sha256",
    "files",
    "bytes",
    "threats",
    "skipped",
    "errors",
    "seconds",
    "cancelled",
    "current",
    "items",
    "error",
    "code",
    NULL,
};

static const char *const open[] = {"params.", "items.", NULL};

static const char *const processes[] = {
    "process.",        "process.parent.", "process.ancestors.",
    "target.process.", "previous.",       NULL,
};

static const char *const of_a_process[] = {
    "pid",
    "start",
    "name",
    "executable",
    "executable_unverified",
    "executable_deleted",
    "executable_memfd",
    "exec_path",
    "hash.sha256",
    "command_line",
    "args",
    "args_count",
    "args_truncated",
    "working_directory",
    "user.id",
    "user.name",
    "user.effective.id",
    "user.saved.id",
    "group.id",
    "group.effective.id",
    "group.saved.id",
    "session",
    "tty",
    "loginuid",
    "exit_code",
    "exit_signal",
    NULL,
};

const struct tc_names tc_names_fields = {
    .all = fields, .open = open, .prefixes = processes, .inner = of_a_process};

/* ---- Fields ---- */

/* Whether one of the names is `name`, or goes on behind it at a dot. */
static bool in_list(const char *const *list, const char *name)
{
    size_t n = strlen(name);

    for (; *list; list++)
        if (!strncmp(*list, name, n) && ((*list)[n] == '\0' || (*list)[n] == '.'))
            return true;
    return false;
}

static bool begins(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

bool tc_names_know(const struct tc_names *names, const char *name)
{
    if (in_list(names->all, name))
        return true;
    for (const char *const *o = names->open; o && *o; o++)
        if (begins(name, *o))
            return true;
    for (const char *const *p = names->prefixes; p && *p; p++) {
        if (begins(name, *p) && in_list(names->inner, name + strlen(*p)))
            return true;
        /* process.parent by itself is process.parent.* */
        if (begins(*p, name) && (*p)[strlen(name)] == '.')
            return true;
    }
    return false;
}

/* What ends in the word, as file.path in path. */
static const char *ending(const char *const *list, const char *word)
{
    size_t n = strlen(word);

    for (; *list; list++) {
        size_t len = strlen(*list);

        if (len > n && (*list)[len - n - 1] == '.' && !strcmp(*list + len - n, word))
            return *list;
    }
    return NULL;
}

void tc_names_suggest(const struct tc_names *names, const char *name, char *buf,
                      size_t cap)
{
    char candidate[TC_NEAREST_BYTES_MAX + 1], best[TC_NEAREST_BYTES_MAX + 1] = "";
    struct tc_nearest nearest;
    const char *end;

    tc_nearest_init(&nearest, name);
    for (const char *const *f = names->all; *f; f++)
        tc_nearest_offer(&nearest, *f);
    if (nearest.best)
        snprintf(best, sizeof(best), "%s", nearest.best);
    for (const char *const *p = names->prefixes; p && *p; p++)
        for (const char *const *f = names->inner; *f; f++) {
            snprintf(candidate, sizeof(candidate), "%s%s", *p, *f);
            nearest.best = NULL;
            tc_nearest_offer(&nearest, candidate);
            if (nearest.best)
                snprintf(best, sizeof(best), "%s", candidate);
        }
    end = *best ? NULL : ending(names->all, name);
    if (!*best && end)
        snprintf(best, sizeof(best), "%s", end);
    if (!*best && names->prefixes && in_list(names->inner, name))
        snprintf(best, sizeof(best), "%s%.40s", *names->prefixes, name);
    snprintf(buf, cap, *best ? "; did you mean %s?" : "%s", best);
}

/* ---- Topics ---- */

const char *const *tc_names_topics(void)
{
    return topics;
}

bool tc_names_topic(const char *pattern)
{
    for (const char *const *t = topics; *t; t++)
        if (tc_topic_match(pattern, *t))
            return true;
    /* rpc.<plugin>.<method>: whichever plugins there are */
    return !strncmp(pattern, "rpc.", 4);
}

void tc_names_suggest_topic(const char *pattern, char *buf, size_t cap)
{
    char family[TC_NEAREST_BYTES_MAX + 1], best[TC_NEAREST_BYTES_MAX + 1] = "";
    struct tc_nearest nearest;

    tc_nearest_init(&nearest, pattern);
    for (const char *const *t = topics; *t; t++) {
        tc_nearest_offer(&nearest, *t);
        if (nearest.best == *t)
            snprintf(best, sizeof(best), "%s", *t);
        snprintf(family, sizeof(family), "%.*s.*", (int)strcspn(*t, "."), *t);
        nearest.best = NULL;
        tc_nearest_offer(&nearest, family);
        if (nearest.best)
            snprintf(best, sizeof(best), "%s", family);
    }
    snprintf(buf, cap, *best ? "; did you mean %s?" : "%s", best);
}
