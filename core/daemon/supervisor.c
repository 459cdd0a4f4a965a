/* SPDX-License-Identifier: Apache-2.0 */
#include "core/daemon/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"

#define MS UINT64_C(1000000)
/* Until the first core is ready, so that systemd is notified soon. */
#define STARTING_LOOK_MS 100
/* What a core has to stop before it is killed: sensors, then detectors, each as long as a
 * plugin may take (TC_PLUGIN_STOP_MS). TimeoutStopSec of the unit is longer. */
#define STOP_MS 12000
/* What processes that the core has left behind have to finish: they let go what it held.
 */
#define HELPERS_MS 1000
/* Awake so much later than asked for, the supervisor was held up, and so was the core. */
#define LATE_MS 1000

struct supervisor {
    struct tc_pulse *pulse;
    tc_core_fn core;
    void *arg;
    sigset_t signals, old_signals;
    pid_t child; /* 0: none runs */
    uint64_t started_ns;
    uint64_t looked_ns; /* when it last ran, in a wait */
    uint64_t
        held_up_until_ns; /* until then the supervisor itself did not run; 0: never */
    uint64_t backoff_ms;
    bool ready_notified;
    bool was_ready; /* some core was, once: from then on a bad exit means restart */
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

void tc_notify(const char *state)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len;
    int fd;

    if (!path || (path[0] != '/' && path[0] != '@'))
        return;
    len = strlen(path);
    if (len >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, path, len);
    /* An abstract socket is written with @ for its leading NUL (sd_notify(3)). */
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                 (struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

/* Waits up to ms for one of our signals; 0 when none came. */
static int wait_signal(const struct supervisor *s, uint64_t ms)
{
    struct timespec timeout = {.tv_sec = (time_t)(ms / 1000),
                               .tv_nsec = (long)(ms % 1000 * MS)};
    int sig = sigtimedwait(&s->signals, NULL, &timeout);

    return sig < 0 ? 0 : sig;
}

static int start_core(struct supervisor *s)
{
    pid_t supervisor = getpid();
    sigset_t mask = s->old_signals;

    s->pulse->starts++;
    s->pulse->supervisor = supervisor;
    s->pulse->plugin[0] = '\0';
    atomic_store(&s->pulse->ready, false);
    s->started_ns = s->looked_ns = clock_ns(CLOCK_MONOTONIC);
    atomic_store(&s->pulse->turned_ns, s->started_ns);
    s->child = fork();
    if (s->child < 0) {
        s->child = 0;
        return -errno;
    }
    if (s->child)
        return 0;
    /* A core without its supervisor would hang unseen: it dies with it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(1);
    /* SIGHUP would end it until it listens: it stays blocked, and waits. */
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    exit(s->core(s->pulse, s->arg));
}

/* Records for the next core how this one ended. */
static void record_end(struct supervisor *s, enum tc_end end, int signal)
{
    struct tc_pulse *pulse = s->pulse;
    uint64_t now = clock_ns(CLOCK_MONOTONIC),
             silent = now - atomic_load(&pulse->turned_ns);

    pulse->end = end;
    pulse->signal = signal;
    memcpy(pulse->end_plugin, pulse->plugin, sizeof(pulse->end_plugin));
    memcpy(pulse->end_holder, pulse->holder, sizeof(pulse->end_holder));
    pulse->end_to_ns = clock_ns(CLOCK_REALTIME);
    pulse->end_from_ns = pulse->end_to_ns - silent;
}

/* Whether the core was found dead. *ret_status is as of waitpid(2). What cores have left
 * behind is reaped as well. */
static bool reap(struct supervisor *s, int *ret_status)
{
    bool dead = false;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != s->child)
            continue;
        s->child = 0;
        *ret_status = status;
        dead = true;
    }
    return dead;
}

