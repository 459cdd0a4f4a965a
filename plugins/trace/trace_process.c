/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_process.h"

#include <stdlib.h>
#include <string.h>

struct tc_trace_image *tc_trace_image_new(void)
{
    struct tc_trace_image *image = calloc(1, sizeof(*image));

    if (image)
        image->refs = 1;
    return image;
}

struct tc_trace_image *tc_trace_image_ref(struct tc_trace_image *image)
{
    if (image)
        image->refs++;
    return image;
}

void tc_trace_image_unref(struct tc_trace_image *image)
{
    if (!image || --image->refs)
        return;
    free(image->executable);
    free(image->exec_path);
    free(image->folder);
    free(image->cgroup);
    free(image->args);
    free(image);
}

void tc_trace_image_trim(struct tc_trace_image *image)
{
    char *smaller;

    if (image->args_len <= TC_TRACE_ARGS_KEPT)
        return;
    image->args_len = TC_TRACE_ARGS_KEPT;
    image->args_cut = true;
    smaller = realloc(image->args, TC_TRACE_ARGS_KEPT);
    if (smaller)
        image->args = smaller;
}
