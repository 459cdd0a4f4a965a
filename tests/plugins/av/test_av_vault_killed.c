/* SPDX-License-Identifier: Apache-2.0 */
/* The quarantine killed at any moment: nothing lost, nothing twice. */
#include "test_av_vault_util.h"

#include <signal.h>
#include <sys/wait.h>

#include "tests/support/fault.h"

#define KILLS 20
#define KILL_CALLS 1000 /* it is killed before one of so many */
#define KILL_FILES 40

static void name_of(char buf[PATH_MAX], const struct fixture *f, int i)
{
    char name[32];

    snprintf(name, sizeof(name), "victim-%d", i);
    in(buf, f->dir, name);
}

static size_t text_of(char *buf, size_t cap, int i)
{
    memset(buf, 'a' + i % 26, cap);
    return (size_t)snprintf(buf, cap, "victim %d ", i) + 3000u * (unsigned)(i % 5) + 10;
}

/* Until it is killed: quarantines all, gives all back, over and over. */
static void move_in_and_out(struct fixture *f)
{
    char path[PATH_MAX], ids[KILL_FILES][TC_AV_ID_TEXT];

    for (;;) {
        for (int i = 0; i < KILL_FILES; i++) {
            name_of(path, f, i);
            if (take(f, path, ids[i]))
                _exit(1);
        }
        for (int i = 0; i < KILL_FILES; i++) {
            if (restore(f, ids[i], NULL, false))
                _exit(1);
        }
    }
}

/* Which victims are in place, and which are whole in the vault. */
static void check_before_recovery(struct fixture *f)
{
    struct tc_av_recovery none;
    struct dirent **list;
    char path[PATH_MAX];
    int n = scandir(in(path, f->dir, "quarantine"), &list, NULL, alphasort);
    int places[KILL_FILES] = {0};

    memset(&none, 0, sizeof(none));
    for (int i = 0; i < KILL_FILES; i++) {
        name_of(path, f, i);
        places[i] += !access(path, F_OK);
    }
    for (int i = 0; i < n; i++) {
        char full[PATH_MAX];
        struct tc_av_record record;
        uint64_t payload;
        bool whole = strstr(list[i]->d_name, ".tq") != NULL;
        int fd, victim;

        if (whole || strstr(list[i]->d_name, ".partial")) {
            snprintf(full, sizeof(full), "%s/quarantine/%s", f->dir, list[i]->d_name);
            fd = open_ro(full);
            if (!tc_av_record_load(fd, &record, &payload)) {
                victim = atoi(strrchr(record.path, '-') + 1);
                if (whole || !places[victim]) {
                    assert_int_equal(tc_av_payload_verify(&record, fd, payload), 0);
                    places[victim]++;
                }
                tc_av_record_done(&record);
            } else {
                assert_false(whole); /* what has the final name is always whole */
            }
            close(fd);
        }
        free(list[i]);
    }
    free(list);
    /* Never nowhere; twice only between the last two steps of giving one back. */
    for (int i = 0; i < KILL_FILES; i++)
        assert_in_range(places[i], 1, 2);
}

static void check_after_recovery(struct fixture *f)
{
    struct tc_av_record *list;
    char path[PATH_MAX], want[16384], got[16384];
    size_t count, bad, len;
    int places[KILL_FILES] = {0};

    assert_int_equal(tc_av_vault_list(&f->vault, &list, &count, &bad), 0);
    assert_int_equal(bad, 0);
    for (size_t i = 0; i < count; i++) {
        places[atoi(strrchr(list[i].path, '-') + 1)]++;
        assert_int_equal(restore(f, list[i].id, NULL, true), 0);
    }
    tc_av_vault_list_free(list, count);
    assert_int_equal(entries(f), 0); /* nothing half done is left */
    assert_true(count <= KILL_FILES);
    for (int i = 0; i < KILL_FILES; i++) {
        int fd;

        assert_in_range(places[i], 0, 1);
        name_of(path, f, i);
        len = text_of(want, sizeof(want), i);
        fd = open_ro(path);
        assert_int_equal(read(fd, got, sizeof(got)), (ssize_t)len);
        assert_memory_equal(want, got, len);
        close(fd);
    }
}

static void check_once_after_recovery(struct fixture *f)
{
    struct tc_av_record *list;
    char path[PATH_MAX];
    size_t count, bad;
    int places[KILL_FILES] = {0};

    assert_int_equal(tc_av_vault_list(&f->vault, &list, &count, &bad), 0);
    for (size_t i = 0; i < count; i++)
        places[atoi(strrchr(list[i].path, '-') + 1)]++;
    tc_av_vault_list_free(list, count);
    for (int i = 0; i < KILL_FILES; i++) {
        name_of(path, f, i);
        places[i] += !access(path, F_OK);
        assert_int_equal(places[i], 1);
    }
}

static void vault_killed_at_any_moment_leaves_each_file_in_one_place(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], text[16384];

    srandom(5);
    for (int i = 0; i < KILL_FILES; i++) {
        name_of(path, f, i);
        put_bytes(path, text, text_of(text, sizeof(text), i));
    }
    for (int round = 0; round < KILLS; round++) {
        struct tc_av_recovery recovery;
        unsigned calls = (unsigned)(random() % KILL_CALLS) + 1;
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (!child) {
            tc_fault_arm(TC_FAULT_FILES, calls, TC_FAULT_KILL);
            move_in_and_out(f);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        check_before_recovery(f);
        assert_int_equal(tc_av_vault_recover(&f->vault, &recovery), 0);
        tc_av_recovery_done(&recovery);
        check_once_after_recovery(f);
        check_after_recovery(f);
    }
}

static void regress_vault_recovers_a_file_whose_path_is_a_socket_now(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], whole[PATH_MAX], partial[PATH_MAX], id[TC_AV_ID_TEXT];
    struct tc_av_recovery recovery;

    put_text(in(path, f->dir, "victim"), "bad");
    assert_int_equal(take(f, path, id), 0);
    /* As if it had died between the unlink of the original and the last rename. */
    snprintf(whole, sizeof(whole), "%s/quarantine/%s.tq", f->dir, id);
    snprintf(partial, sizeof(partial), "%s/quarantine/%s.partial", f->dir, id);
    assert_int_equal(rename(whole, partial), 0);
    assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
    assert_int_equal(tc_av_vault_recover(&f->vault, &recovery), 0);
    assert_int_equal(recovery.taken_n, 1);
    tc_av_recovery_done(&recovery);
    assert_int_equal(access(whole, F_OK), 0);
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(vault_killed_at_any_moment_leaves_each_file_in_one_place),
        TEST(regress_vault_recovers_a_file_whose_path_is_a_socket_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
