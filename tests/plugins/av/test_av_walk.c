/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/av_walk.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEEP 20 /* folders with names of 250 bytes: beyond PATH_MAX */

/* Makes so many folders, one in the other, and a file in each. */
static void make_deep(const char *root)
{
    int at = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), next, file;
    char name[251];

    memset(name, 'd', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (int i = 0; i < DEEP; i++) {
        file = openat(at, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(file >= 0);
        close(file);
        assert_int_equal(mkdirat(at, name, 0755), 0);
        next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    close(at);
}

/* Takes all of it away again, from the bottom. */
static void remove_deep(const char *root)
{
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), depth = 0;
    char name[251];

    memset(name, 'd', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(chdir(root), 0);
    while (!chdir(name))
        depth++;
    for (; depth; depth--) {
        assert_int_equal(chdir(".."), 0);
        assert_int_equal(rmdir(name) || unlink("f"), 0);
    }
    assert_int_equal(fchdir(here), 0);
    close(here);
    assert_int_equal(rmdir(root), 0);
}

static void regress_walk_opens_files_too_deep_for_a_path(void **state)
{
    char root[] = "/tmp/tocsin-walk-XXXXXX";
    uint64_t skipped = 0, errors = 0;
    struct tc_av_tree *tree;
    const char *path;
    int found = 0, cut = 0, fd;

    (void)state;
    assert_non_null(mkdtemp(root));
    make_deep(root);
    assert_int_equal(tc_av_tree_open(root, 0, 0, &tree), 0);
    while (tc_av_tree_next(tree, &fd, &path, &skipped, &errors)) {
        found++;
        cut += strstr(path, "/.../f") != NULL;
        assert_true(strlen(path) < PATH_MAX);
        assert_int_equal(strncmp(path, root, strlen(root)), 0);
        close(fd);
    }
    tc_av_tree_close(tree);
    assert_int_equal(found, DEEP);
    assert_true(cut > 0);
    assert_int_equal(errors + skipped, 0);
    remove_deep(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regress_walk_opens_files_too_deep_for_a_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
