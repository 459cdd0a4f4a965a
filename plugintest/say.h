/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how a run is told: for people, or a JSON object a line. What is published is made
 * an object once, for that and for the expectations. */
#ifndef TC_PLUGINTEST_SAY_H
#define TC_PLUGINTEST_SAY_H

#include <json-c/json.h>
#include <stdbool.h>

#include "plugintest/run.h"

/*
 * {"topic": ..., "about": {"id", "topic", "what"}, "took_ns": ..., "event": {...}}; the
 * second and third of an answer alone. For json_object_put; NULL: out of memory.
 */
json_object *tc_say_object(const struct tocsin_event *event,
                           const struct tc_run_question *question, uint64_t took_ns);

void tc_say_published(bool json, json_object *object, const struct tocsin_event *event,
                      const struct tc_run_question *question, uint64_t took_ns);
void tc_say_reported(bool json, uint32_t what, const char *key, const char *text,
                     const char *fix);
void tc_say_wrong(bool json, const char *sentence);
void tc_say_counts(bool json, const struct tc_run_counts *counts);

#endif
