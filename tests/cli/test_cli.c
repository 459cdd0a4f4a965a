/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of the command `tocsin`, as tocsin(1) makes them: the built program
 * against an agent that answers by rote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <sys/socket.h>

#include <sys/un.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/cli_run.h"
#include "tests/support/scripted_agent.h"

#define ID "6f1c0b52-4f8e-4b1e-9d58-0c8e5b3a7d11"

static void wrong_usage_exits_2_and_says_what_is_right(void **state)
{
    static const struct {
        const char *line, *says;
    } wrong[] = {
        {"", "commands:"},
        {"threat", "threat quarantine restore ID"},
        {"thraet list", "did you mean `tocsin threat`?"},
        {"threat lst", "did you mean `tocsin threat list`?"},
        {"threat quarantine restor x",
         "did you mean `tocsin threat quarantine restore`?"},
        {"frobnicate", "there is no command frobnicate\n"},
        {"plugin info", "usage: tocsin plugin info NAME"},
        {"plugin info a b", "what is b for?"},
        {"threat list --limit 0", "--limit is a number from 1 on, not 0"},
        {"threat list --limit", "--limit wants N"},
        {"threat list --limit 1 --limit 2", "--limit is given twice"},
        {"threat list --overwrite", "--overwrite does not belong here"},
        {"health --bogus", "there is no option --bogus"},
        {"health -x", "there is no option -x"},
        {"health --output xml", "--output is text or json, not xml"},
        {"health --field a --details b", "exclude each other"},
        {"threat quarantine restore 1 --overwrite=yes", "--overwrite takes no value"},
        {"scan custom", "which file or folder? Give its path, once"},
        {"scan custom / --path /", "which file or folder? Give its path, once"},
        {"tap --filter x", "it is FIELD=VALUE, as process.name=curl, not: x"},
        {"tap --filter file.pth=x", "no field file.pth; did you mean file.path?"},
        {"tap --max-size 1M", "--max-size and --overwrite go with --record"},
        {"tap --record x --max-size 1x", "--max-size is bytes, as 100M or 1Gi, not 1x"},
        {"tap --duration 5", "--duration is a time, as 30s or 10m, not 5"},
        {"tap --since 5m", "--since and --until go with --read"},
        {"tap --read /dev/null --since x", "--since is a time, as"},
        {"tap --read /dev/null files*", "files* is no topic"},
        {"help frobnicate", "there is no command frobnicate"},
    };
    struct cli_run run;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        cli_run_line(&run, "/nonexistent/socket", wrong[i].line);
        if (run.status != 2 || !strstr(run.err, wrong[i].says))
            print_message("%s: %s", wrong[i].line, run.err);
        assert_int_equal(run.status, 2);
        assert_non_null(strstr(run.err, wrong[i].says));
        assert_string_equal(run.out, "");
    }
}

static void usage_repeats_an_error_escaped(void **state)
{
    struct cli_run run;

    (void)state;
    cli_run_line(&run, "/nonexistent/socket", "\x1b[2J");
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.err, "\\x1b[2J"));
    assert_null(strchr(run.err, '\x1b'));
}

static void help_is_there_at_every_level(void **state)
{
    static const struct {
        const char *line, *says;
    } levels[] = {
        {"--help", "threat quarantine remove ID"},
        {"help", "diagnostic stats"},
        {"threat --help", "threat quarantine remove ID"},
        {"help threat quarantine", "threat quarantine remove ID"},
        {"threat quarantine restore --help", "--overwrite"},
        {"help tap", "--record FILE"},
        {"-h health", "--field NAME"},
    };
    struct cli_run run;

    (void)state;
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
        cli_run_line(&run, "/nonexistent/socket", levels[i].line);
        assert_int_equal(run.status, 0);
        assert_non_null(strstr(run.out, levels[i].says));
        assert_string_equal(run.err, "");
    }
    cli_run_line(&run, "", "help threat");
    assert_null(strstr(run.out, "plugin list"));
}

static void no_agent_exits_3_and_says_where_it_looked(void **state)
{
    struct cli_run run;

    (void)state;
    cli_run_line(&run, "/nonexistent/socket", "health");
    assert_int_equal(run.status, 3);
    assert_non_null(strstr(run.err, "tocsin: no agent answers at /nonexistent/socket (No "
                                    "such file or directory); "));
    cli_run_line(&run, "/nonexistent/socket", "--socket /nonexistent/other threat list");
    assert_int_equal(run.status, 3);
    assert_non_null(strstr(run.err, "/nonexistent/other"));
}

