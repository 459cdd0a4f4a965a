/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/kext_scratch.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

bool tc_kext_scratch_possible(void)
{
    if (geteuid() || access("/sys/kernel/btf/vmlinux", R_OK)) {
        print_message("skipped: BPF with type information: %s\n", strerror(errno));
        return false;
    }
    if (!tc_scratch_possible())
        return false;
    /* What a killed plugin leaves there goes with the test's namespace. */
    if (!mount("tocsin-test", TC_KEXT_BPF_FOLDER, "bpf", 0, NULL))
        return true;
    print_message("skipped: " TC_KEXT_BPF_FOLDER ": %s\n", strerror(errno));
    return false;
}

int tc_kext_scratch_setup(void **state)
{
    static struct tc_scratch scratch;

    tc_scratch_start(&scratch, "kext", NULL, NULL);
    *state = &scratch;
    return 0;
}

bool tc_kext_has_lsm(const struct tc_scratch *s)
{
    return !strcmp(tc_harness_reported(&s->h, "sensor_mechanism")->text, "bpf_lsm");
}

struct wait {
    struct tc_harness *h;
    const char *name;
    int64_t least;
};

static bool count_reached(struct tc_harness *h)
{
    const struct wait *wait = h->arg;

    return tc_harness_count(h, wait->name) >= (size_t)wait->least;
}

bool tc_kext_await_stat(struct tc_scratch *s, const char *name, int64_t least)
{
    uint64_t until_ns = uv_hrtime() + TC_HARNESS_WAIT_MS * 1000000ull;

    while (tc_scratch_stat(s, name) < least) {
        if (uv_hrtime() >= until_ns)
            return false;
        tc_harness_run_for(&s->h, 1);
    }
    return true;
}

bool tc_kext_await_count(struct tc_scratch *s, const char *topic, size_t least)
{
    struct wait wait = {&s->h, topic, (int64_t)least};

    s->h.arg = &wait;
    return tc_harness_run(&s->h, count_reached, TC_HARNESS_WAIT_MS);
}

void tc_kext_make_bad(struct tc_scratch *s, const char *path)
{
    tc_harness_publish_file(&s->h, TOCSIN_TOPIC_THREAT_DETECTED, 0, path);
    tc_harness_settle(&s->h);
}
