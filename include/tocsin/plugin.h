/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Tocsin plugin ABI: the one header that a plugin includes.
 *
 * A plugin is a shared object that exports one symbol, `tocsin_plugin`: data, not code.
 * It links nothing of the agent; all that it may do comes to it as a table of functions,
 * struct tocsin_host.
 *
 *     load --> LOADED -- init, start --> STARTING --> RUNNING -- stop --> STOPPED
 *       |                                   |            |                   |
 *       v                                   +-> FAILED <-+            destroy, unload
 *     refused
 *
 * A plugin of one of the kinds of extension stays LOADED until the agent calls it: a
 * sensor when it gets the slot of real-time protection, a content filter when it is
 * approved.
 *
 * Threads. Every callback of struct tocsin_plugin, and every timer, watch, posted and
 * `done` callback, runs on the agent's loop thread, one at a time; it must return within
 * milliseconds and must open no file: what may block goes through host->work. Only log,
 * now_ns, event_ref, event_unref and post may be called from another thread.
 *
 * Errors. Functions that return int return 0 (or what they say) or a negative errno
 * value.
 *
 * Versions. The major must equal the agent's; the minor may be at most the agent's. A
 * later minor appends to the end of the structures here and changes nothing that exists,
 * so a plugin built against an older minor keeps working; `size` tells each side how much
 * the other knows. Before calling a host function that a later minor added, check
 * host->size.
 *
 * State. A plugin has no mutable statics: everything hangs off the pointer that init
 * returns, so that two copies, or a copy in a process of its own, never meet.
 */
#ifndef TOCSIN_PLUGIN_H
#define TOCSIN_PLUGIN_H

#include <tocsin/event.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TOCSIN_PLUGIN_MAGIC 0x54435031u /* "TCP1" */
#define TOCSIN_ABI_MAJOR 1
#define TOCSIN_ABI_MINOR 0

/* What a plugin is for. A sensor publishes what the system does; a detector judges it. */
enum tocsin_kind {
    TOCSIN_KIND_SYSTEM_EXTENSION = 1,  /* real-time sensor in user space (es) */
    TOCSIN_KIND_KERNEL_EXTENSION = 2,  /* real-time sensor in the kernel (kext) */
    TOCSIN_KIND_NETWORK_EXTENSION = 3, /* content filter for flows (netfilter) */
    TOCSIN_KIND_SUPPLEMENTARY = 4,     /* decides nothing, and is shown command lines
                                          without secrets (trace, forward) */
    TOCSIN_KIND_DETECTOR = 5,          /* av, edr, and what vendors ship */
};

/* Returned by start or stop: not done yet, host->complete will say when. */
#define TOCSIN_PENDING 1

/* ---- Events ---- */

enum tocsin_event_flags {
    /* Somebody waits: every plugin that is asked must answer, see tocsin_vote. */
    TOCSIN_EVENT_AUTH = 1u << 0,
    /* Goes ahead of ordinary events. The agent sets it on AUTH events and on verdicts. */
    TOCSIN_EVENT_URGENT = 1u << 1,
};

/*
 * An event. Immutable once published: the same bytes go to every subscriber and every
 * tap. An event handed to a callback is valid until the callback returns; host->event_ref
 * keeps it longer. To publish, fill one in on the stack: size, topic, data, len, and what
 * else applies; the agent sets id, source, and time_ns and deadline_ns where they are 0.
 */
struct tocsin_event {
    uint32_t size;        /* sizeof(struct tocsin_event) of whoever made it */
    uint32_t flags;       /* enum tocsin_event_flags */
    uint64_t id;          /* unique in one run of the agent, from 1 */
    uint64_t reply_to;    /* id of the event that this one answers, or 0 */
    uint64_t time_ns;     /* CLOCK_REALTIME, when it happened */
    uint64_t deadline_ns; /* on host->now_ns's clock; 0: nobody waits */
    /*
     * -1, or a readable descriptor of the object that the event is about, or of a copy
     * (TOCSIN_FIELD_FILE_SERVED). It belongs to the event: whoever holds a reference may
     * pread it (never read or lseek, others share its position) and nobody closes it; the
     * last event_unref does.
     */
    int32_t fd;
    const char *topic;
    const char *source; /* name of the plugin that published it */
    const void *data;   /* exactly one msgpack map with string keys; see tocsin/event.h */
    size_t len;         /* bytes of data, at most TOCSIN_EVENT_MAX_BYTES */
};