/* As whoever has forgotten what `make run` said of TOCSIN_SOCKET. */
static void no_agent_here_says_where_another_one_is(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/tocsin-cli-XXXXXX";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct cli_run run;

    (void)state;
    assert_true(fd >= 0);
    assert_non_null(mkdtemp(folder));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/tocsin.sock", folder);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    cli_run_line(&run, "/nonexistent/socket", "health");
    close(fd);
    unlink(address.sun_path);
    rmdir(folder);
    assert_int_equal(run.status, 3);
    /* Which one, where there are several, is not ours to say. */
    assert_non_null(strstr(run.err, "; one has its socket elsewhere: export "
                                    "TOCSIN_SOCKET=/"));
}

static void version_is_an_option_too(void **state)
{
    struct cli_run run;

    (void)state;
    cli_run_line(&run, "/nonexistent/socket", "--version");
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out, "tocsin " TEST_VERSION "\n");
}

static void a_method_of_a_plugin_that_does_not_run_says_how_to_start_it(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "av.scan",
         .result = "there is no method av.scan: no plugin is called av",
         .code = "unknown_method"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "scan custom /", 1, "",
                     "tocsin: this takes plugin av, which does not run: tocsin plugin "
                     "enable av (tocsin plugin list says why)\n");
}

static void a_list_says_that_it_is_cut(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "alert.list", .result = "{'items':[{'id':'a'}],'total':365}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "alert list", 0, NULL,
                     "tocsin: 1 of 365 are shown; --limit N asks for more\n");
    cli_run_answered(answers, "alert list --output json", 0, "[{\"id\":\"a\"}]\n",
                     "tocsin: 1 of 365 are shown; --limit N asks for more\n");
}

static void an_id_may_be_cut_short(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "av.quarantine_list",
         .result = "{'items':[{'id':'" ID "'},{'id':'6f1d'},{'id':'6f1d2'}]}"},
        {.method = "av.remove", .result = "{}"},
        {.method = NULL},
    };
    static const struct scripted_answer allowed[] = {
        {.method = "av.allowed", .result = "{'items':[{'sha256':'abcd'}]}"},
        {.method = "av.disallow", .result = "{}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "threat quarantine remove 6F1C", 0,
                     ID ": removed for good\n", "");
    cli_run_answered(answers, "threat quarantine remove latest", 0,
                     ID ": removed for good\n", "");
    cli_run_answered(answers, "threat quarantine remove 6f1d", 0,
                     "6f1d: removed for good\n", "");
    cli_run_answered(answers, "threat quarantine remove 6f1", 1, "",
                     "tocsin: 3 begin with 6f1; give more of it\n");
    cli_run_answered(allowed, "threat allow remove ab", 0,
                     "abcd: reported again, as soon as the rules have been read again\n",
                     "");
}

static void refusal_exits_1_with_the_agents_sentence(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "plugin.enable",
         .result = "only root may do that\x1b",
         .code = "refused"},
        {.method = "threat.get", .result = "id is no id", .code = "usage"},
        {.method = "health", .result = "{}", .hang_up = true},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "plugin enable av", 1, "",
                     "tocsin: only root may do that\\x1b\n");
    cli_run_answered(answers, "threat get x", 2, "", "tocsin: id is no id\n");
    cli_run_answered(answers, "alert list", 1, "",
                     "tocsin: this agent does not know alert.list: no such method\n");
}

static void agent_that_goes_away_is_a_failure(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "health", .hang_up = true}, {.method = NULL}};

    (void)state;
    cli_run_answered(answers, "health", 1, "",
                     "tocsin: the agent closed the connection\n");
}

