# SPDX-License-Identifier: Apache-2.0
file(GLOB queue CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/plugins/netfilter/queue/*.c)
target_sources(${bench} PRIVATE ${queue})
target_include_directories(${bench} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/netfilter)
target_link_libraries(${bench} PRIVATE PkgConfig::NFQUEUE PkgConfig::NFLOG PkgConfig::MNL)