/* ---- Options ---- */

enum tocsin_option_type {
    TOCSIN_OPTION_BOOL = 1, /* true, false */
    TOCSIN_OPTION_INT,      /* whole number within min..max */
    TOCSIN_OPTION_TEXT,
    TOCSIN_OPTION_CHOICE,   /* one of `choices`, separated by | */
    TOCSIN_OPTION_DURATION, /* 250ms 10s 5m 1h 7d; read as milliseconds */
    TOCSIN_OPTION_SIZE,     /* 512 64k 10M 1G (powers of 1024); read as bytes */
    TOCSIN_OPTION_LIST,     /* list of texts */
};

enum tocsin_option_flags {
    /* A change takes effect when the plugin is started again, not by its reload callback.
     */
    TOCSIN_OPTION_RESTART = 1u << 0,
    /* A TEXT or the items of a LIST are paths: absolute, or refused. One that does not
     * exist is told as a warning by whoever checks the configuration. */
    TOCSIN_OPTION_PATH = 1u << 1,
    /* A PATH whose files are watched: on a pseudo file system as /proc it is refused. */
    TOCSIN_OPTION_WATCHED = 1u << 2,
    /* A TEXT or a LIST must not be empty. */
    TOCSIN_OPTION_NEEDED = 1u << 3,
    /* The items of a LIST are NAME=CHOICE, of `choices`. */
    TOCSIN_OPTION_PAIRS = 1u << 4,
};

/*
 * One key under `plugins: <name>:` in the configuration. The table is at once parsing,
 * validation and help (`tocsin plugin info NAME`). A plugin is never started with a value
 * the table forbids.
 */
struct tocsin_option {
    const char *name; /* lower case, digits and underscores; NULL ends the table */
    uint32_t type;    /* enum tocsin_option_type */
    uint32_t flags;   /* enum tocsin_option_flags */
    const char
        *fallback; /* the default, written as in the file; a list's separated by commas */
    const char *help;    /* one line */
    const char *choices; /* of a CHOICE or PAIRS: "off|on|auto"; else NULL */
    /* Of INT, DURATION (ms) and SIZE (bytes); both 0: anything >= 0. Of a LIST, max is
     * how many items it may have; 0: any number. */
    int64_t min, max;
};

/* ---- What the agent offers ---- */

struct tocsin_host;
struct tocsin_timer; /* a running timer; made by timer_start, gone after timer_stop */
struct tocsin_watch; /* a watched descriptor; made by watch_fd, gone after watch_stop */

typedef void (*tocsin_call_fn)(void *arg);
typedef void (*tocsin_watch_fn)(void *arg, int status, uint32_t events);
typedef void (*tocsin_done_fn)(void *arg, int status);

enum tocsin_log_level {
    TOCSIN_LOG_ERROR = 3, /* as syslog(3) counts */
    TOCSIN_LOG_WARNING = 4,
    TOCSIN_LOG_NOTICE = 5,
    TOCSIN_LOG_INFO = 6,
    TOCSIN_LOG_DEBUG = 7,
};

enum tocsin_watch_events {
    TOCSIN_READABLE = 1u << 0,
    TOCSIN_WRITABLE = 1u << 1,
    TOCSIN_PRIORITY = 1u << 2, /* POLLPRI: a change of /proc/self/mountinfo, for one */
};

enum tocsin_report_what {
    TOCSIN_REPORT_FACT =
        1, /* `text` is the value of health field `key`, where health has one, and of
              `facts` in `tocsin plugin info`; NULL takes it back */
    TOCSIN_REPORT_ISSUE, /* something is wrong: `text` says what, `fix` what to do about
                            it */
    TOCSIN_REPORT_CLEAR, /* issue `key` is over */
};

enum tocsin_exclusion {
    TOCSIN_NOT_EXCLUDED = 0,
    TOCSIN_EXCLUDED_BY_PATH = 1,    /* holds for this file whoever opens it */
    TOCSIN_EXCLUDED_BY_PROCESS = 2, /* holds for this process only: cache nothing */
};

/*
 * The agent's functions. Every call passes the host pointer that init got. Strings given
 * in are copied unless said otherwise; strings returned stay valid until the plugin's
 * reload callback or its destroy, whichever comes first.
 *
 * The agent keeps a ledger of every timer, watch, piece of work and event reference a
 * plugin holds. What is left when the plugin has stopped is taken back, with a warning
 * that names it.
 */
