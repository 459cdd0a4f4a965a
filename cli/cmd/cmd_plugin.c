/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin plugin check` and `tocsin call`: what vendors of plugins need. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/jsonpack.h"
#include "cli/print.h"
#include "core/host/inspect.h"

/* ---- plugin check ---- */

int tc_run_plugin_check(struct tc_cli *cli)
{
    const msgpack_object *found;
    struct tocsin_str why;
    char *path = NULL;
    struct tc_pack p;
    int r, error;

    r = tc_general_path(cli->args[0], &path);
    if (r)
        return r;
    tc_pack_init(&p);
    error = tc_inspect(path, TC_INSPECT_LIMIT_MS, &p);
    free(path);
    found = error ? NULL : tc_pack_read(&p);
    if (!found) {
        r = tc_call_failed("no look at the file: %s", strerror(error ? -error : ENOMEM));
        goto out;
    }
    if (cli->json)
        r = tc_general_json(found);
    why = tc_unpack_str(found, "why");
    if (!tc_unpack_bool(found, "ok", false))
        r = cli->json ? TC_EXIT_FAILED : tc_call_failed("%.*s", (int)why.len, why.ptr);
    else if (!cli->json)
        tc_print_record(stdout, NULL, found);
out:
    tc_pack_done(&p);
    return r;
}

/* ---- call ---- */

/* The argument as an event's map: an object, since the fields of a call have names. */
static int read_params(struct tc_cli *cli, struct tc_pack *p)
{
    const char *text = cli->arg_count > 1 ? cli->args[1] : "{}";
    char why[128];
    int error = tc_json_pack_text(p, text, strlen(text), why);

    if (error)
        return tc_args_wrong(cli, "the parameters: %s", why);
    return TC_EXIT_DONE;
}

int tc_run_call(struct tc_cli *cli)
{
    const char *method = cli->args[0];
    struct tc_answer answer;
    struct tc_pack p;
    int r;

    if (!strchr(method, '.'))
        return tc_args_wrong(cli, "%s names no method: say PLUGIN.METHOD", method);
    tc_pack_init(&p);
    r = read_params(cli, &p);
    if (!r)
        r = tc_call(cli, method, &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    return r ? r : tc_general_json(answer.result);
}