static void each_command_asks_for_its_method(void **state)
{
    static const struct {
        const char *line, *method, *params;
    } asked[] = {
        {"approval grant es_extension", "approval.grant", "{\"gate\":\"es_extension\"}"},
        {"approval deny x", "approval.deny", "{\"gate\":\"x\"}"},
        {"approval revoke x", "approval.revoke", "{\"gate\":\"x\"}"},
        {"approval retry", "approval.retry", "{}"},
        {"approval list --output json", "approval.list", "{}"},
        {"threat list", "threat.list", "{}"},
        {"--limit 5 threat list", "threat.list", "{\"limit\":5}"},
        {"threat list --limit=5", "threat.list", "{\"limit\":5}"},
        {"threat get t-1", "threat.get", "{\"id\":\"t-1\"}"},
        {"threat quarantine list", "av.quarantine_list", "{}"},
        {"threat quarantine restore " ID, "av.restore", "{\"id\":\"" ID "\"}"},
        {"threat quarantine restore --overwrite " ID " --to /x", "av.restore",
         "{\"id\":\"" ID "\",\"to\":\"/x\",\"overwrite\":true}"},
        {"threat quarantine remove " ID, "av.remove", "{\"id\":\"" ID "\"}"},
        {"threat quarantine remove --user 12", "av.remove", "{\"user_id\":12}"},
        {"threat allow " ID, "av.allow", "{\"id\":\"" ID "\"}"},
        {"threat allow list", "av.allowed", "{}"},
        {"threat list --severity low --filter path=/a,/b", "threat.list",
         "{\"filter\":[\"severity>=low\",\"path=/a,/b\"]}"},
        {"alert list --since 2026-01-02T03:04:05Z --limit 3 --rule shell*,x",
         "alert.list",
         "{\"limit\":3,\"since_ns\":1767323045000000000,\"state\":\"open\",\"filter\":"
         "[\"rule=shell*\\\\,x or rule_id=shell*\\\\,x\"]}"},
        {"scan custom /", "av.scan", "{\"path\":\"/\"}"},
        {"threat allow 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
         "av.allow",
         "{\"sha256\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
         "0123456789abcdef\"}"},
        {"alert list --limit 2", "alert.list", "{\"limit\":2,\"state\":\"open\"}"},
        {"alert list --state all --severity low --case ab --before 1.2", "alert.list",
         "{\"state\":\"all\",\"severity\":\"low\",\"case\":\"ab\",\"before\":\"1.2\"}"},
        {"alert get 7 --unmasked", "alert.unmasked", "{\"id\":\"7\"}"},
        {"alert close 7 --note no", "alert.close", "{\"id\":\"7\",\"note\":\"no\"}"},
        {"alert reopen 7", "alert.reopen", "{\"id\":\"7\"}"},
        {"case list", "case.list", "{\"state\":\"open\"}"},
        {"case get latest --output json", "case.get", "{\"id\":\"latest\"}"},
        {"case close c", "case.close", "{\"id\":\"c\"}"},
        {"case reopen c", "case.reopen", "{\"id\":\"c\"}"},
        {"alert get 7", "alert.get", "{\"id\":\"7\"}"},
        {"scan custom --path /", "av.scan", "{\"path\":\"/\"}"},
        {"scan custom --path /usr/../etc/hosts", "av.scan", "{\"path\":\"/etc/hosts\"}"},
        {"scan cancel", "av.cancel", "{}"},
        {"plugin list", "plugin.list", "{}"},
        {"plugin info av", "plugin.info", "{\"name\":\"av\"}"},
        {"plugin enable av", "plugin.enable", "{\"name\":\"av\"}"},
        {"plugin disable -- -av", "plugin.disable", "{\"name\":\"-av\"}"},
        {"plugin reload av", "plugin.reload", "{\"name\":\"av\"}"},
        {"profile list", "profile.list", "{}"},
        {"config show --output json", "config.show", "{}"},
        {"config validate", "config.validate", "{}"},
        {"config validate /etc/../etc/hosts", "config.validate",
         "{\"path\":\"/etc/hosts\"}"},
        {"call acme.look", "acme.look", "{}"},
        {"call acme.look {\"a\":[1,-2,null],\"b\":{\"c\":true}}", "acme.look",
         "{\"a\":[1,-2,null],\"b\":{\"c\":true}}"},
        {"config reload", "config.reload", "{}"},
        {"config set mode passive", "config.set",
         "{\"key\":\"mode\",\"value\":\"passive\"}"},
        {"config unset plugins.es.watch", "config.unset",
         "{\"key\":\"plugins.es.watch\"}"},
        {"config add exclusions {path:/x}", "config.add",
         "{\"key\":\"exclusions\",\"value\":\"{path:/x}\"}"},
        {"config remove exclusions {path:/x}", "config.remove",
         "{\"key\":\"exclusions\",\"value\":\"{path:/x}\"}"},
        {"diagnostic stats", "diagnostic.stats", "{}"},
        {"health", "health", "{}"},
        {"health --details plugins --output json", "health", "{\"details\":\"plugins\"}"},
        {"version", "version", "{}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
        cli_run_asked(asked[i].line, asked[i].method, asked[i].params);
}

static const struct scripted_answer health_answers[] = {
    {.method = "health",
     .result = "{'healthy':false,'health_issues':[{'id':'a','text':'disk is full',"
               "'fix':'free some'},{'id':'b','text':'old rules'}],"
               "'app_version':'0.1.0','release_ring':null,'plugins_loaded':4}"},
    {.method = NULL},
};

static void health_prints_aligned_fields_and_issues(void **state)
{
    (void)state;
    cli_run_answered(health_answers, "health", 1,
                     "healthy        : false\n"
                     "health_issues  : 2\n"
                     "  - disk is full\n"
                     "    fix: free some\n"
                     "  - old rules\n"
                     "app_version    : 0.1.0\n"
                     "release_ring   : -\n"
                     "plugins_loaded : 4\n",
                     "");
    cli_run_answered(
        health_answers, "health --output json", 1,
        "{\"healthy\":false,\"health_issues\":[{\"id\":\"a\",\"text\":\"disk is "
        "full\",\"fix\":\"free some\"},{\"id\":\"b\",\"text\":\"old rules\"}],"
        "\"app_version\":\"0.1.0\",\"release_ring\":null,\"plugins_loaded\":4}\n",
        "");
}

static void health_marks_what_a_profile_has_set(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "health",
         .result = "{'healthy':true,'health_issues':[],'release_ring':'beta',"
                   "'passive_mode_enabled':false,'managed':['release_ring']}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "health", 0,
                     "healthy              : true\n"
                     "health_issues        : none\n"
                     "release_ring         : beta [managed]\n"
                     "passive_mode_enabled : false\n",
                     "");
    cli_run_answered(answers, "health --output json", 0,
                     "{\"healthy\":true,\"health_issues\":[],\"release_ring\":\"beta\","
                     "\"passive_mode_enabled\":false,\"managed\":[\"release_ring\"]}\n",
                     "");
    cli_run_answered(answers, "health --field release_ring", 0, "beta\n", "");
}

static void health_field_prints_the_bare_value(void **state)
{
    (void)state;
    cli_run_answered(health_answers, "health --field healthy", 0, "false\n", "");
    cli_run_answered(health_answers, "health --field app_version", 0, "0.1.0\n", "");
    cli_run_answered(health_answers, "health --field health_issues", 0,
                     "disk is full\nold rules\n", "");
    cli_run_answered(health_answers, "health --field app_version --output json", 0,
                     "\"0.1.0\"\n", "");
    cli_run_answered(health_answers, "health --field nothing", 1, "",
                     "tocsin: health has no field nothing\n");
}

static void health_details_prints_maps_and_tables(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "health",
         .result = "{'details':{'network_extension_installed':true,'gates':["
                   "{'gate':'es_extension','state':'granted','since_ns':0},"
                   "{'gate':'network_filter','state':'queued'}]}}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "health --details system_extensions", 0,
                     "network_extension_installed : true\n"
                     "\n"
                     "gates:\n"
                     "GATE            STATE    SINCE\n"
                     "es_extension    granted  1970-01-01 00:00:00\n"
                     "network_filter  queued   -\n",
                     "");
}

