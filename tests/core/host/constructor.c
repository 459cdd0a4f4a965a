/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin file that does something when it is loaded: CONSTRUCTOR, by CMakeLists.txt.
 * None of the folder that every test plugin is in, since that is given to agents. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/vendor_plugins/plain.h"

__attribute__((constructor)) static void construct(void)
{
    CONSTRUCTOR;
}

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("constructor"),
    PLAIN_CALLS,
};
