/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the product promises, by name, and which of it an issue of health is about.
 * A promise is kept while no issue about it is open, so that there is one truth. Pure.
 */
#ifndef TC_CORE_PROMISE_H
#define TC_CORE_PROMISE_H

enum tc_promise {
    TC_PROMISE_REAL_TIME,  /* what is below the watched folders is refused when bad */
    TC_PROMISE_SCANNING,   /* content is scanned */
    TC_PROMISE_BEHAVIOUR,  /* what processes do is reported and judged */
    TC_PROMISE_RECORD,     /* what happens is kept */
    TC_PROMISE_QUARANTINE, /* what is infected is put away */
    TC_PROMISE_NETWORK,    /* flows are judged */
    TC_PROMISES,
};

#define TC_PROMISE_BIT(promise) (1u << (promise))

const char *tc_promise_name(enum tc_promise promise);

/*
 * The promises (a set of TC_PROMISE_BIT) that an issue `key` reported by `owner` ("core"
 * or a plugin) is about; 0: none of them. `sensors`: the names of the plugins that may
 * hold the slot, either may be NULL.
 */
unsigned tc_promise_of(const char *owner, const char *key, const char *const sensors[2]);

#endif