static void health_details_prints_a_section_for_each_plugin(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "health",
         .result = "{'details':[{'enabled':true,'name':'es','sha256':"
                   "'0123456789abcdef','holds':{'timers':{'now':2,'most':3}}},"
                   "{'name':'a\nb','why':''}]}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "health --details plugins", 0,
                     "plugin es:\n"
                     "  enabled      : true\n"
                     "  sha256       : 0123456789ab\n"
                     "  holds.timers : now=2 most=3\n"
                     "\n"
                     "plugin a\\nb:\n"
                     "  why : \n",
                     "");
}

#define HELP_OF_60 "123456789 123456789 123456789 123456789 123456789 123456789 "

static void records_keep_to_a_terminals_width(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "plugin.info",
         .result = "{'topics':['" HELP_OF_60 "','" HELP_OF_60 "','c'],'options':[{'name':"
                   "'watch','help':'" HELP_OF_60 "','more':'" HELP_OF_60 "'}]}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "plugin info es", 0,
                     "topics : " HELP_OF_60 ",\n"
                     "         " HELP_OF_60 ", c\n"
                     "\n"
                     "option watch:\n"
                     "  help : " HELP_OF_60 "\n"
                     "  more : " HELP_OF_60 "\n",
                     "");
}

static void stats_have_the_counters_of_each_plugin_that_answers(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "diagnostic.stats",
         .result = "{'starts':1,'plugins':[{'name':'es','state':'running'},"
                   "{'name':'off','state':'disabled'},{'name':'mute','state':'running'},"
                   "{'name':'none','state':'running'},{'name':'av','state':'running'}]}"},
        {.method = "es.stats", .result = "{'asked':7}"},
        {.method = "off.stats", .result = "{'asked':8}"},
        {.method = "mute.stats"}, /* never answers */
        {.method = "none.stats", .result = "no such method", .code = "unknown_method"},
        {.method = "av.stats", .result = "{'scanned':9}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "diagnostic stats --output json", 0,
                     "{\"starts\":1,\"plugins\":["
                     "{\"name\":\"es\",\"state\":\"running\",\"stats\":{\"asked\":7}},"
                     "{\"name\":\"off\",\"state\":\"disabled\"},"
                     "{\"name\":\"mute\",\"state\":\"running\"},"
                     "{\"name\":\"none\",\"state\":\"running\"},"
                     "{\"name\":\"av\",\"state\":\"running\",\"stats\":{\"scanned\":9}}"
                     "]}\n",
                     "");
}

