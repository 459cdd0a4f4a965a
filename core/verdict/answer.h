/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what `verdict.final` says: the answer, and of the question as much as tells whom
 * and what it was about, so that nobody has to join the two. Pure.
 */
#ifndef TC_CORE_ANSWER_H
#define TC_CORE_ANSWER_H

#include <stdbool.h>

#include "core/verdict/verdict.h"

struct tocsin_event;
struct tocsin_writer;

/* Room for the longest: two paths, a destination, a reason, names of voters. */
#define TC_ANSWER_BYTES 10240

/*
 * Writes the map. `cacheable`: as the sensor is to take it; `who`: names of those that
 * denied or are missing, "" when nobody is. The question's bytes are copied as they are;
 * a path beyond 4096 bytes is left out. `question` NULL: nobody reads that.
 */
void tc_answer_put(struct tocsin_writer *w, const struct tc_verdict_final *final,
                   bool cacheable, const char *who, const struct tocsin_event *question);

#endif
