/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the loader: folders, files, their documents, and global ones whose keys
 * the later ones inherit. Must not: know what a document's keys mean, beyond its kind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sigma/read/compile.h"

#define FOLDER_DEPTH_MAX 32
#define FILTERS_MAX 4096
#define NS_PER_S UINT64_C(1000000000)

static const struct tc_yaml_limits limits = {
    .text_bytes = TC_SIGMA_FILE_MAX,
    .arena_bytes = 64 << 20,
    .nodes = 200000,
    .documents = 4096,
    .depth = 24,
    .blocks = true,
    .null_in_capitals = true,
    .merge_keys = true,
    .too_large = "with its aliases written out the file has more than 200000 values: "
                 "split it",
    .too_many_keys = "this map has more than 1024 keys: split the rule",
};

struct tc_sigma_loader {
    struct tc_sigma_options options;
    struct tc_sigma_set *set;
    struct tc_filter *filters;
    size_t filter_count, filter_room;
};

/* The documents of one file, as they are gone through. */
struct file_reading {
    struct tc_sigma_loader *loader;
    const char *name; /* in the set's memory */
    struct tc_yaml *yaml;
    const struct tc_yaml_node *global, *previous; /* or NULL */
};

int tc_sigma_loader_new(const struct tc_sigma_options *options,
                        struct tc_sigma_loader **ret_loader)
{
    struct tc_sigma_loader *loader = calloc(1, sizeof(*loader));
    int error;

    if (!loader)
        return -ENOMEM;
    loader->options = *options;
    error = tc_set_new(&loader->set);
    if (error < 0)
        free(loader);
    else
        *ret_loader = loader;
    return error;
}

static void report(void *arg, const char *file, struct tc_yaml_place place,
                   const char *rule_id, bool refused, const char *text)
{
    const struct tc_sigma_loader *loader = arg;
    const struct tc_sigma_problem problem = {.file = file,
                                             .line = place.line,
                                             .column = place.column,
                                             .rule_id = rule_id,
                                             .refused = refused,
                                             .text = text};

    if (loader->options.problem)
        loader->options.problem(loader->options.arg, &problem);
}

/* ---- Documents ---- */

