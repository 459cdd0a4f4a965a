/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nf_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 50000

static int own_namespace(void)
{
    return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

void nf_network_enter(const struct nf_network *network, enum nf_network_host host)
{
    assert_int_equal(setns(network->hosts[host], CLONE_NEWNET), 0);
}

int nf_network_shell(const char *line)
{
    char *whole;
    int status;

    assert_true(asprintf(&whole, "PATH=/usr/sbin:/sbin:/usr/bin:/bin; %s", line) > 0);
    status = system(whole); /* NOLINT(cert-env33-c): a test's own words */
    free(whole);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

char *nf_network_output(const char *line)
{
    char *whole, *text = NULL;
    size_t len = 0;
    FILE *out;

    assert_true(asprintf(&whole, "PATH=/usr/sbin:/sbin:/usr/bin:/bin; %s", line) > 0);
    out = popen(whole, "re"); /* NOLINT(cert-env33-c): a test's own words */
    assert_non_null(out);
    if (getdelim(&text, &len, '\0', out) < 0) {
        free(text);
        text = strdup("");
    }
    assert_non_null(text);
    pclose(out);
    free(whole);
    return text;
}

static void put_sysctl(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "1\n", 2), 2);
    close(fd);
}

/* A pair of devices between this host and the router. */
static void join(const struct nf_network *network, enum nf_network_host host, int net)
{
    char line[1024];

    nf_network_enter(network, host);
    snprintf(line, sizeof line,
             "/usr/sbin/ip -batch - <<END\n"
             "link set lo up\n"
             "link add eth%d type veth peer name router%d\n"
             "link set router%d netns /proc/%d/fd/%d\n"
             "link set eth%d up\n"
             "addr add 10.77.%d.2/24 dev eth%d\n"
             "addr add fd77:%d::2/64 dev eth%d nodad\n"
             "END\n",
             net, net, net, getpid(), network->hosts[NF_ROUTER], net, net, net, net, net);
    assert_int_equal(nf_network_shell(line), 0);
    nf_network_enter(network, NF_ROUTER);
    snprintf(line, sizeof line,
             "/usr/sbin/ip -batch - <<END\n"
             "link set lo up\n"
             "link set router%d up\n"
             "addr add 10.77.%d.1/24 dev router%d\n"
             "addr add fd77:%d::1/64 dev router%d nodad\n"
             "END\n",
             net, net, net, net, net);
    assert_int_equal(nf_network_shell(line), 0);
    nf_network_enter(network, host);
    snprintf(line, sizeof line,
             "/usr/sbin/ip -batch - <<END\n"
             "route add default via 10.77.%d.1\n"
             "route add ::/0 via fd77:%d::1\n"
             "END\n",
             net, net);
    assert_int_equal(nf_network_shell(line), 0);
}

bool nf_network_init(struct nf_network *network)
{
    alarm(NF_NETWORK_ALARM_S);
    for (int i = NF_HOSTS; i-- > 0;) {
        if (unshare(CLONE_NEWNET)) {
            printf("skipped: no network namespace of its own: %s\n", strerror(errno));
            return false;
        }
        network->hosts[i] = own_namespace();
        if (network->hosts[i] < 0)
            return false;
    }
    nf_network_enter(network, NF_CLIENT);
    if (nf_network_shell("nft list tables")) {
        printf("skipped: no nftables here\n");
        return false;
    }
    join(network, NF_CLIENT, 1);
    join(network, NF_SERVER, 2);
    nf_network_enter(network, NF_ROUTER);
    put_sysctl("/proc/sys/net/ipv4/ip_forward");
    put_sysctl("/proc/sys/net/ipv6/conf/all/forwarding");
    nf_network_enter(network, NF_CLIENT);
    return true;
}

static socklen_t put_address(struct sockaddr_storage *to, int family, const char *text,
                             uint16_t port)
{
    struct sockaddr_in *in = (void *)to;
    struct sockaddr_in6 *in6 = (void *)to;

    memset(to, 0, sizeof *to);
    to->ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        in->sin_port = htons(port);
        assert_int_equal(inet_pton(family, text, &in->sin_addr), 1);
        return sizeof *in;
    }
    in6->sin6_port = htons(port);
    assert_int_equal(inet_pton(family, text, &in6->sin6_addr), 1);
    return sizeof *in6;
}

int nf_network_bind(int family, int type, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t len =
        put_address(&address, family, family == AF_INET ? "0.0.0.0" : "::", port);
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int one = 1;

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    if (family == AF_INET6)
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one), 0);
    if (port)
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
    return fd;
}

int nf_network_serve(const struct nf_network *network, int family, int type,
                     uint16_t port)
{
    int fd;

    nf_network_enter(network, NF_SERVER);
    fd = nf_network_bind(family, type, port);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 64), 0);
    nf_network_enter(network, NF_CLIENT);
    return fd;
}