struct tocsin_host {
    uint32_t size;                 /* sizeof(struct tocsin_host) of the agent */
    uint16_t abi_major, abi_minor; /* of the agent */

    /* Writes one line to the agent's log, printf-style, no newline. Any thread. Never
     * blocks. */
    void (*log)(const struct tocsin_host *host, int level, const char *format, ...)
#if defined(__GNUC__)
        __attribute__((format(printf, 3, 4)))
#endif
        ;

    /* CLOCK_MONOTONIC in nanoseconds: the clock of deadline_ns. Any thread. */
    uint64_t (*now_ns)(const struct tocsin_host *host);

    /*
     * The value of an option of the plugin's own table. Asking for a name that is not in
     * the table, or by the wrong type, is logged once and gives false, 0, "" or NULL.
     * option_int: INT, DURATION (milliseconds), SIZE (bytes). option_text: TEXT, CHOICE.
     * option_item: entry `index` of a LIST, from 0; NULL past the end.
     */
    bool (*option_bool)(const struct tocsin_host *host, const char *name);
    int64_t (*option_int)(const struct tocsin_host *host, const char *name);
    const char *(*option_text)(const struct tocsin_host *host, const char *name);
    const char *(*option_item)(const struct tocsin_host *host, const char *name,
                               size_t index);

    /*
     * The folder for what the agent keeps (`paths.state`): exists, belongs to the agent,
     * mode 0700. A plugin keeps what it needs under a folder of its own name there.
     * Absolute; lives as long as the host.
     */
    const char *(*state_dir)(const struct tocsin_host *host);

    /* True when the configuration says `mode: passive`: detect and report, touch nothing.
     */
    bool (*passive)(const struct tocsin_host *host);

    /* True for a process that is part of the agent: a sensor never asks about those. Any
     * thread. */
    bool (*is_agent)(const struct tocsin_host *host, int32_t pid);

    /*
     * Whether the operator's exclusions (scope: this plugin, or all) cover a file or a
     * process; `path` and `executable` are absolute and may be NULL. enum
     * tocsin_exclusion.
     */
    int (*excluded)(const struct tocsin_host *host, const char *path,
                    const char *executable);

    /*
     * Tells health something: enum tocsin_report_what. `key` is lower case with
     * underscores. `fix` is the one command or action that helps, or NULL.
     */
    void (*report)(const struct tocsin_host *host, uint32_t what, const char *key,
                   const char *text, const char *fix);

    /*
     * Publishes *event on the bus. Its data is checked and copied; after success
     * event->fd belongs to the bus, after an error it is still the caller's. If ret_event
     * is not NULL it gets a reference, to be given back by event_unref. Delivery happens
     * after the running callback has returned. Errors: -EINVAL, data is no single
     * well-formed map within the limits of tocsin/event.h, or the topic is malformed;
     * -EACCES, the topic is not in the plugin's `publishes`; -ENOBUFS, one callback has
     * published 32 MiB, and this is of a topic that is never dropped; -ENOMEM.
     */
    int (*publish)(const struct tocsin_host *host, const struct tocsin_event *event,
                   const struct tocsin_event **ret_event);

    /* Takes and gives back a reference to an event. Any thread. unref takes NULL. */
    void (*event_ref)(const struct tocsin_host *host, const struct tocsin_event *event);
    void (*event_unref)(const struct tocsin_host *host, const struct tocsin_event *event);

    /*
     * Calls fn(arg) after `after_ms` and then every `repeat_ms` (0: once) until
     * timer_stop. A timer that has fired and does not repeat must still be stopped.
     * timer_stop takes NULL.
     */
    int (*timer_start)(const struct tocsin_host *host, uint64_t after_ms,
                       uint64_t repeat_ms, tocsin_call_fn fn, void *arg,
                       struct tocsin_timer **ret_timer);
    void (*timer_stop)(const struct tocsin_host *host, struct tocsin_timer *timer);

    /*
     * Calls fn(arg, status, events) whenever fd is ready, until watch_stop. `events` are
     * enum tocsin_watch_events; status is 0 or a negative errno. fd stays the caller's,
     * who closes it after watch_stop. watch_stop takes NULL.
     */
    int (*watch_fd)(const struct tocsin_host *host, int fd, uint32_t events,
                    tocsin_watch_fn fn, void *arg, struct tocsin_watch **ret_watch);
    void (*watch_stop)(const struct tocsin_host *host, struct tocsin_watch *watch);

