/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what events of ours are to Sigma: which records they make, what these answer to
 * Sigma's names and to ours, and which rules no event can ever match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "sigma/match/record.h"
#include "sigma/match/scratch.h"

#define TIME_NS UINT64_C(1795328960241562496)
#define EVENT_MAX 8192
#define DATA TEST_SOURCE_DIR "/../shared/data/sigma/"

/* An event in the making, and the record at hand. */
struct bench {
    uint8_t bytes[EVENT_MAX];
    struct tocsin_writer w;
    struct tc_sigma_record record;
    char text[EVENT_MAX];
};

static void put_id(struct tocsin_writer *w, const char *of, uint64_t id)
{
    tocsin_begin_map(w, of);
    tocsin_put_uint(w, "id", id);
    tocsin_end(w);
}

/* `process`, as trace has it. */
static void put_process(struct tocsin_writer *w)
{
    tocsin_begin_map(w, "process");
    tocsin_put_uint(w, "pid", 4711);
    tocsin_put_str(w, "name", "bash");
    tocsin_put_str(w, "executable", "/usr/bin/bash");
    tocsin_begin_map(w, "user");
    tocsin_put_uint(w, "id", 0);
    put_id(w, "effective", 33);
    put_id(w, "saved", 0);
    tocsin_end(w);
    put_id(w, "group", 5);
    tocsin_put_str(w, "exec_path", "/bin/sh");
    tocsin_put_str(w, "command_line", "sh -c id");
    tocsin_begin_array(w, "args");
    tocsin_put_str(w, NULL, "sh");
    tocsin_put_str(w, NULL, "-c");
    tocsin_put_str(w, NULL, "id");
    tocsin_end(w);
    tocsin_put_uint(w, "args_count", 3);
    tocsin_put_str(w, "working_directory", "/srv");
    tocsin_begin_map(w, "hash");
    tocsin_put_str(w, "sha256", "c0ffee");
    tocsin_end(w);
    tocsin_begin_map(w, "parent");
    tocsin_put_uint(w, "pid", 1);
    tocsin_put_str(w, "executable", "/usr/lib/systemd/systemd");
    tocsin_put_str(w, "command_line", "/sbin/init");
    tocsin_end(w);
    tocsin_end(w);
}

static void begin(struct bench *bench)
{
    tocsin_writer_init(&bench->w, bench->bytes, sizeof(bench->bytes));
    tocsin_begin_map(&bench->w, NULL);
    tocsin_put_uint(&bench->w, "@timestamp", TIME_NS);
    put_process(&bench->w);
}

static void put_file(struct bench *bench, const char *path, const char *old_path)
{
    tocsin_begin_map(&bench->w, "file");
    tocsin_put_str(&bench->w, "path", path);
    if (old_path)
        tocsin_put_str(&bench->w, "old_path", old_path);
    tocsin_put_uint(&bench->w, "mode", 0100644);
    tocsin_put_uint(&bench->w, "uid", 1000);
    tocsin_end(&bench->w);
}

static void put_flow_to(struct bench *bench, const char *domain, const char *direction)
{
    tocsin_begin_map(&bench->w, "source");
    tocsin_put_str(&bench->w, "ip", "10.0.0.1");
    tocsin_put_uint(&bench->w, "port", 40000);
    tocsin_put_str(&bench->w, "domain", "peer.test");
    tocsin_end(&bench->w);
    tocsin_begin_map(&bench->w, "destination");
    tocsin_put_str(&bench->w, "ip", "10.0.0.2");
    tocsin_put_uint(&bench->w, "port", 4444);
    tocsin_put_str(&bench->w, "domain", domain);
    tocsin_end(&bench->w);
    tocsin_begin_map(&bench->w, "network");
    tocsin_put_str(&bench->w, "transport", "tcp");
    if (direction)
        tocsin_put_str(&bench->w, "direction", direction);
    tocsin_end(&bench->w);
}

static void put_flow(struct bench *bench, const char *direction)
{
    put_flow_to(bench, "files.example.test", direction);
}

static void put_act(struct bench *bench, const char *action, const char *outcome)
{
    tocsin_begin_map(&bench->w, "event");
    tocsin_put_str(&bench->w, "action", action);
    if (outcome)
        tocsin_put_str(&bench->w, "outcome", outcome);
    tocsin_end(&bench->w);
}

static void end(struct bench *bench)
{
    tocsin_end(&bench->w);
    assert_int_equal(bench->w.error, 0);
}

static bool record(struct bench *bench, const char *topic, size_t index)
{
    return tc_sigma_record(&bench->record, index, topic, bench->w.buf, bench->w.len,
                           TIME_NS);
}

/* The event's first record of that source, given as category or service. */
static void find_record(struct bench *bench, const char *topic, const char *source,
                        const char *type)
{
    struct tc_sigma_value value;

    for (size_t i = 0; record(bench, topic, i); i++)
        if ((!strcmp(bench->record.sigma.category, source) ||
             !strcmp(bench->record.sigma.service, source)) &&
            (!type || (bench->record.sigma.field(&bench->record, "type", 0, &value) &&
                       tocsin_str_is(value.text, type))))
            return;
    fail_msg("%s is no record of %s %s", topic, source, type ? type : "");
}

