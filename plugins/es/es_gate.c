/* SPDX-License-Identifier: Apache-2.0 */
#include "es_gate.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <unistd.h>

struct tc_es_gate_slot {
    uint64_t deadline_ns;
    int fd;
    uint32_t next_free;
    bool used, waits;
};

int tc_es_gate_init(struct tc_es_gate *gate, int group, uint32_t capacity)
{
    gate->slots = calloc(capacity, sizeof(*gate->slots));
    if (!gate->slots)
        return -ENOMEM;
    pthread_mutex_init(&gate->lock, NULL);
    gate->group = group;
    gate->capacity = capacity;
    gate->free_head = 0;
    gate->used = gate->waiting = 0;
    gate->next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < capacity; i++)
        gate->slots[i].next_free = i + 1;
    return 0;
}

void tc_es_gate_done(struct tc_es_gate *gate)
{
    if (!gate->slots)
        return;
    free(gate->slots);
    gate->slots = NULL;
    pthread_mutex_destroy(&gate->lock);
}

int tc_es_gate_open(struct tc_es_gate *gate, int fd, uint64_t deadline_ns,
                    uint32_t *ret_slot)
{
    struct tc_es_gate_slot *slot;
    int err = -ENOSPC;

    pthread_mutex_lock(&gate->lock);
    if (gate->free_head == gate->capacity)
        goto out;
    *ret_slot = gate->free_head;
    slot = &gate->slots[gate->free_head];
    gate->free_head = slot->next_free;
    gate->used++;
    gate->waiting++;
    slot->fd = fd;
    slot->deadline_ns = deadline_ns;
    slot->used = slot->waits = true;
    if (deadline_ns < gate->next_ns)
        gate->next_ns = deadline_ns;
    err = 0;
out:
    pthread_mutex_unlock(&gate->lock);
    return err;
}

void tc_es_gate_extend(struct tc_es_gate *gate, uint32_t slot, uint64_t deadline_ns)
{
    pthread_mutex_lock(&gate->lock);
    if (gate->slots[slot].deadline_ns < deadline_ns)
        gate->slots[slot].deadline_ns = deadline_ns;
    pthread_mutex_unlock(&gate->lock);
}

/* Holds the lock. A write that fails means that nobody waits any more (the asker was
 * killed, the group is closed): nothing to be done about it. */
static void respond(struct tc_es_gate *gate, struct tc_es_gate_slot *slot, bool allow)
{
    struct fanotify_response response = {slot->fd, allow ? FAN_ALLOW : FAN_DENY};

    slot->waits = false;
    gate->waiting--;
    if (gate->group >= 0 && write(gate->group, &response, sizeof(response)) < 0)
        return;
}

bool tc_es_gate_answer(struct tc_es_gate *gate, uint32_t index, bool allow)
{
    struct tc_es_gate_slot *slot = &gate->slots[index];
    bool waited;

    pthread_mutex_lock(&gate->lock);
    waited = slot->waits;
    if (waited)
        respond(gate, slot, allow);
    slot->used = false;
    slot->next_free = gate->free_head;
    gate->free_head = index;
    gate->used--;
    pthread_mutex_unlock(&gate->lock);
    return waited;
}

static uint32_t answer_until(struct tc_es_gate *gate, uint64_t now_ns, bool allow)
{
    uint32_t answered = 0;

    pthread_mutex_lock(&gate->lock);
    gate->next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < gate->capacity; i++) {
        struct tc_es_gate_slot *slot = &gate->slots[i];

        if (!slot->used || !slot->waits)
            continue;
        if (slot->deadline_ns <= now_ns) {
            respond(gate, slot, allow);
            answered++;
        } else if (slot->deadline_ns < gate->next_ns) {
            gate->next_ns = slot->deadline_ns;
        }
    }
    pthread_mutex_unlock(&gate->lock);
    return answered;
}

uint32_t tc_es_gate_expire(struct tc_es_gate *gate, uint64_t now_ns, bool allow)
{
    return answer_until(gate, now_ns, allow);
}

uint32_t tc_es_gate_answer_all(struct tc_es_gate *gate, bool allow)
{
    return answer_until(gate, UINT64_MAX, allow);
}

uint64_t tc_es_gate_next_ns(struct tc_es_gate *gate)
{
    uint64_t next_ns;

    pthread_mutex_lock(&gate->lock);
    next_ns = gate->next_ns;
    pthread_mutex_unlock(&gate->lock);
    return next_ns;
}

uint32_t tc_es_gate_waiting(struct tc_es_gate *gate)
{
    uint32_t waiting;

    pthread_mutex_lock(&gate->lock);
    waiting = gate->waiting;
    pthread_mutex_unlock(&gate->lock);
    return waiting;
}

uint32_t tc_es_gate_used(struct tc_es_gate *gate)
{
    uint32_t used;

    pthread_mutex_lock(&gate->lock);
    used = gate->used;
    pthread_mutex_unlock(&gate->lock);
    return used;
}
