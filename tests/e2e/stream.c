/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long transfer, and how long it ever stood still:
 *   tocsin_stream send ADDRESS PORT MEGABYTES   so many a second, until the other ends
 *   tocsin_stream receive PORT    prints "listening"; then, for each line that it reads,
 *                                 "BYTES MICROSECONDS": what came since the last one, and
 *                                 the longest time in which nothing did
 * Both ask for real-time scheduling: what is measured is the network, not who else runs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[64 * 1024];

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

/* Paced by TCP, so that it takes a part of a processor only. */
static int run_send(const char *address, const char *port, const char *megabytes)
{
    unsigned rate = (unsigned)atoi(megabytes) * 1000000u;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, address, &to.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
        return fail("connect");
    while (send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL) > 0)
        ;
    return fail("send");
}

static int run_receive(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port))};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, fd;
    uint64_t bytes = 0, longest = 0, last, now;
    ssize_t n;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 1))
        return fail("listen");
    puts("listening");
    fflush(stdout);
    fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return fail("accept");
    last = now_us();
    for (;;) {
        struct pollfd polls[2] = {{.fd = fd, .events = POLLIN},
                                  {.fd = STDIN_FILENO, .events = POLLIN}};

        poll(polls, 2, -1);
        now = now_us();
        if (now - last > longest)
            longest = now - last;
        if (polls[0].revents) {
            n = recv(fd, buffer, sizeof(buffer), 0);
            if (n <= 0)
                return fail(n ? "recv" : "ended");
            bytes += (uint64_t)n;
            last = now_us();
        }
        if (polls[1].revents) {
            if (read(STDIN_FILENO, buffer, 1) <= 0)
                return 0;
            printf("%llu %llu\n", (unsigned long long)bytes, (unsigned long long)longest);
            fflush(stdout);
            bytes = longest = 0;
        }
    }
}

int main(int argc, char **argv)
{
    const struct sched_param first = {.sched_priority = 1};

    prctl(PR_SET_PDEATHSIG, 9);
    alarm(280);
    if (sched_setscheduler(0, SCHED_FIFO, &first))
        (void)setpriority(PRIO_PROCESS, 0, -20);
    if (argc == 5 && !strcmp(argv[1], "send"))
        return run_send(argv[2], argv[3], argv[4]);
    if (argc == 3 && !strcmp(argv[1], "receive"))
        return run_receive(argv[2]);
    return 255;
}
