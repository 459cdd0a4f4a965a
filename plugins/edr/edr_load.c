/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: folders of rule files into a set of rules, ready for use: which files, their
 * digest, what is wrong with them, and that their folders are watched. Runs in the pool.
 * Must not: touch the plugin's state, log, or know what rules mean.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "edr.h"
#include "sigma/match/record.h"

struct walk {
    const struct tc_edr_options *options;
    struct tc_detector_watch *watch;
    const atomic_bool *cancelled;
    struct tc_edr_reading *reading;
    struct tc_sigma_loader *loader;
    EVP_MD_CTX *digest;
    size_t room; /* for problems */
};

/* ---- Problems ---- */

static void take_problem(void *arg, const struct tc_sigma_problem *problem)
{
    struct walk *walk = arg;
    struct tc_edr_reading *reading = walk->reading;
    struct tc_edr_problem *grown, *kept;
    size_t room = walk->room ? 2 * walk->room : 16;

    reading->refused += problem->refused;
    if (reading->problems_n == walk->room && walk->room < TC_EDR_PROBLEMS_MAX) {
        grown = realloc(reading->problems, room * sizeof(*grown));
        reading->problems = grown ? grown : reading->problems;
        walk->room = grown ? room : walk->room;
    }
    if (reading->problems_n == walk->room || reading->problems_n == TC_EDR_PROBLEMS_MAX) {
        reading->skipped++;
        return;
    }
    kept = &reading->problems[reading->problems_n];
    *kept = (struct tc_edr_problem){.file = strdup(problem->file),
                                    .text = strdup(problem->text),
                                    .line = problem->line,
                                    .column = problem->column,
                                    .refused = problem->refused};
    if (kept->file && kept->text) {
        reading->problems_n++;
        return;
    }
    free(kept->file);
    free(kept->text);
    reading->skipped++;
}

static void refuse(struct walk *walk, const char *path, const char *what, const char *why)
{
    char text[256];
    const struct tc_sigma_problem problem = {.file = path, .refused = true, .text = text};

    snprintf(text, sizeof(text), "%s: %s", what, why);
    take_problem(walk, &problem);
}

/* ---- Files ---- */

static int take_file(void *arg, const struct tc_sigma_file *file)
{
    const struct walk *walk = arg;
    struct tc_edr_rules *rules = walk->reading->rules;
    const char *slash = strrchr(file->path, '/'), *name = slash ? slash + 1 : file->path;

    if (atomic_load_explicit(walk->cancelled, memory_order_relaxed))
        return -ECANCELED;
    rules->files++;
    if (file->changed_ns > rules->updated_ns)
        rules->updated_ns = file->changed_ns;
    EVP_DigestUpdate(walk->digest, name, strlen(name) + 1);
    EVP_DigestUpdate(walk->digest, &file->len, sizeof(file->len));
    EVP_DigestUpdate(walk->digest, file->text, file->len);
    return 0;
}

/* ---- Folders ---- */

/* Before it is read. */
static int take_folder(void *arg, const char *path)
{
    const struct walk *walk = arg;

    tc_detector_watch_folder(walk->watch, path);
    return 0;
}

/* An entry of the option `rules`: a folder, or a file of any name. */
static int add_path(struct walk *walk, const char *path)
{
    int error;

    tc_detector_watch_entry(walk->watch, path);
    error = tc_sigma_loader_add(walk->loader, path);
    if (!error || error == -ENOMEM || error == -ECANCELED)
        return error;
    if (error == -ENOENT && !strcmp(path, TC_EDR_OWN_RULES))
        return 0;
    refuse(walk, path, "the rules there cannot be read", strerror(-error));
    return 0;
}

/* ---- The set ---- */

/* Value i of a placeholder: of the entries name=value, the i-th of that name. */
static const char *placeholder(void *arg, const char *name, size_t i)
{
    const struct walk *walk = arg;
    size_t n = strlen(name);

    for (size_t k = 0; k < walk->options->placeholders.n; k++) {
        const char *entry = walk->options->placeholders.items[k];

        if (!strncmp(entry, name, n) && entry[n] == '=' && i-- == 0)
            return entry + n + 1;
    }
    return NULL;
}

