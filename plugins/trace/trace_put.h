/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the fields that every event has of a process or a user: into an open map. Pure.
 */
#ifndef TC_TRACE_PUT_H
#define TC_TRACE_PUT_H

#include <tocsin/event.h>

#include "trace_process.h"

/* Nothing when the text is NULL or empty. */
void tc_trace_put_text(struct tocsin_writer *w, const char *key, const char *text);

/* pid, start, name, executable */
void tc_trace_put_identity(struct tocsin_writer *w,
                           const struct tc_trace_process *process);

/* The arguments joined by blanks, as people write them; their first `max` bytes. */
void tc_trace_put_command_line(struct tocsin_writer *w,
                               const struct tc_trace_image *image, size_t max);

/* user.*, group.*; name: the real user's, or NULL. */
void tc_trace_put_users(struct tocsin_writer *w, const struct tc_trace_users *users,
                        const char *name);

/* Of a process that something is done to. */
void tc_trace_put_other(struct tocsin_writer *w, const struct tc_trace_process *process);

#endif
