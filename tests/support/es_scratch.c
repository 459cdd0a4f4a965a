/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

bool tc_es_scratch_possible(void)
{
    int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);

    if (group < 0) {
        print_message("skipped: fanotify permission events: %s\n", strerror(errno));
        return false;
    }
    close(group);
    return tc_scratch_possible();
}

int tc_es_scratch_setup(void **state)
{
    static struct tc_scratch scratch;

    tc_scratch_start(&scratch, "es", NULL, NULL);
    *state = &scratch;
    return 0;
}
