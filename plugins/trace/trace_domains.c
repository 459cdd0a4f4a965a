/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_domains.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Without it uthash ends the process. The element that was to be added is then not in. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) (no_memory = true)
#include <uthash.h>

#define SECOND_NS UINT64_C(1000000000)
#define KEY_MAX 64 /* of an event's own keys, all of which are short */

/* Who has asked for it: a process, or all zeroes for anybody. No padding. */
struct key {
    uint8_t address[16]; /* IPv4 is mapped */
    int64_t pid, start;
};

struct tc_trace_domain {
    UT_hash_handle hh;
    struct key key;
    uint64_t until_ns;
    char name[];
};

/* ---- Entries ---- */

static void drop(struct tc_trace_domains *domains, struct tc_trace_domain *entry)
{
    HASH_DELETE(hh, domains->entries, entry);
    free(entry);
}

void tc_trace_domains_done(struct tc_trace_domains *domains)
{
    while (domains->entries)
        drop(domains, domains->entries);
}

size_t tc_trace_domains_count(const struct tc_trace_domains *domains)
{
    return HASH_COUNT(domains->entries);
}

/* At the end, as what was used last. False: no memory, and it is freed. */
static bool add(struct tc_trace_domains *domains, struct tc_trace_domain *entry)
{
    bool no_memory = false;

    HASH_ADD(hh, domains->entries, key, sizeof(entry->key), entry);
    if (no_memory)
        free(entry);
    return !no_memory;
}

static struct tc_trace_domain *find(struct tc_trace_domains *domains,
                                    const struct key *key)
{
    struct tc_trace_domain *entry;

    HASH_FIND(hh, domains->entries, key, sizeof(*key), entry);
    return entry;
}

static void keep(struct tc_trace_domains *domains, const struct key *key,
                 struct tocsin_str name, uint64_t until_ns)
{
    struct tc_trace_domain *entry = find(domains, key);

    if (entry)
        drop(domains, entry);
    if (tc_trace_domains_count(domains) == TC_TRACE_DOMAINS_MAX) {
        drop(domains, domains->entries);
        domains->evicted++;
    }
    entry = malloc(sizeof(*entry) + name.len + 1);
    if (!entry)
        return;
    entry->key = *key;
    entry->until_ns = until_ns;
    memcpy(entry->name, name.ptr, name.len);
    entry->name[name.len] = '\0';
    (void)add(domains, entry);
}

/* Its name, while the answer holds. */
static const char *use(struct tc_trace_domains *domains, const struct key *key,
                       uint64_t now_ns)
{
    struct tc_trace_domain *entry = find(domains, key);

    if (entry && entry->until_ns <= now_ns) {
        drop(domains, entry);
        entry = NULL;
    }
    if (!entry)
        return NULL;
    HASH_DELETE(hh, domains->entries, entry);
    return add(domains, entry) ? entry->name : NULL;
}

/* ---- Answers ---- */

