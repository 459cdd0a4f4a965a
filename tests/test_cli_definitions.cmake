# SPDX-License-Identifier: Apache-2.0
add_dependencies(${test} tocsin)
target_link_libraries(${test} PRIVATE PkgConfig::JSONC)
