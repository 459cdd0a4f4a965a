/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an event says: topic names, field names, and the small msgpack reader and writer
 * that plugins and the agent share. Header only, C11 and libc alone, so that a plugin
 * links nothing.
 *
 * An event's data is exactly one msgpack map with string keys; maps nest, and a field is
 * named by its dotted path ("process.parent.pid"). Reading never allocates and never
 * copies: strings point into the event and live as long as a reference to it is held.
 *
 * Encoding: the MessagePack specification (msgpack.org); field names: ECS 8.
 * All functions here are thread-safe as long as one writer is used by one thread at a
 * time.
 */
#ifndef TOCSIN_EVENT_H
#define TOCSIN_EVENT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Topics. (AUTH) marks those that somebody in the kernel may be waiting on. ---- */

#define TOCSIN_TOPIC_FILE_OPEN "file.open" /* (AUTH) a file is about to be opened */
#define TOCSIN_TOPIC_FILE_EXEC "file.exec" /* (AUTH) a file is about to be executed */
#define TOCSIN_TOPIC_FILE_WRITTEN "file.written" /* open for writing, now closed */
#define TOCSIN_TOPIC_FILE_CREATED "file.created"
#define TOCSIN_TOPIC_FILE_RENAMED "file.renamed" /* file.old_path says from where */
#define TOCSIN_TOPIC_FILE_DELETED "file.deleted"
#define TOCSIN_TOPIC_NETWORK_FLOW "network.flow" /* (AUTH) a flow is about to begin */
#define TOCSIN_TOPIC_DNS_ANSWERED "dns.answered" /* a process has looked up a name */
#define TOCSIN_TOPIC_VERDICT "verdict" /* a detector's answer to the event reply_to */
#define TOCSIN_TOPIC_VERDICT_FINAL "verdict.final"   /* the agent's, to the sensor */
#define TOCSIN_TOPIC_VERDICT_DENIED "verdict.denied" /* a file that was, for a sensor */
#define TOCSIN_TOPIC_VERDICT_RESET "verdict.reset"   /* rules changed: forget verdicts */
#define TOCSIN_TOPIC_THREAT_DETECTED "threat.detected"
#define TOCSIN_TOPIC_THREAT_REMEDIATED "threat.remediated"
#define TOCSIN_TOPIC_ALERT_RAISED "alert.raised"
#define TOCSIN_TOPIC_ALERT_RESPONSE "alert.response" /* what was done about an alert */
/* A detector asks for the quarantine of the file that is the event's descriptor. */
#define TOCSIN_TOPIC_QUARANTINE_REQUESTED "quarantine.requested"
#define TOCSIN_TOPIC_QUARANTINE_DONE "quarantine.done" /* the answer to it */
/* A detector asks for this host to be cut off from the network. */
#define TOCSIN_TOPIC_ISOLATION_REQUESTED "isolation.requested"
#define TOCSIN_TOPIC_ISOLATION_DONE "isolation.done"       /* the answer to it */
#define TOCSIN_TOPIC_ISOLATION_CHANGED "isolation.changed" /* it is on, or off */
/* The filter was enabled or disabled. */
#define TOCSIN_TOPIC_NETWORK_FILTER_CHANGED "network_filter.changed"
/* From the core to the network extension: whether it may decide. */
#define TOCSIN_TOPIC_NETWORK_FILTER_GATE "network_filter.gate"
#define TOCSIN_TOPIC_SENSOR_GAP "sensor.gap" /* lost events: from, to, reason, count */
#define TOCSIN_TOPIC_SENSOR_DEGRADED "sensor.degraded"
#define TOCSIN_TOPIC_BUS_DROPPED "bus.dropped"
#define TOCSIN_TOPIC_RPC_REPLY "rpc.reply" /* to the rpc.<plugin>.<method> event */
#define TOCSIN_TOPIC_RPC_PROGRESS "rpc.progress"

