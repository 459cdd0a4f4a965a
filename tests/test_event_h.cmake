# SPDX-License-Identifier: Apache-2.0
# libmsgpack is the judge of what include/tocsin/event.h reads and writes.
pkg_check_modules(MSGPACK REQUIRED IMPORTED_TARGET msgpack)
target_link_libraries(${test} PRIVATE PkgConfig::MSGPACK)

# The vendor's headers are clean as strict C11, without _GNU_SOURCE, and as C++.
set(flags -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wconversion -Wsign-conversion -Werror
    -fsyntax-only -I${PROJECT_SOURCE_DIR}/include)
add_test(NAME headers_compile_as_c11 COMMAND ${CMAKE_C_COMPILER} -std=c11 ${flags}
    -x c ${PROJECT_SOURCE_DIR}/include/tocsin/plugin.h)
find_program(TOCSIN_CXX NAMES g++ clang++)
if(TOCSIN_CXX)
    foreach(standard 11 20)
        add_test(NAME headers_compile_as_cxx${standard} COMMAND ${TOCSIN_CXX}
            -std=c++${standard} ${flags} -x c++
            ${PROJECT_SOURCE_DIR}/include/tocsin/plugin.h)
    endforeach()
endif()
