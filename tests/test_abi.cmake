# SPDX-License-Identifier: Apache-2.0
target_compile_definitions(${test} PRIVATE
    TEST_FIXTURES="${PROJECT_BINARY_DIR}/lib/tocsin/test-plugins")