static const struct scripted_answer list_answers[] = {
    {.method = "threat.list",
     .result = "{'items':[{'id':'t2','name':'Eicar','severity':'high','status':"
               "'quarantined','path':'/tmp/\x1b[2J\xff','first_seen_ns':0,'last_seen_ns':"
               "1700000000000000000},{'id':'t10','name':'X','severity':'low','status':"
               "'detected','path':'/a\\\\b','last_seen_ns':1700000001000000000}]}"},
    {.method = "alert.list", .result = "{'items':[]}"},
    {.method = "plugin.info",
     .result = "{'id':'t2','last_seen_ns':1700000000000000000,'process':{'pid':7,"
               "'name':'sh'},'tags':['a','b'],'none':[]}"},
    {.method = NULL},
};

static void lists_print_tables_that_drive_no_terminal(void **state)
{
    (void)state;
    cli_run_answered(
        list_answers, "threat list", 0,
        "ID   LAST SEEN            NAME   SEVERITY  STATUS       PATH\n"
        "t2   2023-11-14 22:13:20  Eicar  high      quarantined  /tmp/\\x1b[2J\\xff\n"
        "t10  2023-11-14 22:13:21  X      low       detected     /a\\\\b\n",
        "");
    cli_run_answered(list_answers, "alert list", 0, "no alerts\n", "");
}

static void lists_print_json_arrays(void **state)
{
    struct scripted_agent *agent = scripted_agent_new(list_answers);
    struct cli_run run;

    (void)state;
    cli_run_line(&run, scripted_agent_socket(agent), "threat list --output json");
    scripted_agent_free(agent);
    assert_int_equal(run.status, 0);
    assert_memory_equal(run.out, "[{\"id\":\"t2\",", 12);
    assert_non_null(strstr(run.out, "\"path\":{\"$bin\":\"2f746d702f1b5b324aff\","
                                    "\"$text\":\"/tmp/\\u001b[2J\\ufffd\"}"));
    assert_int_equal(run.out[strlen(run.out) - 2], ']');
    cli_run_answered(list_answers, "alert list --output json", 0, "[]\n", "");
}

static void records_print_dotted_fields(void **state)
{
    (void)state;
    cli_run_answered(list_answers, "plugin info t2", 0,
                     "id           : t2\n"
                     "last_seen    : 2023-11-14 22:13:20 +0000\n"
                     "process.pid  : 7\n"
                     "process.name : sh\n"
                     "tags         : a, b\n"
                     "none         : none\n",
                     "");
}

