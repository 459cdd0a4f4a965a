# SPDX-License-Identifier: Apache-2.0
target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/netfilter/wire/nf_dns.c)
target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/netfilter)
