/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a scratch (sensor_scratch.h) in which plugin es asks for real. */
#ifndef TC_TESTS_SUPPORT_ES_SCRATCH_H
#define TC_TESTS_SUPPORT_ES_SCRATCH_H

#include "tests/support/sensor_scratch.h"

/* tc_scratch_possible, and fanotify permission events are. */
bool tc_es_scratch_possible(void);

/* For cmocka: a scratch of the program's own, as the state, with es as it is built. */
int tc_es_scratch_setup(void **state);

#endif
