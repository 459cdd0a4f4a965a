/* SPDX-License-Identifier: Apache-2.0 */
/* The quarantine: what goes in comes out as it was. */
#include "test_av_vault_util.h"

#include <sys/xattr.h>

static void vault_round_trip_keeps_bytes_and_metadata(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT], buf[300001], back[sizeof(buf)], value[16];
    struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    struct stat before, after;
    bool xattrs;
    int fd;

    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (char)(i * 31 ^ i >> 8);
    put_bytes(in(path, f->dir, "sample"), buf, sizeof(buf));
    if (!geteuid())
        assert_int_equal(chown(path, 12, 34), 0);
    assert_int_equal(chmod(path, geteuid() ? 0751 : 04751), 0);
    xattrs = !setxattr(path, "user.one", "value-1", 7, 0) &&
             !setxattr(path, "user.empty", "", 0, 0);
    if (!xattrs)
        print_message("no extended attributes on this file system\n");
    utimensat(AT_FDCWD, path, times, 0);
    stat(path, &before);

    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(entries(f), 1);
    assert_int_equal(restore(f, id, NULL, false), 0);
    assert_int_equal(entries(f), 0);
    stat(path, &after);
    assert_int_equal(before.st_mode, after.st_mode);
    assert_int_equal(before.st_uid, after.st_uid);
    assert_int_equal(before.st_gid, after.st_gid);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(tc_av_ns(before.st_mtim), tc_av_ns(after.st_mtim));
    assert_int_equal(after.st_atim.tv_sec, times[0].tv_sec);
    fd = open_ro(path);
    assert_int_equal(tc_av_pread_all(fd, back, sizeof(back), 0), 0);
    close(fd);
    assert_memory_equal(buf, back, sizeof(buf));
    if (xattrs) {
        assert_int_equal(getxattr(path, "user.one", value, sizeof(value)), 7);
        assert_memory_equal(value, "value-1", 7);
        assert_int_equal(getxattr(path, "user.empty", value, sizeof(value)), 0);
    }
}

static void vault_keeps_capabilities_of_a_program(void **state)
{
    /* VFS_CAP_REVISION_2, effective; CAP_NET_RAW (linux/capability.h). */
    static const uint8_t cap[20] = {1, 0, 0, 2, 0, 0x20, 0, 0};
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT];
    uint8_t now[32];

    put_text(in(path, f->dir, "program"), "#!/bin/true\n");
    if (setxattr(path, "security.capability", cap, sizeof(cap), 0)) {
        test_skip("cannot set capabilities: %s", strerror(errno));
    }
    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(restore(f, id, NULL, false), 0);
    assert_int_equal(getxattr(path, "security.capability", now, sizeof(now)), 20);
    assert_memory_equal(now, cap, sizeof(cap));
}

static void vault_file_is_inert(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], name[128], id[TC_AV_ID_TEXT], text[EICAR_BYTES + 1], *data;
    struct stat st;
    size_t len;

    eicar(text);
    put_text(in(path, f->dir, "eicar"), text);
    chmod(path, 0755);
    assert_int_equal(take(f, path, id), 0);
    snprintf(name, sizeof(name), "quarantine/%s.tq", id);
    assert_int_equal(stat(in(path, f->dir, name), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(tc_av_read_whole(AT_FDCWD, path, 1 << 20, &data, &len), 0);
    assert_null(memmem(data, len, text, EICAR_BYTES));
    assert_null(memmem(data, len, "EICAR", 5));
    free(data);
    assert_int_equal(stat(in(path, f->dir, "quarantine"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void vault_takes_an_empty_file_and_odd_names(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT];
    struct tc_av_record record;

    put_text(in(path, f->dir, "line\nbreak \xff\xfe"), "");
    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(tc_av_vault_find(&f->vault, id, &record), 0);
    assert_string_equal(record.path, path);
    tc_av_record_done(&record);
    assert_int_equal(restore(f, id, NULL, false), 0);
    assert_int_equal(access(path, F_OK), 0);
}

static void vault_restore_refuses_to_overwrite_unless_asked(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT], buf[8] = "";
    int fd;

    put_text(in(path, f->dir, "file"), "bad");
    assert_int_equal(take(f, path, id), 0);
    put_text(path, "mine");
    assert_int_equal(restore(f, id, NULL, false), -EEXIST);
    fd = open_ro(path);
    assert_int_equal(read(fd, buf, 4), 4);
    close(fd);
    assert_string_equal(buf, "mine");
    assert_int_equal(entries(f), 1);
    assert_int_equal(restore(f, id, NULL, true), 0);
    fd = open_ro(path);
    memset(buf, 0, sizeof(buf));
    assert_int_equal(read(fd, buf, sizeof(buf)), 3);
    close(fd);
    assert_string_equal(buf, "bad");
    assert_int_equal(entries(f), 0);
}

static void vault_restore_to_another_place_adds_to_the_allowed(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], to[PATH_MAX], id[TC_AV_ID_TEXT], *list;
    size_t len;

    put_text(in(path, f->dir, "file"), "hello");
    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(restore(f, id, in(to, f->dir, "elsewhere"), false), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(to, F_OK), 0);
    assert_int_equal(tc_av_read_whole(f->own, "allowed", 4096, &list, &len), 0);
    assert_non_null(strstr(list, "2cf24dba5fb0a30e26e83b2ac5b9e29e"));
    free(list);
}

static void vault_lists_the_good_and_counts_the_damaged(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT], name[128];
    struct tc_av_record *list;
    size_t count, bad;

    put_text(in(path, f->dir, "a"), "one");
    assert_int_equal(take(f, path, NULL), 0);
    put_text(in(path, f->dir, "b"), "two");
    assert_int_equal(take(f, path, id), 0);
    snprintf(name, sizeof(name), "quarantine/%s.tq", id);
    assert_int_equal(chmod(in(path, f->dir, name), 0600), 0);
    assert_int_equal(truncate(path, 30), 0);
    assert_int_equal(tc_av_vault_list(&f->vault, &list, &count, &bad), 0);
    assert_int_equal(count, 1);
    assert_int_equal(bad, 1);
    tc_av_vault_list_free(list, count);
    assert_int_equal(restore(f, id, NULL, false), -EBADMSG);
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(vault_round_trip_keeps_bytes_and_metadata),
        TEST(vault_keeps_capabilities_of_a_program),
        TEST(vault_file_is_inert),
        TEST(vault_takes_an_empty_file_and_odd_names),
        TEST(vault_restore_refuses_to_overwrite_unless_asked),
        TEST(vault_restore_to_another_place_adds_to_the_allowed),
        TEST(vault_lists_the_good_and_counts_the_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