    /*
     * Runs run(arg) on a pool thread, then done(arg, status) on the loop thread: 0, or
     * -ECANCELED when the plugin was stopped before run began (run was then never
     * called). `done` always comes if this returned 0, so arg can be freed there. May be
     * called from loop callbacks only.
     */
    int (*work)(const struct tocsin_host *host, tocsin_call_fn run, tocsin_done_fn done,
                void *arg);

    /*
     * Runs fn(arg) on the loop thread, soon, in the order of posting. Any thread.
     * -ESHUTDOWN once the plugin is being stopped: fn will not run, arg is still the
     * caller's.
     */
    int (*post)(const struct tocsin_host *host, tocsin_call_fn fn, void *arg);

    /* Ends a start or stop that returned TOCSIN_PENDING: 0, or the negative errno it
     * failed with. */
    void (*complete)(const struct tocsin_host *host, int status);
};

/* ---- What a plugin offers ---- */

/*
 * The exported symbol: `TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {...};`
 * The first 16 bytes (through `kind`) never change, so that any agent can read any
 * plugin's.
 */
struct tocsin_plugin {
    uint32_t magic;                /* TOCSIN_PLUGIN_MAGIC */
    uint16_t abi_major, abi_minor; /* that the plugin was built for */
    uint32_t size;                 /* sizeof(struct tocsin_plugin) */
    uint32_t kind;                 /* enum tocsin_kind */

    uint32_t option_size; /* sizeof(struct tocsin_option) */
    uint32_t reserved;    /* 0 */
    const char
        *name; /* as in `plugins: <name>:`, lower case; the file is tocsin_<name>.so */
    const char *version; /* the plugin's own */
    const char *summary; /* one line */

    /*
     * Topics, NULL-terminated; NULL for none. `publishes` names topics exactly, or a
     * family as "acme.*"; the agent refuses any other. A detector that lists "verdict" is
     * asked: it must answer every event with TOCSIN_EVENT_AUTH that it subscribes to, or
     * all wait until the budget ends. One that does not is shown those events like any
     * other. `subscribes` takes exact topics, "prefix.*" and "*".
     */
    const char *const *publishes;
    const char *const *subscribes;
    const struct tocsin_option
        *options; /* ended by an entry without a name; NULL for none */

    /*
     * Required. Makes the plugin's state from its options. Acquires nothing outside its
     * own memory: no timer, watch, file or thread. On failure it leaves nothing behind;
     * destroy is not called. With options that it cannot take: a line to the log, at
     * ERROR, that says why, and -EINVAL. It may be called, and then destroy, only to
     * check a configuration.
     */
    int (*init)(const struct tocsin_host *host, void **ret_state);

    /*
     * Required. Begins to work. 0, TOCSIN_PENDING (host->complete must follow within 30
     * s), or a negative errno; after a failure stop is not called, destroy is. Events
     * arrive from here on; those of a plugin that votes, once it is ready. One that takes
     * too long is told to stop.
     */
    int (*start)(void *state);

    /* Required if it subscribes to anything. One event; see struct tocsin_event. */
    void (*event)(void *state, const struct tocsin_event *event);

    /*
     * Optional. The options have changed: reads them anew. On a negative errno the plugin
     * goes on as it was, and the agent puts the old options back. Without it, a plugin
     * whose options change is stopped and started.
     */
    int (*reload)(void *state);

    /*
     * Required. Ends all that start began; answers all that is pending. 0 or
     * TOCSIN_PENDING (host->complete must follow within 5 s; it now ends the stop, also
     * where the start was still pending). A plugin that votes gets no more events; one
     * that does not gets them until its stop has completed, so that a sensor still hears
     * the verdicts it waits for. Nothing posted arrives any more, `done` callbacks do.
     * When the plugin is to run again, destroy and init come first.
     */
    int (*stop)(void *state);

    /* Required. Frees the state. The last call. */
    void (*destroy)(void *state);
};

/* The fixed fields, to begin the initialiser with:
 * TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR), */
#define TOCSIN_PLUGIN_HEADER(kind_)                                                      \
    .magic = TOCSIN_PLUGIN_MAGIC, .abi_major = TOCSIN_ABI_MAJOR,                         \
    .abi_minor = TOCSIN_ABI_MINOR, .size = sizeof(struct tocsin_plugin),                 \
    .kind = (kind_), .option_size = sizeof(struct tocsin_option), .reserved = 0