/* ---- Fields, as dotted paths for the readers below. ---- */

#define TOCSIN_FIELD_TIMESTAMP "@timestamp"    /* ns since the epoch */
#define TOCSIN_FIELD_SEQUENCE "event.sequence" /* per sensor, from 1; hole = loss */
#define TOCSIN_FIELD_SENSOR "sensor"
#define TOCSIN_FIELD_EPOCH "epoch"           /* of the sensor: when it was started */
#define TOCSIN_FIELD_DEDUPE_KEY "dedupe_key" /* the same from whichever sensor */
#define TOCSIN_FIELD_EVENT_REASON "event.reason"
#define TOCSIN_FIELD_FILE_PATH "file.path"
#define TOCSIN_FIELD_FILE_PATH_TRUNCATED "file.path_truncated" /* bool: not all of it */
#define TOCSIN_FIELD_FILE_PATH_UNVERIFIED                                                \
    "file.path_unverified" /* bool: see events.md                                        \
                            */
#define TOCSIN_FIELD_FILE_OLD_PATH "file.old_path"
#define TOCSIN_FIELD_FILE_INODE "file.inode"
#define TOCSIN_FIELD_FILE_DEVICE "file.device" /* as st_dev */
#define TOCSIN_FIELD_FILE_SIZE "file.size"     /* bytes */
#define TOCSIN_FIELD_FILE_MTIME "file.mtime"   /* ns since the epoch */
#define TOCSIN_FIELD_FILE_CTIME "file.ctime"   /* ns since the epoch */
/* Of a question: the id of the last file.written that the sensor published about it; what
 * was known before that no longer counts. May name a later one of another file. */
#define TOCSIN_FIELD_FILE_WRITTEN_EVENT "file.written_event"
#define TOCSIN_FIELD_FILE_UID "file.uid"
#define TOCSIN_FIELD_FILE_MODE "file.mode" /* as st_mode */
/* true: on a file system that a server answers for (FUSE, NFS), which may never do so.
 * The event's descriptor, if any, is a copy; never open the file by its path. */
