/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whom bench_netfilter talks to: a veth pair between two network namespaces of its
 * own, the servers behind it, and the floor of a queue: the shortest loop there is of
 * libmnl that accepts each SYN. All are on the CPU of who makes them, and end with it.
 */
#ifndef TC_BENCH_NETFILTER_PEERS_H
#define TC_BENCH_NETFILTER_PEERS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PEERS_SERVER "192.0.2.2"
#define PEERS_PIECE (4u << 20)
#define PEERS_BLOCKED "198.51.100.7" /* on every list; nothing is there */

enum peers_port {
    PEERS_DNS = 53,      /* UDP: answers a question of one label */
    PEERS_CLOSES = 5000, /* TCP: closes what it accepts */
    PEERS_ECHOES,        /* TCP: byte by byte */
    PEERS_TAKES,         /* TCP: answers each PEERS_PIECE with a byte */
    PEERS_IGNORES,       /* UDP */
};

void peers_must(bool ok, const char *what);
uint64_t peers_now_ns(void);
pid_t peers_child(void); /* as fork(2); ends with its parent, whatever ends that */
void peers_run(const char *command);

/* The caller is the client from then on. */
void peers_begin(void);
int peers_connect(uint16_t port);
/* A flow of another namespace like the client's, where nothing is ever filtered. */
int peers_connect_plainly(uint16_t port);
struct sockaddr_in peers_address(const char *host, uint16_t port);

pid_t peers_bare_begin(void); /* with its rule; in force when it returns */
void peers_bare_end(pid_t bare);

#endif