/* How long the core has shown no life while it could have. */
static uint64_t silent_ns(const struct supervisor *s)
{
    uint64_t since = atomic_load(&s->pulse->turned_ns), now;

    if (since < s->held_up_until_ns)
        since = s->held_up_until_ns;
    now = clock_ns(CLOCK_MONOTONIC); /* after the load: the core goes on meanwhile */
    return now > since ? now - since : 0;
}

/*
 * How long nothing has to be looked at: a core that hangs now counts as hung when it has
 * been silent for TC_PULSE_STALE_MS, so any look before that is a wake-up for nothing.
 */
static uint64_t look_after_ms(const struct supervisor *s)
{
    uint64_t silent = silent_ns(s) / MS;

    if (!s->ready_notified)
        return STARTING_LOOK_MS;
    return silent < TC_PULSE_STALE_MS ? TC_PULSE_STALE_MS - silent : 1;
}

/*
 * Waits for a signal until something has to be looked at. Stopped, frozen or in a machine
 * that was paused, both processes stood still: then the core gets its time anew.
 */
static int wait_to_look(struct supervisor *s, uint64_t ms)
{
    uint64_t due = s->looked_ns + (ms + LATE_MS) * MS;
    int sig = wait_signal(s, ms);

    s->looked_ns = clock_ns(CLOCK_MONOTONIC);
    if (s->looked_ns > due)
        s->held_up_until_ns = s->looked_ns;
    return sig;
}

static void kill_if_hung(struct supervisor *s)
{
    uint64_t silent = silent_ns(s);
    int status;

    if (silent < TC_PULSE_STALE_MS * MS)
        return;
    record_end(s, TC_END_HUNG, SIGKILL);
    kill(s->child, SIGKILL);
    /* Closing its descriptors frees every process that waits on it. */
    waitpid(s->child, &status, 0);
    s->child = 0;
    s->pulse->end_to_ns = clock_ns(CLOCK_REALTIME);
    tc_log(TOCSIN_LOG_ERROR, "supervisor",
           "the core's loop hung for %" PRIu64 " ms%s%s: killed", silent / MS,
           s->pulse->end_plugin[0] ? " in plugin " : "", s->pulse->end_plugin);
}

static void notify_systemd(struct supervisor *s)
{
    if (atomic_load(&s->pulse->ready)) {
        s->was_ready = true;
        if (!s->ready_notified)
            tc_notify("READY=1\nSTATUS=Protecting");
        s->ready_notified = true;
    }
    /* Also while a core that was started again is not ready: this one looks after it. */
    if (s->ready_notified)
        tc_notify("WATCHDOG=1");
}

/* SIGTERM: passes it on and waits; at the end no core runs. */
static void stop_core(struct supervisor *s)
{
    uint64_t end = clock_ns(CLOCK_MONOTONIC) + STOP_MS * MS, now, left_ms, look_ms;
    int status;

    tc_notify("STOPPING=1");
    kill(s->child, SIGTERM);
    while (!reap(s, &status)) {
        kill_if_hung(s);
        if (!s->child)
            return;
        now = clock_ns(CLOCK_MONOTONIC);
        if (now >= end) {
            tc_log(TOCSIN_LOG_WARNING, "supervisor",
                   "the core did not stop in %d ms: killed", STOP_MS);
            kill(s->child, SIGKILL);
            waitpid(s->child, &status, 0);
            s->child = 0;
            return;
        }
        left_ms = (end - now + MS - 1) / MS;
        look_ms = look_after_ms(s);
        wait_to_look(s, left_ms < look_ms ? left_ms : look_ms);
    }
}

/* Guards that the core has left behind: systemd would kill them once this one has ended.
 */
static void wait_for_helpers(const struct supervisor *s)
{
    uint64_t end = clock_ns(CLOCK_MONOTONIC) + HELPERS_MS * MS, now;

    while ((now = clock_ns(CLOCK_MONOTONIC)) < end) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (errno == ECHILD)
            return;
        wait_signal(s, (end - now + MS - 1) / MS);
    }
}

