# SPDX-License-Identifier: Apache-2.0
target_compile_definitions(${test} PRIVATE TEST_CMAKE="${CMAKE_COMMAND}"
    TEST_PREFIX="${CMAKE_INSTALL_PREFIX}" TEST_DATADIR="${CMAKE_INSTALL_DATADIR}")
if(NOT TOCSIN_SANITIZE AND NOT TOCSIN_COVERAGE)
    add_test(NAME check_plugins
        COMMAND ${PROJECT_SOURCE_DIR}/scripts/check-plugins ${PROJECT_BINARY_DIR})
endif()
