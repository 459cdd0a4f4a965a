/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin forward test`: a made-up event to each sink, and what came of it. */
#include <stdio.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"

static bool all_ok(const msgpack_object *items)
{
    for (uint32_t i = 0; i < items->via.array.size; i++)
        if (!tc_unpack_bool(&items->via.array.ptr[i], "ok", false))
            return false;
    return true;
}

int tc_run_forward_test(struct tc_cli *cli)
{
    static const struct tc_column columns[] = {{"SINK", "name"},
                                               {"TARGET", "target"},
                                               {"RESULT", "result"},
                                               {"RECEIVER", "said"},
                                               {NULL, NULL}};
    const msgpack_object *items;
    struct tc_answer answer;
    int r = tc_general_call(cli, &answer);

    if (r)
        return r;
    items = tc_unpack_array(answer.result, "items");
    if (!items || !items->via.array.size)
        return tc_call_failed("there is no sink: set plugins.forward.sinks");
    if (cli->json)
        (void)tc_general_json(items);
    else
        tc_print_table(stdout, columns, items);
    return all_ok(items) ? TC_EXIT_DONE : TC_EXIT_FAILED;
}