static int add_filter(struct tc_sigma_loader *loader, const struct tc_filter *filter)
{
    int error;

    error = tc_grow(&loader->filters, &loader->filter_room, loader->filter_count,
                    sizeof(*loader->filters));
    if (error == 0)
        loader->filters[loader->filter_count++] = *filter;
    return error;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int add_rule(struct file_reading *f, struct tc_reading *r,
                    const struct tc_yaml_node *document, const struct tc_rule *rule)
{
    struct tc_sigma_set *set = f->loader->set;

    if (set->rule_count == TC_SIGMA_RULES_MAX)
        return tc_yaml_refuse(r->error, document->place, "there are more than %d rules",
                              TC_SIGMA_RULES_MAX);
    if (rule->info.id && tfind(rule->info.id, &set->ids, compare_ids))
        return tc_yaml_refuse(r->error, tc_yaml_get(document, "id")->place,
                              "another rule has the id %.64s", rule->info.id);
    if (rule->info.id && !tsearch(rule->info.id, &set->ids, compare_ids))
        return -ENOMEM;
    if (rule->info.why_not)
        report(f->loader, f->name, document->place, rule->info.id, false,
               rule->info.why_not);
    return tc_set_rule(set, rule);
}

/* A rule, a correlation or a filter. */
static int read_kind(struct file_reading *f, struct tc_reading *r,
                     const struct tc_yaml_node *document)
{
    struct tc_filter filter;
    struct tc_rule rule;
    int error;

    if (tc_yaml_get(document, "filter")) {
        error = tc_filter_read(r, document, f->name, &filter);
        if (error == 0 && f->loader->filter_count == FILTERS_MAX)
            return tc_yaml_refuse(r->error, document->place,
                                  "there are more than %d filters", FILTERS_MAX);
        return error == 0 ? add_filter(f->loader, &filter) : error;
    }
    if (tc_yaml_get(document, "correlation"))
        error = tc_correlation_read(r, document, f->name, &rule);
    else if (tc_yaml_get(document, "detection"))
        error = tc_rule_read(r, document, f->name, &rule);
    else
        return tc_yaml_refuse(r->error, document->place,
                              "this document has no detection, correlation or filter");
    return error == 0 ? add_rule(f, r, document, &rule) : error;
}

/* -EINVAL has been reported. */
static int read_document(struct file_reading *f, const struct tc_yaml_node *document)
{
    struct tc_yaml_error refusal = {.why = ""};
    struct tc_reading r = {.set = f->loader->set,
                           .arena = &f->yaml->arena,
                           .options = &f->loader->options,
                           .error = &refusal};
    const struct tc_yaml_node *id = tc_yaml_get(document, "id");
    int error;

    if (document->kind == TC_YAML_MAP)
        error = read_kind(f, &r, document);
    else
        error = tc_yaml_refuse(&refusal, document->place,
                               "a rule is a map: title, logsource, "
                               "detection and so on");
    if (error == -ENOMEM && f->yaml->arena.full)
        error = tc_yaml_refuse(&refusal, document->place,
                               "the rule needs too much memory: shorten it");
    if (error == -EINVAL)
        report(f->loader, f->name, refusal.place,
               id && id->kind == TC_YAML_TEXT ? id->text : NULL, true, refusal.why);
    return error;
}

/*
 * Of the specification before 2.0, and still in use: all documents after one with action:
 * global inherit its keys, up to action: reset; one with action: repeat has those of
 * the document before it.
 */
static int take_document(struct file_reading *f, const struct tc_yaml_node *document)
{
    const struct tc_yaml_node *action = tc_yaml_get(document, "action");
    const char *text = action && action->kind == TC_YAML_TEXT ? action->text : "";
    const struct tc_yaml_node *under = f->global;

    if (document->kind == TC_YAML_NULL)
        return 0; /* nothing between two lines of --- */
    if (!strcmp(text, "reset")) {
        f->global = NULL;
        return 0;
    }
    if (action && strcmp(text, "global") && strcmp(text, "repeat")) {
        report(f->loader, f->name, action->place, NULL, true,
               "action is global, reset or repeat");
        return -EINVAL;
    }
    if (!strcmp(text, "repeat") && f->previous)
        under = f->previous;
    if (document->kind == TC_YAML_MAP && under)
        document = tc_yaml_merge(f->yaml, under, document);
    if (!document)
        return -ENOMEM;
    if (!strcmp(text, "global")) {
        f->global = document;
        return 0;
    }
    f->previous = document;
    return read_document(f, document);
}

int tc_sigma_loader_add_text(struct tc_sigma_loader *loader, const char *name,
                             const char *text, size_t len)
{
    struct file_reading f = {.loader = loader};
    struct tc_yaml_error refusal;
    int error = 0;

    f.name = tc_arena_text(&loader->set->arena, name, strlen(name));
    if (!f.name)
        return -ENOMEM;
    if (len > TC_SIGMA_FILE_MAX) {
        report(loader, f.name, (struct tc_yaml_place){0, 0}, NULL, true,
               "the file has more than 4 MiB: split it");
        return 0;
    }
    error = tc_yaml_parse(f.name, text, len, &limits, &f.yaml, &refusal);
    if (error == -EINVAL) {
        report(loader, f.name, refusal.place, NULL, true, refusal.why);
        return 0;
    }
    if (error < 0)
        return error;
    for (const struct tc_yaml_node *at = f.yaml->documents; at && error != -ENOMEM;
         at = at->next)
        error = take_document(&f, at);
    tc_yaml_free(f.yaml);
    return error == -ENOMEM ? error : 0;
}

/* ---- Files and folders ---- */

/* All of a regular file, up to one byte more than may be. */
static int read_file(int fd, char **ret_text, size_t *ret_len)
{
    size_t room = 16384, len = 0;
    char *text = malloc(room), *grown;
    ssize_t n = 1;

    while (text && n > 0 && len <= TC_SIGMA_FILE_MAX) {
        if (len == room) {
            grown = realloc(text, 2 * room);
            if (!grown)
                break;
            text = grown;
            room *= 2;
        }
        n = read(fd, text + len, room - len);
        len += n > 0 ? (size_t)n : 0;
    }
    if (!text || n < 0 || (n > 0 && len <= TC_SIGMA_FILE_MAX)) {
        free(text);
        return n < 0 ? -errno : -ENOMEM;
    }
    *ret_text = text;
    *ret_len = len;
    return 0;
}

static int report_file(struct tc_sigma_loader *loader, const char *path,
                       const struct stat *st, const char *text, size_t len)
{
    const struct tc_sigma_file file = {.path = path,
                                       .text = text,
                                       .len = len,
                                       .changed_ns =
                                           (uint64_t)st->st_mtim.tv_sec * NS_PER_S +
                                           (uint64_t)st->st_mtim.tv_nsec};

    return loader->options.file ? loader->options.file(loader->options.arg, &file) : 0;
}

static int add_file(struct tc_sigma_loader *loader, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error;
    struct stat st;
    char *text = NULL;
    size_t len = 0;

    if (fd < 0)
        return -errno;
    error = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    if (error == 0)
        error = read_file(fd, &text, &len);
    close(fd);
    if (error == 0)
        error = report_file(loader, path, &st, text, len);
    if (error == 0)
        error = tc_sigma_loader_add_text(loader, path, text, len);
    free(text);
    return error;
}

static int is_listed(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_rule_name(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (!strcasecmp(dot, ".yml") || !strcasecmp(dot, ".yaml"));
}

/* A folder that is being read, and the one that it is in. Links are followed, so that one
 * may be within itself. */
struct folder {
    const struct folder *up;
    const char *path;
    dev_t device;
    ino_t inode;
    unsigned depth;
};

static int add_folder(struct tc_sigma_loader *loader, const char *path,
                      const struct stat *st, const struct folder *up);

static bool is_within(const struct folder *folder, const struct stat *st)
{
    for (; folder; folder = folder->up)
        if (folder->device == st->st_dev && folder->inode == st->st_ino)
            return true;
    return false;
}

/* What is wrong with an entry is reported; -ENOMEM and -ECANCELED end the walk. */
static int add_entry(struct tc_sigma_loader *loader, const struct folder *folder,
                     const char *name)
{
    struct stat st;
    char *path, why[256];
    int error = 0;

    if (asprintf(&path, "%s/%s", folder->path, name) < 0)
        return -ENOMEM;
    if (stat(path, &st) < 0)
        error = is_rule_name(name) ? -errno : 0; /* a link to nowhere */
    else if (S_ISDIR(st.st_mode))
        error = folder->depth < FOLDER_DEPTH_MAX && !is_within(folder, &st)
                    ? add_folder(loader, path, &st, folder)
                    : -ELOOP;
    else if (is_rule_name(name))
        error = add_file(loader, path);
    if (error < 0 && error != -ENOMEM && error != -ECANCELED) {
        snprintf(why, sizeof(why), "this cannot be read: %s",
                 error == -EINVAL ? "it is no file"
                 : error == -ELOOP
                     ? "it leads back to where it is, or is more than 32 folders deep"
                     : strerror(-error));
        report(loader, path, (struct tc_yaml_place){0, 0}, NULL, true, why);
        error = 0;
    }
    free(path);
    return error;
}

static int add_folder(struct tc_sigma_loader *loader, const char *path,
                      const struct stat *st, const struct folder *up)
{
    const struct tc_sigma_options *options = &loader->options;
    const struct folder folder = {.up = up,
                                  .path = path,
                                  .device = st->st_dev,
                                  .inode = st->st_ino,
                                  .depth = up ? up->depth + 1 : 0};
    struct dirent **entries;
    int count, error = options->folder ? options->folder(options->arg, path) : 0;

    if (error < 0)
        return error;
    count = scandir(path, &entries, is_listed, by_name);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        if (error == 0)
            error = add_entry(loader, &folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return error;
}

int tc_sigma_loader_add(struct tc_sigma_loader *loader, const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? add_folder(loader, path, &st, NULL)
                               : add_file(loader, path);
}

int tc_sigma_loader_finish(struct tc_sigma_loader *loader, struct tc_sigma_set **ret_set)
{
    struct tc_sigma_set *set = loader->set;
    int error;

    error = tc_set_link(set, loader->filters, loader->filter_count,
                        loader->options.filters_are_joined, report, loader);
    if (error == 0)
        error = tc_set_compile(set);
    if (error < 0)
        tc_sigma_set_free(set);
    else
        *ret_set = set;
    free(loader->filters);
    free(loader);
    return error;
}

void tc_sigma_loader_free(struct tc_sigma_loader *loader)
{
    if (!loader)
        return;
    tc_sigma_set_free(loader->set);
    free(loader->filters);
    free(loader);
}
