/* SPDX-License-Identifier: Apache-2.0 */
#include "core/daemon/trial_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/why.h"

#define CGROUP2_SUPER_MAGIC 0x63677270 /* linux/magic.h */
#define HTTP_PORT 80

/* ---- What the filter needs. ---- */

static bool has_cgroup2(void)
{
    struct statfs fs;

    return (!statfs("/sys/fs/cgroup", &fs) && fs.f_type == CGROUP2_SUPER_MAGIC) ||
           (!statfs("/sys/fs/cgroup/unified", &fs) && fs.f_type == CGROUP2_SUPER_MAGIC);
}

static const char *lacking(void)
{
    if (!has_cgroup2())
        return "no cgroup2 file system is mounted";
    return access("/sys/kernel/btf/vmlinux", R_OK) ? "the kernel has no BTF" : NULL;
}

/* ---- In the child: the namespace. ---- */

static int set_up_loopback(int fd)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

    return ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
}

/* With its class's mask, /24: on loopback the machine answers for the whole network. */
static int add_network(int fd, const char *label, const char *address)
{
    struct ifreq request;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = inet_addr(address)};

    memset(&request, 0, sizeof(request));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", label);
    memcpy(&request.ifr_addr, &at, sizeof(at));
    return ioctl(fd, SIOCSIFADDR, &request) ? -errno : 0;
}

static int listen_to_all(int *ret_fd)
{
    const struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(HTTP_PORT)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) || listen(fd, 16)) {
        close(fd);
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

/* The networks for documents (RFC 5737), of which the sample indicators are. */
static int make_network(int *ret_server)
{
    int fd, err;

    if (unshare(CLONE_NEWNET))
        return -errno;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    err = set_up_loopback(fd);
    if (!err)
        err = add_network(fd, "lo:1", "192.0.2.1");
    if (!err)
        err = add_network(fd, "lo:2", "198.51.100.1");
    if (!err)
        err = add_network(fd, "lo:3", "203.0.113.1");
    if (!err)
        err = listen_to_all(ret_server);
    close(fd);
    return err;
}

/* One request, up to the empty line that ends it, and its answer. */
static void answer(int fd)
{
    static const char text[] = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"
                               "Nothing has blocked this.\n";
    const struct timeval patience = {.tv_sec = 1};
    char request[4096] = "";
    size_t len = 0;
    ssize_t n;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    while (len < sizeof(request) - 1 && !strstr(request, "\r\n\r\n")) {
        n = recv(fd, request + len, sizeof(request) - 1 - len, 0);
        if (n <= 0)
            return;
        len += (size_t)n;
        request[len] = '\0';
    }
    (void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
}

static void serve(int server)
{
    int fd;

    while ((fd = accept4(server, NULL, NULL, SOCK_CLOEXEC)) >= 0 ||
           errno == ECONNABORTED) {
        if (fd < 0)
            continue;
        answer(fd);
        close(fd);
    }
}

/* `report` takes the outcome: 0 or -errno. Signals of the terminal are for the agent. */
static _Noreturn void hold(int report, pid_t parent)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), server = -1, err;
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    prctl(PR_SET_NAME, "tocsin-network");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd);
    err = make_network(&server);
    if (write(report, &err, sizeof(err)) == sizeof(err) && !err) {
        close(report);
        serve(server);
    }
    _exit(1);
}

/* ---- In the parent. ---- */

int tc_trial_network_start(struct tc_trial_network *network, char why[256])
{
    const char *lack = lacking();
    pid_t parent = getpid();
    int ends[2], outcome = -EIO;

    network->holder = 0;
    if (lack) {
        tc_why(why, "%s", lack);
        return -ENOTSUP;
    }
    if (pipe2(ends, O_CLOEXEC)) {
        outcome = -errno;
        goto out;
    }
    network->holder = fork();
    if (!network->holder)
        hold(ends[1], parent);
    if (network->holder < 0)
        outcome = -errno;
    close(ends[1]);
    (void)!read(ends[0], &outcome, sizeof(outcome)); /* nothing: it was killed */
    close(ends[0]);
out:
    if (!outcome)
        return 0;
    tc_trial_network_stop(network);
    tc_why(why, "a network namespace cannot be made: %s", strerror(-outcome));
    return outcome;
}

void tc_trial_network_stop(struct tc_trial_network *network)
{
    if (network->holder > 0) {
        kill(network->holder, SIGKILL);
        waitpid(network->holder, NULL, 0);
    }
    network->holder = 0;
}
