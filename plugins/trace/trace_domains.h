/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: by which name an address was looked up, as dns.answered has it, for as long as
 * the answer holds; and writing that name into an event of a connection. Pure: the time
 * is given. One thread, the loop's. Must not: look anything up.
 */
#ifndef TC_TRACE_DOMAINS_H
#define TC_TRACE_DOMAINS_H

#include <stdint.h>
#include <tocsin/plugin.h>

#define TC_TRACE_DOMAINS_MAX 8192 /* entries; the longest unused goes first */
#define TC_TRACE_DOMAINS_LEAST_S                                                         \
    10 /* a program uses what it has got, whatever the TTL                               \
        */
#define TC_TRACE_DOMAINS_MOST_S 3600
#define TC_TRACE_DOMAIN_MAX 253 /* RFC 1035, 3.1, as text */

struct tc_trace_domains {
    struct tc_trace_domain
        *entries; /* uthash's: in order of use, the longest unused first */
    uint64_t filled, evicted;
};

/* Those of zeroes are ready for use. */
void tc_trace_domains_done(struct tc_trace_domains *domains);
size_t tc_trace_domains_count(const struct tc_trace_domains *domains);

/* Takes dns.answered: the name that was asked for, of each address in the answer. What
 * there is no memory for is not kept. now_ns: CLOCK_MONOTONIC. */
void tc_trace_domains_take(struct tc_trace_domains *domains,
                           const struct tocsin_event *answer, uint64_t now_ns);

/*
 * Writes the other end's name into an event of a connection: destination.domain, or
 * source.domain of network.accepted. The name that the process itself has looked up,
 * else that anybody has. True: `w` is the whole event, the caller's to end; else it is
 * untouched.
 */
bool tc_trace_domains_fill(struct tc_trace_domains *domains, const char *topic,
                           const void *data, size_t len, uint64_t now_ns,
                           struct tocsin_writer *w);

#endif