static void a_threat_prints_what_was_found_by_whom_and_what_was_done(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "threat.get",
         .result = "{'id':'" ID "','name':'Eicar\x1b','severity':'high','status':"
                   "'quarantined','path':'/a','sha256':'ab12','rule':'Eicar','process':"
                   "'/bin/cat','pid':7,'first_seen_ns':1700000000000000000,"
                   "'last_seen_ns':1700000001000000000,'count':2,'user':null,"
                   "'detected':{'process':{'start':1700000000000000000,'user':{'id':0}}},"
                   "'remediated':{'@timestamp':1700000002000000000,'detection':{'action':"
                   "'quarantine','status':'quarantined'}},'paths':['/a','/b']}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "threat get " ID, 0,
                     "Eicar\\x1b\n"
                     "  severity     : high\n"
                     "  status       : quarantined\n"
                     "  id           : " ID "\n"
                     "  count        : 2\n"
                     "  first seen   : 2023-11-14 22:13:20 +0000\n"
                     "  last seen    : 2023-11-14 22:13:21 +0000\n"
                     "  paths        : /a\n"
                     "               : /b\n"
                     "\nFile\n"
                     "  sha256       : ab12\n"
                     "\nRule\n"
                     "  name         : Eicar\n"
                     "\nProcess\n"
                     "  pid          : 7\n"
                     "  executable   : /bin/cat\n"
                     "  user         : 0\n"
                     "  started      : 2023-11-14 22:13:20 +0000\n"
                     "\nDone\n"
                     "  when         : 2023-11-14 22:13:22 +0000\n"
                     "  action       : quarantine\n"
                     "  status       : quarantined\n",
                     "");
}

static void tables_fit_the_terminal_and_cut_no_id(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "threat.list",
         .result = "{'items':[{'id':'" ID "','name':'Eicar','severity':'high','status':"
                   "'quarantined','path':'/srv/a/very/long/path/to/a/file/at/the/end',"
                   "'last_seen_ns':1700000000000000000}]}"},
        {.method = NULL},
    };
    struct scripted_agent *agent = scripted_agent_new(answers);
    struct cli_run run;

    (void)state;
    cli_run_columns(&run, scripted_agent_socket(agent), "threat list", "110");
    scripted_agent_free(agent);
    assert_int_equal(run.status, 0);
    assert_string_equal(strchr(run.out, '\n') + 1,
                        ID "  2023-11-14 22:13:20  Eicar  high      quarantined  "
                           "\xe2\x80\xa6to/a/file/at/the/end\n");
}

static void actions_say_what_they_did(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "plugin.enable", .result = "{'name':'av'}"},
        {.method = "av.restore", .result = "{'path':'/tmp/a\nb','sha256':'ab12'}"},
        {.method = "av.allow", .result = "{}"},
        {.method = "av.cancel", .result = "{}"},
        {.method = "config.reload", .result = "{'changed':['mode'],'restart':['paths']}"},
        {.method = "config.show",
         .result = "{'yaml':'mode: \"a\\\\d\"\n','values':[{'key':'mode','value':"
                   "'block','from':'/etc/a.yaml:3'}]}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "plugin enable av", 0, "av: enabled\n", "");
    cli_run_answered(answers, "plugin enable av --output=json", 0, "{\"name\":\"av\"}\n",
                     "");
    cli_run_answered(answers, "threat quarantine restore " ID, 0,
                     "restored /tmp/a\\nb (sha256 ab12)\n", "");
    cli_run_answered(answers, "threat allow " ID, 0, ID ": allowed from now on\n", "");
    cli_run_answered(answers, "scan cancel", 0, "cancelled\n", "");
    cli_run_answered(answers, "config reload", 0,
                     "changed: mode\ntakes effect when the agent starts again: paths\n",
                     "");
    cli_run_answered(answers, "config show", 0, "mode: \"a\\d\"\n", "");
    cli_run_answered(answers, "config show --origin", 0,
                     "KEY   VALUE  FROM\nmode  block  /etc/a.yaml:3\n", "");
}