int nf_network_connect(int family, int type, const char *address, uint16_t source_port,
                       uint16_t port)
{
    struct sockaddr_storage to;
    socklen_t len = put_address(&to, family, address, port);
    int fd = nf_network_bind(family, type, source_port);

    if (connect(fd, (const struct sockaddr *)&to, len) && errno != EINPROGRESS) {
        int err = errno;

        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

uint16_t nf_network_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(((const struct sockaddr_in *)&address)->sin_port); /* in both families */
}

int nf_network_connected(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    socklen_t len = sizeof(int);
    int err;

    assert_int_equal(poll(&poll_fd, 1, WAIT_MS), 1);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    return err;
}

bool nf_network_readable(int fd, int wait_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, wait_ms) == 1;
}

int nf_network_accept(int listener)
{
    int fd;

    assert_true(nf_network_readable(listener, WAIT_MS));
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

static struct nlmsghdr *queue_message(const struct nf_asker *asker, char *buffer,
                                      int type)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct nfgenmsg *header;

    message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
    message->nlmsg_flags = NLM_F_REQUEST;
    header = mnl_nlmsg_put_extra_header(message, sizeof *header);
    header->nfgen_family = AF_UNSPEC;
    header->version = NFNETLINK_V0;
    header->res_id = htons(asker->queue);
    return message;
}

void nf_asker_open(struct nf_asker *asker, uint16_t queue)
{
    const struct nfqnl_msg_config_cmd bind_queue = {.command = NFQNL_CFG_CMD_BIND};
    const struct nfqnl_msg_config_params params = {.copy_range = htonl(256),
                                                   .copy_mode = NFQNL_COPY_PACKET};
    char buffer[256];
    struct nlmsghdr *message;

    asker->queue = queue;
    asker->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_non_null(asker->socket);
    assert_int_equal(mnl_socket_bind(asker->socket, 0, MNL_SOCKET_AUTOPID), 0);
    message = queue_message(asker, buffer, NFQNL_MSG_CONFIG);
    mnl_attr_put(message, NFQA_CFG_CMD, sizeof bind_queue, &bind_queue);
    mnl_attr_put(message, NFQA_CFG_PARAMS, sizeof params, &params);
    assert_true(mnl_socket_sendto(asker->socket, message, message->nlmsg_len) > 0);
}

void nf_asker_close(struct nf_asker *asker)
{
    mnl_socket_close(asker->socket);
}

bool nf_asker_idle(struct nf_asker *asker)
{
    return !nf_network_readable(mnl_socket_get_fd(asker->socket), 0);
}

void nf_asker_next(struct nf_asker *asker, struct nf_question *ret_question)
{
    union {
        char bytes[8192];
        struct nlmsghdr message;
    } buffer;
    const struct nlattr *attribute;
    const uint8_t *packet = NULL;
    uint32_t header = 0;

    memset(ret_question, 0, sizeof *ret_question);
    assert_true(nf_network_readable(mnl_socket_get_fd(asker->socket), WAIT_MS));
    assert_true(mnl_socket_recvfrom(asker->socket, &buffer, sizeof buffer) > 0);
    assert_int_equal(buffer.message.nlmsg_type & 0xff, NFQNL_MSG_PACKET);
    mnl_attr_for_each(attribute, &buffer.message, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attribute) == NFQA_PACKET_HDR)
            ret_question->id = ntohl(
                ((const struct nfqnl_msg_packet_hdr *)mnl_attr_get_payload(attribute))
                    ->packet_id);
        if (mnl_attr_get_type(attribute) == NFQA_PAYLOAD) {
            packet = mnl_attr_get_payload(attribute);
            ret_question->length = mnl_attr_get_payload_len(attribute);
        }
    }
    if (!packet)
        fail();
    header = packet[0] >> 4 == 4 ? (packet[0] & 0xfU) * 4 : 40;
    ret_question->protocol = packet[0] >> 4 == 4 ? packet[9] : packet[6];
    ret_question->source_port = (uint16_t)(packet[header] << 8 | packet[header + 1]);
    ret_question->destination_port =
        (uint16_t)(packet[header + 2] << 8 | packet[header + 3]);
}

void nf_asker_answer(struct nf_asker *asker, uint32_t id, uint32_t verdict)
{
    const struct nfqnl_msg_verdict_hdr answer = {.verdict = htonl(verdict),
                                                 .id = htonl(id)};
    char buffer[256];
    struct nlmsghdr *message = queue_message(asker, buffer, NFQNL_MSG_VERDICT);

    mnl_attr_put(message, NFQA_VERDICT_HDR, sizeof answer, &answer);
    assert_true(mnl_socket_sendto(asker->socket, message, message->nlmsg_len) > 0);
}
