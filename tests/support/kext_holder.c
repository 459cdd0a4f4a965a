/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/kext_holder.h"

#include "tests/support/kext_scratch.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The holder's life: never ends by itself. Files: `known`, known bad; `unknown`. */
static void holder_main(int ready, const char *const *options)
{
    static struct tc_scratch s;
    struct tc_kext_holder holder;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(TC_SCRATCH_ALARM_S);
    tc_scratch_start(&s, "kext", NULL, options);
    s.h.decide = NULL; /* nobody ever answers */
    memset(&holder, 0, sizeof(holder));
    snprintf(holder.at.root, sizeof(holder.at.root), "%s", s.root);
    snprintf(holder.at.dir, sizeof(holder.at.dir), "%s", s.h.dir);
    snprintf(holder.at.known, sizeof(holder.at.known), "%s",
             tc_scratch_in(&s, "known/true"));
    snprintf(holder.at.unknown, sizeof(holder.at.unknown), "%s",
             tc_scratch_in(&s, "unknown/true"));
    if (mkdir(tc_scratch_in(&s, "known"), 0755) ||
        mkdir(tc_scratch_in(&s, "unknown"), 0755))
        _exit(1);
    tc_child_put_program(holder.at.known, "/usr/bin/true");
    tc_child_put_program(holder.at.unknown, "/usr/bin/true");
    tc_kext_make_bad(&s, holder.at.known);
    if (write(ready, &holder.at, sizeof(holder.at)) != sizeof(holder.at))
        _exit(1);
    uv_run(&s.h.loop, UV_RUN_DEFAULT);
    _exit(1);
}

void tc_kext_holder_start(struct tc_kext_holder *holder, const char *const *options)
{
    int ready[2];

    assert_int_equal(pipe(ready), 0);
    holder->pid = fork();
    assert_true(holder->pid >= 0);
    if (!holder->pid) {
        close(ready[0]);
        holder_main(ready[1], options);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &holder->at, sizeof(holder->at)), sizeof(holder->at));
    close(ready[0]);
}

void tc_kext_holder_end(struct tc_kext_holder *holder)
{
    kill(holder->pid, SIGKILL);
    waitpid(holder->pid, NULL, 0);
    tc_harness_remove_folder(holder->at.dir);
    assert_int_equal(umount2(holder->at.root, MNT_DETACH), 0);
    assert_int_equal(rmdir(holder->at.root), 0);
}

bool tc_kext_runs(const char *path)
{
    int status, pid = tc_child_begin(tc_child_become, path, NULL);

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && !WEXITSTATUS(status);
}
