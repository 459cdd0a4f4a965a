/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: plugin netfilter whole, in the client of a network of the test's own (nf_network)
 * and in a cgroup of its own, so that it sees nothing else of the machine; servers and a
 * name server in the server's namespace; a program that connects (nf_client). One thread.
 */
#ifndef TC_TESTS_NF_SCRATCH_H
#define TC_TESTS_NF_SCRATCH_H

#include "nf_network.h"
#include "tests/support/harness.h"

#include <sys/types.h>

#define NF_SCRATCH_OTHER4 "10.77.2.3" /* one more address of the server */
#define NF_SCRATCH_PORT 7000          /* where it listens, as at 80 and 443 */

struct nf_scratch {
    struct tc_harness h;
    struct nf_network network;
    char cgroup[128], list[128];
    bool started;
    pid_t servers;
};

/* False: this machine cannot, which was printed. Once in a process. */
bool nf_scratch_init(struct nf_scratch *s);
void nf_scratch_done(struct nf_scratch *s);

/* Loads and starts the plugin with a list of indicators (lines of CSV; NULL: none), and
 * an option more, or NULL; the gate is granted, and the self-test has passed when it
 * returns. */
void nf_scratch_start(struct nf_scratch *s, const char *lines, const char *option);
/* Writes the list anew. */
void nf_scratch_list(struct nf_scratch *s, const char *lines);
void nf_scratch_stop(struct nf_scratch *s);
void nf_scratch_gate(struct nf_scratch *s, bool granted);

/* Servers that answer each byte with one, and a name server that answers every question
 * with the address of the name in `names`: "NAME=ADDRESS,NAME=ADDRESS". */
void nf_scratch_serve(struct nf_scratch *s, const char *names);

/* Runs nf_client with these arguments, NULL-terminated: its errno. *ret_pid may be NULL.
 */
int nf_scratch_client(struct nf_scratch *s, pid_t *ret_pid, const char *const *args);

/* The network.flow of that process to that port; NULL: none came. */
const struct tocsin_event *nf_scratch_flow(struct nf_scratch *s, pid_t pid,
                                           uint16_t port);
const char *nf_scratch_client_path(void);
bool nf_scratch_no_rules(void); /* in the client's network namespace */

/* Calls rpc.netfilter.METHOD; the reply. `w` holds the parameters, or is NULL. */
const struct tocsin_event *nf_scratch_call(struct nf_scratch *s, const char *method,
                                           const struct tocsin_writer *w);

#endif
