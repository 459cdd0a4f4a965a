/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: nothing; makes what bpftool has generated fit for our warnings. */
#ifndef TC_NF_SKELETON_H
#define TC_NF_SKELETON_H

#include "bpf/netfilter_abi.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include "netfilter.skel.h"
#pragma GCC diagnostic pop

#endif
