# SPDX-License-Identifier: Apache-2.0
foreach(source nf_dns nf_host nf_quic nf_stream nf_tls)
    target_sources(${bench} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/netfilter/wire/${source}.c)
endforeach()
target_include_directories(${bench} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/netfilter)
target_link_libraries(${bench} PRIVATE PkgConfig::CRYPTO)