static void checks_exit_1_when_not_ok(void **state)
{
    static const struct scripted_answer bad[] = {
        {.method = "config.validate",
         .result = "{'ok':false,'why':'a.yaml:3:1: no key'}"},
        {.method = NULL},
    };
    static const struct scripted_answer good[] = {
        {.method = "config.validate", .result = "{'ok':true}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(bad, "config validate", 1, "", "tocsin: a.yaml:3:1: no key\n");
    cli_run_answered(bad, "config validate --output json", 1,
                     "{\"ok\":false,\"why\":\"a.yaml:3:1: no key\"}\n", "");
    cli_run_answered(good, "config validate", 0, "the configuration is valid\n", "");
}

static void plugin_check_needs_no_agent_and_says_what_it_is(void **state)
{
    static const char *const said[] = {"name       : abi_v1_0",
                                       "kind       : detector",
                                       "votes      : true",
                                       "abi        : 1.0",
                                       "publishes  : abi.*, verdict",
                                       "subscribes : test.in, file.open",
                                       "duration  duration  -        2s"};
    struct cli_run run;

    (void)state;
    cli_run_line(&run, "/nonexistent/socket",
                 "plugin check " TEST_FIXTURES "/tocsin_abi_v1_0.so");
    assert_int_equal(run.status, 0);
    for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++)
        if (!strstr(run.out, said[i]))
            fail_msg("\"%s\" is not in:\n%s", said[i], run.out);
    cli_run_line(&run, "/nonexistent/socket",
                 "plugin check --output json " TEST_FIXTURES "/tocsin_newer_major.so");
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.out, "{\"ok\":false,\"why\":\"/"));
    assert_non_null(strstr(run.out, "was built for plugin ABI 2.0"));
    cli_run_line(&run, "/nonexistent/socket", "plugin check /etc/hosts");
    assert_int_equal(run.status, 1);
    assert_string_equal(run.err, "tocsin: /etc/hosts: is no ELF file\n");
}

static void call_prints_json_and_refuses_what_is_none(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "acme.look", .result = "{'seen':[1,'a'],'ok':true}"},
        {.method = NULL}};
    struct cli_run run;

    (void)state;
    cli_run_answered(answers, "call acme.look", 0, "{\"seen\":[1,\"a\"],\"ok\":true}\n",
                     "");
    cli_run_answered(answers, "call acme.look --output json", 0,
                     "{\"seen\":[1,\"a\"],\"ok\":true}\n", "");
    cli_run_line(&run, "/nonexistent/socket", "call acme.look {\"a\":");
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.err, "tocsin: the parameters: this is not JSON: "));
    cli_run_line(&run, "/nonexistent/socket", "call acme.look {}{}");
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.err, "this is not JSON: something follows it at byte 3"));
    cli_run_line(&run, "/nonexistent/socket", "call acme.look [1]");
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.err, "this is not a JSON object"));
    cli_run_line(&run, "/nonexistent/socket", "call acme");
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.err, "acme names no method: say PLUGIN.METHOD"));
}

static void version_is_no_failure_without_an_agent(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "version", .result = "{'version':'9.9.9','abi':'1.0'}"},
        {.method = NULL}};
    struct cli_run run;

    (void)state;
    cli_run_line(&run, "/nonexistent/socket", "version");
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "agent: not reached at /nonexistent/socket"));
    cli_run_line(&run, "/nonexistent/socket", "version --output json");
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "\"agent\":null}"));
    cli_run_answered(answers, "version", 0,
                     "tocsin " TEST_VERSION "\nagent 9.9.9, plugin ABI 1.0, engine -\n",
                     "");
    cli_run_answered(answers, "version --output json", 0,
                     "{\"client\":\"" TEST_VERSION
                     "\",\"agent\":{\"version\":\"9.9.9\",\"abi\":\"1.0\"}}\n",
                     "");
}

