/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a network namespace of the test's own, with nothing but loopback, rules in it
 * that send packets to a queue or a log group, and connections. Must not: be used by a
 * test that needs the machine's network.
 */
#ifndef TC_TESTS_NF_NET_H
#define TC_TESTS_NF_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_NF_NET_ALARM_S 60

/* For the rest of the process, which ends after TC_NF_NET_ALARM_S. False: it may not. */
bool tc_nf_net_enter(void);

/* No rule is left. */
void tc_nf_net_flush(void);

/* Each packet from here to `port` goes to the queue, or passes if nobody listens: by
 * nft's own statement where the kernel has it, else by the target of xtables. SYNs only,
 * of TCP. */
void tc_nf_net_queue(const char *protocol, uint16_t port, uint16_t number);
void tc_nf_net_log(const char *protocol, uint16_t port, uint16_t group);

/* Runs nft with one command; false: it failed. */
bool tc_nf_net_nft(const char *command);

/* Listens on loopback, the kernel's choice of port. */
int tc_nf_net_listen(uint16_t *ret_port);

/* Begins to connect from a socket with `mark` (0: none). */
int tc_nf_net_connect(uint16_t port, uint32_t mark);

/* Whether it is connected within so many ms; else it still waits. */
bool tc_nf_net_connected(int fd, int ms);

/* Whether its first SYN was the one that arrived: it has been held up, but was not lost.
 */
bool tc_nf_net_first_syn(int fd);

/* Connects as another user, in a child that has ended then. */
void tc_nf_net_connect_as(uint16_t port, uint32_t uid);

/* Sends datagrams of `bytes` each. Returns how many of them were sent. */
unsigned tc_nf_net_datagrams(uint16_t port, unsigned count, size_t bytes);

#endif
