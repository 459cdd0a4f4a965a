/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Votes, deny where the path says so, with what it reads from the event's descriptor as
 * the reason; and wrecks its process in the way that `how` names: in that callback, or at
 * the event whose path says "trigger". For `look` it reports what its process may do.
 */
#include "plain.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/isolate/wire.h"

struct wrecks {
    const struct tocsin_host *host;
    struct tocsin_timer *timer;
};

static bool how_is(const struct wrecks *wrecks, const char *how)
{
    return !strcmp(wrecks->host->option_text(wrecks->host, "how"), how);
}

static void die(void *arg)
{
    (void)arg;
    abort();
}

static void nothing(void *arg, int status)
{
    (void)arg;
    (void)status;
}

static int wrecks_init(const struct tocsin_host *host, void **ret_state)
{
    struct wrecks *wrecks = calloc(1, sizeof(*wrecks));

    if (!wrecks)
        return -ENOMEM;
    wrecks->host = host;
    if (how_is(wrecks, "init"))
        abort();
    *ret_state = wrecks;
    return 0;
}

/* ---- What its process may do ---- */

static void say(const struct wrecks *wrecks, const char *key, long result)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%ld", result < 0 ? -(long)errno : 0L);
    wrecks->host->report(wrecks->host, TOCSIN_REPORT_FACT, key, text, NULL);
}

static void try_open(const struct wrecks *wrecks, const char *key, const char *path,
                     int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    say(wrecks, key, fd);
    if (fd >= 0)
        close(fd);
}

static void look(const struct wrecks *wrecks)
{
    const struct tocsin_host *host = wrecks->host;
    const char *folder = host->option_text(host, "folder");
    char path[4200], text[32];

    try_open(wrecks, "passwd", "/etc/passwd", O_RDONLY);
    try_open(wrecks, "tmp", "/tmp/tocsin-wrecks", O_WRONLY | O_CREAT);
    (void)snprintf(path, sizeof(path), "%s/rule", folder);
    try_open(wrecks, "option", path, O_RDONLY);
    try_open(wrecks, "option_write", path, O_WRONLY);
    (void)snprintf(path, sizeof(path), "%s/kept", host->state_dir(host));
    try_open(wrecks, "state", path, O_WRONLY | O_CREAT);
    say(wrecks, "socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    say(wrecks, "execve", execve("/bin/true", (char *[]){NULL}, (char *[]){NULL}));
    say(wrecks, "ptrace", syscall(SYS_ptrace, 0, 0, 0, 0));
    say(wrecks, "kill", syscall(SYS_kill, getppid(), 0));
    (void)snprintf(text, sizeof(text), "%u", (unsigned)getuid());
    host->report(host, TOCSIN_REPORT_FACT, "uid", text, NULL);
}

static int wrecks_start(void *state)
{
    struct wrecks *wrecks = state;

    if (how_is(wrecks, "start"))
        abort();
    if (how_is(wrecks, "look"))
        look(wrecks);
    return 0;
}

/* ---- At the trigger ---- */

static void hog(void)
{
    for (;;) {
        char *some = malloc(1 << 20);

        memset(some, 1, 1 << 20); /* at the limit, some is NULL */
    }
}

/* A process that was taken over says what no plugin may. */
static void lie(const struct tocsin_event *event)
{
    static const uint8_t map[] = {0x81, 0xa8, 'd',  'e', 'c', 'i', 's', 'i',
                                  'o',  'n',  0xa5, 'a', 'l', 'l', 'o', 'w'};
    struct {
        struct tc_wire_head head;
        uint8_t data[sizeof(map)];
    } frame = {.head = {.magic = TC_WIRE_MAGIC,
                        .kind = TC_WIRE_PUBLISH,
                        .event_flags = TOCSIN_EVENT_AUTH,
                        .len = sizeof(map),
                        .reply_to = event->id,
                        .topic = TOCSIN_TOPIC_VERDICT_FINAL}};

    memcpy(frame.data, map, sizeof(map));
    (void)!send(TC_WIRE_FD_SOCKET, &frame, sizeof(frame.head) + sizeof(map), 0);
}

static void vote(const struct wrecks *wrecks, const struct tocsin_event *event)
{
    struct tocsin_str path = tocsin_event_str(event, TOCSIN_FIELD_FILE_PATH);
    bool deny = path.ptr && memmem(path.ptr, path.len, "deny", 4);
    char text[16] = "";

    if (event->fd >= 0 && pread(event->fd, text, sizeof(text) - 1, 0) < 0)
        text[0] = '\0';
    (void)tocsin_vote(wrecks->host, event, !deny, !deny, text);
}

static void wreck(struct wrecks *wrecks, const struct tocsin_event *event)
{
    const struct tocsin_host *host = wrecks->host;
    pid_t pid;

    if (how_is(wrecks, "event"))
        abort();
    if (how_is(wrecks, "hog"))
        hog();
    if (how_is(wrecks, "timer"))
        (void)host->timer_start(host, 1, 0, die, wrecks, &wrecks->timer);
    if (how_is(wrecks, "work"))
        (void)host->work(host, die, nothing, wrecks);
    if (how_is(wrecks, "garbage"))
        (void)!send(TC_WIRE_FD_SOCKET, "garbage", 7, 0);
    if (how_is(wrecks, "close"))
        close(TC_WIRE_FD_SOCKET);
    while (how_is(wrecks, "hang"))
        ;
    if (how_is(wrecks, "lie")) {
        lie(event);
        vote(wrecks, event);
    }
    if (how_is(wrecks, "fork")) {
        pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid > 0)
            (void)waitpid(pid, NULL, 0);
        (void)tocsin_vote(host, event, pid < 0, false, "it has forked");
    }
}

static void wrecks_event(void *state, const struct tocsin_event *event)
{
    struct tocsin_str path = tocsin_event_str(event, TOCSIN_FIELD_FILE_PATH);

    if (path.ptr && memmem(path.ptr, path.len, "trigger", 7))
        wreck(state, event);
    else if (event->flags & TOCSIN_EVENT_AUTH)
        vote(state, event);
}

static int wrecks_reload(void *state)
{
    if (how_is(state, "reload"))
        abort();
    return 0;
}

static const char *const publishes[] = {TOCSIN_TOPIC_VERDICT, NULL};
static const char *const subscribes[] = {TOCSIN_TOPIC_FILE_OPEN, "test.in", NULL};

static const struct tocsin_option options[] = {
    {.name = "how", .type = TOCSIN_OPTION_TEXT, .fallback = "", .help = "Where."},
    {.name = "word", .type = TOCSIN_OPTION_TEXT, .fallback = "", .help = "Not used."},
    {.name = "folder", .type = TOCSIN_OPTION_TEXT, .fallback = "", .help = "To read."},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("wrecks"),
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = wrecks_init,
    .start = wrecks_start,
    .event = wrecks_event,
    .reload = wrecks_reload,
    .stop = plain_stop,
    .destroy = free,
};
