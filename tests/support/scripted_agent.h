/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: an agent that answers by rote: a control socket in a folder of its own, a thread,
 * and a table of answers. For tests of clients, which cannot make a real agent say
 * everything at will.
 *
 * Messages are written as JSON with single quotes; bytes in strings stand for themselves
 * and travel as bin where they are no UTF-8.
 */
#ifndef TC_TEST_SCRIPTED_AGENT_H
#define TC_TEST_SCRIPTED_AGENT_H

#include <stdbool.h>

struct scripted_agent;

struct scripted_answer {
    const char *method;
    const char *result; /* the map; of a refusal its sentence; NULL: never answered */
    const char *code;   /* of a refusal; else NULL */
    const char *before; /* list of messages sent ahead of the answer, or NULL */
    const char *after;  /* list of messages sent behind it, or NULL */
    bool hang_up;       /* then close the connection */
};

/* Listens, and answers by the table, which ends with a NULL method and is borrowed. */
struct scripted_agent *scripted_agent_new(const struct scripted_answer *answers);
void scripted_agent_free(struct scripted_agent *agent);

const char *scripted_agent_socket(const struct scripted_agent *agent);

/* Its folder, removed with all regular files in it by scripted_agent_free. */
const char *scripted_agent_folder(const struct scripted_agent *agent);

/*
 * Waits until a request for the method has been answered by rote and not been asked for
 * yet; its parameters as JSON, for free(). NULL when none came within ten seconds.
 */
char *scripted_agent_take(struct scripted_agent *agent, const char *method);

/* Waits until a client has closed its connection. False when none did in ten seconds. */
bool scripted_agent_was_left(struct scripted_agent *agent);

#endif
