# SPDX-License-Identifier: Apache-2.0
foreach(source nf_host nf_http nf_packet nf_quic nf_stream nf_tls)
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/netfilter/wire/${source}.c)
endforeach()
target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/netfilter)
target_link_libraries(${target} PRIVATE PkgConfig::CRYPTO)
