/* SPDX-License-Identifier: Apache-2.0 */
/* A shared object, and no plugin. */
#include <tocsin/plugin.h>

extern const char tocsin_plugin_of_another_name[];
TOCSIN_EXPORT const char tocsin_plugin_of_another_name[] = "nothing";
