/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: where in the text an event of libfyaml stands. For the reader alone. Pure. */
#ifndef TC_YAML_PLACE_H
#define TC_YAML_PLACE_H

#include "yaml/yaml.h"

struct fy_event;

/* Where the event begins; `other` when nothing of it is written. */
struct tc_yaml_place tc_yaml_place_of(const struct fy_event *event,
                                      struct tc_yaml_place other);

/*
 * The bytes of it: of a scalar with its quotes, of an alias with its asterisk; of the
 * start and the end of a map or a list what opens and closes it, if that is written.
 * Empty at 0: nothing of it is.
 */
struct tc_yaml_span tc_yaml_span_of(const struct fy_event *event);

#endif
