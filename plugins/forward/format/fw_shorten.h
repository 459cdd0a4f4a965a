/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: an event made smaller, for receivers that cut what is long. Pure. */
#ifndef TC_FW_SHORTEN_H
#define TC_FW_SHORTEN_H

#include <stddef.h>
#include <tocsin/event.h>

#define TC_FW_SHORTEN_LEVELS 4

/*
 * Writes the map `data` again into `w`, and less of it with each level from 0 on: without
 * ancestors, arguments and what matched; texts and lists cut; in the end only what says
 * which alert it is. With "truncated": true. Errors are the writer's.
 */
void tc_fw_shorten(const void *data, size_t len, unsigned level, struct tocsin_writer *w);

#endif