static void output_that_cannot_be_written_is_a_failure(void **state)
{
    char program[CLI_RUN_PATH_MAX];
    struct cli_run run;

    (void)state;
    run.err_fd = memfd_create("err", MFD_CLOEXEC);
    cli_run_program(program);
    run.pid = fork();
    if (!run.pid) {
        dup2(open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
        dup2(run.err_fd, STDERR_FILENO);
        execl(program, program, "help", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(run.pid, &run.status, 0), run.pid);
    cli_run_take_text(run.err_fd, run.err);
    assert_int_equal(WEXITSTATUS(run.status), 1);
    assert_string_equal(run.err, "tocsin: not all of the output could be written\n");
}

static char *read_source(const char *name)
{
    char path[512], *text = malloc(CLI_RUN_TEXT_MAX);
    int fd;

    assert_non_null(text);
    snprintf(path, sizeof(path), "%s/%s", TEST_SOURCE_DIR, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    cli_run_take_text(fd, text);
    return text;
}

/* The line's words that name a command: all in lower case, and no option. */
static size_t command_words(const char *line)
{
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz- ");
    const char *option = strstr(line, " -");

    if (option && (size_t)(option - line) < n)
        n = (size_t)(option - line);
    while (n && line[n - 1] == ' ')
        n--;
    return n;
}

static void every_command_is_in_the_manual_and_the_completions(void **state)
{
    char *manual = read_source("docs/man/tocsin.1"), *line, *next, path[128], wanted[192];
    char *shells[] = {read_source("packaging/completions/tocsin.bash"),
                      read_source("packaging/completions/_tocsin"),
                      read_source("packaging/completions/tocsin.fish")};
    const char *last;
    struct cli_run run;
    size_t n = 0, len;

    (void)state;
    cli_run_line(&run, "", "help");
    next = strstr(run.out, "commands:\n") + strlen("commands:\n");
    while ((line = strsep(&next, "\n")) != NULL && !strncmp(line, "  ", 2)) {
        line[42] = 0; /* the explanation */
        len = command_words(line + 2);
        snprintf(path, sizeof(path), "%.*s", (int)len, line + 2);
        snprintf(wanted, sizeof(wanted), "\n.B %s\n", path);
        if (!strstr(manual, wanted)) {
            snprintf(wanted, sizeof(wanted), "\n.BR \"%s\" ", path);
            if (!strstr(manual, wanted))
                snprintf(wanted, sizeof(wanted), "\n.BI \"%s \" ", path);
        }
        if (!strstr(manual, wanted))
            fail_msg("tocsin(1) says nothing of %s", path);
        last = strrchr(path, ' ') ? strrchr(path, ' ') + 1 : path;
        for (size_t i = 0; i < 3; i++)
            if (!strstr(shells[i], last))
                fail_msg("completion %zu does not know %s", i, path);
        n++;
    }
    assert_true(n > 20);
    free(manual);
    free(shells[0]);
    free(shells[1]);
    free(shells[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_exits_2_and_says_what_is_right),
        cmocka_unit_test(usage_repeats_an_error_escaped),
        cmocka_unit_test(help_is_there_at_every_level),
        cmocka_unit_test(no_agent_exits_3_and_says_where_it_looked),
        cmocka_unit_test(refusal_exits_1_with_the_agents_sentence),
        cmocka_unit_test(agent_that_goes_away_is_a_failure),
        cmocka_unit_test(each_command_asks_for_its_method),
        cmocka_unit_test(health_prints_aligned_fields_and_issues),
        cmocka_unit_test(health_marks_what_a_profile_has_set),
        cmocka_unit_test(health_field_prints_the_bare_value),
        cmocka_unit_test(health_details_prints_maps_and_tables),
        cmocka_unit_test(health_details_prints_a_section_for_each_plugin),
        cmocka_unit_test(records_keep_to_a_terminals_width),
        cmocka_unit_test(stats_have_the_counters_of_each_plugin_that_answers),
        cmocka_unit_test(lists_print_tables_that_drive_no_terminal),
        cmocka_unit_test(lists_print_json_arrays),
        cmocka_unit_test(records_print_dotted_fields),
        cmocka_unit_test(a_threat_prints_what_was_found_by_whom_and_what_was_done),
        cmocka_unit_test(tables_fit_the_terminal_and_cut_no_id),
        cmocka_unit_test(actions_say_what_they_did),
        cmocka_unit_test(checks_exit_1_when_not_ok),
        cmocka_unit_test(plugin_check_needs_no_agent_and_says_what_it_is),
        cmocka_unit_test(call_prints_json_and_refuses_what_is_none),
        cmocka_unit_test(version_is_no_failure_without_an_agent),
        cmocka_unit_test(output_that_cannot_be_written_is_a_failure),
        cmocka_unit_test(no_agent_here_says_where_another_one_is),
        cmocka_unit_test(version_is_an_option_too),
        cmocka_unit_test(a_method_of_a_plugin_that_does_not_run_says_how_to_start_it),
        cmocka_unit_test(a_list_says_that_it_is_cut),
        cmocka_unit_test(an_id_may_be_cut_short),
        cmocka_unit_test(every_command_is_in_the_manual_and_the_completions),
    };

    setenv("TZ", "UTC", 1);
    alarm(100);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
