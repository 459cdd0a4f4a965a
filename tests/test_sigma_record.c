/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what events of ours are to Sigma: which records they make, what these answer to
 * Sigma's names and to ours, and which rules no event can ever match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "sigma/record.h"

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

static void put_flow(struct bench *bench, const char *direction)
{
    tocsin_begin_map(&bench->w, "source");
    tocsin_put_str(&bench->w, "ip", "10.0.0.1");
    tocsin_put_uint(&bench->w, "port", 40000);
    tocsin_end(&bench->w);
    tocsin_begin_map(&bench->w, "destination");
    tocsin_put_str(&bench->w, "ip", "10.0.0.2");
    tocsin_put_uint(&bench->w, "port", 4444);
    tocsin_end(&bench->w);
    tocsin_begin_map(&bench->w, "network");
    tocsin_put_str(&bench->w, "transport", "tcp");
    if (direction)
        tocsin_put_str(&bench->w, "direction", direction);
    tocsin_end(&bench->w);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_started_process_is_a_creation_and_two_records_of_auditd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