#define TOCSIN_FIELD_FILE_SERVED "file.served"
#define TOCSIN_FIELD_FILE_SHA256 "file.hash.sha256" /* 64 lower-case hex digits */
#define TOCSIN_FIELD_PROCESS_PID "process.pid"
#define TOCSIN_FIELD_PROCESS_START "process.start" /* ns since the epoch */
#define TOCSIN_FIELD_PROCESS_NAME "process.name"
#define TOCSIN_FIELD_PROCESS_EXECUTABLE "process.executable"
#define TOCSIN_FIELD_PROCESS_EXECUTABLE_UNVERIFIED "process.executable_unverified"
#define TOCSIN_FIELD_PROCESS_COMMAND_LINE "process.command_line"
#define TOCSIN_FIELD_PROCESS_USER_ID "process.user.id"
#define TOCSIN_FIELD_PARENT_PID "process.parent.pid"
#define TOCSIN_FIELD_PARENT_NAME "process.parent.name"
#define TOCSIN_FIELD_PARENT_EXECUTABLE "process.parent.executable"
#define TOCSIN_FIELD_CONTAINER_ID "container.id"
/* source is where a flow begins: egress from this host, ingress at the peer. */
#define TOCSIN_FIELD_SOURCE_IP "source.ip"
#define TOCSIN_FIELD_SOURCE_PORT "source.port"
#define TOCSIN_FIELD_SOURCE_DOMAIN "source.domain"
#define TOCSIN_FIELD_DESTINATION_IP "destination.ip"
#define TOCSIN_FIELD_DESTINATION_PORT "destination.port"
#define TOCSIN_FIELD_DESTINATION_DOMAIN "destination.domain"
#define TOCSIN_FIELD_NETWORK_TRANSPORT "network.transport" /* tcp|udp|... */
#define TOCSIN_FIELD_NETWORK_PROTOCOL "network.protocol"   /* dns|http|quic|tls|... */
#define TOCSIN_FIELD_NETWORK_DIRECTION "network.direction" /* egress|ingress */
#define TOCSIN_FIELD_DNS_QUESTION_NAME "dns.question.name"
#define TOCSIN_FIELD_DNS_QUESTION_TYPE "dns.question.type"
#define TOCSIN_FIELD_DNS_RESPONSE_CODE "dns.response_code"
#define TOCSIN_FIELD_DNS_ANSWERS "dns.answers" /* maps: name, type, ttl, data */
#define TOCSIN_FIELD_DNS_RESOLVED_IP "dns.resolved_ip"
#define TOCSIN_FIELD_DECISION "decision" /* "allow", "deny"; of a detector also: */
#define TOCSIN_DECISION_ABSTAIN "abstain"
#define TOCSIN_FIELD_WHY "why" /* of verdict.final: these two, or a default's reason */
#define TOCSIN_WHY_ALLOWED "allowed"
#define TOCSIN_WHY_DENIED "denied"
#define TOCSIN_FIELD_CACHEABLE "cacheable"
#define TOCSIN_FIELD_REASON "reason"
#define TOCSIN_FIELD_DETECTION_ID "detection.id"
#define TOCSIN_FIELD_DETECTION_NAME "detection.name"
/* low|medium|high|critical */
#define TOCSIN_FIELD_DETECTION_SEVERITY "detection.severity"
#define TOCSIN_FIELD_DETECTION_ACTION "detection.action" /* none|quarantine|... */
#define TOCSIN_FIELD_DETECTION_STATUS "detection.status" /* detected|quarantined|... */
#define TOCSIN_FIELD_RULE_ID "rule.id"
#define TOCSIN_FIELD_RULE_NAME "rule.name"
#define TOCSIN_FIELD_ALERT_ID "alert.id"
#define TOCSIN_FIELD_ALERT_TITLE "alert.title"
#define TOCSIN_FIELD_ALERT_SEVERITY "alert.severity"

/* ---- Limits, enforced when an event enters the bus (tc_frame_check). ---- */

#define TOCSIN_EVENT_MAX_BYTES (256u * 1024u) /* of data */
#define TOCSIN_EVENT_MAX_DEPTH 16 /* nested maps and arrays, the outer map included */

/* ---- Writing. ---- */

#define TOCSIN_WRITER_MAX_BYTES ((size_t)INT32_MAX) /* so that `at` holds any place */

/*
 * Writes one msgpack map into a caller's buffer, or into memory that grows. Errors stick:
 * write everything, then look at `error` once. Fields are for reading only.
 */
struct tocsin_writer {
    uint8_t *buf; /* the bytes so far: len of them */
    size_t len;
    size_t cap;
    /*
     * 0; -ENOSPC: the buffer was too small, or a count or length beyond what can be
     * written; -ENOMEM; -EINVAL: an end without its begin, a map's entry without a key,
     * an array's with one, or nested too deep.
     */
    int error;
    bool grows; /* buf came from malloc and belongs to the writer */
    uint8_t depth;
    uint32_t at[TOCSIN_EVENT_MAX_DEPTH]; /* where each open map or array has its count */
    uint32_t count[TOCSIN_EVENT_MAX_DEPTH];
};

/* Writes into `buf` of `cap` bytes, which stays the caller's. */
static inline void tocsin_writer_init(struct tocsin_writer *w, void *buf, size_t cap)
{
    memset(w, 0, sizeof(*w));
    w->buf = (uint8_t *)buf;
    w->cap = cap < TOCSIN_WRITER_MAX_BYTES ? cap : TOCSIN_WRITER_MAX_BYTES;
}

/* Writes into memory of its own that grows as needed; tocsin_writer_done frees it. */
static inline void tocsin_writer_init_growing(struct tocsin_writer *w)
{
    memset(w, 0, sizeof(*w));
    w->grows = true;
}