enum tc_edr_state tc_edr_rule_state(const struct tc_edr_rules *rules, size_t rule,
                                    const char **ret_why)
{
    const char *why = tc_sigma_rule(rules->set, rule)->why_not;

    if (why) {
        *ret_why = why;
        return TC_EDR_CANNOT_RUN;
    }
    *ret_why = tc_sigma_no_source(rules->set, rule);
    return *ret_why ? TC_EDR_NO_SOURCE : TC_EDR_RUNS;
}

static void finish_digest(struct walk *walk)
{
    uint8_t bytes[EVP_MAX_MD_SIZE] = {0};
    char *text = walk->reading->rules->digest;

    EVP_DigestFinal_ex(walk->digest, bytes, NULL);
    for (size_t i = 0; i < (TC_EDR_DIGEST_BYTES - 1) / 2; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* The slow part: the patterns of all rules become one automaton a field. */
static int make_set(struct walk *walk)
{
    struct tc_edr_rules *rules = walk->reading->rules;
    const char *why;
    int error;

    error = tc_sigma_loader_finish(walk->loader, &rules->set);
    walk->loader = NULL;
    if (!error)
        error = tc_sigma_scratch_new(rules->set, &rules->scratch);
    if (error)
        return error;
    for (size_t i = 0; i < tc_sigma_count(rules->set); i++)
        rules->states[tc_edr_rule_state(rules, i, &why)]++;
    finish_digest(walk);
    return 0;
}

static int read_all(struct walk *walk)
{
    const struct tc_sigma_options options = {.problem = take_problem,
                                             .arg = walk,
                                             .placeholder = placeholder,
                                             .filters_are_joined =
                                                 walk->options->filters_are_joined,
                                             .folder = take_folder,
                                             .file = take_file};
    int error = tc_sigma_loader_new(&options, &walk->loader);

    for (size_t i = 0; !error && i < walk->options->rules.n; i++)
        error = add_path(walk, walk->options->rules.items[i]);
    if (!error && atomic_load_explicit(walk->cancelled, memory_order_relaxed))
        error = -ECANCELED;
    return error ? error : make_set(walk);
}

void tc_edr_rules_free(struct tc_edr_rules *rules)
{
    if (!rules)
        return;
    tc_sigma_scratch_free(rules->scratch);
    tc_sigma_set_free(rules->set);
    free(rules);
}

void tc_edr_reading_free(struct tc_edr_reading *reading)
{
    if (!reading)
        return;
    for (size_t i = 0; i < reading->problems_n; i++) {
        free(reading->problems[i].file);
        free(reading->problems[i].text);
    }
    free(reading->problems);
    tc_edr_rules_free(reading->rules);
    free(reading);
}

int tc_edr_read(const struct tc_edr_options *options, struct tc_detector_watch *watch,
                const atomic_bool *cancelled, struct tc_edr_reading **ret_reading)
{
    struct walk walk = {.options = options,
                        .watch = watch,
                        .cancelled = cancelled,
                        .reading = calloc(1, sizeof(*walk.reading)),
                        .digest = EVP_MD_CTX_new()};
    int error = walk.reading ? 0 : -ENOMEM;

    if (error)
        goto out;
    walk.reading->rules = calloc(1, sizeof(*walk.reading->rules));
    if (!walk.reading->rules || !walk.digest ||
        !EVP_DigestInit_ex(walk.digest, EVP_sha256(), NULL))
        error = -ENOMEM;
    else
        error = read_all(&walk);
    if (error && error != -ECANCELED) {
        refuse(&walk, "all rules", "no set could be made of them",
               error == -E2BIG ? "they exceed a limit: remove some"
                               : "they need too much memory: remove some");
        tc_edr_rules_free(walk.reading->rules);
        walk.reading->rules = NULL;
        error = 0;
    }
out:
    tc_sigma_loader_free(walk.loader);
    EVP_MD_CTX_free(walk.digest);
    if (error)
        tc_edr_reading_free(walk.reading);
    else
        *ret_reading = walk.reading;
    return error;
}
