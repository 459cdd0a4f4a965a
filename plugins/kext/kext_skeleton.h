/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: nothing; makes what bpftool has generated fit for our warnings. */
#ifndef TC_KEXT_SKELETON_H
#define TC_KEXT_SKELETON_H

#include "bpf/kext_abi.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include "kext.skel.h"
#pragma GCC diagnostic pop

#endif
