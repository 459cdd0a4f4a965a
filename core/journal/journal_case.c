/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which case an alert is of, and whether it is closed.
 *
 * A case is what one attack has set off: an alert joins the newest case that is not over
 * and has a process in common with its own chain (the process, its parent and ancestors),
 * and begins one otherwise, which has its id. A process is its pid and start, but not one
 * that everybody comes from (journal_everybody.h). A case is over when its last alert is
 * an hour older, by the time of the events. What a case says of its alerts, triggers of
 * the schema keep, and it goes with the last of them.
 *
 * Must not: store an alert (journal_put.c does).
 */
#include "core/journal/journal_store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <tocsin/plugin.h>

#include "core/journal/journal_everybody.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"

#define CHAIN_MAX 34 /* processes of one alert: it, its parent, and those above */

struct process {
    int64_t pid, start;
};

struct chain {
    struct process all[CHAIN_MAX];
    size_t n;
};

/* The case that is found so far. */
struct found {
    char id[TC_STORE_ID_MAX + 128]; /* an alert's key, with the plugin's name */
    int64_t last_seen_ns;
};

/* ---- The chain ---- */

static void add(struct chain *chain, const struct tocsin_value *map)
{
    size_t size = tocsin_value_size(map);
    int64_t pid = tocsin_find_int(map->start, size, "pid", 0);
    int64_t start = tocsin_find_int(map->start, size, "start", 0);

    if (chain->n == CHAIN_MAX || pid <= 0 || start <= 0 ||
        tc_journal_everybody(pid, tocsin_find_str(map->start, size, "executable")))
        return;
    for (size_t i = 0; i < chain->n; i++)
        if (chain->all[i].pid == pid && chain->all[i].start == start)
            return;
    chain->all[chain->n++] = (struct process){pid, start};
}

static void read_chain(const struct tocsin_event *event, struct chain *chain)
{
    struct tocsin_value v, item;
    struct tocsin_iter it;

    chain->n = 0;
    if (tocsin_find(event->data, event->len, "process", &v) && v.type == TOCSIN_MAP)
        add(chain, &v);
    if (tocsin_find(event->data, event->len, "process.parent", &v) &&
        v.type == TOCSIN_MAP)
        add(chain, &v);
    if (!tocsin_find(event->data, event->len, "process.ancestors", &v) ||
        v.type != TOCSIN_ARRAY)
        return;
    tocsin_iter_init(&it, &v);
    while (tocsin_iter_next(&it, NULL, &item))
        if (item.type == TOCSIN_MAP)
            add(chain, &item);
}

/* ---- The case ---- */

/* When the alert was seen last, if no case has it; 0: one has, or there is no alert. */
static int64_t without_case(struct tc_store *store, const char *id, size_t id_len)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_CASE_OF_ALERT];
    int64_t seen = 0;

    (void)sqlite3_bind_text64(statement, 1, id, id_len, SQLITE_STATIC, SQLITE_UTF8);
    if (sqlite3_step(statement) == SQLITE_ROW &&
        sqlite3_column_type(statement, 0) == SQLITE_NULL)
        seen = sqlite3_column_int64(statement, 1);
    (void)sqlite3_reset(statement);
    return seen;
}

/* Takes the case of that process, if it goes on at `now_ns`, and is the newest. */
static int look_up(struct tc_store *store, const struct process *process, int64_t now_ns,
                   struct found *found)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_CASE_OF_PROCESS];
    int rc;

    (void)sqlite3_bind_int64(statement, 1, process->pid);
    (void)sqlite3_bind_int64(statement, 2, process->start);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        int64_t last = sqlite3_column_int64(statement, 1);

        if (now_ns - last < TC_STORE_CASE_NS &&
            (!found->id[0] || last > found->last_seen_ns)) {
            found->last_seen_ns = last;
            (void)snprintf(found->id, sizeof(found->id), "%s",
                           (const char *)sqlite3_column_text(statement, 0));
        }
    }
    (void)sqlite3_reset(statement);
    return tc_store_errno(store->db, rc);
}

static int join(struct tc_store *store, const char *id, size_t id_len,
                const struct found *found, const struct chain *chain)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_PUT_CASE];
    int err;

    (void)sqlite3_bind_text64(statement, 1, id, id_len, SQLITE_STATIC, SQLITE_UTF8);
    (void)sqlite3_bind_text(statement, 2, found->id, -1, SQLITE_STATIC);
    err = tc_store_run(store, TC_STORE_PUT_CASE);
    statement = store->statements[TC_STORE_PUT_CASE_PROCESS];
    for (size_t i = 0; i < chain->n && !err; i++) {
        (void)sqlite3_bind_text(statement, 1, found->id, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, 2, chain->all[i].pid);
        (void)sqlite3_bind_int64(statement, 3, chain->all[i].start);
        err = tc_store_run(store, TC_STORE_PUT_CASE_PROCESS);
    }
    return err;
}

