/* SPDX-License-Identifier: Apache-2.0 */
#include "indicators/nf_indicators.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "indicators/nf_index.h"
#include "indicators/nf_list.h"

struct load {
    struct tc_nf_indicators *table;
    struct tc_nf_report *report;
    uint64_t now_s;
    char *why;
};

static int fail(const struct load *load, const char *path, int err)
{
    (void)tc_nf_refuse(load->why, "%s: %s", path, strerror(-err));
    return err;
}

static int read_source(const char *text, enum tc_nf_action *ret_action,
                       const char **ret_path, char why[TC_NF_WHY_MAX])
{
    const char *colon = strchr(text, ':');
    char quote[TC_NF_QUOTE_MAX];

    if (!colon || colon[1] != '/' ||
        tc_nf_action_read((struct tc_nf_text){text, (size_t)(colon - text)}, ret_action,
                          why))
        return tc_nf_refuse(why,
                            "\"%s\" is no list of indicators; write allow:, audit: or "
                            "block: and the path of a file or folder, from /",
                            tc_nf_quote((struct tc_nf_text){text, strlen(text)}, quote));
    *ret_path = colon + 1;
    return 0;
}

int tc_nf_source_check(const char *text, char why[TC_NF_WHY_MAX])
{
    enum tc_nf_action action;
    const char *path;

    return read_source(text, &action, &path, why);
}

/* ---- Files and folders ---- */

static int load_file(struct load *load, const char *path, enum tc_nf_action action,
                     int fd)
{
    struct tc_nf_list list = {.table = load->table,
                              .report = load->report,
                              .path = path,
                              .action = action,
                              .now_s = load->now_s,
                              .why = load->why};
    int r = tc_nf_index_source(load->table, path, &list.source);

    if (r == -E2BIG) {
        (void)tc_nf_refuse(load->why, "%s: there are more than %d files; join some", path,
                           TC_NF_LISTS_MAX);
        return r;
    }
    if (r)
        return fail(load, path, r);
    load->report->files++;
    return tc_nf_list_read(&list, fd);
}

static int load_path(struct load *load, const char *path, enum tc_nf_action action,
                     bool in_folder);

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int load_folder(struct load *load, const char *path, enum tc_nf_action action)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_shown, alphasort), r = 0;
    char *file;

    if (count < 0)
        return fail(load, path, -errno);
    for (int i = 0; i < count; i++) {
        if (!r && asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
            r = fail(load, path, -ENOMEM);
        else if (!r) {
            r = load_path(load, file, action, true);
            free(file);
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* Within a folder, what is no file is left out. */
static int load_path(struct load *load, const char *path, enum tc_nf_action action,
                     bool in_folder)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r = 0;
    struct stat st;

    if (fd < 0)
        return fail(load, path, -errno);
    if (fstat(fd, &st))
        r = fail(load, path, -errno);
    else if (S_ISREG(st.st_mode))
        r = load_file(load, path, action, fd);
    else if (!in_folder && S_ISDIR(st.st_mode))
        r = load_folder(load, path, action);
    else if (!in_folder)
        r = tc_nf_refuse(load->why, "%s: neither a file nor a folder", path);
    close(fd);
    return r;
}

/* ---- The whole ---- */

static int load_all(struct load *load, const struct tc_nf_sources *sources)
{
    enum tc_nf_action action = TC_NF_NONE;
    const char *path = NULL;
    int r = 0;

    if (sources->own && (!access(sources->own, F_OK) || errno != ENOENT))
        r = load_path(load, sources->own, TC_NF_BLOCK, false);
    for (size_t i = 0; !r && i < sources->count; i++) {
        r = read_source(sources->texts[i], &action, &path, load->why);
        if (!r)
            r = load_path(load, path, action, false);
    }
    if (r)
        return r;
    r = tc_nf_index_finish(load->table);
    return r ? fail(load, "indicators", r) : 0;
}

int tc_nf_indicators_load(const struct tc_nf_sources *sources, uint64_t now_s,
                          struct tc_nf_indicators **ret_indicators,
                          struct tc_nf_report *ret_report, char why[TC_NF_WHY_MAX])
{
    struct load load = {.report = ret_report, .now_s = now_s, .why = why};
    int r;

    *ret_report = (struct tc_nf_report){.taken = 0};
    r = tc_nf_index_new(&load.table);
    if (r)
        return fail(&load, "indicators", r);
    r = load_all(&load, sources);
    if (r)
        tc_nf_indicators_unref(load.table);
    else
        *ret_indicators = load.table;
    return r;
}
