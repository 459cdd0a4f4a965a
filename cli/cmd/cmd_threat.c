/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the subcommands of `tocsin threat` that are more than a list or an action. */
#include <ctype.h>
#include <stdio.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"

#define SHA256_DIGITS 64

static bool is_sha256(const char *s)
{
    return strlen(s) == SHA256_DIGITS &&
           strspn(s, "0123456789abcdefABCDEF") == SHA256_DIGITS;
}

#define ID_BYTES 256
#define UUID_CHARACTERS 36 /* of an id that is whole */

/*
 * The whole of what the text begins, in whatever case, among the answer's items: their
 * `field`, of which *ret gets the only one; "latest" is the first. The text itself where
 * nothing begins so: the agent says that.
 */
static int resolve(struct tc_cli *cli, const char *method, const char *field,
                   const char *text, char ret[ID_BYTES])
{
    bool latest = !strcmp(text, "latest");
    const msgpack_object *items;
    struct tc_answer answer;
    struct tocsin_str found;
    size_t n = strlen(text), count = 0;
    int r;

    snprintf(ret, ID_BYTES, "%s", text);
    if (n >= UUID_CHARACTERS && strcmp(field, "id") == 0)
        return TC_EXIT_DONE;
    r = tc_call(cli, method, NULL, NULL, NULL, &answer);
    if (r)
        return r;
    items = tc_unpack_array(answer.result, "items");
    for (uint32_t i = 0; items && i < items->via.array.size; i++) {
        found = tc_unpack_str(&items->via.array.ptr[i], field);
        if (!found.ptr || found.len >= ID_BYTES || found.len < n ||
            (!latest && strncasecmp(found.ptr, text, n) != 0))
            continue;
        snprintf(ret, ID_BYTES, "%.*s", (int)found.len, found.ptr);
        count++;
        if (latest || found.len == n)
            return TC_EXIT_DONE;
    }
    if (count > 1)
        return tc_call_failed("%zu begin with %s; give more of it", count, text);
    return TC_EXIT_DONE;
}

int tc_run_threat_disallow(struct tc_cli *cli)
{
    char hash[ID_BYTES];
    struct tc_answer answer;
    struct tc_pack p;
    int r = resolve(cli, "av.allowed", "sha256", cli->args[0], hash);

    if (r)
        return r;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_str(&p, "sha256", hash);
    tc_pack_end(&p);
    r = tc_call(cli, "av.disallow", &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    tc_print_str(stdout, (struct tocsin_str){hash, strlen(hash)});
    puts(": reported again, as soon as the rules have been read again");
    return TC_EXIT_DONE;
}

/* The whole id of a threat. */
static int threat_id(struct tc_cli *cli, const char *text, char ret[ID_BYTES])
{
    struct tc_answer answer;
    struct tocsin_str id;
    struct tc_pack p;
    int r;

    if (strlen(text) >= UUID_CHARACTERS) {
        snprintf(ret, ID_BYTES, "%s", text);
        return TC_EXIT_DONE;
    }
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_str(&p, "id", text);
    tc_pack_end(&p);
    r = tc_call(cli, "threat.get", &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    if (r)
        return r;
    id = tc_unpack_str(answer.result, "id");
    snprintf(ret, ID_BYTES, "%.*s", (int)(id.len < ID_BYTES ? id.len : 0), id.ptr);
    return TC_EXIT_DONE;
}

int tc_run_threat_allow(struct tc_cli *cli)
{
    const char *what = cli->args[0];
    char hash[SHA256_DIGITS + 1], id[ID_BYTES] = "";
    struct tc_answer answer;
    struct tc_pack p;
    int r = is_sha256(what) ? TC_EXIT_DONE : threat_id(cli, what, id);

    if (r)
        return r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    if (is_sha256(what)) {
        for (size_t i = 0; i < sizeof(hash); i++)
            hash[i] = (char)tolower((uint8_t)what[i]);
        tc_pack_str(&p, "sha256", hash);
    } else {
        tc_pack_str(&p, "id", id);
    }
    tc_pack_end(&p);
    r = tc_call(cli, "av.allow", &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    tc_print_str(stdout, (struct tocsin_str){what, strlen(what)});
    puts(": allowed from now on");
    return TC_EXIT_DONE;
}

int tc_run_quarantine_restore(struct tc_cli *cli)
{
    const char *to = tc_args_option(cli, "to");
    struct tc_answer answer;
    char id[ID_BYTES];
    struct tc_pack p;
    char *path = NULL;
    int r = resolve(cli, "av.quarantine_list", "id", cli->args[0], id);

    if (r)
        return r;
    r = to ? tc_general_path(to, &path) : TC_EXIT_DONE;
    if (r)
        return r;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_str(&p, "id", id);
    if (path)
        tc_pack_str(&p, "to", path);
    if (tc_args_option(cli, "overwrite"))
        tc_pack_bool(&p, "overwrite", true);
    tc_pack_end(&p);
    r = tc_call(cli, "av.restore", &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    free(path);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    fputs("restored ", stdout);
    tc_print_str(stdout, tc_unpack_str(answer.result, "path"));
    fputs(" (sha256 ", stdout);
    tc_print_str(stdout, tc_unpack_str(answer.result, "sha256"));
    fputs(")\n", stdout);
    if (tc_unpack_str(answer.result, "not_restored").ptr) {
        fputs("could not give back: ", stdout);
        tc_print_str(stdout, tc_unpack_str(answer.result, "not_restored"));
        fputc('\n', stdout);
    }
    return TC_EXIT_DONE;
}

static int remove_of_user(struct tc_cli *cli, uint64_t user)
{
    struct tc_answer answer;
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_uint(&p, "user_id", user);
    tc_pack_end(&p);
    r = tc_call(cli, "av.remove", &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    printf("%lld files of user %llu: removed for good\n",
           (long long)tc_unpack_int(answer.result, "count", 0), (unsigned long long)user);
    return TC_EXIT_DONE;
}

int tc_run_quarantine_remove(struct tc_cli *cli)
{
    bool all = tc_args_option(cli, "user");
    const char *whole;
    char id[ID_BYTES];
    uint64_t user;
    int r = tc_args_number(cli, "user", 0, &user);

    if (r)
        return r;
    if (all == (cli->arg_count == 1))
        return tc_args_wrong(cli, "an ID is needed, or --user UID");
    if (all)
        return remove_of_user(cli, user);
    r = resolve(cli, "av.quarantine_list", "id", cli->args[0], id);
    whole = id;
    if (!r) {
        cli->args = &whole;
        r = tc_run_action(cli);
    }
    return r;
}
