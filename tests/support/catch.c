/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/catch.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void tc_catch_begin(struct tc_catch *c)
{
    c->saved = dup(STDERR_FILENO);
    c->caught = memfd_create("stderr", MFD_CLOEXEC);
    if (c->saved < 0 || c->caught < 0 || dup2(c->caught, STDERR_FILENO) < 0)
        abort();
}

void tc_catch_end(struct tc_catch *c)
{
    ssize_t n;

    (void)dup2(c->saved, STDERR_FILENO);
    n = pread(c->caught, c->text, sizeof(c->text) - 1, 0);
    c->text[n > 0 ? n : 0] = '\0';
    close(c->saved);
    close(c->caught);
}
