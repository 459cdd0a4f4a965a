/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: `tocsin definitions check`: whether rule files are right, in this process; what
 * rules mean is in sigma/.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/yara_check.h"
#include "cli/print.h"
#include "cli/sources.h"
#include "ipc/json.h"
#include "sigma/base/sigma.h"
#include "sigma/match/record.h"

struct check {
    const struct tc_cli *cli;
    const char *product; /* of the machines that the rules are for; NULL: this one's */
    bool joined;         /* filters, as pySigma reads them */
    struct tc_sources sources;
    size_t problems; /* that were printed */
    size_t refused, cannot_run, no_source, rules, yara;
};

static struct tocsin_str str(const char *text)
{
    return (struct tocsin_str){text, strlen(text)};
}

static void print_json_text(const char *name, const char *text)
{
    printf(",\"%s\":", name);
    tc_json_string(stdout, text, strlen(text));
}

static void print_json(const struct tc_sigma_problem *problem, const char *state)
{
    printf("{\"state\":\"%s\"", state);
    print_json_text("file", problem->file);
    if (problem->line)
        printf(",\"line\":%u,\"column\":%u", problem->line, problem->column);
    if (problem->rule_id)
        print_json_text("rule_id", problem->rule_id);
    print_json_text("text", problem->text);
    fputc('}', stdout);
}

static void print_line(const struct tc_sigma_problem *problem, const char *state)
{
    tc_print_str(stdout, str(problem->file));
    if (problem->line)
        printf(":%u:%u", problem->line, problem->column);
    fputs(": ", stdout);
    if (!problem->refused)
        printf("%s: ", state);
    tc_print_str(stdout, str(problem->text));
    fputc('\n', stdout);
}

static void say(struct check *check, const struct tc_sigma_problem *problem,
                const char *state)
{
    if (check->cli->json) {
        fputs(check->problems ? "," : "", stdout);
        print_json(problem, state);
    } else {
        print_line(problem, state);
    }
    check->problems++;
}

static void take_problem(void *arg, const struct tc_sigma_problem *problem)
{
    struct check *check = arg;

    check->refused += problem->refused;
    say(check, problem, problem->refused ? "refused" : "cannot_run");
}

static void refuse(struct check *check, const char *path, const char *why)
{
    const struct tc_sigma_problem problem = {.file = path, .refused = true, .text = why};

    take_problem(check, &problem);
}

static void count_source(struct check *check, const struct tc_sigma_rule *rule,
                         bool fires)
{
    const char *const texts[] = {rule->product, rule->category, rule->service};
    struct tocsin_str parts[3] = {{NULL, 0}};
    char name[TC_SOURCE_NAME_BYTES];

    for (size_t i = 0; i < 3; i++)
        if (texts[i])
            parts[i] = str(texts[i]);
    tc_source_name(parts, rule->correlation, name);
    tc_sources_count(&check->sources, name, fires);
}

/* Rules that no sensor has events for, and those the engine cannot run. */
static void check_rules(struct check *check, const struct tc_sigma_set *set)
{
    const char *why;

    check->rules = tc_sigma_count(set);
    for (size_t i = 0; i < check->rules; i++) {
        const struct tc_sigma_rule *rule = tc_sigma_rule(set, i);

        why = rule->why_not    ? NULL
              : check->product ? tc_sigma_no_source_on(set, i, check->product)
                               : tc_sigma_no_source(set, i);
        count_source(check, rule, !rule->why_not && !why);
        check->cannot_run += rule->why_not != NULL;
        check->no_source += why != NULL;
        if (why)
            say(check,
                &(struct tc_sigma_problem){
                    .file = rule->file, .rule_id = rule->id, .text = why},
                "no_source");
    }
}

static void take_yara(void *arg, const char *file, unsigned line, const char *text)
{
    const struct tc_sigma_problem problem = {.file = file,
                                             .line = line,
                                             .column = line ? 1 : 0,
                                             .refused = true,
                                             .text = text};

    take_problem(arg, &problem);
}

static int check_sigma(struct check *check)
{
    const struct tc_sigma_options options = {
        .problem = take_problem, .arg = check, .filters_are_joined = check->joined};
    struct tc_sigma_loader *loader = NULL;
    struct tc_sigma_set *set = NULL;
    int error = tc_sigma_loader_new(&options, &loader), r;

    for (size_t i = 0; !error && i < check->cli->arg_count; i++) {
        if (tc_yara_is(check->cli->args[i])) {
            check->yara += tc_yara_check(check->cli->args[i], take_yara, check);
            continue;
        }
        r = tc_sigma_loader_add(loader, check->cli->args[i]);
        if (r == -ENOMEM)
            error = r;
        else if (r)
            refuse(check, check->cli->args[i], strerror(-r));
    }
    if (error)
        tc_sigma_loader_free(loader);
    else
        error = tc_sigma_loader_finish(loader, &set);
    if (!error)
        check_rules(check, set);
    tc_sigma_set_free(set);
    return error;
}

/* The shares by log source, in either form. */
static int print_sources(struct check *check)
{
    const msgpack_object *array;
    struct tc_pack p;
    int error;

    tc_pack_init(&p);
    tc_sources_put(&check->sources, &p, NULL);
    array = tc_pack_read(&p);
    error = p.error;
    if (!error && check->cli->json) {
        fputs("],\"sources\":", stdout);
        error = tc_json_write(stdout, array);
    } else if (!error && check->rules) {
        puts(check->problems ? "\nwhat can fire, by log source:"
                             : "what can fire, by log source:");
        tc_sources_print(array);
        fputc('\n', stdout);
    }
    tc_pack_done(&p);
    return error;
}

static void print_totals(const struct check *check)
{
    size_t runs = check->rules - check->cannot_run - check->no_source;
    const struct {
        const char *name;
        size_t value;
    } totals[] = {
        {"rules", check->rules},
        {"yara", check->yara},
        {"runs", runs},
        {"cannot_run", check->cannot_run},
        {"no_source", check->no_source},
        {"refused", check->refused},
    };

    if (check->cli->json) {
        for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
            printf(",\"%s\":%zu", totals[i].name, totals[i].value);
        puts("}");
        return;
    }
    printf("%zu rules: %zu run, %zu cannot run, %zu have no source here; %zu refused\n",
           check->rules, runs, check->cannot_run, check->no_source, check->refused);
    if (check->yara)
        printf("%zu rules of YARA\n", check->yara);
}

int tc_run_definitions_check(struct tc_cli *cli)
{
    struct check check = {.cli = cli, .product = tc_args_option(cli, "product")};
    int error = tc_filters_option(cli, &check.joined), printed;

    if (error)
        return error;
    error = tc_sources_init(&check.sources);
    if (error)
        return tc_call_failed("%s", strerror(-error));
    if (cli->json)
        fputs("{\"problems\":[", stdout);
    error = check_sigma(&check);
    printed = print_sources(&check);
    print_totals(&check);
    tc_sources_done(&check.sources);
    if (error || printed)
        return tc_call_failed("the rules: %s", strerror(error ? -error : -printed));
    return check.refused ? TC_EXIT_FAILED : TC_EXIT_DONE;
}
