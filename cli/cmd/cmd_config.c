/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin config`. */
#include <stdio.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"
#include "ipc/text.h"

/* Has the agent judge the file that is the argument, if there is one: its {ok, why}. */
static int judge(struct tc_cli *cli, struct tc_answer *ret_answer)
{
    struct tc_pack p;
    char *path = NULL;
    int r;

    r = cli->arg_count ? tc_general_path(cli->args[0], &path) : TC_EXIT_DONE;
    if (r)
        return r;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    if (path)
        tc_pack_str(&p, "path", path);
    tc_pack_end(&p);
    r = tc_call(cli, cli->command->method, &p, NULL, NULL, ret_answer);
    tc_pack_done(&p);
    free(path);
    return r;
}

/* The outcome of a file that was judged; what is wrong goes to stderr as every failure.
 */
static int outcome(const struct tc_cli *cli, const struct tc_answer *answer)
{
    struct tocsin_str why = tc_unpack_str(answer->result, "why");
    int r;

    if (tc_unpack_bool(answer->result, "ok", false))
        return cli->json ? tc_general_json(answer->result) : TC_EXIT_DONE;
    if (cli->json) {
        r = tc_general_json(answer->result);
        return r ? r : TC_EXIT_FAILED;
    }
    if (!why.ptr)
        return tc_call_failed("it is not valid, and the agent does not say why");
    return tc_call_failed("%.*s", (int)why.len, why.ptr);
}

/* What was taken all the same; stdout has the outcome alone. */
static void print_warnings(const struct tc_answer *answer)
{
    const msgpack_object *lines = tc_unpack_array(answer->result, "warnings");

    for (uint32_t i = 0; lines && i < lines->via.array.size; i++) {
        const msgpack_object *line = &lines->via.array.ptr[i];

        if (line->type != MSGPACK_OBJECT_STR)
            continue;
        fputs("warning: ", stderr);
        tc_text_escape(stderr, line->via.str.ptr, line->via.str.size, TC_TEXT_LINES);
        fputc('\n', stderr);
    }
}

int tc_run_config_validate(struct tc_cli *cli)
{
    struct tc_answer answer;
    int r;

    r = judge(cli, &answer);
    if (!r)
        r = outcome(cli, &answer);
    if (!r && !cli->json) {
        print_warnings(&answer);
        puts("the configuration is valid");
    }
    return r;
}

int tc_run_config_show(struct tc_cli *cli)
{
    static const struct tc_column columns[] = {
        {"KEY", "key"}, {"VALUE", "value"}, {"FROM", "from"}, {NULL, NULL}};
    const msgpack_object *config, *values;
    struct tc_answer answer;
    struct tocsin_str yaml;
    int r;

    r = tc_call(cli, "config.show", NULL, NULL, NULL, &answer);
    if (r)
        return r;
    if (tc_args_option(cli, "origin")) {
        values = tc_unpack_array(answer.result, "values");
        if (!values)
            return tc_call_failed("the agent does not say where its values are from");
        if (cli->json)
            return tc_general_json(values);
        tc_print_table(stdout, columns, values);
        return TC_EXIT_DONE;
    }
    if (cli->json) {
        config = tc_unpack_find(answer.result, "config");
        return tc_general_json(config ? config : answer.result);
    }
    yaml = tc_unpack_str(answer.result, "yaml");
    if (!yaml.ptr)
        return tc_call_failed("the agent's answer has no text");
    tc_text_escape(stdout, yaml.ptr, yaml.len, TC_TEXT_LINES);
    if (!yaml.len || yaml.ptr[yaml.len - 1] != '\n')
        fputc('\n', stdout);
    return TC_EXIT_DONE;
}

/* "what: a, b", when there is any. Returns whether there was. */
static bool print_keys(const struct tc_answer *answer, const char *field,
                       const char *what)
{
    const msgpack_object *keys = tc_unpack_array(answer->result, field);

    if (!keys || !keys->via.array.size)
        return false;
    printf("%s: ", what);
    tc_print_value(stdout, keys);
    fputc('\n', stdout);
    return true;
}

/* What a configuration that was taken has changed. */
static int print_taken(const struct tc_cli *cli, const struct tc_answer *answer)
{
    bool any;

    if (cli->json)
        return tc_general_json(answer->result);
    print_warnings(answer);
    any = print_keys(answer, "changed", "changed");
    any =
        print_keys(answer, "restart", "takes effect when the agent starts again") || any;
    if (!any)
        puts("nothing has changed");
    return TC_EXIT_DONE;
}

int tc_run_config_reload(struct tc_cli *cli)
{
    struct tc_answer answer;
    int r = tc_call(cli, "config.reload", NULL, NULL, NULL, &answer);

    return r ? r : print_taken(cli, &answer);
}

/* Where it is written; and where else, as the last file that has a key counts. */
static void print_file(const struct tc_answer *answer)
{
    struct tocsin_str file = tc_unpack_str(answer->result, "file");
    struct tocsin_str also = tc_unpack_str(answer->result, "also_in");

    if (file.ptr) {
        fputs("file: ", stdout);
        tc_print_str(stdout, file);
        fputc('\n', stdout);
    }
    if (also.ptr) {
        fputs("warning: ", stderr);
        tc_text_escape(stderr, also.ptr, also.len, TC_TEXT_LINES);
        fputs(" has the key, too\n", stderr);
    }
}

int tc_run_config_edit(struct tc_cli *cli)
{
    struct tc_answer answer;
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_str(&p, "key", cli->args[0]);
    if (cli->arg_count > 1)
        tc_pack_str(&p, "value", cli->args[1]);
    tc_pack_end(&p);
    r = tc_call(cli, cli->command->method, &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    if (!r)
        r = print_taken(cli, &answer);
    if (!r && !cli->json)
        print_file(&answer);
    return r;
}
