/* SPDX-License-Identifier: Apache-2.0 */
#include "portal/login.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "portal/link.h"
#include "portal/session.h"
#include "portal/upstream.h"

#define WAITING_MAX 64  /* connections that have not asked yet */
#define OF_USER_MAX 4   /* of those, one user's: nobody keeps others out */
#define ASK_MS 5000     /* how long one may take */
#define MESSAGE_MAX 256 /* bytes of one */

struct asking {
    struct tc_login *login; /* NULL: free */
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    uid_t uid;
    unsigned closing; /* handles that are being closed */
};

struct tc_login {
    uv_poll_t poll;
    int fd;
    struct tc_login_options options;
    struct asking asking[WAITING_MAX];
    bool stopping;
    unsigned handles; /* open, the listener's with it */
};

static void release(struct tc_login *login)
{
    if (!--login->handles && login->stopping)
        free(login);
}

/* ---- one that asks ---- */

static void on_closed(uv_handle_t *handle)
{
    struct asking *a = handle->data;
    struct tc_login *login = a->login;

    if (--a->closing)
        return;
    close(a->fd);
    a->login = NULL;
    release(login);
}

static void end(struct asking *a)
{
    if (a->closing)
        return;
    a->closing = 2;
    uv_close((uv_handle_t *)&a->poll, on_closed);
    uv_close((uv_handle_t *)&a->timer, on_closed);
}

static void say(const struct asking *a, const char *text)
{
    (void)!send(a->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The message, and the descriptor that came along or -1. Anybody may send here, so there
 * is room for one and no more (CMSG_SPACE is room for two): the kernel takes back what
 * else came. */
static ssize_t receive(int socket, char message[MESSAGE_MAX], int *ret_fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = message, .iov_len = MESSAGE_MAX - 1};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t n = recvmsg(socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;

    *ret_fd = -1;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
    message[n > 0 ? n : 0] = '\0';
    return n;
}

/* Whether the socket is connected to the agent that this portal shows: what would be
 * changed through it is what can be seen. */
static bool leads_to_agent(const struct tc_login *login, int fd)
{
    const struct tc_link *link = tc_upstream_link(login->options.upstream);
    struct ucred peer;
    socklen_t len = sizeof(peer);
    uv_uid_t agent;

    return link && !tc_link_peer(link, &agent) &&
           !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && peer.uid == agent;
}

/* Root, or whom the agent runs as: those whose calls change something. */
static bool may_change(const struct tc_login *login, uid_t uid)
{
    uv_uid_t agent;

    return !uid || (!tc_link_peer(tc_upstream_link(login->options.upstream), &agent) &&
                    uid == agent);
}

static void log_in(const struct asking *a, bool look, const char *user, int fd)
{
    const struct tc_login *login = a->login;
    const struct tc_session *session;
    enum tc_role role = TC_ROLE_VIEWER;
    struct ucred who;
    socklen_t len = sizeof(who);
    char url[160];

    if (getsockopt(a->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) ||
        !leads_to_agent(login, fd)) {
        say(a, "error: that is no connection to the agent that this portal shows");
        close(fd);
        return;
    }
    if (!look && may_change(login, who.uid)) {
        role = TC_ROLE_OPERATOR;
    } else {
        close(fd); /* reading goes through the portal's own */
        fd = -1;
    }
    session = tc_sessions_add(login->options.sessions, role, who.uid, user, fd);
    if (!session) {
        say(a, "error: the portal has no room for one more");
        return;
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/login#%s", login->options.port,
             session->secret);
    say(a, url);
}

static void on_asked(uv_poll_t *poll, int status, int events)
{
    struct asking *a = poll->data;
    char message[MESSAGE_MAX], what[16], user[48];
    int fd = -1;

    (void)events;
    if (status || receive(a->fd, message, &fd) <= 0) {
        if (fd >= 0)
            close(fd);
        end(a);
        return;
    }
    if (sscanf(message, "%15s %47s", what, user) != 2 || fd < 0 ||
        (strcmp(what, "login") != 0 && strcmp(what, "look") != 0)) {
        say(a, "error: this portal is of another version than the command");
        if (fd >= 0)
            close(fd);
    } else {
        log_in(a, !strcmp(what, "look"), user, fd);
    }
    end(a);
}

static void on_slow(uv_timer_t *timer)
{
    end(timer->data);
}

/* A place for one more of that user; NULL: there is none. */
static struct asking *place_for(struct tc_login *login, uid_t uid)
{
    struct asking *place = NULL;
    size_t of_user = 0;

    for (struct asking *a = login->asking; a < login->asking + WAITING_MAX; a++) {
        if (!a->login)
            place = a;
        else if (a->uid == uid)
            of_user++;
    }
    return of_user < OF_USER_MAX ? place : NULL;
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct tc_login *login = poll->data;
    int fd = accept4(login->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred who;
    socklen_t len = sizeof(who);
    struct asking *a = NULL;

    (void)status;
    (void)events;
    if (fd < 0)
        return;
    if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
        a = place_for(login, who.uid);
    if (!a) {
        close(fd);
        return;
    }
    a->login = login;
    a->fd = fd;
    a->uid = who.uid;
    a->closing = 0;
    login->handles++;
    (void)uv_poll_init(poll->loop, &a->poll, fd);
    (void)uv_timer_init(poll->loop, &a->timer);
    a->poll.data = a->timer.data = a;
    (void)uv_poll_start(&a->poll, UV_READABLE, on_asked);
    (void)uv_timer_start(&a->timer, on_slow, ASK_MS, 0);
}

/* ---- start and stop ---- */

static int listen_at(const char *path, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    (void)unlink(path);
    /* Who may do what is asked of the agent. */
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
        chmod(path, 0666) || listen(fd, WAITING_MAX)) {
        int err = -errno;

        close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

int tc_login_start(uv_loop_t *loop, const struct tc_login_options *options,
                   struct tc_login **ret_login, char why[256])
{
    struct tc_login *login = calloc(1, sizeof(*login));
    int err = login ? listen_at(options->path, &login->fd) : -ENOMEM;

    if (err) {
        snprintf(why, 256, "cannot listen at %.180s: %s", options->path, strerror(-err));
        free(login);
        return err;
    }
    login->options = *options;
    login->handles = 1;
    (void)uv_poll_init(loop, &login->poll, login->fd);
    login->poll.data = login;
    (void)uv_poll_start(&login->poll, UV_READABLE, on_connection);
    *ret_login = login;
    return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct tc_login *login = handle->data;

    close(login->fd);
    release(login);
}

void tc_login_stop(struct tc_login *login)
{
    if (!login)
        return;
    login->stopping = true;
    /* The socket stays: nothing may be removed any more (portal/confine.h). */
    for (size_t i = 0; i < WAITING_MAX; i++)
        if (login->asking[i].login)
            end(&login->asking[i]);
    uv_close((uv_handle_t *)&login->poll, on_listener_closed);
}
