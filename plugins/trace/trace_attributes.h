/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which file an act on attributes was about, and what they are now. Opens no file
 * but by O_PATH, which reads nothing and wakes nobody.
 */
#ifndef TC_TRACE_ATTRIBUTES_H
#define TC_TRACE_ATTRIBUTES_H

#include <limits.h>
#include <stdbool.h>

#include "bpf/trace_abi.h"
#include "sensor_encode.h"

struct tc_trace_attributes {
    struct tc_sensor_file file; /* its path, and its attribute's name, are these */
    char path[PATH_MAX], xattr[TC_TRACE_XATTR_MAX];
};

/*
 * `here`: whoever did it sees the same files as we do. Else, or when it has gone, it is
 * known by the name that was used only. False: not even that.
 */
bool tc_trace_attributes_resolve(const struct tc_trace_act_record *record, bool here,
                                 struct tc_trace_attributes *ret);

/* Whether it lends rights to whoever runs the file: reported wherever it lies. */
bool tc_trace_attributes_lend(const struct tc_trace_act_record *record,
                              const struct tc_trace_attributes *attributes);

#endif