/* Frees what tocsin_writer_init_growing made; harmless for any other writer. */
static inline void tocsin_writer_done(struct tocsin_writer *w)
{
    if (w->grows)
        free(w->buf);
    memset(w, 0, sizeof(*w));
}

/* Makes room for n more bytes and returns where they go; NULL once it has failed. */
static inline uint8_t *tocsin_writer_room_(struct tocsin_writer *w, size_t n)
{
    uint8_t *grown;
    size_t cap;

    if (w->error)
        return NULL;
    if (n > w->cap - w->len) {
        if (!w->grows || n > TOCSIN_WRITER_MAX_BYTES - w->len) {
            w->error = -ENOSPC;
            return NULL;
        }
        cap = w->cap ? w->cap : 256;
        while (cap - w->len < n)
            cap *= 2;
        grown = (uint8_t *)realloc(w->buf, cap);
        if (!grown) {
            w->error = -ENOMEM;
            return NULL;
        }
        w->buf = grown;
        w->cap = cap;
    }
    w->len += n;
    return w->buf + w->len - n;
}

static inline void tocsin_put_be_(struct tocsin_writer *w, uint8_t tag, uint64_t v,
                                  size_t n)
{
    uint8_t *p = tocsin_writer_room_(w, 1 + n);

    if (!p)
        return;
    *p++ = tag;
    while (n--)
        *p++ = (uint8_t)(v >> (8 * n));
}

static inline void tocsin_put_raw_str_(struct tocsin_writer *w, const char *s, size_t n)
{
    uint8_t *p;

    if (n < 32)
        tocsin_put_be_(w, (uint8_t)(0xa0 | n), 0, 0);
    else if (n < 256)
        tocsin_put_be_(w, 0xd9, n, 1);
    else if (n < 65536)
        tocsin_put_be_(w, 0xda, n, 2);
    else
        tocsin_put_be_(w, 0xdb, n, 4);
    p = tocsin_writer_room_(w, n);
    if (p && n)
        memcpy(p, s, n);
}

/* Counts one more entry of the open map or array and writes its key, if it has one. */
static inline void tocsin_put_key_(struct tocsin_writer *w, const char *key)
{
    if (w->error)
        return;
    if (w->depth) {
        w->count[w->depth - 1]++;
        if ((w->buf[w->at[w->depth - 1] - 1] == 0xde) != (key != NULL)) {
            w->error = -EINVAL;
            return;
        }
    }
    if (key)
        tocsin_put_raw_str_(w, key, strlen(key));
}

static inline void tocsin_begin_(struct tocsin_writer *w, const char *key, uint8_t tag)
{
    tocsin_put_key_(w, key);
    if (w->depth >= TOCSIN_EVENT_MAX_DEPTH && !w->error)
        w->error = -EINVAL;
    tocsin_put_be_(w, tag, 0, 2);
    if (w->error)
        return;
    w->at[w->depth] = (uint32_t)(w->len - 2);
    w->count[w->depth] = 0;
    w->depth++;
}

/*
 * Opens a map; `key` is NULL for the outermost one and inside an array. Close with
 * tocsin_end. At most 65,535 entries.
 */
static inline void tocsin_begin_map(struct tocsin_writer *w, const char *key)
{
    tocsin_begin_(w, key, 0xde);
}

/* Opens an array; as tocsin_begin_map. Inside it, every put takes a NULL key. */
static inline void tocsin_begin_array(struct tocsin_writer *w, const char *key)
{
    tocsin_begin_(w, key, 0xdc);
}

/* Closes the innermost open map or array. */
static inline void tocsin_end(struct tocsin_writer *w)
{
    uint32_t n;

    if (w->error)
        return;
    if (!w->depth) {
        w->error = -EINVAL;
        return;
    }
    w->depth--;
    n = w->count[w->depth];
    if (n > 65535) {
        w->error = -ENOSPC;
        return;
    }
    w->buf[w->at[w->depth]] = (uint8_t)(n >> 8);
    w->buf[w->at[w->depth] + 1] = (uint8_t)n;
}

