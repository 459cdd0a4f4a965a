/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_leave.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int by_number(const void *a, const void *b)
{
    const int *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/*
 * The process: what else the agent has open must end with the agent, so it goes first,
 * its own end of the gate included. It ends when the caller's has been closed.
 */
static void keep_and_end(const int *sorted, size_t count, int gate)
{
    unsigned int from = 0;
    char byte;

    for (size_t i = 0; i < count; i++) {
        if ((unsigned int)sorted[i] > from &&
            close_range(from, (unsigned int)sorted[i] - 1, 0))
            _exit(1);
        from = (unsigned int)sorted[i] + 1;
    }
    if (close_range(from, ~0u, 0))
        _exit(1);
    while (read(gate, &byte, 1) < 0 && errno == EINTR)
        ;
    _exit(0);
}

int tc_trace_leave_begin(const int *fds, size_t count, int *ret_gate)
{
    int kept[TC_TRACE_LEAVE_MAX + 1], gate[2];
    pid_t child;

    if (count > TC_TRACE_LEAVE_MAX)
        return -E2BIG;
    if (pipe2(gate, O_CLOEXEC))
        return -errno;
    memcpy(kept, fds, count * sizeof(*fds));
    kept[count++] = gate[0];
    qsort(kept, count, sizeof(kept[0]), by_number);
    child = _Fork(); /* nobody's handlers run: it calls nothing but the kernel */
    if (!child) {
        /* One more, whose parent is not us: nobody has to wait for it. */
        if (!_Fork())
            keep_and_end(kept, count, gate[0]);
        _exit(0);
    }
    close(gate[0]);
    if (child < 0) {
        close(gate[1]);
        return -EAGAIN;
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    *ret_gate = gate[1];
    return 0;
}

void tc_trace_leave_end(int gate)
{
    close(gate);
}