/* All values of a field, a blank after each; "-" for null. */
static const char *field(struct bench *bench, const char *name)
{
    struct tc_sigma_value value;
    size_t len = 0;

    bench->text[0] = '\0';
    for (size_t i = 0; bench->record.sigma.field(&bench->record, name, i, &value); i++)
        len += (size_t)snprintf(bench->text + len, sizeof(bench->text) - len, "%.*s ",
                                value.type == TC_SIGMA_NULL ? 1 : (int)value.text.len,
                                value.type == TC_SIGMA_NULL ? "-" : value.text.ptr);
    return bench->text;
}

static const char *words(struct bench *bench)
{
    struct tc_sigma_value value;
    size_t len = 0;

    bench->text[0] = '\0';
    for (size_t i = 0; bench->record.sigma.any(&bench->record, i, &value); i++)
        len += (size_t)snprintf(bench->text + len, sizeof(bench->text) - len, "%.*s|",
                                (int)value.text.len, value.text.ptr);
    return bench->text;
}

/* "category/service type nametype" of each record, a comma after each. */
static const char *sources(struct bench *bench, const char *topic)
{
    static char text[512];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; record(bench, topic, i); i++) {
        len += (size_t)snprintf(
            text + len, sizeof(text) - len, "%s%s%s%s", bench->record.sigma.category,
            *bench->record.sigma.category && *bench->record.sigma.service ? "/" : "",
            bench->record.sigma.service, *bench->record.sigma.category ? "" : " ");
        if (!*bench->record.sigma.category) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
                                    field(bench, "type"));
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
                                    field(bench, "nametype"));
        }
        len += (size_t)snprintf(text + len, sizeof(text) - len, ",");
    }
    return text;
}

/* ---- Records ---- */

static void a_started_process_is_a_creation_and_two_records_of_auditd(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    end(&bench);
    assert_string_equal(sources(&bench, "process.started"),
                        "process_creation,auditd EXECVE ,auditd SYSCALL ,");
    find_record(&bench, "process.started", "process_creation", NULL);
    assert_string_equal(bench.record.sigma.product, "linux");
    assert_true(bench.record.sigma.time_ns == TIME_NS);
    assert_string_equal(field(&bench, "Image"), "/usr/bin/bash /bin/sh ");
    assert_string_equal(field(&bench, "CommandLine"), "sh -c id ");
    assert_string_equal(field(&bench, "CurrentDirectory"), "/srv ");
    assert_string_equal(field(&bench, "ParentImage"), "/usr/lib/systemd/systemd ");
    assert_string_equal(field(&bench, "ParentCommandLine"), "/sbin/init ");
    assert_string_equal(field(&bench, "LogonId"), "0 ");
    assert_string_equal(field(&bench, "User"), "root ");
    assert_string_equal(field(&bench, "ProcessId"), "4711 ");
    assert_string_equal(field(&bench, "ParentProcessId"), "1 ");
    assert_string_equal(field(&bench, "Hashes"), "SHA256=c0ffee ");
}

static void arguments_are_those_of_execve_and_of_no_other_record(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    end(&bench);
    find_record(&bench, "process.started", "auditd", "EXECVE");
    assert_string_equal(field(&bench, "argc"), "3 ");
    assert_string_equal(field(&bench, "a0"), "sh ");
    assert_string_equal(field(&bench, "a2"), "id ");
    assert_string_equal(field(&bench, "a3"), "");
    assert_string_equal(field(&bench, "a2"), "id ");
    assert_string_equal(field(&bench, "a1"), "-c ");
    assert_string_equal(field(&bench, "a02"), "");
    assert_string_equal(field(&bench, "a"), "");
    assert_string_equal(field(&bench, "exe"), "");
    find_record(&bench, "process.started", "auditd", "SYSCALL");
    assert_string_equal(field(&bench, "a0"), "");
    assert_string_equal(field(&bench, "Image"), "");
}

static void a_syscall_record_has_who_called_what(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    put_act(&bench, "setresuid", "failure");
    end(&bench);
    assert_string_equal(sources(&bench, "process.credentials_changed"),
                        "auditd SYSCALL ,");
    find_record(&bench, "process.credentials_changed", "auditd", "SYSCALL");
    assert_string_equal(field(&bench, "SYSCALL"), "setresuid ");
    assert_string_equal(field(&bench, "syscall"), "setresuid ");
    assert_string_equal(field(&bench, "success"), "no ");
    assert_string_equal(field(&bench, "comm"), "bash ");
    assert_string_equal(field(&bench, "exe"), "/usr/bin/bash ");
    assert_string_equal(field(&bench, "uid"), "0 ");
    assert_string_equal(field(&bench, "euid"), "33 ");
    assert_string_equal(field(&bench, "gid"), "5 ");
    assert_string_equal(field(&bench, "pid"), "4711 ");
    assert_string_equal(field(&bench, "ppid"), "1 ");
    /* As auditd writes it of who has neither. */
    assert_string_equal(field(&bench, "auid"), "4294967295 ");
    assert_string_equal(field(&bench, "tty"), "(none) ");
    assert_string_equal(field(&bench, "key"), "");
}

