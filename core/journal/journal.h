/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the durable record: <state>/journal.db (SQLite, WAL, synchronous FULL), its
 * schema in user_version steps, and the one thread that touches the file. Stores events
 * as they are, and keeps a row for each threat and alert that later events update. Must
 * not: block the loop, log, or decide what is worth keeping (the agent's subscription
 * does).
 *
 * A full disk or a corrupt database never stops the agent: a corrupt file is set aside as
 * journal.db.corrupt-<time> and a new one begun; writes that fail are kept in memory,
 * bounded, and tried again.
 */
#ifndef TC_CORE_JOURNAL_H
#define TC_CORE_JOURNAL_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define TC_JOURNAL_PENDING_MAX                                                           \
    65536 /* events not yet stored; beyond it the oldest of the source that has most     \
             are lost, counted */
#define TC_JOURNAL_PENDING_BYTES                                                         \
    (64u * 1024 * 1024) /* of their data; beyond it likewise                             \
                         */
#define TC_JOURNAL_KEEP_EVENTS                                                           \
    200000 /* rows of the events table; the oldest go first                              \
            */
#define TC_JOURNAL_KEEP_BYTES                                                            \
    (1024u * 1024 * 1024) /* of the database, unless configured; beyond it the oldest    \
                             of whoever takes most go */
#define TC_JOURNAL_LOG_BYTES                                                             \
    (16u * 1024 * 1024) /* of the write-ahead log, kept by somebody's reading: an issue  \
                         */
#define TC_JOURNAL_NOTE_MAX 4096                   /* bytes, of an alert that is closed */
#define TC_JOURNAL_LOST_SHOWN_MS (10u * 60 * 1000) /* after the last loss */

struct tc_event;
struct tc_journal;

/* State changed: NULL why: all is well. Loop thread. `fix` may be NULL. */
typedef void (*tc_journal_health_fn)(void *arg, const char *why, const char *fix);

/* How much is kept for how long; zero: the built-in limit, or no limit of age. */
struct tc_journal_limits {
    uint64_t bytes;  /* of the database */
    uint64_t age_ms; /* since an event happened, or a threat or alert was last seen */
};

/* Opens or creates <state>/journal.db. Blocks (before the loop runs). */
int tc_journal_open(uv_loop_t *loop, const char *state_dir, tc_journal_health_fn health,
                    void *arg, struct tc_journal **ret_journal, char why[256]);

/* In force from the next write on. */
void tc_journal_configure(struct tc_journal *journal,
                          const struct tc_journal_limits *limits);

/* Stores what is pending (at most 1 s), stops the thread; `done(arg)` on the loop when
 * closed. */
void tc_journal_close(struct tc_journal *journal, void (*done)(void *arg), void *arg);

/* Takes a reference and stores the event (what ipc/mask.h shows of it) soon, in order, in
 * one transaction with its neighbours. */
void tc_journal_store(struct tc_journal *journal, struct tc_event *event);

/*
 * Calls stored(arg) on the loop when all that was handed over before is on disk, or when
 * it is known that it cannot be (status: 0 or a negative errno).
 */
int tc_journal_sync(struct tc_journal *journal, void (*stored)(void *arg, int status),
                    void *arg);

/* Writes a row, behind what was handed over before, and reads it back; checked(arg) on
 * the loop with 0 or what has failed. */
int tc_journal_check(struct tc_journal *journal, uint64_t now_ns,
                     void (*checked)(void *arg, int status), void *arg);

/*
 * Answers a question off the loop: `result` is one encoded map, valid until done returns.
 * kinds: "threats" {items: [threat]}, "threat" {one by id}, "alerts", "alert",
 * "alert.unmasked" (with the secrets of its command lines), "cases", "case", "events"
 * {topic?}, a topic or a family as "threat.*". `params` is a map {id?, topic?, limit?};
 * -ENOENT: no such id, -ENOTUNIQ: several begin so, as an id may be cut, and be in any
 * case; "latest" is one, too. Lists are newest first, 100 unless limited; those of
 * threats, alerts and cases also take since_ns and filter (ipc/filter.h, by the names of
 * their columns; text or a list of texts) and have `total`, how many were asked for.
 * Those of alerts and cases take severity (and above) and state (open, closed, all), of
 * alerts rule (name or id) and case (id), which an index answers; and `before`, which is
 * `next` of an answer that has more, for the page behind it.
 */
typedef void (*tc_journal_answer_fn)(void *arg, int status, const void *result,
                                     size_t len);
int tc_journal_query(struct tc_journal *journal, const char *kind, const void *params,
                     size_t len, tc_journal_answer_fn done, void *arg);

/*
 * Closes or opens alerts, and answers {ok, id, alerts: how many have changed}; `kind`:
 * "alert.close", "alert.reopen", "case.close", "case.reopen" (all of its alerts).
 * `params` is a map {id, as above; note?, of at most TC_JOURNAL_NOTE_MAX bytes, user_id,
 * time_ns}. An alert that is closed and matches again, later than that, is open again.
 */
int tc_journal_change(struct tc_journal *journal, const char *kind, const void *params,
                      size_t len, tc_journal_answer_fn done, void *arg);

/* Whether a question of that kind may be asked so: -EINVAL, with the reason in `why`,
 * when a filter is wrong; -ENOMEM. Any thread. */
int tc_journal_may_ask(const char *kind, const msgpack_object *params, char why[256]);

/* Crashes of a plugin. Blocks: called before the loop runs only. */
int tc_journal_add_crash(struct tc_journal *journal, const char *plugin,
                         uint64_t time_ns);
int tc_journal_count_crashes(struct tc_journal *journal, const char *plugin,
                             uint64_t since_ns, unsigned *ret_count);
int tc_journal_forget_crashes(struct tc_journal *journal, const char *plugin);

struct tc_journal_counters {
    uint64_t stored, lost, failed_writes;
    size_t pending;
    uint64_t events; /* in the database */
    uint64_t bytes;  /* of the database, with free pages; as of the last write */
    uint64_t pruned_events, pruned_threats, pruned_alerts; /* since it was begun */
};
void tc_journal_counters(struct tc_journal *journal, struct tc_journal_counters *ret);

#endif
