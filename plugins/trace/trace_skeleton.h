/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: nothing; makes what bpftool has generated fit for our warnings. */
#ifndef TC_TRACE_SKELETON_H
#define TC_TRACE_SKELETON_H

#include "bpf/trace_abi.h"
#include "bpf/trace_calls.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include "trace.skel.h"
#pragma GCC diagnostic pop

#endif