static void the_kinds_system_call_stands_where_the_event_has_none(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    end(&bench);
    find_record(&bench, "process.started", "auditd", "SYSCALL");
    assert_string_equal(field(&bench, "SYSCALL"), "execve ");
    assert_string_equal(field(&bench, "success"), "yes ");
    find_record(&bench, "file.deleted", "auditd", "SYSCALL");
    assert_string_equal(field(&bench, "SYSCALL"), "unlink unlinkat ");
    find_record(&bench, "network.connect_failed", "auditd", "SYSCALL");
    assert_string_equal(field(&bench, "SYSCALL"), "connect ");
    assert_string_equal(field(&bench, "success"), "no ");
    /* Several would do: unless the event says which, none is reported. */
    find_record(&bench, "kernel.module_loaded", "auditd", "SYSCALL");
    assert_string_equal(field(&bench, "SYSCALL"), "");
}

static void files_are_of_their_category_and_paths_of_auditd(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    put_file(&bench, "/srv/new", "/srv/old");
    end(&bench);
    assert_string_equal(sources(&bench, "file.created"),
                        "file_event,auditd PATH CREATE ,");
    assert_string_equal(sources(&bench, "file.written"),
                        "file_event,auditd PATH NORMAL ,");
    assert_string_equal(sources(&bench, "file.open"), "auditd PATH NORMAL ,");
    assert_string_equal(sources(&bench, "file.attributes_changed"),
                        "auditd PATH NORMAL ,auditd SYSCALL ,");
    assert_string_equal(sources(&bench, "file.deleted"),
                        "file_delete,auditd PATH DELETE ,auditd SYSCALL ,");
    assert_string_equal(sources(&bench, "file.renamed"),
                        "file_rename,file_event,auditd PATH DELETE ,"
                        "auditd PATH CREATE ,auditd SYSCALL ,");
    find_record(&bench, "file.renamed", "file_rename", NULL);
    assert_string_equal(field(&bench, "SourceFilename"), "/srv/old ");
    assert_string_equal(field(&bench, "TargetFilename"), "/srv/new ");
    assert_string_equal(field(&bench, "Image"), "/usr/bin/bash /bin/sh ");
    find_record(&bench, "file.renamed", "auditd", "PATH");
    assert_string_equal(field(&bench, "name"), "/srv/old ");
    find_record(&bench, "file.created", "auditd", "PATH");
    assert_string_equal(field(&bench, "name"), "/srv/new ");
    assert_string_equal(field(&bench, "mode"), "0100644 ");
    assert_string_equal(field(&bench, "ouid"), "1000 ");
}

static void connections_have_both_ends_and_who_began(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    put_flow(&bench, NULL);
    end(&bench);
    find_record(&bench, "network.accepted", "network_connection", NULL);
    assert_string_equal(field(&bench, "Initiated"), "false ");
    assert_string_equal(field(&bench, "SourceHostname"), "peer.test ");
    assert_string_equal(field(&bench, "DestinationHostname"), "files.example.test ");
    find_record(&bench, "network.connected", "network_connection", NULL);
    assert_string_equal(field(&bench, "Initiated"), "true ");
    assert_string_equal(field(&bench, "SourceIp"), "10.0.0.1 ");
    assert_string_equal(field(&bench, "DestinationIp"), "10.0.0.2 ");
    assert_string_equal(field(&bench, "DestinationPort"), "4444 ");
    assert_string_equal(field(&bench, "Protocol"), "tcp ");
    /* The taxonomy's own names of these are ours. */
    find_record(&bench, "network.connected", "connection", NULL);
    assert_string_equal(bench.record.sigma.category, "network");
    assert_string_equal(field(&bench, "destination.port"), "4444 ");
    begin(&bench);
    put_flow(&bench, "egress");
    end(&bench);
    find_record(&bench, "network.accepted", "network_connection", NULL);
    assert_string_equal(field(&bench, "Initiated"), "true ");
}

/* An answer with an alias and an address, as netfilter has it. */
static void put_answer(struct bench *bench, const char *code)
{
    static const char *const answers[][2] = {{"CNAME", "edge.cdn.test"},
                                             {"A", "192.0.2.7"}};

    tocsin_begin_map(&bench->w, "dns");
    tocsin_begin_map(&bench->w, "question");
    tocsin_put_str(&bench->w, "name", "files.example.test");
    tocsin_put_str(&bench->w, "type", "A");
    tocsin_end(&bench->w);
    tocsin_put_str(&bench->w, "response_code", code);
    tocsin_begin_array(&bench->w, "answers");
    for (size_t i = 0; i < 2; i++) {
        tocsin_begin_map(&bench->w, NULL);
        tocsin_put_str(&bench->w, "name", i ? answers[0][1] : "files.example.test");
        tocsin_put_str(&bench->w, "type", answers[i][0]);
        if (i)
            tocsin_put_uint(&bench->w, "ttl", 60);
        tocsin_put_str(&bench->w, "data", answers[i][1]);
        tocsin_end(&bench->w);
    }
    tocsin_end(&bench->w);
    tocsin_end(&bench->w);
}

