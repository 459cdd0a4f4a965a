/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the table of subcommands of `tocsin`, and the run of the one that was asked for.
 * A new subcommand is a line here, its section in tocsin(1), and its words in the
 * completions; tests/cli/test_cli.c sees that none is forgotten.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/help.h"
#include "cli/print.h"

static const struct tc_option health_options[] = {
    {"field", "NAME", "print the value of this field alone", false},
    {"details", "TOPIC", "print more about system_extensions or plugins", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option threat_list_options[] = {
    {"limit", "N", "print at most the N newest; 100 without it", false},
    {"since", "TIME", "only from then on, as 2026-12-31T18:00, or 24h ago", false},
    {"severity", "SEVERITY", "only of this severity and above", false},
    {"filter", "FILTER", "only those for which it holds, as 'path=/srv/*'", true},
    {NULL, NULL, NULL, false},
};

static const struct tc_option alert_list_options[] = {
    {"limit", "N", "print at most the N newest; 100 without it", false},
    {"since", "TIME", "only from then on, as 2026-12-31T18:00, or 24h ago", false},
    {"severity", "SEVERITY", "only of this severity and above", false},
    {"rule", "RULE", "only of this rule: its name or id, with wildcards", false},
    {"state", "STATE", "open, closed or all; open without it", false},
    {"case", "ID", "only of this case", false},
    {"before", "CURSOR", "the page behind one that ended there", false},
    {"filter", "FILTER", "only those for which it holds, as 'user=0'", true},
    {NULL, NULL, NULL, false},
};

static const struct tc_option case_list_options[] = {
    {"limit", "N", "print at most the N newest; 100 without it", false},
    {"since", "TIME", "only from then on, as 2026-12-31T18:00, or 24h ago", false},
    {"severity", "SEVERITY", "only of this severity and above", false},
    {"state", "STATE", "open, closed or all; open without it", false},
    {"before", "CURSOR", "the page behind one that ended there", false},
    {"filter", "FILTER", "only those for which it holds, as 'alerts>3'", true},
    {NULL, NULL, NULL, false},
};

static const struct tc_option alert_get_options[] = {
    {"unmasked", NULL, "with passwords and tokens, which are *** else; takes root",
     false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option close_options[] = {
    {"note", "TEXT", "why, for those who look at it later", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option restore_options[] = {
    {"to", "PATH", "write it there instead of where it was found", false},
    {"overwrite", NULL, "replace a file that is there", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option remove_options[] = {
    {"user", "UID", "all that belonged to that user, in place of an ID", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option scan_options[] = {
    {"path", "PATH", "the file or folder to scan, in place of the argument", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option rule_test_options[] = {
    {"rules", "PATH", "a Sigma rule file, or a folder of them", true},
    {"events", "FILE", "events, a JSON object a line, or a recording; - is stdin", false},
    {"filters", "READING",
     "how filters are read: specification (they say what is left out; the default) or "
     "pysigma (what is kept)",
     false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option selftest_options[] = {
    {"wait", "SECONDS", "how long to wait for the alert; 20 without it", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option check_options[] = {
    {"product", "NAME", "for machines of this kind, linux or macos, not for this one",
     false},
    {"filters", "READING",
     "how filters are read: specification (they say what is left out; the default) or "
     "pysigma (what is kept)",
     false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option reason_options[] = {
    {"reason", "TEXT", "why, for the record", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option isolate_options[] = {
    {"allow", "ADDR[/N][:PORT][/tcp|udp]", "let this through all the same", true},
    {"for", "DURATION", "end by itself after so long, as 30m or 8h", false},
    {"reason", "TEXT", "why, for the record", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option portal_options[] = {
    {"viewer", NULL, "look and change nothing, as those who are not root do", false},
    {"portal", "PATH",
     "the portal's socket (default: $TOCSIN_PORTAL, or "
     "/run/tocsin-portal/login.sock)",
     false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option release_options[] = {
    {"reason", "TEXT", "why, for the record", false},
    {"local", NULL, "without an agent: the next one starts without isolation", false},
    {"state", "DIR", "with --local: the agent's state folder", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option indicator_list_options[] = {
    {"action", "ACTION", "only those that block, allow or audit", false},
    {"kind", "KIND", "only address, network, domain or host", false},
    {"limit", "N", "print at most N; 100 without it", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option indicator_options[] = {
    {"action", "ACTION", "block, allow or audit", false},
    {"expires", "TIME|DURATION", "until then, as 7d or 2026-12-31T18:00", false},
    {"reason", "TEXT", "why, for the record", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option config_show_options[] = {
    {"origin", NULL, "print each value with the file and line that it is from", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_option tap_options[] = {
    {"filter", "FILTER", "only events for which it holds, as 'took_ns>1ms'", true},
    {"follow-process", "PID", "only of this process, and of all that it starts", false},
    {"sample", "N", "one in N of them", false},
    {"count", "N", "end after N events", false},
    {"duration", "TIME", "end after so long, as 30s or 10m", false},
    {"record", "FILE", "write the events to FILE as msgpack; - is stdout", false},
    {"overwrite", NULL, "replace a file that is there", false},
    {"max-size", "SIZE", "end before FILE gets larger, as 100M", false},
    {"read", "FILE", "events that were recorded, in place of the agent's; - is stdin",
     false},
    {"since", "TIME", "with --read: from then on, as 2026-12-31T18:00, or 10m ago",
     false},
    {"until", "TIME", "with --read: up to then", false},
    {"wide", NULL, "all fields, not cut to the terminal's width", false},
    {NULL, NULL, NULL, false},
};

static const struct tc_column threat_columns[] = {
    {"ID", "id"},         {"LAST SEEN", "last_seen_ns"},
    {"NAME", "name"},     {"SEVERITY", "severity"},
    {"STATUS", "status"}, {"PATH", "path"},
    {NULL, NULL},
};

static const struct tc_column quarantine_columns[] = {
    {"ID", "id"},       {"TIME", "time_ns"}, {"NAME", "name"}, {"SIZE", "size"},
    {"UID", "user_id"}, {"PATH", "path"},    {NULL, NULL},
};

static const struct tc_column allowed_columns[] = {
    {"SHA256", "sha256"},
    {"REASON", "reason"},
    {NULL, NULL},
};

static const struct tc_column alert_columns[] = {
    {"LAST SEEN", "last_seen_ns"},
    {"SEVERITY", "severity"},
    {"COUNT", "count"},
    {"TITLE", "title"},
    {"PROCESS", "process"},
    {"ID", "id"},
    {NULL, NULL},
};

static const struct tc_column case_columns[] = {
    {"LAST SEEN", "last_seen_ns"},
    {"SEVERITY", "severity"},
    {"ALERTS", "alerts"},
    {"STATE", "state"},
    {"TITLE", "title"},
    {"ID", "id"},
    {NULL, NULL},
};

static const struct tc_column plugin_columns[] = {
    {"NAME", "name"},       {"VERSION", "version"}, {"KIND", "kind"},
    {"STATE", "state"},     {"VOTER", "voter"},     {"DELIVERED", "delivered"},
    {"DROPPED", "dropped"}, {"WHY", "why"},         {NULL, NULL},
};

static const struct tc_column forward_columns[] = {
    {"SINK", "name"},       {"STATE", "state"},           {"WAITING", "queued"},
    {"SENT", "sent"},       {"RETRIES", "retries"},       {"DEAD", "dead"},
    {"DROPPED", "dropped"}, {"LAST ERROR", "last_error"}, {NULL, NULL},
};

static const struct tc_column dead_columns[] = {
    {"REFUSED", "refused_ns"},
    {"SINK", "sink"},
    {"TOPIC", "topic"},
    {"WHY", "why"},
    {"ID", "id"},
    {NULL, NULL},
};

static const struct tc_command commands[] = {
    {.path = "health",
     .help =
         "Say whether the machine is protected, by what, and what is wrong; status 1: "
         "it is not healthy",
     .options = health_options,
     .run = tc_run_health},
    {.path = "approval list",
     .help = "List the gates: what is granted, by whom, and what is waited for",
     .run = tc_run_approval_list,
     .method = "approval.list"},
    {.path = "approval grant",
     .usage = "GATE",
     .help = "Say yes: the sensor may do what the gate stands for",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_action,
     .method = "approval.grant",
     .param = "gate",
     .said = "granted"},
    {.path = "approval deny",
     .usage = "GATE",
     .help = "Say no; nobody is asked again until it is granted or retried",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_action,
     .method = "approval.deny",
     .param = "gate",
     .said = "denied"},
    {.path = "approval revoke",
     .usage = "GATE",
     .help = "Take back what was granted",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_action,
     .method = "approval.revoke",
     .param = "gate",
     .said = "revoked"},
    {.path = "approval retry",
     .help = "Ask again for all that is not granted, with the full time",
     .run = tc_run_action,
     .method = "approval.retry",
     .said = "asking again"},
    {.path = "threat list",
     .help = "List the threats that were found, newest first",
     .options = threat_list_options,
     .run = tc_run_list,
     .method = "threat.list",
     .columns = threat_columns,
     .said = "no threats"},
    {.path = "threat get",
     .usage = "ID",
     .help = "Print what is known of one threat",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_threat_get,
     .method = "threat.get",
     .param = "id"},
    {.path = "threat allow",
     .usage = "ID|SHA256",
     .help = "Never again report this content",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_threat_allow},
    {.path = "threat allow list",
     .help = "List the content that is never reported, by `threat allow` or a restore",
     .run = tc_run_list,
     .method = "av.allowed",
     .columns = allowed_columns,
     .said = "nothing is allowed"},
    {.path = "threat allow remove",
     .usage = "SHA256",
     .help = "Report this content again; the beginning of the hash is enough",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_threat_disallow},
    {.path = "threat quarantine list",
     .help = "List the files in quarantine",
     .run = tc_run_list,
     .method = "av.quarantine_list",
     .columns = quarantine_columns,
     .said = "quarantine is empty"},
    {.path = "threat quarantine restore",
     .usage = "ID",
     .help = "Put a file back, with its owner, mode and times",
     .options = restore_options,
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_quarantine_restore},
    {.path = "threat quarantine remove",
     .usage = "ID",
     .help = "Delete a file in quarantine for good",
     .options = remove_options,
     .args_max = 1,
     .run = tc_run_quarantine_remove,
     .method = "av.remove",
     .param = "id",
     .said = "removed for good"},
    {.path = "alert list",
     .help = "List the alerts that were raised, newest first",
     .options = alert_list_options,
     .run = tc_run_list,
     .method = "alert.list",
     .columns = alert_columns,
     .said = "no alerts"},
    {.path = "alert get",
     .usage = "ID",
     .help = "Print all that is known of one alert",
     .options = alert_get_options,
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_alert_get,
     .method = "alert.get",
     .param = "id"},
    {.path = "alert close",
     .usage = "ID",
     .help = "Close an alert, with a note; it opens again if it matches again",
     .options = close_options,
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_alert_state,
     .method = "alert.close",
     .param = "id",
     .said = "closed"},
    {.path = "alert reopen",
     .usage = "ID",
     .help = "Open an alert that was closed",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_alert_state,
     .method = "alert.reopen",
     .param = "id",
     .said = "open"},
    {.path = "case list",
     .help = "List the cases, alerts of one chain of processes each, newest first",
     .options = case_list_options,
     .run = tc_run_list,
     .method = "case.list",
     .columns = case_columns,
     .said = "no cases"},
    {.path = "case get",
     .usage = "ID",
     .help = "Print a case as one timeline, with its processes as one tree",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_case_get,
     .method = "case.get",
     .param = "id"},
    {.path = "case close",
     .usage = "ID",
     .help = "Close all alerts of a case that are open, with a note",
     .options = close_options,
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_alert_state,
     .method = "case.close",
     .param = "id",
     .said = "closed"},
    {.path = "case reopen",
     .usage = "ID",
     .help = "Open all alerts of a case that were closed",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_alert_state,
     .method = "case.reopen",
     .param = "id",
     .said = "open"},
    {.path = "scan custom",
     .usage = "PATH",
     .help = "Scan a file, or a folder and all below it; bad files are quarantined",
     .options = scan_options,
     .args_max = 1,
     .run = tc_run_scan_custom},
    {.path = "scan cancel",
     .help = "End the scan that runs",
     .run = tc_run_action,
     .method = "av.cancel",
     .said = "cancelled"},
    {.path = "plugin list",
     .help = "List the plugins, and why one does not run",
     .run = tc_run_list,
     .method = "plugin.list",
     .columns = plugin_columns,
     .said = "no plugins"},
    {.path = "plugin info",
     .usage = "NAME",
     .help = "Print a plugin's state, topics and options",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_record,
     .method = "plugin.info",
     .param = "name"},
    {.path = "plugin enable",
     .usage = "NAME",
     .help = "Load a plugin and start it",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_action,
     .method = "plugin.enable",
     .param = "name",
     .said = "enabled"},
    {.path = "plugin disable",
     .usage = "NAME",
     .help = "Stop a plugin and unload it, until it is enabled",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_action,
     .method = "plugin.disable",
     .param = "name",
     .said = "disabled, until tocsin plugin enable"},
    {.path = "plugin reload",
     .usage = "NAME",
     .help = "Replace a plugin by what its file is now",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_action,
     .method = "plugin.reload",
     .param = "name",
     .said = "reloaded"},
    {.path = "plugin check",
     .usage = "FILE",
     .help = "Say whether the agent would take this plugin, and what it is",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_plugin_check},
    {.path = "profile list",
     .help = "List the managed profiles, and what each says of the gates",
     .run = tc_run_profile_list,
     .method = "profile.list"},
    {.path = "profile check",
     .usage = "[FILE...]",
     .help = "Say what the managed profiles, or these, declare and what is in effect",
     .args_max = TC_CLI_WORDS_MAX,
     .run = tc_run_profile_check,
     .method = "profile.check"},
    {.path = "definitions list",
     .help = "List what the detectors judge by, and why a rule does not run",
     .run = tc_run_definitions_list},
    {.path = "definitions reload",
     .help = "Read all rules again and use them",
     .run = tc_run_definitions_reload},
    {.path = "definitions check",
     .usage = "PATH...",
     .help = "Check Sigma rules, or files of YARA rules, without the agent",
     .options = check_options,
     .args_min = 1,
     .args_max = TC_CLI_WORDS_MAX,
     .run = tc_run_definitions_check},
    {.path = "edr selftest",
     .help = "Imitate an attack, harmlessly, and show the alert that it raises",
     .options = selftest_options,
     .run = tc_run_edr_selftest},
    {.path = "edr resume",
     .usage = "PID",
     .help = "Resume a suspended process, and all below it",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_action,
     .method = "edr.resume",
     .param = "pid",
     .said = "resumed"},
    {.path = "forward status",
     .help = "List the sinks that events go to: what waits, what was sent, what is wrong",
     .run = tc_run_list,
     .method = "forward.status",
     .columns = forward_columns,
     .said = "nothing is forwarded: set plugins.forward.sinks"},
    {.path = "forward test",
     .help = "Send a made-up event to each sink, and say what the receiver says; status "
             "1: one has failed",
     .run = tc_run_forward_test,
     .method = "forward.test"},
    {.path = "forward dead",
     .help = "List the newest events that a receiver has refused for good",
     .run = tc_run_list,
     .method = "forward.list",
     .columns = dead_columns,
     .said = "no event was refused"},
    {.path = "network-filter status",
     .help = "Say what the network filter does, and how well",
     .run = tc_run_netfilter_record,
     .method = "netfilter.status"},
    {.path = "network-filter enable",
     .help = "Let the network filter decide again",
     .options = reason_options,
     .run = tc_run_network_filter_set,
     .method = "netfilter.enable"},
    {.path = "network-filter disable",
     .help = "Let every flow through, at once, and ask nobody",
     .options = reason_options,
     .run = tc_run_network_filter_set,
     .method = "netfilter.disable"},
    {.path = "isolate on",
     .help = "Cut this machine off from others, but for what is allowed",
     .options = isolate_options,
     .run = tc_run_isolate_on,
     .method = "netfilter.isolate"},
    {.path = "isolate off",
     .help = "End the isolation",
     .options = release_options,
     .run = tc_run_isolate_off,
     .method = "netfilter.release"},
    {.path = "isolate status",
     .help = "Say whether this machine is isolated, why and until when",
     .run = tc_run_netfilter_record,
     .method = "netfilter.isolation"},
    {.path = "indicator list",
     .usage = "[TEXT]",
     .help = "List what is blocked, allowed or audited; those with TEXT in them",
     .options = indicator_list_options,
     .args_max = 1,
     .run = tc_run_indicator_list,
     .method = "netfilter.indicator_list"},
    {.path = "indicator add",
     .usage = "VALUE",
     .help = "Block, allow or audit an address, a network, a domain or a URL",
     .options = indicator_options,
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_indicator_add,
     .method = "netfilter.indicator_add"},
    {.path = "indicator remove",
     .usage = "VALUE",
     .help = "Remove an indicator that was added",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_indicator_remove,
     .method = "netfilter.indicator_remove"},
    {.path = "indicator test",
     .usage = "VALUE",
     .help = "Say what would become of a flow to this address or name",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_indicator_test,
     .method = "netfilter.indicator_test"},
    {.path = "indicator reload",
     .help = "Read the files of indicators again and use them",
     .run = tc_run_netfilter_record,
     .method = "netfilter.indicator_reload"},
    {.path = "rule test",
     .usage = "--rules PATH --events FILE",
     .help = "Say which Sigma rules match recorded events, without the agent",
     .options = rule_test_options,
     .run = tc_run_rule_test},
    {.path = "config validate",
     .usage = "[FILE]",
     .help = "Check a configuration without using it",
     .args_max = 1,
     .run = tc_run_config_validate,
     .method = "config.validate"},
    {.path = "config set",
     .usage = "KEY VALUE",
     .help = "Change one key in the file that has it, and use it; as mode passive, or "
             "plugins.es.watch '[/home, /srv]'",
     .args_min = 2,
     .args_max = 2,
     .run = tc_run_config_edit,
     .method = "config.set"},
    {.path = "config unset",
     .usage = "KEY",
     .help = "Take one key out of the file that has it: its default counts again",
     .args_min = 1,
     .args_max = 1,
     .run = tc_run_config_edit,
     .method = "config.unset"},
    {.path = "config add",
     .usage = "KEY VALUE",
     .help = "Add one item to a list; as exclusions '{path: \"/backup/**\"}'",
     .args_min = 2,
     .args_max = 2,
     .run = tc_run_config_edit,
     .method = "config.add"},
    {.path = "config remove",
     .usage = "KEY VALUE",
     .help = "Take one item out of a list",
     .args_min = 2,
     .args_max = 2,
     .run = tc_run_config_edit,
     .method = "config.remove"},
    {.path = "config show",
     .help = "Print the configuration in force, defaults included",
     .options = config_show_options,
     .run = tc_run_config_show},
    {.path = "config reload",
     .help = "Read the configuration again and use it",
     .run = tc_run_config_reload},
    {.path = "call",
     .usage = "PLUGIN.METHOD [JSON]",
     .help = "Call a method of a plugin and print its answer",
     .args_min = 1,
     .args_max = 2,
     .run = tc_run_call},
    {.path = "tap",
     .usage = "[TOPIC...]",
     .help = "Print what goes over the bus, live or recorded",
     .options = tap_options,
     .args_max = TC_CLI_WORDS_MAX,
     .run = tc_run_tap},
    {.path = "portal login",
     .help = "Print a link that opens the portal, once, within two minutes",
     .options = portal_options,
     .run = tc_run_portal_login},
    {.path = "diagnostic stats",
     .help = "Print the counters of the agent and its plugins",
     .run = tc_run_stats},
    {.path = "version",
     .help = "Print the versions of this command and of the agent",
     .run = tc_run_version},
    {.path = NULL},
};

/* Whether whoever read our output has gone, as `head` does: it has had enough. */
static bool reader_gone(void)
{
    struct pollfd poller = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&poller, 1, 0) == 1 && (poller.revents & POLLERR) != 0;
}

/* What was printed must have arrived. */
static int finish(int r)
{
    bool failed = fflush(stdout) != 0;

    if ((!failed && !ferror(stdout)) || r != TC_EXIT_DONE || reader_gone())
        return r;
    return tc_call_failed("not all of the output could be written");
}

int main(int argc, char **argv)
{
    struct tc_cli cli = {.commands = commands};
    int r;

    signal(SIGPIPE, SIG_IGN);
    r = tc_args_parse(&cli, argc, argv);
    if (!r && cli.version)
        puts("tocsin " TOCSIN_VERSION);
    else if (!r && cli.help)
        r = tc_help_print(&cli, stdout);
    else if (!r)
        r = cli.command ? cli.command->run(&cli) : tc_help_unknown(&cli);
    tc_client_close(cli.client);
    return finish(r);
}
