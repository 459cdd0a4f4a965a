/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: which machine this is, as alerts say it. Read once. */
#ifndef TC_EDR_MACHINE_H
#define TC_EDR_MACHINE_H

#include <tocsin/event.h>

/* Texts; "": not known. */
struct tc_edr_machine {
    char name[256];   /* gethostname(2) */
    char id[33];      /* machine-id(5) */
    char kernel[256]; /* its release, uname(2) */
    char os[256];     /* PRETTY_NAME of os-release(5) */
};

/* Reads files: pool thread. */
void tc_edr_machine_read(struct tc_edr_machine *ret);

/* PRETTY_NAME, without its quotes, of the text of an os-release file, which it cuts up.
 */
void tc_edr_machine_os(char *text, char ret[256]);

/* Writes the map `host`. */
void tc_edr_machine_put(struct tocsin_writer *w, const struct tc_edr_machine *machine);

#endif