static void an_answer_is_a_query_by_each_of_its_names(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    put_answer(&bench, "NOERROR");
    end(&bench);
    assert_string_equal(sources(&bench, "dns.answered"), "dns_query,dns,network/dns,");
    find_record(&bench, "dns.answered", "dns_query", NULL);
    assert_string_equal(field(&bench, "QueryName"), "files.example.test ");
    assert_string_equal(field(&bench, "QueryResults"), "edge.cdn.test 192.0.2.7 ");
    assert_string_equal(field(&bench, "QueryStatus"), "NOERROR 0 ");
    assert_string_equal(field(&bench, "QueryType"), "A ");
    assert_string_equal(field(&bench, "record_type"), "A ");
    assert_string_equal(field(&bench, "Image"), "/usr/bin/bash /bin/sh ");
    assert_string_equal(field(&bench, "ProcessId"), "4711 ");
    assert_string_equal(field(&bench, "User"), "root ");
    assert_string_equal(field(&bench, "query"), "");
    find_record(&bench, "dns.answered", "network", NULL);
    assert_string_equal(field(&bench, "dns.answers.data"), "edge.cdn.test 192.0.2.7 ");
    assert_string_equal(field(&bench, "dns.answers.ttl"), "- 60 ");
    assert_string_equal(field(&bench, "dns.response.code"), "NOERROR ");
    assert_string_equal(field(&bench, "dns.question.type"), "A ");
    assert_string_equal(field(&bench, "QueryName"), "");
    find_record(&bench, "dns.answered", "dns", NULL);
    assert_string_equal(field(&bench, "query"), "files.example.test ");
    assert_string_equal(field(&bench, "answer"), "edge.cdn.test 192.0.2.7 ");
    assert_string_equal(field(&bench, "record_type"), "A ");
}

static void the_status_of_a_query_is_sysmons_number_and_its_name(void **state)
{
    static const char *const rows[][2] = {{"NXDOMAIN", "NXDOMAIN 9003 "},
                                          {"REFUSED", "REFUSED 9005 "},
                                          {"BADVERS", "BADVERS "}};
    struct bench bench;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        begin(&bench);
        put_answer(&bench, rows[i][0]);
        end(&bench);
        find_record(&bench, "dns.answered", "dns_query", NULL);
        assert_string_equal(field(&bench, "QueryStatus"), rows[i][1]);
    }
}

/* What is asked before a flow begins, and that it has begun, is one connection. */
static void a_flow_that_is_asked_about_is_no_connection(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    put_flow(&bench, "egress");
    end(&bench);
    assert_string_equal(sources(&bench, TOCSIN_TOPIC_NETWORK_FLOW), " ,");
    assert_true(record(&bench, TOCSIN_TOPIC_NETWORK_FLOW, 0));
    assert_string_equal(field(&bench, "DestinationIp"), "");
}

/* ---- Fields ---- */

static void our_own_names_are_known_in_every_record(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    end(&bench);
    for (size_t i = 0; record(&bench, "process.started", i); i++) {
        assert_string_equal(field(&bench, "process.command_line"), "sh -c id ");
        assert_string_equal(field(&bench, "process.args"), "sh -c id ");
        assert_string_equal(field(&bench, "process.user.effective.id"), "33 ");
        assert_string_equal(field(&bench, "@timestamp"), "1795328960241562496 ");
        assert_string_equal(field(&bench, "process.nothing"), "");
    }
}

static void a_topic_of_no_log_source_has_our_own_names_alone(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    end(&bench);
    assert_string_equal(sources(&bench, "vendor.thing"), " ,");
    assert_true(record(&bench, "vendor.thing", 0));
    assert_string_equal(bench.record.sigma.product, "");
    assert_string_equal(field(&bench, "process.pid"), "4711 ");
    assert_string_equal(field(&bench, "ProcessId"), "");
}

static void what_is_asked_for_twice_in_one_text_is_one_value(void **state)
{
    struct bench bench;

    (void)state;
    tocsin_writer_init(&bench.w, bench.bytes, sizeof(bench.bytes));
    tocsin_begin_map(&bench.w, NULL);
    tocsin_begin_map(&bench.w, "process");
    tocsin_put_str(&bench.w, "exec_path", "/usr/bin/id");
    tocsin_put_str(&bench.w, "executable", "/usr/bin/id");
    tocsin_put_nil(&bench.w, "command_line");
    tocsin_put_bool(&bench.w, "executable_deleted", true);
    tocsin_end(&bench.w);
    end(&bench);
    assert_true(record(&bench, "process.started", 0));
    assert_string_equal(field(&bench, "Image"), "/usr/bin/id ");
    assert_string_equal(field(&bench, "CommandLine"), "- ");
    assert_string_equal(field(&bench, "process.executable_deleted"), "true ");
    assert_string_equal(field(&bench, "ParentImage"), "");
    assert_string_equal(field(&bench, "User"), "");
}

static void fields_may_be_asked_for_in_any_order(void **state)
{
    static const struct {
        const char *name, *values;
    } asked[] = {
        {"ParentProcessId", "1 "}, {"LogonId", "0 "},
        {"ParentUser", ""},        {"Image", "/usr/bin/bash /bin/sh "},
        {"sha256", "c0ffee "},     {"ProcessId", "4711 "},
        {"Nothing", ""},           {"CommandLine", "sh -c id "},
    };
    struct bench bench;

    (void)state;
    begin(&bench);
    end(&bench);
    for (size_t first = 0; first < sizeof(asked) / sizeof(*asked); first++) {
        assert_true(record(&bench, "process.started", 0));
        for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
            size_t at = (first + 3 * i) % (sizeof(asked) / sizeof(*asked));

            assert_string_equal(field(&bench, asked[at].name), asked[at].values);
        }
    }
}

