/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_user_names.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NS_PER_S 1000000000ull
#define ACCOUNT_MAX 16384 /* bytes of an account: name, folder, shell, ... */

struct tc_trace_user_name {
    uint32_t uid;
    uint64_t read_ns; /* 0: to be asked for anew */
    TAILQ_ENTRY(tc_trace_user_name) by_use;
    struct tc_trace_user_name *next; /* of the same bucket */
    char text[];                     /* "": this user has none */
};

void tc_trace_user_names_init(struct tc_trace_user_names *names, const char *accounts)
{
    memset(names, 0, sizeof(*names));
    names->accounts = accounts;
    TAILQ_INIT(&names->by_use);
    pthread_mutex_init(&names->lock, NULL);
}

/* ---- The table, with the lock held. ---- */

static struct tc_trace_user_name **bucket_of(struct tc_trace_user_names *names,
                                             uint32_t uid)
{
    return &names->buckets[uid & (TC_TRACE_USER_NAMES_MAX - 1)];
}

static struct tc_trace_user_name *entry_of(struct tc_trace_user_names *names,
                                           uint32_t uid)
{
    struct tc_trace_user_name *name = *bucket_of(names, uid);

    while (name && name->uid != uid)
        name = name->next;
    return name;
}

static void drop(struct tc_trace_user_names *names, struct tc_trace_user_name *name)
{
    struct tc_trace_user_name **at = bucket_of(names, name->uid);

    while (*at != name)
        at = &(*at)->next;
    *at = name->next;
    TAILQ_REMOVE(&names->by_use, name, by_use);
    names->count--;
    free(name);
}

static bool is_fresh(const struct tc_trace_user_name *name, uint64_t now_ns)
{
    return name && name->read_ns &&
           now_ns < name->read_ns + TC_TRACE_USER_NAMES_AGE_S * NS_PER_S;
}

/* text NULL: as it was, and if it was not there, without a name. */
static void put(struct tc_trace_user_names *names, uint32_t uid, const char *text,
                uint64_t now_ns)
{
    struct tc_trace_user_name *old = entry_of(names, uid), *name, **at;
    size_t size;

    if (!text)
        text = old ? old->text : "";
    size = strlen(text) + 1;
    name = calloc(1, sizeof(*name) + size);
    if (!name) {
        names->failed++;
        return;
    }
    name->uid = uid;
    name->read_ns = now_ns;
    memcpy(name->text, text, size);
    if (old) {
        drop(names, old);
    } else if (names->count >= TC_TRACE_USER_NAMES_MAX) {
        drop(names, TAILQ_FIRST(&names->by_use));
        names->evicted++;
    }
    at = bucket_of(names, uid);
    name->next = *at;
    *at = name;
    TAILQ_INSERT_TAIL(&names->by_use, name, by_use);
    names->count++;
}

void tc_trace_user_names_done(struct tc_trace_user_names *names)
{
    if (!names->accounts)
        return;
    while (!TAILQ_EMPTY(&names->by_use))
        drop(names, TAILQ_FIRST(&names->by_use));
    names->accounts = NULL;
    pthread_mutex_destroy(&names->lock);
}

/* ---- Who asks. ---- */

/* With the lock held. */
static void want(struct tc_trace_user_names *names, uint32_t uid)
{
    for (size_t i = 0; i < names->wanted_count; i++)
        if (names->wanted[i] == uid)
            return;
    if (names->wanted_count < TC_TRACE_USER_NAMES_WANTED_MAX)
        names->wanted[names->wanted_count++] = uid;
    else
        names->put_off++;
}

bool tc_trace_user_names_find(struct tc_trace_user_names *names, uint32_t uid,
                              uint64_t now_ns, char ret_name[TC_TRACE_USER_NAME_MAX])
{
    struct tc_trace_user_name *name;
    bool found;

    pthread_mutex_lock(&names->lock);
    name = entry_of(names, uid);
    found = name && *name->text;
    if (found)
        memcpy(ret_name, name->text, strlen(name->text) + 1);
    if (name) {
        TAILQ_REMOVE(&names->by_use, name, by_use);
        TAILQ_INSERT_TAIL(&names->by_use, name, by_use);
    }
    if (!is_fresh(name, now_ns))
        want(names, uid);
    pthread_mutex_unlock(&names->lock);
    return found;
}

