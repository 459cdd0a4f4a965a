/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: JSON back to the msgpack that ipc/json.h has made it of. Pure. */
#ifndef TC_CLI_JSONPACK_H
#define TC_CLI_JSONPACK_H

#include <json-c/json.h>

#include "ipc/pack.h"

/* Writes the object as an event's map. What is wrong stays in its error:
 * -EINVAL, it is no object, or nested deeper than an event may be; -ENOMEM. */
void tc_json_pack(struct tc_pack *p, json_object *object);

#define TC_JSON_DEPTH_MAX 32 /* objects and lists within each other */

/* Reads one object, and nothing after it. -EINVAL, and why; -ENOMEM. */
int tc_json_parse(const char *text, size_t len, json_object **ret, char why[128]);

/* Both: text into p. */
int tc_json_pack_text(struct tc_pack *p, const char *text, size_t len, char why[128]);

#endif