static inline void tocsin_put_uint(struct tocsin_writer *w, const char *key, uint64_t v)
{
    tocsin_put_key_(w, key);
    if (v < 128)
        tocsin_put_be_(w, (uint8_t)v, 0, 0);
    else if (v < 256)
        tocsin_put_be_(w, 0xcc, v, 1);
    else if (v < 65536)
        tocsin_put_be_(w, 0xcd, v, 2);
    else if (v <= UINT32_MAX)
        tocsin_put_be_(w, 0xce, v, 4);
    else
        tocsin_put_be_(w, 0xcf, v, 8);
}

static inline void tocsin_put_int(struct tocsin_writer *w, const char *key, int64_t v)
{
    if (v >= 0) {
        tocsin_put_uint(w, key, (uint64_t)v);
        return;
    }
    tocsin_put_key_(w, key);
    if (v >= -32)
        tocsin_put_be_(w, (uint8_t)v, 0, 0);
    else if (v >= INT8_MIN)
        tocsin_put_be_(w, 0xd0, (uint64_t)v, 1);
    else if (v >= INT16_MIN)
        tocsin_put_be_(w, 0xd1, (uint64_t)v, 2);
    else if (v >= INT32_MIN)
        tocsin_put_be_(w, 0xd2, (uint64_t)v, 4);
    else
        tocsin_put_be_(w, 0xd3, (uint64_t)v, 8);
}

static inline void tocsin_put_bool(struct tocsin_writer *w, const char *key, bool v)
{
    tocsin_put_key_(w, key);
    tocsin_put_be_(w, v ? 0xc3 : 0xc2, 0, 0);
}

static inline void tocsin_put_nil(struct tocsin_writer *w, const char *key)
{
    tocsin_put_key_(w, key);
    tocsin_put_be_(w, 0xc0, 0, 0);
}

static inline void tocsin_put_double(struct tocsin_writer *w, const char *key, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    tocsin_put_key_(w, key);
    tocsin_put_be_(w, 0xcb, bits, 8);
}

/* Puts n bytes as msgpack bin. */
static inline void tocsin_put_bin(struct tocsin_writer *w, const char *key,
                                  const void *data, size_t n)
{
    uint8_t *p;

    tocsin_put_key_(w, key);
    if (n < 256)
        tocsin_put_be_(w, 0xc4, n, 1);
    else if (n < 65536)
        tocsin_put_be_(w, 0xc5, n, 2);
    else
        tocsin_put_be_(w, 0xc6, n, 4);
    p = tocsin_writer_room_(w, n);
    if (p && n)
        memcpy(p, data, n);
}

/* True when the n bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms). */
static inline bool tocsin_utf8_valid(const char *s, size_t n)
{
    const uint8_t *p = (const uint8_t *)s, *end;
    uint64_t eight;
    uint32_t c;
    int more;

    if (!n)
        return true;
    end = p + n;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            /* Nearly all text is ASCII: on through it eight bytes at a time. */
            while (end - p >= 8) {
                memcpy(&eight, p, sizeof(eight));
                if (eight & UINT64_C(0x8080808080808080))
                    break;
                p += 8;
            }
            continue;
        }
        if (*p >= 0xc2 && *p <= 0xdf)
            more = 1;
        else if (*p >= 0xe0 && *p <= 0xef)
            more = 2;
        else if (*p >= 0xf0 && *p <= 0xf4)
            more = 3;
        else
            return false;
        if (end - p <= more)
            return false;
        c = *p++ & (0x3fu >> more);
        for (int i = 0; i < more; i++, p++) {
            if ((*p & 0xc0) != 0x80)
                return false;
            c = c << 6 | (*p & 0x3f);
        }
        if ((more == 2 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
            (more == 3 && (c < 0x10000 || c > 0x10ffff)))
            return false;
    }
    return true;
}