/* Waits before the next start. False when the wait was ended by SIGTERM or SIGINT. */
static bool back_off(struct supervisor *s)
{
    uint64_t lived = clock_ns(CLOCK_MONOTONIC) - s->started_ns, end, now;
    int sig;

    if (lived >= TC_HEALTHY_MS * MS)
        s->backoff_ms = TC_RESTART_FIRST_MS;
    end = clock_ns(CLOCK_MONOTONIC) + s->backoff_ms * MS;
    tc_log(TOCSIN_LOG_WARNING, "supervisor", "starting the core again in %" PRIu64 " ms",
           s->backoff_ms);
    while ((now = clock_ns(CLOCK_MONOTONIC)) < end) {
        sig = wait_signal(s, (end - now + MS - 1) / MS);
        if (sig == SIGTERM || sig == SIGINT)
            return false;
        if (s->ready_notified)
            tc_notify("WATCHDOG=1");
    }
    s->backoff_ms =
        s->backoff_ms * 2 < TC_RESTART_LAST_MS ? s->backoff_ms * 2 : TC_RESTART_LAST_MS;
    return true;
}

/*
 * Whether a core that ended so is started again: not when it ended well, and not when it
 * never got going, since a bad configuration does not get better by trying.
 */
static bool wants_restart(struct supervisor *s, int status, int *ret_exit)
{
    if (WIFEXITED(status)) {
        *ret_exit = WEXITSTATUS(status);
        if (!*ret_exit || !s->was_ready)
            return false;
        tc_log(TOCSIN_LOG_ERROR, "supervisor", "the core ended with status %d",
               *ret_exit);
        record_end(s, TC_END_CRASHED, 0);
        return true;
    }
    record_end(s, TC_END_CRASHED, WTERMSIG(status));
    tc_log(TOCSIN_LOG_ERROR, "supervisor", "the core was killed by signal %d (%s)%s%s",
           WTERMSIG(status), strsignal(WTERMSIG(status)),
           s->pulse->end_plugin[0] ? " in plugin " : "", s->pulse->end_plugin);
    return true;
}

/* Watches one core until it has ended. True: start another one. */
static bool watch_core(struct supervisor *s, int *ret_exit)
{
    int sig, status;

    while (s->child) {
        sig = wait_to_look(s, look_after_ms(s));
        /* A core that was ready may have died since: look before the signal is dealt
         * with. */
        notify_systemd(s);
        if (reap(s, &status))
            return wants_restart(s, status, ret_exit);
        if (sig == SIGTERM || sig == SIGINT) {
            stop_core(s);
            *ret_exit = 0;
            return false;
        }
        if (sig == SIGHUP)
            kill(s->child, SIGHUP);
        kill_if_hung(s);
    }
    return true;
}

int tc_supervise(tc_core_fn core, void *arg)
{
    struct supervisor s = {.core = core, .arg = arg, .backoff_ms = TC_RESTART_FIRST_MS};
    int status = 1, err;

    s.pulse = mmap(NULL, sizeof(*s.pulse), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s.pulse == MAP_FAILED)
        return 1;
    sigemptyset(&s.signals);
    sigaddset(&s.signals, SIGTERM);
    sigaddset(&s.signals, SIGINT);
    sigaddset(&s.signals, SIGHUP);
    sigaddset(&s.signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &s.signals, &s.old_signals);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    do {
        err = start_core(&s);
        if (err)
            tc_log(TOCSIN_LOG_ERROR, "supervisor", "cannot fork the core: %s",
                   strerror(-err));
        else if (!watch_core(&s, &status))
            goto out;
    } while (back_off(&s));
    status = 0;
out:
    wait_for_helpers(&s);
    sigprocmask(SIG_SETMASK, &s.old_signals, NULL);
    munmap(s.pulse, sizeof(*s.pulse));
    return status;
}