int tc_store_put_case(struct tc_store *store, const char *id, size_t id_len,
                      const struct tocsin_event *event)
{
    int64_t seen = without_case(store, id, id_len);
    struct found found = {.id = ""};
    struct chain chain;
    int err = 0;

    if (!seen)
        return 0;
    read_chain(event, &chain);
    for (size_t i = 0; i < chain.n && !err; i++)
        err = look_up(store, &chain.all[i], seen, &found);
    if (!found.id[0])
        (void)snprintf(found.id, sizeof(found.id), "%.*s", (int)id_len, id);
    return err ? err : join(store, id, id_len, &found, &chain);
}

/* ---- Closing ---- */

/* What a change asks for. */
struct change {
    bool close, of_case;
    char id[TC_STORE_ID_MAX + 1];
    struct tocsin_str note;
    int64_t by, now_ns;
};

static int read_change(const char *kind, const msgpack_object *params,
                       struct change *change)
{
    struct tocsin_str id = tc_unpack_str(params, "id");

    change->close = !strcmp(kind, "alert.close") || !strcmp(kind, "case.close");
    change->of_case = !strncmp(kind, "case.", 5);
    if (!id.len || id.len > TC_STORE_ID_MAX || memchr(id.ptr, '\0', id.len))
        return -ENOENT;
    memcpy(change->id, id.ptr, id.len);
    change->id[id.len] = '\0';
    change->note = tc_unpack_str(params, "note");
    change->by = tc_unpack_int(params, "user_id", -1);
    change->now_ns = tc_unpack_int(params, "time_ns", 0);
    return 0;
}

/* Of a case those alone change that are not so already; their notes stay. What was
 * written when an alert was closed stays when it is opened. */
static const char *change_sql(const struct change *change)
{
    if (change->close)
        return change->of_case ? "UPDATE alerts SET closed_ns = ?2, closed_by = ?3,"
                                 " note = ?4 WHERE case_id = ?1 AND closed_ns IS NULL"
                               : "UPDATE alerts SET closed_ns = ?2, closed_by = ?3,"
                                 " note = ?4 WHERE id = ?1";
    return change->of_case ? "UPDATE alerts SET closed_ns = NULL"
                             " WHERE case_id = ?1 AND closed_ns IS NOT NULL"
                           : "UPDATE alerts SET closed_ns = NULL"
                             " WHERE id = ?1 AND closed_ns IS NOT NULL";
}

static int run_change(struct tc_store *store, const struct change *change,
                      int64_t *ret_changed)
{
    sqlite3_stmt *statement;
    int rc, err;

    rc = sqlite3_prepare_v2(store->db, change_sql(change), -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return tc_store_errno(store->db, rc);
    (void)sqlite3_bind_text(statement, 1, change->id, -1, SQLITE_STATIC);
    if (change->close) {
        (void)sqlite3_bind_int64(statement, 2, change->now_ns);
        (void)sqlite3_bind_int64(statement, 3, change->by);
        if (change->note.len)
            (void)sqlite3_bind_text64(statement, 4, change->note.ptr, change->note.len,
                                      SQLITE_STATIC, SQLITE_UTF8);
    }
    rc = sqlite3_step(statement);
    err = tc_store_errno(store->db, rc);
    if (!err)
        *ret_changed = sqlite3_changes64(store->db);
    (void)sqlite3_finalize(statement);
    return err;
}

int tc_store_change(struct tc_store *store, const char *kind, const void *params,
                    size_t len, struct tc_pack *p)
{
    msgpack_unpacked unpacked;
    struct change change;
    int64_t changed = 0;
    int err;

    msgpack_unpacked_init(&unpacked);
    err = tc_unpack(&unpacked, params, len);
    if (!err)
        err = read_change(kind, &unpacked.data, &change);
    if (!err)
        err = tc_store_find_id(store, change.of_case ? "cases" : "alerts", change.id);
    if (!err)
        err = run_change(store, &change, &changed);
    if (!err) {
        tc_pack_begin_map(p, NULL);
        tc_pack_bool(p, "ok", true);
        tc_pack_str(p, "id", change.id);
        tc_pack_int(p, "alerts", changed);
        tc_pack_end(p);
        err = p->error;
    }
    msgpack_unpacked_destroy(&unpacked);
    return err;
}
