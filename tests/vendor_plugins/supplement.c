/* SPDX-License-Identifier: Apache-2.0 */
/* Of the kind that is started after the detectors, and by nobody's demand. */
#include "plain.h"

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_SUPPLEMENTARY),
    PLAIN_IDENTITY("supplement"),
    PLAIN_CALLS,
};
