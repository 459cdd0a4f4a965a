/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the managed profiles together: the files of one folder, what they say of the
 * gates when all are asked, and a watch over the folder. A struct tc_profiles is
 * immutable and whole; a change of the folder makes a new one. Must not: log, decide
 * about a gate, or keep a file open.
 *
 *   watch says "changed" -> on a pool thread tc_profiles_read -> on the loop compare,
 * swap
 */
#ifndef TC_CORE_PROFILES_H
#define TC_CORE_PROFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/profile/profile.h"

#define TC_PROFILES_MAX 64 /* files; one item with an error stands for the rest */

struct tc_profiles;
struct tc_pack;

/* One file, in name order. Strings are the set's. */
struct tc_profiles_item {
    const char *file;       /* its name, without the folder */
    const char *name;       /* for people; of a refused one the file's name */
    const char *identifier; /* NULL: none, or refused */
    const char *error;      /* NULL: taken; else one sentence: it says nothing then */
    const char *warning; /* NULL, or one sentence; also of one that a later one with its
                            identifier has replaced, which says nothing */
    unsigned states[TC_PROFILE_GATES]; /* enum tc_profile_statement, or-ed */
    enum tc_profile_ring ring;
};

/* What all of them say of a gate, by the rule of profile.h. */
struct tc_profiles_gate {
    enum tc_profile_says says;
    const struct tc_profiles_item *by; /* the first that says so; NULL for NOTHING */
    unsigned state;                    /* of all, or-ed */
};

/*
 * Reads <folder>/[!.]*.mobileconfig. Blocks: not on the loop. A file that is refused is
 * an item with an error, and hides no other. A folder that does not exist is an empty
 * set. -ENOMEM; -EPERM for a folder, and what opendir(3) gives, with a sentence: no
 * profile may then be believed. Files and folder have to be root's (or the caller's own,
 * when that is not root) and writable by nobody else.
 */
int tc_profiles_read(const char *folder, const struct tc_identity *identity,
                     struct tc_profiles **ret_profiles, char why[256]);

/*
 * The same of bytes that somebody sent: `params` is a map whose `files` is an array of
 * {name, data}. -EINVAL and a sentence when it is not. No file is opened.
 */
int tc_profiles_read_sent(const void *params, size_t len,
                          const struct tc_identity *identity,
                          struct tc_profiles **ret_profiles, char why[256]);
void tc_profiles_free(struct tc_profiles *profiles); /* takes NULL */

/* NULL is an empty set, here and below. */
struct tc_profiles_gate tc_profiles_gate(const struct tc_profiles *profiles,
                                         enum tc_profile_gate gate);
/* *ret_by: the first item that says so; NULL for RING_NONE. May be NULL. */
enum tc_profile_ring tc_profiles_ring(const struct tc_profiles *profiles,
                                      const struct tc_profiles_item **ret_by);

/* NULL past the end. */
const struct tc_profiles_item *tc_profiles_item(const struct tc_profiles *profiles,
                                                size_t index);

/* Whether two sets say the same of every gate, by the same profiles, and of the ring. */
bool tc_profiles_same(const struct tc_profiles *a, const struct tc_profiles *b);

/*
 * One sentence why the gate is declared as it is, for people: "allowed by "Tocsin"
 * (10-all.mobileconfig)", and of one that nothing is said of, a near miss if there is
 * one. Empty when there is nothing to say.
 */
void tc_profiles_explain(const struct tc_profiles *profiles, enum tc_profile_gate gate,
                         char text[256]);

/* Writes `items` of profile.list into the open map of w:
 * [{file, name, identifier, error?, warning?, release_ring?, says: {gate: word}}]. */
void tc_profiles_put(const struct tc_profiles *profiles, struct tc_pack *p);

/* The state of a gate, as approval has it, to compare with what is declared. */
struct tc_profiles_effect {
    const char *state;     /* "granted", "denied", ...; NULL: not asked for */
    bool granted, managed; /* it is granted; by a profile */
    const char *reason;    /* more about it, such as a probe that failed; NULL: none */
};

/*
 * Writes the answer of profile.check into the open map of w: `gates`
 * [{gate, declared, profile, file, effective, why}], `release_ring` {declared, profile,
 * effective, why} and `items` as above. `why` is nil where declared and effective agree
 * and no profile nearly says more. `effects` may be NULL: nothing is in effect, as for
 * files that are not installed.
 */
void tc_profiles_put_check(const struct tc_profiles *profiles,
                           const struct tc_profiles_effect effects[TC_PROFILE_GATES],
                           const char *effective_ring, struct tc_pack *p);

struct tc_profiles_watch;

/* Something in the folder has changed, or it has come or gone: read it again. */
typedef void (*tc_profiles_changed_fn)(void *arg);

#define TC_PROFILES_QUIET_MS 200     /* after the last change, so that it is whole */
#define TC_PROFILES_PATIENCE_MS 2000 /* after the first, however much still changes */
#define TC_PROFILES_RETRY_MS 5000    /* while the kernel gives no watch */

/*
 * Watches by inotify(7): wakes nobody while nothing changes. A folder that does not exist
 * is awaited in its nearest existing parent. Loop thread; errors as uv_fs_event_start's.
 */
int tc_profiles_watch_start(uv_loop_t *loop, const char *folder,
                            tc_profiles_changed_fn changed, void *arg,
                            struct tc_profiles_watch **ret_watch);

/* Takes NULL. `changed` is not called any more; the memory goes once the loop has run. */
void tc_profiles_watch_stop(struct tc_profiles_watch *watch);

#endif
