/* SPDX-License-Identifier: Apache-2.0 */
#include "core/isolate/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for one descriptor, as cmsg(3) wants it. */
union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

int tc_wire_send(int socket, const struct tc_wire_head *head, const void *data, int fd)
{
    struct iovec parts[] = {
        {.iov_base = (void *)(uintptr_t)head, .iov_len = sizeof(*head)},
        {.iov_base = (void *)(uintptr_t)data, .iov_len = head->len},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = head->len ? 2 : 1};
    union control control;
    ssize_t n;

    if (fd >= 0) {
        memset(&control, 0, sizeof(control));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    do
        n = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 0;
    return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

int tc_wire_send_all(int socket, const struct tc_wire_head *head, const void *data)
{
    struct pollfd room = {.fd = socket, .events = POLLOUT};
    int err;

    while ((err = tc_wire_send(socket, head, data, -1)) == -EAGAIN)
        (void)poll(&room, 1, -1);
    return err;
}

/* The descriptor that came with a message, or -1. */
static int take_fd(struct msghdr *message)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(fd)))
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

static bool whole(const struct tc_wire_head *head, size_t n)
{
    return head->magic == TC_WIRE_MAGIC && head->kind && head->kind < TC_WIRE_KINDS &&
           head->len == n - sizeof(*head) &&
           memchr(head->topic, '\0', sizeof(head->topic)) &&
           memchr(head->source, '\0', sizeof(head->source));
}

int tc_wire_receive(int socket, void *buf, struct tc_wire_head *ret_head,
                    const void **ret_data, int *ret_fd)
{
    struct iovec part = {.iov_base = buf, .iov_len = TC_WIRE_BYTES_MAX};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union control control;
    ssize_t n;
    int fd;

    if (ret_fd) { /* without room for it, the kernel takes it back */
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    do
        n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : errno == ECONNRESET ? -EPIPE : -errno;
    if (n == 0)
        return -EPIPE;
    fd = ret_fd ? take_fd(&message) : -1;
    if ((size_t)n >= sizeof(*ret_head))
        memcpy(ret_head, buf, sizeof(*ret_head));
    if ((size_t)n < sizeof(*ret_head) || (message.msg_flags & MSG_TRUNC) ||
        !whole(ret_head, (size_t)n)) {
        if (fd >= 0)
            close(fd);
        return -EPROTO;
    }
    *ret_data = (const char *)buf + sizeof(*ret_head);
    if (ret_fd)
        *ret_fd = fd;
    return 0;
}

static int put_name(char to[TC_WIRE_NAME_BYTES], const char *name)
{
    size_t len = name ? strlen(name) : 0;

    if (len >= TC_WIRE_NAME_BYTES)
        return -ENAMETOOLONG;
    memset(to, 0, TC_WIRE_NAME_BYTES); /* nothing of ours goes along */
    if (len)
        memcpy(to, name, len + 1);
    return 0;
}

int tc_wire_put_event(struct tc_wire_head *head, const struct tocsin_event *event)
{
    int err = put_name(head->topic, event->topic);

    if (!err)
        err = put_name(head->source, event->source);
    if (event->len > TOCSIN_EVENT_MAX_BYTES)
        err = -EMSGSIZE;
    head->event_flags = event->flags;
    head->len = (uint32_t)event->len;
    head->id = event->id;
    head->reply_to = event->reply_to;
    head->time_ns = event->time_ns;
    head->deadline_ns = event->deadline_ns;
    return err;
}

void tc_wire_get_event(const struct tc_wire_head *head, const void *data,
                       struct tocsin_event *ret_event)
{
    *ret_event = (struct tocsin_event){.size = sizeof(*ret_event),
                                       .flags = head->event_flags,
                                       .id = head->id,
                                       .reply_to = head->reply_to,
                                       .time_ns = head->time_ns,
                                       .deadline_ns = head->deadline_ns,
                                       .fd = -1,
                                       .topic = head->topic,
                                       .source = head->source,
                                       .data = data,
                                       .len = head->len};
}