static void ask_all(struct tc_sigma_event *event)
{
    struct tc_sigma_value value;

    for (size_t f = 0; f < tc_sigma_record_field_count; f++)
        for (size_t n = 0;
             event->field(event->arg, tc_sigma_record_fields[f].name, n, &value); n++)
            assert_true(n < 8);
    for (size_t n = 0; event->any(event->arg, n, &value); n++)
        assert_true(n < 64);
}

static void an_event_that_is_cut_short_has_what_is_left(void **state)
{
    static const char *const topics[] = {"file.renamed", "dns.answered"};
    struct bench bench;

    (void)state;
    begin(&bench);
    put_file(&bench, "/srv/new", "/srv/old");
    put_answer(&bench, "NOERROR");
    end(&bench);
    for (size_t len = 1; len <= bench.w.len; len++) {
        uint8_t *copy = malloc(len);

        assert_non_null(copy);
        memcpy(copy, bench.bytes, len);
        for (size_t t = 0; t < sizeof(topics) / sizeof(*topics); t++)
            for (size_t i = 0; tc_sigma_record(&bench.record, i, topics[t], copy, len, 0);
                 i++)
                ask_all(&bench.record.sigma);
        free(copy);
    }
}

static void lists_may_be_read_in_any_order(void **state)
{
    struct bench bench;
    struct tc_sigma_value value;
    char name[16], text[16];

    (void)state;
    tocsin_writer_init(&bench.w, bench.bytes, sizeof(bench.bytes));
    tocsin_begin_map(&bench.w, NULL);
    tocsin_begin_map(&bench.w, "process");
    tocsin_begin_array(&bench.w, "args");
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "v%u", i);
        tocsin_put_str(&bench.w, NULL, text);
    }
    tocsin_end(&bench.w);
    tocsin_begin_array(&bench.w, "name");
    tocsin_put_str(&bench.w, NULL, "one");
    tocsin_put_str(&bench.w, NULL, "two");
    tocsin_end(&bench.w);
    tocsin_end(&bench.w);
    end(&bench);
    find_record(&bench, "process.started", "auditd", "EXECVE");
    assert_string_equal(field(&bench, "argc"), "1000 ");
    for (unsigned i = 0; i < 1000; i++) {
        unsigned n = i * 389 % 1001;

        snprintf(name, sizeof(name), "a%u", n);
        snprintf(text, sizeof(text), "v%u ", n);
        assert_string_equal(field(&bench, name), n < 1000 ? text : "");
        if (i % 3 == 0)
            assert_string_equal(field(&bench, "process.name"), "one two ");
    }
    for (size_t i = 0; i < 1000; i++) {
        assert_true(bench.record.sigma.field(&bench.record, "process.args", i, &value));
        snprintf(text, sizeof(text), "v%zu", i);
        assert_true(tocsin_str_is(value.text, text));
    }
    assert_false(bench.record.sigma.field(&bench.record, "process.args", 1000, &value));
}

/* ---- Keywords ---- */

static void keywords_are_looked_for_in_the_words_of_the_record(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    end(&bench);
    find_record(&bench, "process.started", "auditd", "EXECVE");
    assert_string_equal(words(&bench), "3|EXECVE|sh|-c|id|");
    assert_string_equal(words(&bench), "3|EXECVE|sh|-c|id|");
    find_record(&bench, "process.started", "process_creation", NULL);
    assert_string_equal(words(&bench),
                        "bash|/usr/bin/bash|/bin/sh|sh -c id|sh|-c|id|/srv|c0ffee|"
                        "/usr/lib/systemd/systemd|/sbin/init|");
}

/* ---- What no event can match ---- */

static const char *why_not(const char *source, const char *detection)
{
    struct tc_sigma_loader *loader;
    struct tc_sigma_set *set;
    char yaml[1024];
    const char *why;

    snprintf(yaml, sizeof(yaml),
             "title: r\nlogsource: {%s}\ndetection:\n    %s\n    condition: s\n", source,
             detection);
    assert_int_equal(tc_sigma_loader_new(&(struct tc_sigma_options){NULL}, &loader), 0);
    assert_int_equal(tc_sigma_loader_add_text(loader, "t.yml", yaml, strlen(yaml)), 0);
    assert_int_equal(tc_sigma_loader_finish(loader, &set), 0);
    assert_int_equal(tc_sigma_count(set), 1);
    why = tc_sigma_no_source(set, 0);
    tc_sigma_set_free(set);
    return why;
}

