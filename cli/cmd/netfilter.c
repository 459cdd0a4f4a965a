/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see netfilter.h. */
#include "cli/cmd/netfilter.h"

#include <string.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/general.h"

#define PLUGIN "netfilter"

/* Why there was no answer: the plugin's state, or else its own refusal. */
static int explain(struct tc_cli *cli, const struct tc_answer *refusal)
{
    const msgpack_object *plugin;
    struct tc_answer list;
    struct tocsin_str state, why;
    int r = tc_call(cli, "plugin.list", NULL, NULL, NULL, &list);

    if (r)
        return r;
    plugin = tc_general_plugin(list.result, PLUGIN);
    if (!plugin)
        return tc_call_failed("there is no network filter: put `" PLUGIN
                              ": {enabled: true}` below `plugins:` in the configuration, "
                              "and run tocsin config reload");
    state = tc_unpack_str(plugin, "state");
    why = tc_unpack_str(plugin, "why");
    if (tocsin_str_is(state, "starting"))
        return tc_call_failed("the network filter is starting: try again in a moment");
    if (tocsin_str_is(state, "running"))
        return tc_call_failed("%s", refusal->message);
    if (tocsin_str_is(state, "loaded") || tocsin_str_is(state, "stopped"))
        return tc_call_failed("the network filter does not run, it waits for approval: "
                              "tocsin approval list says what is missing, as tocsin "
                              "approval grant network_extension");
    return tc_call_failed("the network filter does not run (%.*s%s%.*s): tocsin plugin "
                          "enable " PLUGIN " starts it",
                          (int)state.len, state.ptr ? state.ptr : "", why.len ? ": " : "",
                          (int)why.len, why.ptr ? why.ptr : "");
}

int tc_netfilter_call(struct tc_cli *cli, const struct tc_pack *params,
                      struct tc_answer *ret_answer)
{
    const char *method = cli->command->method;
    int r;

    if (params->error)
        return tc_call_failed("cannot send this: %s", strerror(-params->error));
    r = tc_call_connect(cli);
    if (r)
        return r;
    r = tc_client_call(cli->client, method, params->bytes.data, params->bytes.size, NULL,
                       NULL, ret_answer);
    if (!r && !ret_answer->result &&
        (!strcmp(ret_answer->code, "refused") ||
         !strcmp(ret_answer->code, "unknown_method")))
        return explain(cli, ret_answer);
    return tc_call_check(r, method, ret_answer);
}

void tc_netfilter_pack_reason(const struct tc_cli *cli, struct tc_pack *p)
{
    const char *reason = tc_args_option(cli, "reason");

    if (reason)
        tc_pack_str(p, "reason", reason);
}
