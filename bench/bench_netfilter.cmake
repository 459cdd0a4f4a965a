# SPDX-License-Identifier: Apache-2.0
target_sources(${bench} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/netfilter_agent.c
    ${CMAKE_CURRENT_SOURCE_DIR}/netfilter_peers.c)
target_link_libraries(${bench} PRIVATE PkgConfig::NFQUEUE PkgConfig::MNL)
add_dependencies(${bench} tocsind tocsin tocsin_netfilter)
