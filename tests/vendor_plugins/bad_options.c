/* SPDX-License-Identifier: Apache-2.0 */
/* The default of its option is none that the option takes. */
#include "plain.h"

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("bad_options"),
    .options = (const struct tocsin_option[]){{.name = "depth",
                                               .type = TOCSIN_OPTION_INT,
                                               .fallback = "deep",
                                               .help = "How deep.",
                                               .max = 9},
                                              {.name = NULL}},
    PLAIN_CALLS,
};
