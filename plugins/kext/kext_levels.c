/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the choice of a level. A level is kept when its programs could be loaded and
 * attached, and the canary has come through them; else the next one is tried. Pool
 * thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kext.h"
#include "sensor_clock.h"

#define NS_PER_MS 1000000ull
#define CANARY_WAIT_MS 2000

/* ---- The mode. ---- */

void tc_kext_levels_set_mode(struct tc_kext *kext)
{
    struct tc_kext_control *control = kext->programs.control;
    uint64_t now_ns = kext->host->now_ns(kext->host);
    uint64_t keep_ms = kext->keep_refusing_ms > TC_KEXT_PATIENCE_MS
                           ? kext->keep_refusing_ms
                           : TC_KEXT_PATIENCE_MS;

    __atomic_store_n(&control->enforce, !kext->passive, __ATOMIC_RELAXED);
    __atomic_store_n(&control->hold, kext->hold && !kext->passive, __ATOMIC_RELAXED);
    __atomic_store_n(&control->refuse_until_ns, now_ns + keep_ms * NS_PER_MS,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&control->hold_until_ns, now_ns + TC_KEXT_PATIENCE_MS * NS_PER_MS,
                     __ATOMIC_RELAXED);
}

/* ---- The canary. ---- */

/* What an execution of it must come to, by level and mode. */
static enum tc_kext_ended expected(const struct tc_kext *kext)
{
    if (!kext->programs.control->enforce)
        return TC_KEXT_ENDED_RAN;
    return kext->programs.level == TC_KEXT_LEVEL_LSM ? TC_KEXT_ENDED_REFUSED
                                                     : TC_KEXT_ENDED_KILLED;
}

static int prove_exec(struct tc_kext *kext, char why[256])
{
    static const char *const words[] = {[TC_KEXT_ENDED_RAN] = "ran",
                                        [TC_KEXT_ENDED_KILLED] = "was killed",
                                        [TC_KEXT_ENDED_REFUSED] = "was refused"};
    enum tc_kext_ended ended = TC_KEXT_ENDED_RAN, wanted = expected(kext);
    uint64_t since_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);
    int err = tc_kext_canary_execute(&kext->canary, &ended);

    if (err) {
        snprintf(why, 256, "the canary could not be executed: %s%s", strerror(-err),
                 err == -EACCES ? " (is paths.state mounted noexec?)" : "");
        return err;
    }
    if (ended != wanted) {
        snprintf(why, 256, "the canary %s, where it should have been %s", words[ended],
                 wanted == TC_KEXT_ENDED_RAN ? "allowed" : words[wanted] + 4);
        return -EIO;
    }
    err = tc_kext_reader_await_canary(&kext->reader, true, since_ns, CANARY_WAIT_MS);
    if (err)
        snprintf(why, 256, "the kernel did not report the canary");
    return err;
}

static int prove_open(struct tc_kext *kext, char why[256])
{
    uint64_t since_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);
    int err = tc_kext_canary_open(&kext->canary);

    if (err != -EPERM) {
        snprintf(why, 256, "the canary could be opened");
        return -EIO;
    }
    err = tc_kext_reader_await_canary(&kext->reader, false, since_ns, CANARY_WAIT_MS);
    if (err)
        snprintf(why, 256, "the kernel did not report the opened canary");
    return err;
}

int tc_kext_prove(struct tc_kext *kext)
{
    char why[256] = "";
    int err = prove_exec(kext, why);

    if (!err && expected(kext) == TC_KEXT_ENDED_REFUSED)
        err = prove_open(kext, why);
    if (err)
        snprintf(kext->why, sizeof(kext->why), "%.250s", why);
    return err;
}

/* ---- The level. ---- */

static void set_own(struct tc_kext *kext)
{
    struct tc_kext_control *control = kext->programs.control;

    control->own[0] = (uint32_t)getpid();
    if (kext->host->is_agent(kext->host, getppid())) /* the supervisor */
        control->own[1] = (uint32_t)getppid();
}

/* What an agent that died has known goes on being refused, from the first moment on. */
static void inherit(struct tc_kext *kext)
{
    kext->inherited_until_ns =
        tc_kext_pins_inherit(&kext->pins, &kext->programs, &kext->inherited);
}

/* Should we die: not without that is as good as it was before. */
static void outlive(struct tc_kext *kext)
{
    char why[256] = "";

    if (kext->keep_refusing_ms && tc_kext_pins_take(&kext->pins, &kext->programs, why))
        kext->host->log(kext->host, TOCSIN_LOG_WARNING,
                        "what is known bad is not refused while the agent restarts: %s",
                        why);
}

/* The scan that is there was made before there were maps to put it into. */
static int set_folders(struct tc_kext *kext)
{
    return tc_kext_set_folders(&kext->programs, kext->scan.folders,
                               kext->scan.folder_count);
}

static int try_level(struct tc_kext *kext, enum tc_kext_level level, char why[256])
{
    bool opens = kext->opens == TC_KEXT_OPENS_ON ||
                 (kext->opens == TC_KEXT_OPENS_AUTO && level == TC_KEXT_LEVEL_LSM);
    int err = tc_kext_load(&kext->programs, level, &kext->sizes, kext->host, why);

    if (err)
        return err;
    set_own(kext);
    tc_kext_levels_set_mode(kext);
    inherit(kext);
    err = set_folders(kext);
    if (!err)
        err = tc_kext_put_bad(&kext->programs, &kext->canary.key,
                              TC_KEXT_FOR_OPEN | TC_KEXT_FOR_EXEC);
    if (!err) {
        kext->reader.muted = true;
        err = tc_kext_reader_start(&kext->reader, kext->sizes.ring_bytes);
    }
    if (err) {
        snprintf(why, 256, "%s", strerror(-err));
        goto out;
    }
    tc_kext_reader_set_canary(&kext->reader, &kext->canary.key);
    err = tc_kext_attach(&kext->programs, opens, why);
    if (err)
        goto out;
    err = tc_kext_prove(kext);
    if (err)
        snprintf(why, 256, "%.250s", kext->why);
out:
    if (err)
        tc_kext_levels_leave(kext);
    return err;
}

void tc_kext_levels_leave(struct tc_kext *kext)
{
    tc_kext_pins_drop(&kext->pins);
    tc_kext_detach(&kext->programs);
    tc_kext_reader_stop(&kext->reader);
    tc_kext_guard_stop(&kext->guard);
}

int tc_kext_levels_enter(struct tc_kext *kext)
{
    char upper[256] = "", lower[256] = "";
    int err;

    err = try_level(kext, TC_KEXT_LEVEL_LSM, upper);
    if (err) {
        tc_kext_unload(&kext->programs);
        err = try_level(kext, TC_KEXT_LEVEL_TRACING, lower);
    }
    if (err)
        tc_kext_unload(&kext->programs);
    snprintf(kext->why, sizeof(kext->why), "%.240s%s%.240s", upper, *lower ? "; " : "",
             lower);
    if (!err)
        outlive(kext);
    if (!err && kext->hold)
        err = tc_kext_guard_start(&kext->guard, &kext->programs);
    return err;
}
