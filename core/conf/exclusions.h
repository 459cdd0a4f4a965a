/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the list of what is not to be watched or scanned, compiled once, asked for every
 * event. Pure. Must not: resolve links or touch a file; a pattern is about a name.
 */
#ifndef TC_CORE_EXCLUSIONS_H
#define TC_CORE_EXCLUSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <tocsin/plugin.h>

#define TC_EXCLUSIONS_MAX 4096

/* The scope that means every plugin. */
#define TC_EXCLUSION_ALL "all"

struct tc_exclusions;

/* One entry as the file has it; the texts are borrowed from the list. */
struct tc_exclusion {
    bool by_process;     /* `pattern` is about the executable that acts, not the file */
    const char *pattern; /* `**` across folders, `*` and `?` within one, \ takes them as
                            they are */
    const char *scope;   /* a plugin's name or TC_EXCLUSION_ALL */
    const char *reason;  /* NULL: none given */
};

int tc_exclusions_new(struct tc_exclusions **ret_exclusions);
void tc_exclusions_free(struct tc_exclusions *exclusions);

/* Copies the entry. -EINVAL and why when the pattern cannot be meant; -ENOMEM. */
int tc_exclusions_add(struct tc_exclusions *exclusions, const struct tc_exclusion *entry,
                      char why[256]);

/* False past the end. */
bool tc_exclusions_get(const struct tc_exclusions *exclusions, size_t index,
                       struct tc_exclusion *ret_entry);

/* enum tocsin_exclusion; `path` and `executable` may be NULL. Allocates nothing. */
int tc_exclusions_match(const struct tc_exclusions *exclusions, const char *scope,
                        const char *path, const char *executable);

/*
 * Whether entries let everything below `folder` pass: what nobody would have named is
 * excluded, too, at any depth, or whoever uses it.
 */
bool tc_exclusions_cover(const struct tc_exclusions *exclusions, const char *scope,
                         const char *folder);

/* The first entry that lets everything pass by itself; -1: none does. */
int tc_exclusions_covering(const struct tc_exclusions *exclusions, const char *scope,
                           const char *folder);

/* Whether any entry is for `scope` or for all. */
bool tc_exclusions_any(const struct tc_exclusions *exclusions, const char *scope);

#endif