/*
 * Puts n bytes of text: as msgpack str when they are valid UTF-8, else as bin, losing
 * nothing. NULL, as in an absent struct tocsin_str, is put as nil.
 */
static inline void tocsin_put_strn(struct tocsin_writer *w, const char *key,
                                   const char *s, size_t n)
{
    if (!s) {
        tocsin_put_nil(w, key);
        return;
    }
    if (!tocsin_utf8_valid(s, n)) {
        tocsin_put_bin(w, key, s, n);
        return;
    }
    tocsin_put_key_(w, key);
    tocsin_put_raw_str_(w, s, n);
}

/* Puts a NUL-terminated string, or nil for NULL; as tocsin_put_strn. */
static inline void tocsin_put_str(struct tocsin_writer *w, const char *key, const char *s)
{
    if (s)
        tocsin_put_strn(w, key, s, strlen(s));
    else
        tocsin_put_nil(w, key);
}

/* Puts n bytes that already are exactly one msgpack value, such as a value's own span. */
static inline void tocsin_put_encoded(struct tocsin_writer *w, const char *key,
                                      const void *data, size_t n)
{
    uint8_t *p;

    tocsin_put_key_(w, key);
    p = tocsin_writer_room_(w, n);
    if (p && n)
        memcpy(p, data, n);
}

/* ---- Reading. ---- */

enum tocsin_type {
    TOCSIN_NIL = 1,
    TOCSIN_BOOL,
    TOCSIN_UINT, /* not negative: .u */
    TOCSIN_INT,  /* negative: .i */
    TOCSIN_DOUBLE,
    TOCSIN_STR, /* .ptr, .len bytes, not NUL-terminated */
    TOCSIN_BIN,
    TOCSIN_EXT,   /* .ptr, .len bytes, type byte left out */
    TOCSIN_ARRAY, /* .count entries */
    TOCSIN_MAP,   /* .count key and value pairs */
};

/* One value, in place: pointers go into the bytes it was read from. */
struct tocsin_value {
    enum tocsin_type type;
    union {
        bool b;
        uint64_t u;
        int64_t i;
        double d;
        uint32_t count;
    };
    const char *ptr; /* of a string its bytes; of a map or array its first entry */
    size_t len;
    const uint8_t *start; /* the encoded value: first byte ... */
    const uint8_t *end;   /* ... and the end of the bytes it was read from */
};

/* Bytes of text with a length; ptr is NULL when there is none. Not NUL-terminated. */
struct tocsin_str {
    const char *ptr;
    size_t len;
};

static inline uint64_t tocsin_be_(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    while (n--)
        v = v << 8 | *p++;
    return v;
}

/*
 * Reads the value that starts at p, not going beyond end. Returns where the next thing
 * starts (of a map or array: its first entry), or NULL when the bytes end early or the
 * tag is 0xc1.
 */
