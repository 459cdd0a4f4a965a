/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/host/loader.h"

#include "tests/support/skip.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE(name) TEST_FIXTURES "/tocsin_" name ".so"

/* A folder that only we may write, a plugin in it, and where copies of it go. */
struct fixture {
    char dir[64], so[96], copies[96];
    char why[256];
    struct tc_module *module;
};

static void write_file(const char *path, const void *data, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* The bytes of a file, for the caller to free. */
static unsigned char *read_file(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rbe");
    unsigned char *data;
    struct stat st;

    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &st), 0);
    data = malloc((size_t)st.st_size);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)st.st_size, file), st.st_size);
    (void)fclose(file);
    *ret_len = (size_t)st.st_size;
    return data;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    unsigned char *data;
    size_t len;

    assert_non_null(f);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/tocsin-loader-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->so, sizeof(f->so), "%s/tocsin_good.so", f->dir);
    (void)snprintf(f->copies, sizeof(f->copies), "%s/copies", f->dir);
    data = read_file(FIXTURE("good"), &len);
    write_file(f->so, data, len, 0644);
    free(data);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    tc_module_close(f->module);
    (void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static int open_module(struct fixture *f, const char *path)
{
    f->why[0] = '\0';
    return tc_module_open(path, f->copies, &f->module, f->why);
}

/* The path is refused with this error, and the sentence is the path and then this. */
static void refused(struct fixture *f, const char *path, int rc, const char *sentence)
{
    size_t len = strlen(path);

    assert_int_equal(open_module(f, path), rc);
    assert_null(f->module);
    if (strncmp(f->why, path, len) != 0)
        fail_msg("does not name %s: %s", path, f->why);
    assert_memory_equal(f->why + len, ": ", 2);
    assert_string_equal(f->why + len + 2, sentence);
}

static int copies_count(const struct fixture *f)
{
    char command[160];
    int n = -1;
    FILE *ls;

    (void)snprintf(command, sizeof(command), "ls -A %s | wc -l", f->copies);
    ls = popen(command, "re");
    assert_non_null(ls);
    assert_int_equal(fscanf(ls, "%d", &n), 1);
    (void)pclose(ls);
    return n;
}

/* ---- What is loaded ---- */

static void loader_maps_a_private_copy_named_by_the_hash(void **state)
{
    struct fixture *f = *state;
    char command[256], sum[65] = "", expected[256];
    struct stat st;
    FILE *out;

    assert_int_equal(open_module(f, f->so), 0);
    assert_string_equal(f->module->path, f->so);
    assert_string_equal(f->module->plugin->name, "good");
    (void)snprintf(command, sizeof(command), "sha256sum %s", f->so);
    out = popen(command, "re");
    assert_non_null(out);
    assert_int_equal(fscanf(out, "%64s", sum), 1);
    (void)pclose(out);
    assert_string_equal(f->module->sha256, sum);
    (void)snprintf(expected, sizeof(expected), "%s/tocsin_good-%s.so", f->copies, sum);
    assert_string_equal(f->module->private_path, expected);
    assert_int_equal(stat(expected, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0500);
    assert_int_equal(stat(f->copies, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

/* A container gives every agent the same process id, and files the same numbers. */
static void regress_a_draft_of_a_killed_agent_is_in_nobodys_way(void **state)
{
    struct fixture *f = *state;
    char path[192];

    assert_int_equal(mkdir(f->copies, 0700), 0);
    for (int fd = 3; fd < 64; fd++) {
        (void)snprintf(path, sizeof(path), "%s/" TC_MODULE_DRAFT "%ld-%d", f->copies,
                       (long)getpid(), fd);
        write_file(path, "x", 1, 0500);
    }
    assert_int_equal(tc_module_open(f->so, f->copies, &f->module, f->why), 0);
    for (int fd = 3; fd < 64; fd++) {
        (void)snprintf(path, sizeof(path), "%s/" TC_MODULE_DRAFT "%ld-%d", f->copies,
                       (long)getpid(), fd);
        (void)unlink(path);
    }
}

static void loader_uses_a_copy_that_is_there_already(void **state)
{
    struct fixture *f = *state;
    struct stat first, second;

    assert_int_equal(open_module(f, f->so), 0);
    assert_int_equal(stat(f->module->private_path, &first), 0);
    tc_module_close(f->module);
    assert_int_equal(open_module(f, f->so), 0);
    assert_int_equal(stat(f->module->private_path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_equal(copies_count(f), 1);
}

static void loader_replaces_a_copy_that_is_not_what_its_name_says(void **state)
{
    struct fixture *f = *state;
    char copy[4096];

    assert_int_equal(open_module(f, f->so), 0);
    memcpy(copy, f->module->private_path, sizeof(copy));
    tc_module_close(f->module);
    f->module = NULL;
    assert_int_equal(chmod(copy, 0700), 0);
    write_file(copy, "tampered", 8, 0500);
    assert_int_equal(open_module(f, f->so), 0);
    assert_string_equal(f->module->private_path, copy);
    assert_string_equal(f->module->plugin->name, "good");
    assert_int_equal(copies_count(f), 1);
}

static void loader_copies_into_memory_where_no_program_may_run(void **state)
{
    struct fixture *f = *state;
    char folder[96];

    if (geteuid() != 0)
        test_skip("only root can mount");
    (void)snprintf(folder, sizeof(folder), "%s/noexec", f->dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(mount("tocsin", folder, "tmpfs", MS_NOEXEC, "size=4m"), 0);
    assert_int_equal(tc_module_open(f->so, folder, &f->module, f->why), 0);
    assert_int_equal(umount(folder), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_true(strstr(f->module->private_path, "/proc/self/fd/") != NULL);
    assert_string_equal(f->module->plugin->name, "good");
}

/* ---- Who may have written it ---- */

static void loader_refuses_a_file_that_others_may_write(void **state)
{
    struct fixture *f = *state;
    char sentence[256];

    (void)snprintf(sentence, sizeof(sentence),
                   "can be written by group or others: chmod go-w '%s'", f->so);
    assert_int_equal(chmod(f->so, 0664), 0);
    refused(f, f->so, -EACCES, sentence);
    assert_int_equal(chmod(f->so, 0646), 0);
    refused(f, f->so, -EACCES, sentence);
    assert_int_equal(chmod(f->so, 0644), 0);
    assert_int_equal(open_module(f, f->so), 0);
}

static void loader_refuses_a_file_of_another_user(void **state)
{
    struct fixture *f = *state;
    char sentence[256];

    if (geteuid() != 0)
        test_skip("only root can give a file away");
    assert_int_equal(chown(f->so, 4711, 0), 0);
    (void)snprintf(sentence, sizeof(sentence),
                   "belongs to user 4711, who could replace it: chown root '%s'", f->so);
    refused(f, f->so, -EACCES, sentence);
}

static void loader_refuses_a_folder_that_others_may_write(void **state)
{
    struct fixture *f = *state;
    char sentence[256];

    assert_int_equal(chmod(f->dir, 0770), 0);
    (void)snprintf(sentence, sizeof(sentence),
                   "%s: can be written by group or others: chmod go-w '%s'", f->dir,
                   f->dir);
    assert_int_equal(open_module(f, f->so), -EACCES);
    assert_string_equal(f->why, sentence);
    assert_int_equal(chmod(f->dir, 0700), 0);
}

static void loader_refuses_what_is_no_regular_file(void **state)
{
    struct fixture *f = *state;
    char link[96], fifo[96], none[96], folder[96];

    (void)snprintf(link, sizeof(link), "%s/link.so", f->dir);
    (void)snprintf(fifo, sizeof(fifo), "%s/fifo.so", f->dir);
    (void)snprintf(none, sizeof(none), "%s/none.so", f->dir);
    (void)snprintf(folder, sizeof(folder), "%s/folder.so", f->dir);
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(symlink(f->so, link), 0);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    refused(f, link, -ELOOP, "is a symbolic link: name the file itself");
    refused(f, fifo, -EACCES, "is no regular file");
    refused(f, none, -ENOENT, "cannot open: No such file or directory");
    refused(f, folder, -EACCES, "is no regular file");
}

static void loader_refuses_a_folder_for_copies_that_is_not_the_agents(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(mkdir(f->copies, 0755), 0);
    assert_int_equal(open_module(f, f->so), -EACCES);
    assert_non_null(strstr(f->why, "is not the agent's alone"));
    assert_non_null(strstr(f->why, "chmod 700"));
}

/* ---- What it is ---- */

static void loader_refuses_garbage_before_mapping_it(void **state)
{
    struct fixture *f = *state;
    char zeros[4096] = "";

    write_file(f->so, "", 0, 0644);
    refused(f, f->so, -ENOEXEC, "is no ELF file");
    write_file(f->so, "#!/bin/sh\n", 10, 0644);
    refused(f, f->so, -ENOEXEC, "is no ELF file");
    write_file(f->so, zeros, sizeof(zeros), 0644);
    refused(f, f->so, -ENOEXEC, "is no ELF file");
    assert_int_equal(copies_count(f), 0); /* nothing of it is kept */
}

static void loader_refuses_an_object_cut_short_at_any_length(void **state)
{
    struct fixture *f = *state;
    unsigned char *data;
    Elf64_Phdr *parts;
    Elf64_Ehdr head;
    size_t len, needed = 0;

    data = read_file(f->so, &len);
    memcpy(&head, data, sizeof(head));
    parts = (Elf64_Phdr *)(void *)(data + head.e_phoff);
    for (unsigned i = 0; i < head.e_phnum; i++)
        if (parts[i].p_offset + parts[i].p_filesz > needed)
            needed = parts[i].p_offset + parts[i].p_filesz;
    for (size_t cut = sizeof(head); cut < needed; cut += 509) {
        write_file(f->so, data, cut, 0644);
        refused(f, f->so, -ENOEXEC, "is cut short: copy it anew");
    }
    free(data);
}

static void loader_refuses_an_object_of_another_machine_or_type(void **state)
{
    struct fixture *f = *state;
    unsigned char *data;
    Elf64_Ehdr head;
    size_t len;

    data = read_file(f->so, &len);
    memcpy(&head, data, sizeof(head));
    head.e_machine = EM_S390;
    memcpy(data, &head, sizeof(head));
    write_file(f->so, data, len, 0644);
    assert_int_equal(open_module(f, f->so), -ENOEXEC);
    assert_non_null(strstr(f->why, "is no shared object for this machine"));
    free(data);
}

static void loader_refuses_newer_minor_and_names_both(void **state)
{
    refused(*state, FIXTURE("newer_minor"), -EPROTO,
            "was built for plugin ABI 1.1 and this agent has 1.0: update the agent");
}

static void loader_refuses_newer_major_and_names_both(void **state)
{
    refused(*state, FIXTURE("newer_major"), -EPROTO,
            "was built for plugin ABI 2.0 and this agent has 1.0: build it against this "
            "agent's tocsin/plugin.h");
}

static void loader_refuses_each_wrong_plugin_in_one_sentence(void **state)
{
    static const struct {
        const char *path;
        int rc;
        const char *sentence;
    } table[] = {
        {FIXTURE("bad_magic"), -EPROTO,
         "is no Tocsin plugin: its descriptor begins with 0x12345678, not 0x54435031"},
        {FIXTURE("no_symbol"), -ENOEXEC,
         "exports no symbol tocsin_plugin: see tocsin/plugin.h"},
        {FIXTURE("short_descriptor"), -EINVAL,
         "its descriptor says 120 bytes and has 16"},
        {FIXTURE("claims_core_topic"), -EINVAL,
         "it wants to publish \"approval.granted\", which is not for a plugin of its "
         "kind"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        refused(*state, table[i].path, table[i].rc, table[i].sentence);
}

static void loader_refuses_an_option_table_that_contradicts_itself(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_module(f, FIXTURE("bad_options")), -EINVAL);
    assert_non_null(strstr(f->why, FIXTURE("bad_options")));
    assert_non_null(strstr(f->why, "depth"));
}

/* ---- The descriptor alone ---- */

static int no_init(const struct tocsin_host *host, void **ret_state)
{
    (void)host;
    (void)ret_state;
    return 0;
}

static int no_start(void *state)
{
    (void)state;
    return 0;
}

static void no_event(void *state, const struct tocsin_event *event)
{
    (void)state;
    (void)event;
}

static void no_destroy(void *state)
{
    (void)state;
}

static struct tocsin_plugin sound(void)
{
    struct tocsin_plugin plugin = {
        TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
        .name = "acme_2",
        .version = "1",
        .summary = "Sound",
        .init = no_init,
        .start = no_start,
        .event = no_event,
        .stop = no_start,
        .destroy = no_destroy,
    };

    return plugin;
}

static void expect_descriptor(const struct tocsin_plugin *plugin, int rc,
                              const char *sentence)
{
    struct tocsin_option *options = NULL;
    struct tocsin_plugin read;
    char why[256] = "x.so: ";

    assert_int_equal(tc_descriptor_read(plugin, "x.so", &read, &options, why), rc);
    free(options);
    if (!strstr(why, sentence))
        fail_msg("\"%s\" does not say \"%s\"", why, sentence);
}

static void descriptor_that_is_sound_passes(void **state)
{
    struct tocsin_plugin plugin = sound();

    (void)state;
    expect_descriptor(&plugin, 0, "");
    plugin.event = NULL; /* it subscribes to nothing */
    expect_descriptor(&plugin, 0, "");
}

static void descriptor_fields_out_of_range_are_refused(void **state)
{
    static const char *const names[] = {
        "",     "Acme", "a-b", "a.b",
        "../x", "core", "all", "a23456789012345678901234567890123"};
    struct tocsin_plugin plugin;

    (void)state;
    plugin = sound();
    plugin.size--;
    expect_descriptor(
        &plugin, -EINVAL,
        "its descriptor says 119 bytes, which it has in no ABI from 1.0 to");
    plugin = sound();
    plugin.kind = 0;
    expect_descriptor(&plugin, -EINVAL, "kind");
    plugin.kind = 6;
    expect_descriptor(&plugin, -EINVAL, "kind");
    plugin = sound();
    plugin.option_size += 8;
    expect_descriptor(&plugin, -EINVAL, "option_size");
    plugin = sound();
    plugin.reserved = 1;
    expect_descriptor(&plugin, -EINVAL, "reserved");
    plugin = sound();
    plugin.version = NULL;
    expect_descriptor(&plugin, -EINVAL, "version");
    plugin = sound();
    plugin.summary = "";
    expect_descriptor(&plugin, -EINVAL, "summary");
    plugin = sound();
    plugin.name = NULL;
    expect_descriptor(&plugin, -EINVAL, "name");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        plugin.name = names[i];
        expect_descriptor(&plugin, -EINVAL, "name");
    }
}

static void descriptor_without_a_required_callback_is_refused(void **state)
{
    static const char *const subscribes[] = {"file.open", NULL};
    struct tocsin_plugin plugin;

    (void)state;
    plugin = sound();
    plugin.init = NULL;
    expect_descriptor(&plugin, -EINVAL, "its required callback init is missing");
    plugin = sound();
    plugin.start = NULL;
    expect_descriptor(&plugin, -EINVAL, "its required callback start is missing");
    plugin = sound();
    plugin.stop = NULL;
    expect_descriptor(&plugin, -EINVAL, "its required callback stop is missing");
    plugin = sound();
    plugin.destroy = NULL;
    expect_descriptor(&plugin, -EINVAL, "its required callback destroy is missing");
    plugin = sound();
    plugin.event = NULL;
    plugin.subscribes = subscribes;
    expect_descriptor(&plugin, -EINVAL, "its required callback event is missing");
}

static void descriptor_topics_are_for_its_kind(void **state)
{
    static const struct {
        const char *topic;
        enum tocsin_kind kind;
        int rc;
    } table[] = {
        {"acme.seen", TOCSIN_KIND_DETECTOR, 0},
        {"acme.*", TOCSIN_KIND_DETECTOR, 0},
        {"alert.raised", TOCSIN_KIND_DETECTOR, 0},
        {"verdict", TOCSIN_KIND_DETECTOR, 0},
        {"verdict", TOCSIN_KIND_SYSTEM_EXTENSION, -EINVAL},
        {"verdict.reset", TOCSIN_KIND_DETECTOR, 0},
        {"verdict.reset", TOCSIN_KIND_SUPPLEMENTARY, -EINVAL},
        {"verdict.final", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"verdict.*", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"sensor.gap", TOCSIN_KIND_SYSTEM_EXTENSION, 0},
        {"sensor.gap", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"sensor.degraded", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"sensor.swapped", TOCSIN_KIND_SYSTEM_EXTENSION, -EINVAL},
        {"sensor.starting", TOCSIN_KIND_SYSTEM_EXTENSION, -EINVAL},
        {"rpc.reply", TOCSIN_KIND_DETECTOR, 0},
        {"rpc.progress", TOCSIN_KIND_DETECTOR, 0},
        {"rpc.av.scan", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"rpc.*", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"approval.*", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"plugin.loaded", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"config.changed", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"agent.started", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"bus.dropped", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"isolation.requested", TOCSIN_KIND_DETECTOR, 0},
        {"isolation.requested", TOCSIN_KIND_NETWORK_EXTENSION, -EINVAL},
        {"isolation.done", TOCSIN_KIND_NETWORK_EXTENSION, 0},
        {"isolation.done", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"isolation.changed", TOCSIN_KIND_SUPPLEMENTARY, -EINVAL},
        {"network_filter.gate", TOCSIN_KIND_NETWORK_EXTENSION, -EINVAL},
        {"network_filter.changed", TOCSIN_KIND_NETWORK_EXTENSION, 0},
        {"network_filter.changed", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"*", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"No.Topic", TOCSIN_KIND_DETECTOR, -EINVAL},
        {"", TOCSIN_KIND_DETECTOR, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        const char *publishes[] = {table[i].topic, NULL};
        struct tocsin_plugin plugin = sound();

        plugin.kind = table[i].kind;
        plugin.publishes = publishes;
        expect_descriptor(&plugin, table[i].rc, table[i].rc ? "publish" : "");
    }
}

static void descriptor_list_without_an_end_is_refused(void **state)
{
    const char *topics[100];
    struct tocsin_plugin plugin = sound();

    (void)state;
    for (size_t i = 0; i < 100; i++)
        topics[i] = "acme.seen";
    plugin.subscribes = topics;
    expect_descriptor(&plugin, -EINVAL, "its subscribes has no NULL after at most 64");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(loader_maps_a_private_copy_named_by_the_hash),
        TEST(regress_a_draft_of_a_killed_agent_is_in_nobodys_way),
        TEST(loader_uses_a_copy_that_is_there_already),
        TEST(loader_replaces_a_copy_that_is_not_what_its_name_says),
        TEST(loader_copies_into_memory_where_no_program_may_run),
        TEST(loader_refuses_a_file_that_others_may_write),
        TEST(loader_refuses_a_file_of_another_user),
        TEST(loader_refuses_a_folder_that_others_may_write),
        TEST(loader_refuses_what_is_no_regular_file),
        TEST(loader_refuses_a_folder_for_copies_that_is_not_the_agents),
        TEST(loader_refuses_garbage_before_mapping_it),
        TEST(loader_refuses_an_object_cut_short_at_any_length),
        TEST(loader_refuses_an_object_of_another_machine_or_type),
        TEST(loader_refuses_newer_minor_and_names_both),
        TEST(loader_refuses_newer_major_and_names_both),
        TEST(loader_refuses_each_wrong_plugin_in_one_sentence),
        TEST(loader_refuses_an_option_table_that_contradicts_itself),
        cmocka_unit_test(descriptor_that_is_sound_passes),
        cmocka_unit_test(descriptor_fields_out_of_range_are_refused),
        cmocka_unit_test(descriptor_without_a_required_callback_is_refused),
        cmocka_unit_test(descriptor_topics_are_for_its_kind),
        cmocka_unit_test(descriptor_list_without_an_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