bool tc_trace_user_names_wanted(struct tc_trace_user_names *names)
{
    bool wanted;

    pthread_mutex_lock(&names->lock);
    wanted = names->wanted_count > 0;
    pthread_mutex_unlock(&names->lock);
    return wanted;
}

/* ---- Work. ---- */

/* Of two accounts with one id, the first counts, as for getpwuid(3). */
static void put_account(struct tc_trace_user_names *names, const struct passwd *account,
                        uint64_t now_ns)
{
    const struct tc_trace_user_name *name;

    pthread_mutex_lock(&names->lock);
    name = entry_of(names, account->pw_uid);
    if (!is_fresh(name, now_ns) && (name || names->count < TC_TRACE_USER_NAMES_MAX))
        put(names, account->pw_uid, account->pw_name, now_ns);
    pthread_mutex_unlock(&names->lock);
}

/* Whoever is in the file no more, or by another name, is asked for anew. */
static void expire_all(struct tc_trace_user_names *names)
{
    struct tc_trace_user_name *name;

    pthread_mutex_lock(&names->lock);
    TAILQ_FOREACH(name, &names->by_use, by_use)
    name->read_ns = 0;
    pthread_mutex_unlock(&names->lock);
}

static bool is_name(const char *text)
{
    /* "+" and "-" are no users: glibc's nsswitch.conf(5), "compat" */
    return *text && *text != '+' && *text != '-' && strlen(text) < TC_TRACE_USER_NAME_MAX;
}

static void read_accounts(struct tc_trace_user_names *names, uint64_t now_ns)
{
    FILE *file = fopen(names->accounts, "re");
    char line[ACCOUNT_MAX];
    struct passwd account, *found;
    struct stat st;

    if (!file || fstat(fileno(file), &st)) {
        names->failed++;
        goto out;
    }
    if (st.st_ino == names->inode && st.st_ctim.tv_sec == names->changed.tv_sec &&
        st.st_ctim.tv_nsec == names->changed.tv_nsec)
        goto out;
    names->inode = st.st_ino;
    names->changed = st.st_ctim;
    expire_all(names);
    while (!fgetpwent_r(file, &account, line, sizeof(line), &found))
        if (is_name(account.pw_name))
            put_account(names, &account, now_ns);
out:
    if (file)
        (void)fclose(file);
}

static void look_up(struct tc_trace_user_names *names, uint32_t uid, uint64_t now_ns)
{
    char line[ACCOUNT_MAX];
    struct passwd account, *found = NULL;
    const char *text = "";
    int err = getpwuid_r(uid, &account, line, sizeof(line), &found);

    /* These say, too, that there is none: getpwuid_r(3). */
    if (err && err != ENOENT && err != ESRCH && err != EBADF && err != EPERM) {
        names->failed++;
        text = NULL;
    } else if (!err && found && is_name(account.pw_name)) {
        text = account.pw_name;
    }
    pthread_mutex_lock(&names->lock);
    put(names, uid, text, now_ns);
    pthread_mutex_unlock(&names->lock);
}

/* The next; it stays in the list until it is done, so nobody asks for it again. */
static bool next_wanted(struct tc_trace_user_names *names, uint64_t now_ns,
                        uint32_t *ret_uid, bool *ret_fresh)
{
    bool wanted;

    pthread_mutex_lock(&names->lock);
    wanted = names->wanted_count > 0;
    if (wanted) {
        *ret_uid = names->wanted[0];
        *ret_fresh = is_fresh(entry_of(names, *ret_uid), now_ns);
    }
    pthread_mutex_unlock(&names->lock);
    return wanted;
}

void tc_trace_user_names_work(struct tc_trace_user_names *names, uint64_t now_ns)
{
    uint32_t uid;
    bool fresh;

    read_accounts(names, now_ns);
    while (next_wanted(names, now_ns, &uid, &fresh)) {
        if (!fresh) /* it may be among the accounts that were just read */
            look_up(names, uid, now_ns);
        pthread_mutex_lock(&names->lock);
        memmove(&names->wanted[0], &names->wanted[1],
                --names->wanted_count * sizeof(names->wanted[0]));
        pthread_mutex_unlock(&names->lock);
    }
}