static bool read_address(struct tocsin_str text, uint8_t ret[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char buf[INET6_ADDRSTRLEN];

    if (!text.ptr || text.len >= sizeof(buf))
        return false;
    memcpy(buf, text.ptr, text.len);
    buf[text.len] = '\0';
    if (inet_pton(AF_INET6, buf, ret) == 1)
        return true;
    memcpy(ret, mapped, sizeof(mapped));
    return inet_pton(AF_INET, buf, ret + sizeof(mapped)) == 1;
}

static uint64_t life_ns(int64_t ttl_s)
{
    if (ttl_s < TC_TRACE_DOMAINS_LEAST_S)
        ttl_s = TC_TRACE_DOMAINS_LEAST_S;
    if (ttl_s > TC_TRACE_DOMAINS_MOST_S)
        ttl_s = TC_TRACE_DOMAINS_MOST_S;
    return (uint64_t)ttl_s * SECOND_NS;
}

void tc_trace_domains_take(struct tc_trace_domains *domains,
                           const struct tocsin_event *answer, uint64_t now_ns)
{
    struct tocsin_str name = tocsin_event_str(answer, TOCSIN_FIELD_DNS_QUESTION_NAME);
    struct key anybody = {.pid = 0};
    struct key asker = {.pid = tocsin_event_int(answer, TOCSIN_FIELD_PROCESS_PID, 0),
                        .start = tocsin_event_int(answer, TOCSIN_FIELD_PROCESS_START, 0)};
    struct tocsin_value answers, one;
    struct tocsin_iter it;

    while (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (!name.len || name.len > TC_TRACE_DOMAIN_MAX ||
        !tocsin_find(answer->data, answer->len, TOCSIN_FIELD_DNS_ANSWERS, &answers))
        return;
    tocsin_iter_init(&it, &answers);
    while (tocsin_iter_next(&it, NULL, &one)) {
        size_t len = tocsin_value_size(&one);
        struct tocsin_str type = tocsin_find_str(one.start, len, "type");
        uint64_t until_ns = now_ns + life_ns(tocsin_find_int(one.start, len, "ttl", 0));

        /* The data of a TXT may look like an address, too. */
        if ((!tocsin_str_is(type, "A") && !tocsin_str_is(type, "AAAA")) ||
            !read_address(tocsin_find_str(one.start, len, "data"), asker.address))
            continue;
        memcpy(anybody.address, asker.address, sizeof(anybody.address));
        keep(domains, &anybody, name, until_ns);
        if (asker.pid > 0)
            keep(domains, &asker, name, until_ns);
    }
}

/* ---- Events ---- */

/* The event again, with one entry more in the map that begins at `map`. */
static void copy_with(struct tocsin_writer *w, const struct tocsin_value *in,
                      const uint8_t *map, const char *domain)
{
    struct tocsin_value key = {.ptr = NULL}, value;
    struct tocsin_iter it;
    char text[KEY_MAX];

    tocsin_iter_init(&it, in);
    while (tocsin_iter_next(&it, &key, &value)) {
        size_t n = key.len < sizeof(text) - 1 ? key.len : sizeof(text) - 1;

        memcpy(text, key.ptr, n);
        text[n] = '\0';
        if (value.start == map) {
            tocsin_begin_map(w, text);
            copy_with(w, &value, map, domain);
            tocsin_put_str(w, "domain", domain);
            tocsin_end(w);
        } else {
            tocsin_put_encoded(w, text, value.start, tocsin_value_size(&value));
        }
    }
}

bool tc_trace_domains_fill(struct tc_trace_domains *domains, const char *topic,
                           const void *data, size_t len, uint64_t now_ns,
                           struct tocsin_writer *w)
{
    bool accepted = !strcmp(topic, "network.accepted");
    const char *end = accepted ? "source" : "destination", *name;
    struct tocsin_value event, map;
    struct key key = {.pid = 0};

    if (!domains->entries || strncmp(topic, "network.", strlen("network.")) != 0 ||
        !tocsin_find(data, len, end, &map) ||
        !read_address(tocsin_find_str(data, len,
                                      accepted ? TOCSIN_FIELD_SOURCE_IP
                                               : TOCSIN_FIELD_DESTINATION_IP),
                      key.address) ||
        !tocsin_read(data, (const uint8_t *)data + len, &event))
        return false;
    key.pid = tocsin_find_int(data, len, TOCSIN_FIELD_PROCESS_PID, 0);
    key.start = tocsin_find_int(data, len, TOCSIN_FIELD_PROCESS_START, 0);
    name = use(domains, &key, now_ns);
    if (!name) {
        key.pid = key.start = 0;
        name = use(domains, &key, now_ns);
    }
    if (!name)
        return false;
    tocsin_writer_init_growing(w);
    tocsin_begin_map(w, NULL);
    copy_with(w, &event, map.start, name);
    tocsin_end(w);
    if (w->error) {
        tocsin_writer_done(w);
        return false;
    }
    domains->filled++;
    return true;
}
