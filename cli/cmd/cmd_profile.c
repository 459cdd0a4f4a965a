/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: `tocsin profile`. What profiles mean the agent knows; files that it is to judge
 * are read here and sent, so that it opens nothing for a caller.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"
#include "ipc/rpc.h"

/* Of all files together: a message holds no more, and the rest of it takes some. */
#define SENT_BYTES_MAX (TC_RPC_MAX_BYTES - 64 * 1024)

/* Reads a file whole, up to `max` bytes and one more. In memory for free(). */
static int read_file(const char *path, size_t max, uint8_t **ret_data, size_t *ret_len)
{
    uint8_t *data = malloc(max + 1);
    struct stat st;
    size_t len = 0;
    ssize_t n = -1;
    int fd;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (!data || fd < 0 || fstat(fd, &st) < 0)
        goto out;
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        goto out;
    }
    do {
        n = read(fd, data + len, max + 1 - len);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0 && len <= max);

out:
    if (n < 0) {
        tc_call_failed("%s: %s", path, strerror(errno));
        free(data);
        data = NULL;
    }
    if (fd >= 0)
        close(fd);
    *ret_data = data;
    *ret_len = len;
    return data ? TC_EXIT_DONE : TC_EXIT_FAILED;
}

/* Writes one file; *left is less by what it takes. */
static int put_file(struct tc_pack *p, const char *path, size_t *left)
{
    uint8_t *data;
    size_t len;
    int r;

    r = read_file(path, *left, &data, &len);
    if (r)
        return r;
    if (len > *left) {
        free(data);
        return tc_call_failed("%s: the profiles are larger than %d KiB together: "
                              "check fewer at once",
                              path, SENT_BYTES_MAX / 1024);
    }
    *left -= len;
    tc_pack_begin_map(p, NULL);
    tc_pack_str(p, "name", path);
    tc_pack_bin(p, "data", data, len);
    tc_pack_end(p);
    free(data);
    return TC_EXIT_DONE;
}

static int is_profile(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return dot && !strcmp(dot, ".mobileconfig");
}

/* Writes the profiles of a folder, in the order of their names, as the agent reads them.
 */
static int put_folder(struct tc_pack *p, const char *folder, size_t *left)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_profile, alphasort), r = TC_EXIT_DONE;
    char *path;

    if (n < 0)
        return tc_call_failed("%s: %s", folder, strerror(errno));
    if (!n)
        r = tc_call_failed("%s: there is no file *.mobileconfig", folder);
    for (int i = 0; i < n; i++) {
        if (!r && asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0)
            r = tc_call_failed("%s", strerror(ENOMEM));
        else if (!r) {
            r = put_file(p, path, left);
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* Writes the files of the command line, if there are any, as `files`. */
static int put_files(const struct tc_cli *cli, struct tc_pack *p)
{
    size_t left = SENT_BYTES_MAX;
    struct stat st;
    int r = TC_EXIT_DONE;

    if (!cli->arg_count)
        return TC_EXIT_DONE;
    tc_pack_begin_array(p, "files");
    for (size_t i = 0; !r && i < cli->arg_count; i++) {
        if (!stat(cli->args[i], &st) && S_ISDIR(st.st_mode))
            r = put_folder(p, cli->args[i], &left);
        else
            r = put_file(p, cli->args[i], &left);
    }
    tc_pack_end(p);
    return r;
}

static int call(struct tc_cli *cli, struct tc_answer *ret_answer)
{
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    r = put_files(cli, &p);
    tc_pack_end(&p);
    if (!r)
        r = tc_call(cli, cli->command->method, &p, NULL, NULL, ret_answer);
    tc_pack_done(&p);
    return r;
}

/* One line for each profile that has the field, which is a sentence. How many have. */
static unsigned print_sentences(const msgpack_object *items, const char *field,
                                const char *title)
{
    const msgpack_object *o;
    unsigned n = 0;

    for (uint32_t i = 0; i < items->via.array.size; i++) {
        o = tc_unpack_find(&items->via.array.ptr[i], field);
        if (!o)
            continue;
        if (title) {
            fputs(n ? "" : "\n", stdout);
            printf("%s: ", title);
            tc_print_value(stdout, o);
            fputc('\n', stdout);
        }
        n++;
    }
    return n;
}

static int find_array(const struct tc_answer *answer, const char *field,
                      const msgpack_object **ret)
{
    *ret = tc_unpack_array(answer->result, field);
    if (!*ret)
        return tc_call_failed("the agent's answer has no list of %s", field);
    return TC_EXIT_DONE;
}

int tc_run_profile_list(struct tc_cli *cli)
{
    static const struct tc_column columns[] = {
        {"FILE", "file"},         {"NAME", "name"}, {"IDENTIFIER", "identifier"},
        {"RING", "release_ring"}, {"SAYS", "says"}, {NULL, NULL},
    };
    const msgpack_object *items = NULL;
    struct tc_answer answer;
    int r;

    r = call(cli, &answer);
    if (!r)
        r = find_array(&answer, "items", &items);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(items);
    if (!items->via.array.size) {
        puts("no managed profiles");
        return TC_EXIT_DONE;
    }
    tc_print_table(stdout, columns, items);
    print_sentences(items, "error", "refused");
    print_sentences(items, "warning", "warning");
    return TC_EXIT_DONE;
}

/* What the profiles say of the release ring, where they do. */
static void print_ring(const struct tc_answer *answer)
{
    struct tocsin_str declared, effective, why;

    declared = tc_unpack_str(answer->result, "release_ring.declared");
    effective = tc_unpack_str(answer->result, "release_ring.effective");
    why = tc_unpack_str(answer->result, "release_ring.why");
    if (!declared.ptr)
        return;
    fputs("\nrelease ring: ", stdout);
    tc_print_str(stdout, declared);
    fputs(" by ", stdout);
    tc_print_str(stdout, tc_unpack_str(answer->result, "release_ring.profile"));
    if (why.ptr) {
        fputs(", in effect ", stdout);
        tc_print_str(stdout, effective);
        fputs(": ", stdout);
        tc_print_str(stdout, why);
    }
    fputc('\n', stdout);
}

int tc_run_profile_check(struct tc_cli *cli)
{
    static const struct tc_column columns[] = {
        {"GATE", "gate"},           {"DECLARED", "declared"}, {"PROFILE", "profile"},
        {"EFFECTIVE", "effective"}, {"WHY", "why"},           {NULL, NULL},
    };
    const msgpack_object *gates = NULL, *items = NULL;
    struct tc_answer answer;
    unsigned refused;
    int r;

    r = call(cli, &answer);
    if (!r)
        r = find_array(&answer, "gates", &gates);
    if (!r)
        r = find_array(&answer, "items", &items);
    if (r)
        return r;
    if (cli->json) {
        r = tc_general_json(answer.result);
        refused = print_sentences(items, "error", NULL);
    } else {
        tc_print_table(stdout, columns, gates);
        print_ring(&answer);
        refused = print_sentences(items, "error", "refused");
        print_sentences(items, "warning", "warning");
    }
    return r || !refused ? r : TC_EXIT_FAILED;
}