static inline const uint8_t *tocsin_read(const uint8_t *p, const uint8_t *end,
                                         struct tocsin_value *ret)
{
    /* How many bytes of number or length follow each tag from 0xc0 on. */
    static const uint8_t follow[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
                                       1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
    uint64_t v;
    uint8_t tag;
    size_t n;

    if (p >= end)
        return NULL;
    ret->start = p;
    ret->end = end;
    ret->ptr = NULL;
    ret->len = 0;
    ret->u = 0;
    tag = *p++;
    if (tag < 0x80) {
        ret->type = TOCSIN_UINT;
        ret->u = tag;
        return p;
    }
    if (tag >= 0xe0) {
        ret->type = TOCSIN_INT;
        ret->i = (int)tag - 256;
        return p;
    }
    if (tag < 0xa0) {
        ret->type = tag < 0x90 ? TOCSIN_MAP : TOCSIN_ARRAY;
        ret->count = tag & 0x0f;
        ret->ptr = (const char *)p;
        return p;
    }
    if (tag < 0xc0) {
        ret->type = TOCSIN_STR;
        n = tag & 0x1f;
        goto bytes;
    }
    n = follow[tag - 0xc0];
    if ((size_t)(end - p) < n)
        return NULL;
    v = tocsin_be_(p, n);
    p += n;
    switch (tag) {
    case 0xc0:
        ret->type = TOCSIN_NIL;
        return p;
    case 0xc2:
    case 0xc3:
        ret->type = TOCSIN_BOOL;
        ret->b = tag == 0xc3;
        return p;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        ret->type = TOCSIN_BIN;
        n = (size_t)v;
        goto bytes;
    case 0xc7:
    case 0xc8:
    case 0xc9:
        ret->type = TOCSIN_EXT;
        n = (size_t)v;
        goto ext;
    case 0xca: {
        uint32_t bits = (uint32_t)v;
        float f;

        memcpy(&f, &bits, sizeof(f));
        ret->type = TOCSIN_DOUBLE;
        ret->d = (double)f;
        return p;
    }
    case 0xcb:
        memcpy(&ret->d, &v, sizeof(v));
        ret->type = TOCSIN_DOUBLE;
        return p;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        ret->type = TOCSIN_UINT;
        ret->u = v;
        return p;
    case 0xd0:
        ret->i = v < 0x80 ? (int)v : (int)v - 256;
        break;
    case 0xd1:
        ret->i = (int16_t)v;
        break;
    case 0xd2:
        ret->i = (int32_t)v;
        break;
    case 0xd3:
        ret->i = (int64_t)v;
        break;
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        ret->type = TOCSIN_EXT;
        n = (size_t)1 << (tag - 0xd4);
        goto ext;
    case 0xd9:
    case 0xda:
    case 0xdb:
        ret->type = TOCSIN_STR;
        n = (size_t)v;
        goto bytes;
    case 0xdc:
    case 0xdd:
        ret->type = TOCSIN_ARRAY;
        ret->count = (uint32_t)v;
        ret->ptr = (const char *)p;
        return p;
    case 0xde:
    case 0xdf:
        ret->type = TOCSIN_MAP;
        ret->count = (uint32_t)v;
        ret->ptr = (const char *)p;
        return p;
    default:
        return NULL;
    }
    /* A signed integer: one that is not negative reads as any other such number. */
    ret->type = ret->i < 0 ? TOCSIN_INT : TOCSIN_UINT;
    return p;
ext:
    if (p >= end)
        return NULL;
    p++;
bytes:
    if ((size_t)(end - p) < n)
        return NULL;
    ret->ptr = (const char *)p;
    ret->len = n;
    return p + n;
}

/* Steps over one whole value, nested or not: where the next one starts, or NULL. */
static inline const uint8_t *tocsin_skip(const uint8_t *p, const uint8_t *end)
{
    struct tocsin_value v;
    uint64_t left = 1;

    while (left--) {
        p = tocsin_read(p, end, &v);
        if (!p)
            return NULL;
        if (v.type == TOCSIN_MAP)
            left += 2ull * v.count;
        else if (v.type == TOCSIN_ARRAY)
            left += v.count;
    }
    return p;
}

/* Bytes that the value takes, encoded; 0 if it is cut short. */
static inline size_t tocsin_value_size(const struct tocsin_value *v)
{
    const uint8_t *p = tocsin_skip(v->start, v->end);

    return p ? (size_t)(p - v->start) : 0;
}

/* Walks the entries of a map or an array. */
struct tocsin_iter {
    const uint8_t *next, *end;
    uint32_t left;
    bool map;
};

/* Starts at the first entry of v; any value that is no map and no array has none. */
static inline void tocsin_iter_init(struct tocsin_iter *it, const struct tocsin_value *v)
{
    it->map = v->type == TOCSIN_MAP;
    it->left = it->map || v->type == TOCSIN_ARRAY ? v->count : 0;
    it->next = (const uint8_t *)v->ptr;
    it->end = v->end;
}

/*
 * Gives the next entry: its value, and of a map's its key too (ret_key may be NULL for an
 * array). False at the end, or where the bytes end early.
 */
static inline bool tocsin_iter_next(struct tocsin_iter *it, struct tocsin_value *ret_key,
                                    struct tocsin_value *ret)
{
    struct tocsin_value key;
    const uint8_t *p = it->next;

