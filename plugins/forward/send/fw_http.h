/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a batch as one POST, by libcurl's multi interface, and what the answer means. The
 * kinds (fw_http_kinds.c) say what the body is and read the answers that have a body.
 */
#ifndef TC_FW_HTTP_H
#define TC_FW_HTTP_H

#include "send/fw_sink.h"

/* What makes one kind of receiver different from another. */
struct tc_fw_http_kind {
    const char *path;  /* of a URL that has none */
    const char *type;  /* Content-Type of the body */
    const char *token; /* what stands before the token in Authorization */
    const char *open, *between, *close; /* of the body, around and between the events */
    /* Of a 2xx with a body: sets outcomes, or NULL where 2xx says it all. Calls
     * tc_fw_sink_end or tc_fw_sink_end_each. */
    void (*answer)(struct tc_fw_sink *sink, const char *text, size_t len);
};

void tc_fw_http_begin(struct tc_fw_sink *sink, const struct tc_fw_http_kind *kind);
void tc_fw_http_transferred(struct tc_fw_sink *sink, CURLcode result);
void tc_fw_http_close(struct tc_fw_sink *sink);

/* What one status says of one event: the answer to a batch, or to an item of it. */
enum tc_fw_outcome tc_fw_http_outcome(long status);

#endif