#define TOCSIN_EXPORT __attribute__((visibility("default")))

/* ---- Small helpers on top of the table ---- */

/* The fields of an event by dotted path; see tocsin_find_int and its siblings. */
static inline int64_t tocsin_event_int(const struct tocsin_event *event, const char *path,
                                       int64_t fallback)
{
    return tocsin_find_int(event->data, event->len, path, fallback);
}

static inline struct tocsin_str tocsin_event_str(const struct tocsin_event *event,
                                                 const char *path)
{
    return tocsin_find_str(event->data, event->len, path);
}

/*
 * Publishes what `w` has written as an event of `topic`, answering event `reply_to` (0:
 * none). Returns w->error if the writer failed, else as host->publish.
 */
static inline int tocsin_publish(const struct tocsin_host *host, const char *topic,
                                 uint64_t reply_to, const struct tocsin_writer *w)
{
    struct tocsin_event event;

    if (w->error)
        return w->error;
    memset(&event, 0, sizeof(event));
    event.size = sizeof(event);
    event.reply_to = reply_to;
    event.fd = -1;
    event.topic = topic;
    event.data = w->buf;
    event.len = w->len;
    return host->publish(host, &event, NULL);
}

/* Publishes a verdict; for the two below. */
static inline int tocsin_vote_text(const struct tocsin_host *host,
                                   const struct tocsin_event *event, const char *decision,
                                   bool cacheable, const char *reason)
{
    struct tocsin_writer w;
    uint8_t buf[512];
    size_t n;

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "decision", decision);
    tocsin_put_bool(&w, "cacheable", cacheable);
    if (reason) {
        n = strlen(reason);
        /* What is too long is cut, and never within a character. */
        if (n > 400)
            for (n = 400; n && ((uint8_t)reason[n] & 0xc0) == 0x80;)
                n--;
        tocsin_put_strn(&w, "reason", reason, n);
    }
    tocsin_end(&w);
    return tocsin_publish(host, TOCSIN_TOPIC_VERDICT, event->id, &w);
}

/*
 * Answers an event that has TOCSIN_EVENT_AUTH: may it go on? `cacheable`: the answer
 * holds until the file changes or verdict.reset is published, whoever asks the same of
 * it; an allowed file.open never answers for file.exec. `reason`, one line, is required
 * for a denial. "verdict" must be in `publishes`. At once or any time until
 * event->deadline_ns; a later answer, or a second one, is counted and ignored. Errors: as
 * host->publish.
 */
static inline int tocsin_vote(const struct tocsin_host *host,
                              const struct tocsin_event *event, bool allow,
                              bool cacheable, const char *reason)
{
    return tocsin_vote_text(host, event, allow ? "allow" : "deny", cacheable, reason);
}

/*
 * Answers one that cannot be judged: not readable, not read in time. What the others say
 * then decides, or, if none denies, verdict.on_timeout; nothing is remembered. `reason`:
 * one line. All else as tocsin_vote. An agent that does not know it waits for its budget
 * to end and answers the same.
 */
static inline int tocsin_abstain(const struct tocsin_host *host,
                                 const struct tocsin_event *event, const char *reason)
{
    return tocsin_vote_text(host, event, TOCSIN_DECISION_ABSTAIN, false, reason);
}

/*
 * Answers a request (topic rpc.<plugin>.<method>) with the map in `w`. A map with the key
 * "error" is a refusal: its text is what the caller is told. "rpc.reply" must be in
 * `publishes`.
 */
static inline int tocsin_reply(const struct tocsin_host *host,
                               const struct tocsin_event *request,
                               const struct tocsin_writer *w)
{
    return tocsin_publish(host, TOCSIN_TOPIC_RPC_REPLY, request->id, w);
}

/*
 * Refuses a request: `text` is one sentence for whoever asked; `code`, one word for
 * programs, may be NULL. As tocsin_reply.
 */
static inline int tocsin_refuse(const struct tocsin_host *host,
                                const struct tocsin_event *request, const char *code,
                                const char *text)
{
    struct tocsin_writer w;
    int r;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "error", text);
    if (code)
        tocsin_put_str(&w, "code", code);
    tocsin_end(&w);
    r = tocsin_reply(host, request, &w);
    tocsin_writer_done(&w);
    return r;
}

#ifdef __cplusplus
}
#endif
#endif