    if (!it->left)
        return false;
    it->left = it->left - 1;
    if (it->map) {
        p = tocsin_read(p, it->end, &key);
        if (!p || (p = tocsin_skip(key.start, it->end)) == NULL)
            goto cut;
        if (ret_key)
            *ret_key = key;
    }
    if (!tocsin_read(p, it->end, ret))
        goto cut;
    it->next = tocsin_skip(p, it->end);
    if (!it->next)
        goto cut;
    return true;
cut:
    it->left = 0;
    return false;
}

/*
 * Finds a field by its dotted path in `len` bytes of data that are one msgpack map. Of a
 * key that stands twice the first counts. False, and *ret unspecified, when there is no
 * such field.
 */
static inline bool tocsin_find(const void *data, size_t len, const char *path,
                               struct tocsin_value *ret)
{
    const uint8_t *p = (const uint8_t *)data, *end;
    struct tocsin_value key;
    const char *dot;
    uint32_t left;
    size_t n;

    if (!len)
        return false;
    end = p + len;
    if (!tocsin_read(p, end, ret))
        return false;
    for (;;) {
        if (ret->type != TOCSIN_MAP)
            return false;
        dot = strchr(path, '.');
        n = dot ? (size_t)(dot - path) : strlen(path);
        p = (const uint8_t *)ret->ptr;
        for (left = ret->count; left; left--) {
            p = tocsin_read(p, end, &key);
            if (!p)
                return false;
            if (key.type == TOCSIN_MAP || key.type == TOCSIN_ARRAY)
                return false;
            if (key.type == TOCSIN_STR && key.len == n && !memcmp(key.ptr, path, n))
                break;
            p = tocsin_skip(p, end);
            if (!p)
                return false;
        }
        if (!left || !tocsin_read(p, end, ret))
            return false;
        if (!dot)
            return true;
        path = dot + 1;
    }
}

/* The string or bytes at `path`; {NULL, 0} when there are none. */
static inline struct tocsin_str tocsin_find_str(const void *data, size_t len,
                                                const char *path)
{
    struct tocsin_str none = {NULL, 0}, s;
    struct tocsin_value v;

    if (!tocsin_find(data, len, path, &v) ||
        (v.type != TOCSIN_STR && v.type != TOCSIN_BIN))
        return none;
    s.ptr = v.ptr;
    s.len = v.len;
    return s;
}

/* The whole number at `path`, or `fallback`; also when it does not fit an int64_t. */
static inline int64_t tocsin_find_int(const void *data, size_t len, const char *path,
                                      int64_t fallback)
{
    struct tocsin_value v;

    if (!tocsin_find(data, len, path, &v))
        return fallback;
    if (v.type == TOCSIN_INT)
        return v.i;
    if (v.type == TOCSIN_UINT && v.u <= (uint64_t)INT64_MAX)
        return (int64_t)v.u;
    return fallback;
}

/* The boolean at `path`, or `fallback`. */
static inline bool tocsin_find_bool(const void *data, size_t len, const char *path,
                                    bool fallback)
{
    struct tocsin_value v;

    if (!tocsin_find(data, len, path, &v) || v.type != TOCSIN_BOOL)
        return fallback;
    return v.b;
}

/* True when s holds exactly the bytes of the NUL-terminated text. */
static inline bool tocsin_str_is(struct tocsin_str s, const char *text)
{
    return s.ptr && s.len == strlen(text) && !memcmp(s.ptr, text, s.len);
}

#ifdef __cplusplus
}
#endif
#endif