static void a_rule_that_no_event_can_match_has_the_reason(void **state)
{
    static const struct {
        const char *source, *detection, *why;
    } rules[] = {
        {"product: linux, category: process_creation", "s: {Image: /bin/sh}", NULL},
        {"category: file_event", "s: {TargetFilename: /etc/passwd}", NULL},
        {"category: network, service: dns", "s: {dns.question.name: a.b}", NULL},
        {"category: dns", "s: {query: a.b, record_type: TXT, answer: c}", NULL},
        {"product: linux, category: dns_query", "s: {QueryName: a, QueryStatus: 0}",
         NULL},
        {"product: linux, category: dns_query", "s: {DestinationPort: 53}",
         "it asks for records or fields that no sensor's events have"},
        {"product: linux, service: auditd", "s: {type: execve, a0: id}", NULL},
        {"product: linux, service: auditd", "s: {a1: '-n'}", NULL},
        {"product: linux, service: auditd", "s: {type: SYSCALL, SYSCALL: ptrace}", NULL},
        {"product: linux, service: auditd", "s: {type: PATH, nametype: CREATE}", NULL},
        {"product: linux, service: auditd", "s: [{type: TTY}, {type: EXECVE}]", NULL},
        {"product: linux, service: auditd", "s: {type: PATH, process.pid: 1}", NULL},
        {"product: linux, service: auditd", "s: ['word']", NULL},
        {"product: linux, service: auditd", "s: {type: USER_ACCT}",
         "it asks for records or fields that no sensor's events have"},
        {"product: linux, service: auditd", "s: {type: SYSCALL, SYSCALL: socket}",
         "it asks for records or fields that no sensor's events have"},
        {"product: linux, service: auditd", "s: {type: SYSCALL, key: k}",
         "it asks for records or fields that no sensor's events have"},
        {"product: linux, service: auditd", "s: {type: PATH, SYSCALL: ptrace}",
         "it asks for records or fields that no sensor's events have"},
        {"product: linux, service: sshd", "s: ['word']",
         "it is about a service whose log no sensor reads"},
        {"category: registry_set", "s: {a: b}",
         "it is about a category that no sensor's events belong to"},
        {"product: linux", "s: ['word']",
         "it is about lines of log files, which no sensor reads"},
        {"product: macos, category: process_creation", "s: {Image: /bin/sh}",
         "it is made for macOS, and this machine does not run it"},
        {"product: zeek, service: dns", "s: {a: b}", "no sensor reports on its product"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        const char *why = why_not(rules[i].source, rules[i].detection);

        if (!why != !rules[i].why || (why && strcmp(why, rules[i].why) != 0))
            fail_msg("%s %s: %s", rules[i].source, rules[i].detection,
                     why ? why : "can match");
    }
}

static void a_correlation_lives_by_the_rules_it_needs(void **state)
{
    static const char yaml[] =
        "title: a\nname: a\nlogsource: {category: process_creation}\n"
        "detection: {s: {Image: x}, condition: s}\n---\n"
        "title: b\nname: b\nlogsource: {category: registry_set}\n"
        "detection: {s: {Image: x}, condition: s}\n---\n"
        "title: c\ncorrelation: {type: temporal, rules: [a, b], group-by: [User],"
        " timespan: 1m}\n---\n"
        "title: d\ncorrelation: {type: event_count, rules: [b, a], group-by: [User],"
        " timespan: 1m, condition: {gte: 2}}\n";
    struct tc_sigma_loader *loader;
    struct tc_sigma_set *set;

    (void)state;
    assert_int_equal(tc_sigma_loader_new(&(struct tc_sigma_options){NULL}, &loader), 0);
    assert_int_equal(tc_sigma_loader_add_text(loader, "t.yml", yaml, strlen(yaml)), 0);
    assert_int_equal(tc_sigma_loader_finish(loader, &set), 0);
    assert_int_equal(tc_sigma_count(set), 4);
    assert_null(tc_sigma_no_source(set, 0));
    assert_non_null(tc_sigma_no_source(set, 1));
    assert_string_equal(tc_sigma_no_source(set, 2),
                        "a rule that it needs can never match here");
    assert_null(tc_sigma_no_source(set, 3));
    tc_sigma_set_free(set);
}

static void count_live(const struct tc_sigma_set *set, const char *category,
                       unsigned *ret_live, unsigned *ret_all)
{
    *ret_live = *ret_all = 0;
    for (size_t i = 0; i < tc_sigma_count(set); i++) {
        const struct tc_sigma_rule *rule = tc_sigma_rule(set, i);

        if (!rule->category || strcmp(rule->category, category) != 0)
            continue;
        ++*ret_all;
        *ret_live += !tc_sigma_no_source(set, i);
    }
}

static void every_real_rule_of_a_category_for_linux_can_match(void **state)
{
    static const struct {
        const char *category;
        unsigned rules;
    } categories[] = {
        {"process_creation", 131}, {"file_event", 16}, {"network_connection", 5}};
    struct tc_sigma_loader *loader;
    struct tc_sigma_set *set;
    unsigned live, all;

    (void)state;
    if (access(DATA "linux", R_OK) != 0) {
        print_message("skipped: there are no rules at " DATA "\n");
        skip();
    }
    assert_int_equal(tc_sigma_loader_new(&(struct tc_sigma_options){NULL}, &loader), 0);
    assert_int_equal(tc_sigma_loader_add(loader, DATA "linux"), 0);
    assert_int_equal(tc_sigma_loader_finish(loader, &set), 0);
    for (size_t i = 0; i < sizeof(categories) / sizeof(*categories); i++) {
        count_live(set, categories[i].category, &live, &all);
        assert_int_equal(all, categories[i].rules);
        assert_int_equal(live, all);
    }
    tc_sigma_set_free(set);
}

#define RULES_MAX 512

static void note_match(void *arg, const struct tc_sigma_match *match)
{
    bool *matched = arg;

    assert_true(match->rule < RULES_MAX);
    matched[match->rule] = true;
}

/* What is known of a kind of record leaves out rules, and never one that matches. */
static unsigned compare_matches(struct bench *bench, const char *topic,
                                const struct tc_sigma_set *set,
                                struct tc_sigma_scratch *scratch)
{
    unsigned count = 0;

    for (size_t i = 0; record(bench, topic, i); i++) {
        bool all[RULES_MAX] = {false}, some[RULES_MAX] = {false};

        tc_sigma_evaluate(set, scratch, &bench->record.sigma, note_match, some);
        assert_true(record(bench, topic, 0));
        for (size_t k = 1; k <= i; k++)
            assert_true(record(bench, topic, k));
        bench->record.sigma.kind = NULL;
        tc_sigma_evaluate(set, scratch, &bench->record.sigma, note_match, all);
        assert_memory_equal(all, some, sizeof(all));
        for (size_t k = 0; k < RULES_MAX; k++)
            count += some[k];
    }
    return count;
}

static void leaving_out_rules_of_other_kinds_leaves_out_no_match(void **state)
{
    static const char yaml[] =
        "title: 0\nlogsource: {service: auditd}\n"
        "detection: {s: {type: EXECVE}, condition: s}\n---\n"
        "title: 1\nlogsource: {service: auditd}\n"
        "detection: {s: {type: EXECVE}, condition: not s}\n---\n"
        "title: 2\nlogsource: {service: auditd}\n"
        "detection: {s: {key: null}, condition: s}\n---\n"
        "title: 3\nlogsource: {service: auditd}\n"
        "detection: {s: {key|exists: true}, t: {nametype: DEL*}, condition: s or "
        "t}\n---\n"
        "title: 4\nlogsource: {service: auditd}\n"
        "detection: {s: {SYSCALL|re: '^exec'}, condition: s}\n---\n"
        "title: 5\nlogsource: {service: auditd}\n"
        "detection: {s: {SYSCALL: [a, RENAMEAT]}, t: {success: 'no'},"
        " condition: s and not t}\n---\n"
        "title: 6\nlogsource: {service: auditd}\n"
        "detection: {s: {type: path, name|contains: new}, condition: s}\n---\n"
        "title: 7\nlogsource: {category: file_event}\n"
        "detection: {s: {TargetFilename|endswith: new}, t: {Nothing: '*'},"
        " condition: s and not t}\n---\n"
        "title: 8\nlogsource: {service: auditd}\n"
        "detection: {s: [sh, bash], condition: s}\n---\n"
        "title: 9\nlogsource: {service: auditd}\n"
        "detection: {s: {process.pid|gte: 4711, a1: '-c'}, condition: s}\n---\n"
        "title: 10\nlogsource: {category: dns_query}\n"
        "detection: {s: {QueryName: files*, QueryResults: 192*, QueryStatus: 0},"
        " condition: s}\n";
    struct tc_sigma_loader *loader;
    struct tc_sigma_scratch *scratch;
    struct tc_sigma_set *set;
    struct bench bench;
    unsigned matches = 0;

    (void)state;
    assert_int_equal(tc_sigma_loader_new(&(struct tc_sigma_options){NULL}, &loader), 0);
    assert_int_equal(tc_sigma_loader_add_text(loader, "t.yml", yaml, strlen(yaml)), 0);
    if (access(DATA "linux", R_OK) == 0)
        assert_int_equal(tc_sigma_loader_add(loader, DATA "linux"), 0);
    assert_int_equal(tc_sigma_loader_finish(loader, &set), 0);
    assert_int_equal(tc_sigma_scratch_new(set, &scratch), 0);
    begin(&bench);
    put_file(&bench, "/srv/new", "/srv/old");
    put_flow(&bench, "egress");
    put_answer(&bench, "NOERROR");
    end(&bench);
    for (size_t i = 0; i < tc_sigma_record_kind_count; i++)
        matches += compare_matches(&bench, tc_sigma_record_kinds[i].topic, set, scratch);
    assert_true(matches > 100);
    assert_int_equal(compare_matches(&bench, "vendor.thing", set, scratch), 0);
    tc_sigma_scratch_free(scratch);
    tc_sigma_set_free(set);
}

static unsigned count_matches(struct bench *bench, const char *topic,
                              const struct tc_sigma_set *set,
                              struct tc_sigma_scratch *scratch, const char **ret_title)
{
    unsigned count = 0;

    for (size_t i = 0; record(bench, topic, i); i++) {
        bool matched[RULES_MAX] = {false};

        tc_sigma_evaluate(set, scratch, &bench->record.sigma, note_match, matched);
        for (size_t k = 0; k < RULES_MAX; k++) {
            count += matched[k];
            *ret_title = matched[k] ? tc_sigma_rule(set, k)->title : *ret_title;
        }
    }
    return count;
}

/* Rules about the name of the other end: all that SigmaHQ has for Linux. It has none of
 * dns_query for Linux or macOS. */
static void every_real_rule_about_a_hosts_name_matches_a_connection_to_it(void **state)
{
    static const struct {
        const char *domain, *title;
    } rows[] = {
        {"xmr-eu1.nanopool.org", "Linux Crypto Mining Pool Connections"},
        {"a.localto.net",
         "Communication To LocaltoNet Tunneling Service Initiated - Linux"},
        {"x.tunnel.eu.ngrok.com", "Communication To Ngrok Tunneling Service - Linux"},
    };
    struct tc_sigma_loader *loader;
    struct tc_sigma_scratch *scratch;
    struct tc_sigma_set *set;
    struct bench bench;
    const char *title = "";

    (void)state;
    if (access(DATA "linux", R_OK) != 0) {
        print_message("skipped: there are no rules at " DATA "\n");
        skip();
    }
    assert_int_equal(tc_sigma_loader_new(&(struct tc_sigma_options){NULL}, &loader), 0);
    assert_int_equal(
        tc_sigma_loader_add(loader, DATA "linux/rules/linux/network_connection"), 0);
    assert_int_equal(tc_sigma_loader_finish(loader, &set), 0);
    assert_int_equal(tc_sigma_scratch_new(set, &scratch), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        begin(&bench);
        put_flow_to(&bench, rows[i].domain, "egress");
        end(&bench);
        assert_int_equal(count_matches(&bench, "network.connected", set, scratch, &title),
                         2); /* the other one is about bash */
        assert_string_equal(title, rows[i].title);
        assert_int_equal(
            count_matches(&bench, TOCSIN_TOPIC_NETWORK_FLOW, set, scratch, &title), 0);
    }
    tc_sigma_scratch_free(scratch);
    tc_sigma_set_free(set);
}

/* ---- The tables ---- */

static void tables_are_in_the_order_that_they_are_looked_up_by(void **state)
{
    size_t same = 1;

    (void)state;
    for (size_t i = 1; i < tc_sigma_record_field_count; i++)
        assert_true(strcmp(tc_sigma_record_fields[i - 1].name,
                           tc_sigma_record_fields[i].name) < 0);
    for (size_t i = 1; i < TC_PLACES; i++) {
        const struct tc_place_info *in = &tc_places[tc_places[i].parent];

        assert_non_null(tc_places[i].path);
        assert_true(i >= in->first && i <= in->last && tc_places[i].parent < i);
    }
    for (size_t i = 1; i < tc_sigma_record_kind_count; i++) {
        bool follows =
            !strcmp(tc_sigma_record_kinds[i - 1].topic, tc_sigma_record_kinds[i].topic);

        for (size_t k = 0; !follows && k < i; k++)
            assert_string_not_equal(tc_sigma_record_kinds[k].topic,
                                    tc_sigma_record_kinds[i].topic);
        same = follows ? same + 1 : 1;
        assert_true(same <= TC_RECORDS_MAX);
    }
    /* Each kind has a view of its own, and what is no kind has one. */
    assert_true(tc_sigma_record_kind_count < TC_VIEWS_MAX);
    assert_string_equal(tc_sigma_path(tc_sigma_record_number("ParentImage"), 1),
                        "process.parent.exec_path");
    assert_null(tc_sigma_path(tc_sigma_record_number("ParentImage"), 2));
    assert_null(tc_sigma_path(tc_sigma_record_number("pid"), 0));
    assert_null(tc_sigma_path(tc_sigma_record_number("Other"), 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_started_process_is_a_creation_and_two_records_of_auditd),
        cmocka_unit_test(arguments_are_those_of_execve_and_of_no_other_record),
        cmocka_unit_test(a_syscall_record_has_who_called_what),
        cmocka_unit_test(the_kinds_system_call_stands_where_the_event_has_none),
        cmocka_unit_test(files_are_of_their_category_and_paths_of_auditd),
        cmocka_unit_test(connections_have_both_ends_and_who_began),
        cmocka_unit_test(an_answer_is_a_query_by_each_of_its_names),
        cmocka_unit_test(the_status_of_a_query_is_sysmons_number_and_its_name),
        cmocka_unit_test(a_flow_that_is_asked_about_is_no_connection),
        cmocka_unit_test(our_own_names_are_known_in_every_record),
        cmocka_unit_test(a_topic_of_no_log_source_has_our_own_names_alone),
        cmocka_unit_test(what_is_asked_for_twice_in_one_text_is_one_value),
        cmocka_unit_test(fields_may_be_asked_for_in_any_order),
        cmocka_unit_test(an_event_that_is_cut_short_has_what_is_left),
        cmocka_unit_test(lists_may_be_read_in_any_order),
        cmocka_unit_test(keywords_are_looked_for_in_the_words_of_the_record),
        cmocka_unit_test(a_rule_that_no_event_can_match_has_the_reason),
        cmocka_unit_test(a_correlation_lives_by_the_rules_it_needs),
        cmocka_unit_test(every_real_rule_of_a_category_for_linux_can_match),
        cmocka_unit_test(every_real_rule_about_a_hosts_name_matches_a_connection_to_it),
        cmocka_unit_test(leaving_out_rules_of_other_kinds_leaves_out_no_match),
        cmocka_unit_test(tables_are_in_the_order_that_they_are_looked_up_by),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
