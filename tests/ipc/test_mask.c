/* SPDX-License-Identifier: Apache-2.0 */
/* Which secrets of command lines are found, and how events are shown without them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/event.h"
#include "ipc/mask.h"
#include "ipc/topic.h"

#define TOPIC "process.started"

/* The text with each secret as ***; NULs as '|'. */
static void show(const char *text, size_t n, char *out)
{
    struct tc_mask_span spans[TC_MASK_SPANS_MAX];
    size_t count = tc_mask_find(text, n, spans), at = 0;

    for (size_t i = 0; i <= count; i++) {
        size_t next = i < count ? spans[i].at : n;

        for (; at < next; at++)
            *out++ = text[at] ? text[at] : '|';
        if (i < count) {
            memcpy(out, "***", 3);
            out += 3;
            at += spans[i].n;
        }
    }
    *out = '\0';
}

struct row {
    const char *text, *shown; /* NULL: as it is */
};

static void check(const struct row *row, size_t n)
{
    char shown[4096];

    show(row->text, n, shown);
    if (strcmp(shown, row->shown ? row->shown : row->text) != 0)
        fail_msg("'%s' is shown as '%s'", row->text, shown);
}

static void secrets_of_command_lines_are_found(void **state)
{
    static const struct row rows[] = {
        /* options and variables by their names */
        {"app --password hunter2 -v", "app --password *** -v"},
        {"app --password=hunter2 -v", "app --password=*** -v"},
        {"app --db-password=\"a b\" x", "app --db-password=\"***\" x"},
        {"app --DB_PASSWORD='a b' x", "app --DB_PASSWORD='***' x"},
        {"app -password x1", "app -password ***"},
        {"vault login --token s.abc", "vault login --token ***"},
        {"PGPASSWORD=x psql -h db", "PGPASSWORD=*** psql -h db"},
        {"env MYSQL_PWD=x AWS_SECRET_ACCESS_KEY=y mysql",
         "env MYSQL_PWD=*** AWS_SECRET_ACCESS_KEY=*** mysql"},
        {"curl -d {\"user\":\"a\",\"password\": \"b c\",\"x\":1} h",
         "curl -d {\"user\":\"a\",\"password\": \"***\",\"x\":1} h"},
        {"curl -d {\\\"token\\\":\\\"abc\\\"} h", "curl -d {\\\"token\\\":\\\"***\"} h"},
        {"curl https://h/?token=abc&page=2", "curl https://h/?token=***&page=2"},
        {"app --client-secret abc --api-key=d --passphrase e",
         "app --client-secret *** --api-key=*** --passphrase ***"},
        {"openssl rsa -passin pass:abc -in k", "openssl rsa -passin *** -in k"},
        {"curl -H X-Api-Key: abc h", "curl -H X-Api-Key: *** h"},
        {"curl -H PRIVATE-TOKEN: abc h", "curl -H PRIVATE-TOKEN: *** h"},
        /* short options of programs */
        {"mysql -u root -phunter2 db", "mysql -u root -p*** db"},
        {"/usr/bin/mysqldump -phunter2", "/usr/bin/mysqldump -p***"},
        {"sh -c mysql -phunter2 db", "sh -c mysql -p*** db"},
        {"sh -c \"mysql -phunter2 db\"", "sh -c \"mysql -p*** db\""},
        {"sshpass -p hunter2 ssh h", "sshpass -p *** ssh h"},
        {"docker login -u a -p b reg", "docker login -u a -p *** reg"},
        {"curl -u ann:pw https://h", "curl -u ann:*** https://h"},
        {"curl --user ann:pw https://h", "curl --user ann:*** https://h"},
        {"redis-cli -a pw ping", "redis-cli -a *** ping"},
        {"ldapsearch -w pw -x", "ldapsearch -w *** -x"},
        {"zip -P pw a.zip b", "zip -P *** a.zip b"},
        {"smbclient -U ann%pw //h/s", "smbclient -U ann%*** //h/s"},
        {"xfreerdp /u:a /p:pw /v:h", "xfreerdp /u:a /p:*** /v:h"},
        /* URLs */
        {"git clone https://ann:pw@h/r", "git clone https://ann:***@h/r"},
        {"git clone https://abc123@h/r", "git clone https://***@h/r"},
        {"psql postgresql://u:p@ss@h:5432/d", "psql postgresql://u:***@h:5432/d"},
        /* headers */
        {"curl -H \"Authorization: Bearer abc.def\" h",
         "curl -H \"Authorization: Bearer ***\" h"},
        {"curl -H 'authorization: Basic YTpi' h", "curl -H 'authorization: Basic ***' h"},
        {"curl -H 'Proxy-Authorization: x' h", "curl -H 'Proxy-Authorization: ***' h"},
        {"curl -H 'Cookie: a=b; c=d' h", "curl -H 'Cookie: ***' h"},
        /* tokens */
        {"x AKIA"
         "IOSFODNN7EXAMPLE y",
         "x AKIA*** y"},
        {"x ghp_"
         "0123456789abcdefghijklmnopqrstuvwxyz y",
         "x ghp_*** y"},
        {"x github_pat_"
         "11AAAAAAAA0123456789abcd y",
         "x github_pat_*** y"},
        {"x xoxb-"
         "1234567890-abcdef y",
         "x xoxb-*** y"},
        {"x glpat-"
         "abcdefghij0123456789 y",
         "x glpat-*** y"},
        {"x eyJ"
         "hbGciOiJIUzI1NiJ9.e30.abc-_ y",
         "x eyJ*** y"},
        {"x xapp-"
         "1234567890 xoxp-"
         "1234567890 y",
         "x xapp-*** xoxp-*** y"},
        {"x sk-ant-"
         "abcdefgh sk_live_"
         "abcdefgh rk_live_"
         "abcdefgh",
         "x sk-ant-*** sk_live_*** rk_live_***"},
        {"x AIza"
         "0123456789012345678901234567890 ASIA"
         "0123456789ABCDEF",
         "x AIza*** ASIA***"},
        {"x SG."
         "01234567890123456789 dop_v1_"
         "01234567890123456789",
         "x SG.*** dop_v1_***"},
        {"x hvs."
         "0123456789012345 hf_"
         "01234567890123456789 ya29."
         "0123456789012345",
         "x hvs.*** hf_*** ya29.***"},
        {"x npm_"
         "01234567890123456789 pypi-"
         "01234567890123456789",
         "x npm_*** pypi-***"},
        {"x https://hooks.slack.com/services/"
         "T0/B0/abcdefgh",
         "x https://hooks.slack.com/services/***"},
        {"x Bearer abc y", "x Bearer *** y"},
        {"echo -----BEGIN PRIVATE KEY----- abc def", "echo ***"},
        /* what is none */
        {"mkdir -p /a/b", NULL},
        {"ssh -p 22 h", NULL},
        {"mysql -p db", NULL},
        {"docker run -p 80:80 img", NULL},
        {"app --password", NULL},
        {"app --password=", NULL},
        {"app --password=$PW --token ${T}", NULL},
        {"app --no-password db", NULL},
        {"app --password-file /x", NULL},
        {"app --bypass x --compass y", NULL},
        {"PWD=/home/ann OLDPWD=/ make", NULL},
        {"SSH_ASKPASS=/usr/bin/x ssh h", NULL},
        {"ssh://git@h/r http://h:80/a@b", NULL},
        {"docker pull reg/token:1.2", NULL},
        {"grep ghp_ eyJ AKIA .", NULL},
        {"mysql -u root db; cp -pr a b", NULL},
        {"app --password=*** x", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check(&rows[i], strlen(rows[i].text));
}

/* Between NULs a value may have blanks. */
static void secrets_of_arguments_are_found(void **state)
{
#define ARGS(text_, shown_)                                                              \
    {                                                                                    \
        {text_, shown_}, sizeof(text_) - 1                                               \
    }
    static const struct {
        struct row row;
        size_t n;
    } rows[] = {
        ARGS("app\0--password\0my own\0-v\0", "app|--password|***|-v|"),
        ARGS("mysql\0-phunter2\0", "mysql|-p***|"),
        ARGS("sh\0-c\0mysql -phunter2 db\0", "sh|-c|mysql -p*** db|"),
        ARGS("curl\0-H\0Authorization: Bearer a b\0h\0",
             "curl|-H|Authorization: Bearer ***|h|"),
        ARGS("sshpass\0-p\0a b\0ssh\0", "sshpass|-p|***|ssh|"),
        ARGS("app\0--token\0", "app|--token|"),
        ARGS("app\0--token\0--verbose\0", "app|--token|--verbose|"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check(&rows[i].row, rows[i].n);
}

/* More secrets than can be told: what follows is one. */
static void the_rest_is_masked_with_the_last_of_many(void **state)
{
    struct tc_mask_span spans[TC_MASK_SPANS_MAX];
    char text[4096] = "";
    size_t n = 0;

    (void)state;
    for (unsigned i = 0; i < 2 * TC_MASK_SPANS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "--token a%u ", i);
    assert_int_equal(tc_mask_find(text, n, spans), TC_MASK_SPANS_MAX);
    assert_int_equal(spans[TC_MASK_SPANS_MAX - 1].at + spans[TC_MASK_SPANS_MAX - 1].n, n);
}

/* ---- Events ---- */

static struct tc_event *make(struct tc_topics *topics, const char *secret)
{
    struct tocsin_event draft = {.size = sizeof(draft), .fd = -1, .reply_to = 7};
    const struct tc_topic *topic;
    struct tc_event *event;
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "n", 5);
    tocsin_begin_map(&w, "process");
    tocsin_put_str(&w, "command_line", secret);
    tocsin_begin_array(&w, "args");
    tocsin_put_str(&w, NULL, "app");
    tocsin_put_str(&w, NULL, "--password");
    tocsin_put_str(&w, NULL, "hunter2");
    tocsin_end(&w);
    tocsin_begin_array(&w, "command_lines");
    tocsin_put_str(&w, NULL, secret);
    tocsin_end(&w);
    tocsin_begin_array(&w, "ancestors");
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "command_line", secret);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", "/srv/--password hunter2");
    tocsin_end(&w);
    tocsin_end(&w);
    draft.data = w.buf;
    draft.len = w.len;
    assert_int_equal(tc_topic_intern(topics, TOPIC, &topic), 0);
    assert_int_equal(tc_event_new(&draft, topic, "trace", 3, &event), 0);
    tocsin_writer_done(&w);
    return event;
}

static void assert_text(const struct tc_event *event, const char *path, const char *text)
{
    struct tocsin_str s = tocsin_event_str(&event->pub, path);

    if (!tocsin_str_is(s, text))
        fail_msg("%s is '%.*s'", path, (int)s.len, s.ptr ? s.ptr : "");
}

static void an_event_is_shown_by_a_twin_without_its_secrets(void **state)
{
    struct tc_topics *topics = tc_topics_new();
    struct tc_event *event = make(topics, "app --password hunter2"), *twin;
    struct tocsin_value v = {.type = TOCSIN_NIL}, item = v;
    struct tocsin_iter it;

    (void)state;
    twin = tc_event_mask(event);
    assert_non_null(twin);
    assert_ptr_not_equal(twin, event);
    assert_ptr_equal(tc_event_mask(event), twin);
    assert_ptr_equal(tc_event_shown(event), twin);
    assert_text(event, "process.command_line", "app --password hunter2");
    assert_text(twin, "process.command_line", "app --password ***");
    assert_text(twin, "file.path", "/srv/--password hunter2");
    assert_int_equal(tocsin_event_int(&twin->pub, "n", 0), 5);
    assert_int_equal(twin->pub.id, 3);
    assert_int_equal(twin->pub.reply_to, 7);
    assert_string_equal(twin->pub.source, "trace");
    assert_true(tocsin_find(twin->pub.data, twin->pub.len, "process.args", &v));
    tocsin_iter_init(&it, &v);
    for (unsigned i = 0; i < 3; i++)
        assert_true(tocsin_iter_next(&it, NULL, &item));
    assert_true(tocsin_str_is((struct tocsin_str){item.ptr, item.len}, "***"));
    assert_true(tocsin_find(twin->pub.data, twin->pub.len, "process.command_lines", &v));
    tocsin_iter_init(&it, &v);
    assert_true(tocsin_iter_next(&it, NULL, &item));
    assert_true(
        tocsin_str_is((struct tocsin_str){item.ptr, item.len}, "app --password ***"));
    assert_true(tocsin_find(twin->pub.data, twin->pub.len, "process.ancestors", &v));
    tocsin_iter_init(&it, &v);
    assert_true(tocsin_iter_next(&it, NULL, &item));
    assert_true(tocsin_str_is(
        tocsin_find_str(item.start, tocsin_value_size(&item), "command_line"),
        "app --password ***"));
    tc_event_ref(twin); /* it outlives the event */
    tc_event_unref(event);
    assert_text(twin, "process.command_line", "app --password ***");
    tc_event_unref(twin);
    tc_topics_free(topics);
}

static void an_event_without_secrets_is_its_own_twin(void **state)
{
    struct tocsin_event draft = {.size = sizeof(draft), .fd = -1};
    struct tc_topics *topics = tc_topics_new();
    const struct tc_topic *topic;
    struct tc_event *event;

    (void)state;
    draft.data = "\x81\xa4path\xa1/";
    draft.len = 8;
    assert_int_equal(tc_topic_intern(topics, TOPIC, &topic), 0);
    assert_int_equal(tc_event_new(&draft, topic, "trace", 3, &event), 0);
    assert_ptr_equal(tc_event_shown(event), event);
    assert_ptr_equal(tc_event_mask(event), event);
    tc_event_unref(event);
    tc_topics_free(topics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_of_command_lines_are_found),
        cmocka_unit_test(secrets_of_arguments_are_found),
        cmocka_unit_test(the_rest_is_masked_with_the_last_of_many),
        cmocka_unit_test(an_event_is_shown_by_a_twin_without_its_secrets),
        cmocka_unit_test(an_event_without_secrets_is_its_own_twin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
