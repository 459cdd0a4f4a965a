# SPDX-License-Identifier: Apache-2.0
target_link_libraries(${bench} PRIVATE PkgConfig::YARA)
add_dependencies(${bench} tocsin_es)
if(TARGET tocsin_av)
    add_dependencies(${bench} tocsin_av)
endif()
