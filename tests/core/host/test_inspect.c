/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/host/inspect.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"

#define LONG_ENOUGH_MS 60000

/* What is said of the file: the text of `field`, or the first of a list, for free(). */
static char *said_of(const char *path, uint64_t limit_ms, const char *field)
{
    const msgpack_object *found, *list;
    struct tocsin_str text;
    struct tc_pack p;
    char *copy;

    tc_pack_init(&p);
    assert_int_equal(tc_inspect(path, limit_ms, &p), 0);
    found = tc_pack_read(&p);
    assert_non_null(found);
    assert_int_equal(tc_unpack_bool(found, "ok", false), strcmp(field, "why") != 0);
    list = tc_unpack_array(found, field);
    text = list && list->via.array.size ? tc_unpack_text(list->via.array.ptr)
                                        : tc_unpack_str(found, field);
    copy = text.ptr ? strndup(text.ptr, text.len) : NULL;
    tc_pack_done(&p);
    return copy;
}

static void refused(const char *name, uint64_t limit_ms, const char *sentence)
{
    char path[256], *why;

    (void)snprintf(path, sizeof(path), TEST_CONSTRUCTORS "/%s.so", name);
    why = said_of(path, limit_ms, "why");
    assert_non_null(why);
    if (strncmp(why, path, strlen(path)) != 0 || !strstr(why, sentence))
        fail_msg("\"%s\" does not say \"%s\"", why, sentence);
    free(why);
}

static void inspect_says_what_a_constructor_does(void **state)
{
    (void)state;
    refused("killed", LONG_ENOUGH_MS,
            "crashes when it is loaded: a constructor or "
            "destructor of it ends in signal 11");
    refused("exits", LONG_ENOUGH_MS, "ends the process that loads it, with status 3");
    /* However long it is given, it does not end. */
    refused("hangs", 200, "was not loaded after 200 ms");
}

static void inspect_takes_no_print_for_an_answer(void **state)
{
    char *name;

    (void)state;
    name = said_of(TEST_CONSTRUCTORS "/prints.so", LONG_ENOUGH_MS, "name");
    assert_string_equal(name, "constructor");
    free(name);
}

static void inspect_refuses_as_the_loader_does(void **state)
{
    char *why;

    (void)state;
    why = said_of(TEST_FIXTURES "/tocsin_bad_magic.so", LONG_ENOUGH_MS, "why");
    assert_non_null(strstr(why, "is no Tocsin plugin"));
    free(why);
    why = said_of("/nonexistent.so", LONG_ENOUGH_MS, "why");
    assert_string_equal(why, "/nonexistent.so: cannot open: No such file or directory");
    free(why);
}

/* Their own is good enough for an agent of theirs; root's wants root's. */
static void inspect_warns_a_user_of_what_root_would_refuse(void **state)
{
    char dir[] = "/tmp/tocsin-inspect-XXXXXX", path[64], command[512];
    char *warning;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/tocsin_good.so", dir);
    (void)snprintf(command, sizeof(command), "cp '%s' '%s'",
                   TEST_FIXTURES "/tocsin_good.so", path);
    assert_int_equal(system(command), 0);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(chown(path, 12345, 12345) || chown(dir, 12345, 12345), 0);
    assert_int_equal(seteuid(12345), 0);
    warning = said_of(path, LONG_ENOUGH_MS, "warnings");
    assert_int_equal(seteuid(0), 0);
    assert_non_null(warning);
    assert_non_null(strstr(warning, "belongs to user 12345, who could replace it"));
    free(warning);
    assert_int_equal(unlink(path) || rmdir(dir), 0);
}

static void inspect_warns_of_a_plugin_that_is_never_unloaded(void **state)
{
    char *warning;

    (void)state;
    warning = said_of(TEST_CONSTRUCTORS "/stays.so", LONG_ENOUGH_MS, "warnings");
    assert_non_null(warning);
    assert_non_null(strstr(warning, "it cannot be unloaded"));
    free(warning);
    assert_null(said_of(TEST_CONSTRUCTORS "/prints.so", LONG_ENOUGH_MS, "warnings"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inspect_says_what_a_constructor_does),
        cmocka_unit_test(inspect_takes_no_print_for_an_answer),
        cmocka_unit_test(inspect_refuses_as_the_loader_does),
        cmocka_unit_test(inspect_warns_a_user_of_what_root_would_refuse),
        cmocka_unit_test(inspect_warns_of_a_plugin_that_is_never_unloaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
