/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: `tocsin portal login`: connects to the agent and hands that connection to the
 * portal, which may then do what this user may (portal/login.h), and prints the way in.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "ipc/json.h"

#define PORTAL_SOCKET "/run/tocsin-portal/login.sock"
#define ANSWER_MAX 512

static int connect_to(const char *path, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    *ret_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (*ret_fd < 0)
        return -errno;
    return connect(*ret_fd, (const struct sockaddr *)&address, sizeof(address)) ? -errno
                                                                                : 0;
}

static int hand_over(int socket, const char *message, int fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct iovec part = {.iov_base = (void *)(uintptr_t)message,
                         .iov_len = strlen(message)};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    return sendmsg(socket, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Who it is that logs in, for people: who called sudo, where somebody did. */
static const char *user_name(void)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *p = getpwuid(getuid());

    return sudo && *sudo ? sudo : p ? p->pw_name : "unknown";
}

static int ask(const struct tc_cli *cli, int socket, char answer[ANSWER_MAX])
{
    char message[128];
    ssize_t n;
    int err;

    snprintf(message, sizeof(message), "%s %.40s",
             tc_args_option(cli, "viewer") ? "look" : "login", user_name());
    err = hand_over(socket, message, tc_client_fd(cli->client));
    if (err)
        return err;
    n = recv(socket, answer, ANSWER_MAX - 1, 0);
    answer[n > 0 ? n : 0] = '\0';
    return n > 0 ? 0 : n < 0 ? -errno : -EPIPE;
}

static int print_link(const struct tc_cli *cli, const char *link)
{
    if (!cli->json) {
        puts(link);
        return TC_EXIT_DONE;
    }
    fputs("{\"url\":", stdout);
    tc_json_string(stdout, link, strlen(link));
    puts("}");
    return TC_EXIT_DONE;
}

int tc_run_portal_login(struct tc_cli *cli)
{
    static const char error[] = "error: ";
    const char *given = tc_args_option(cli, "portal"), *set = getenv("TOCSIN_PORTAL");
    const char *path = given ? given : set && *set ? set : PORTAL_SOCKET;
    char answer[ANSWER_MAX];
    int socket = -1, err, r;

    r = tc_call_connect(cli);
    if (r)
        return r;
    err = connect_to(path, &socket);
    if (!err)
        err = ask(cli, socket, answer);
    if (socket >= 0)
        close(socket);
    if (err)
        return tc_call_failed("no portal answers at %s (%s); start it with: systemctl "
                              "start tocsin-portal",
                              path, strerror(-err));
    if (!strncmp(answer, error, strlen(error)))
        return tc_call_failed("%s", answer + strlen(error));
    return print_link(cli, answer);
}
