/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a look at a plugin's file, as the loader looks at it, without an agent. Loading
 * runs the file's constructors, so it is done in a child process: what they do to it is
 * told in a sentence. Must not: call the plugin.
 */
#ifndef TC_CORE_INSPECT_H
#define TC_CORE_INSPECT_H

#include <stdint.h>

struct tc_pack;

#define TC_INSPECT_LIMIT_MS 10000 /* for the constructors, as a rule */

/*
 * Puts what the file is into p, as one map. `ok`: an agent of this user would take it;
 * else `why` not, in a sentence. With ok: name, version, summary, kind, votes, abi,
 * publishes, subscribes, options, sha256, and a list of `warnings`: an agent that is root
 * would refuse it; it cannot be unloaded. One thread, as this forks. 0, also
 * for a file that is refused; else a negative errno: nobody could look at it.
 */
int tc_inspect(const char *path, uint64_t limit_ms, struct tc_pack *p);

#endif
