/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a network for tests of netfilter: client, router and server, each a network
 * namespace of its own; sockets in them, all of this one process, since a socket stays
 * where it was made; and the reader of a queue, as small as can be. Fails the running
 * test where something does not hold. One thread.
 */
#ifndef TC_TESTS_NF_NETWORK_H
#define TC_TESTS_NF_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define NF_NETWORK_ALARM_S 60
#define NF_NETWORK_CLIENT4 "10.77.1.2"
#define NF_NETWORK_SERVER4 "10.77.2.2"
#define NF_NETWORK_CLIENT6 "fd77:1::2"
#define NF_NETWORK_SERVER6 "fd77:2::2"

struct mnl_socket;

enum nf_network_host { NF_CLIENT, NF_ROUTER, NF_SERVER, NF_HOSTS };

struct nf_network {
    int hosts[NF_HOSTS]; /* namespaces */
};

/* The caller is the client from then on, and in no other network ever again. False: this
 * machine cannot, which was printed. Arms an alarm. */
bool nf_network_init(struct nf_network *network);
void nf_network_enter(const struct nf_network *network, enum nf_network_host host);

/* Runs a line of shell, for which nft and ip are iproute2's and nftables'; its status. */
int nf_network_shell(const char *line);
/* What a line of shell prints; the caller frees it. */
char *nf_network_output(const char *line);

/* A socket of where the caller is, bound to a port if it is not 0. */
int nf_network_bind(int family, int type, uint16_t port);
/* A socket that listens (TCP) or is bound (UDP) in the server. */
int nf_network_serve(const struct nf_network *network, int family, int type,
                     uint16_t port);
/* A socket of the client that has begun to connect and does not wait; the source port is
 * 0 for any. `address`: where to. */
int nf_network_connect(int family, int type, const char *address, uint16_t source_port,
                       uint16_t port);
uint16_t nf_network_port(int fd); /* its own */
/* Waits till it is connected: 0 or an errno. */
int nf_network_connected(int fd);
bool nf_network_readable(int fd, int wait_ms);
int nf_network_accept(int listener); /* waits */

/* A queue of the namespace that the caller is in. */
struct nf_asker {
    struct mnl_socket *socket;
    uint16_t queue;
};

struct nf_question {
    uint32_t id;
    uint8_t protocol;
    uint16_t source_port, destination_port;
    uint32_t length; /* of the packet */
};

void nf_asker_open(struct nf_asker *asker, uint16_t queue);
void nf_asker_close(struct nf_asker *asker);
void nf_asker_next(struct nf_asker *asker, struct nf_question *ret_question); /* waits */
/* Nothing has been asked: what the caller has done before was over when it came back. */
bool nf_asker_idle(struct nf_asker *asker);
void nf_asker_answer(struct nf_asker *asker, uint32_t id, uint32_t verdict);

#endif
