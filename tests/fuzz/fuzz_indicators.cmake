# SPDX-License-Identifier: Apache-2.0
file(GLOB indicators CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/plugins/netfilter/indicators/nf_*.c)
target_sources(${target} PRIVATE ${indicators})
target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/netfilter)
target_link_libraries(${target} PRIVATE PkgConfig::JSONC)
