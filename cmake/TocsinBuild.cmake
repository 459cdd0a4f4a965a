# SPDX-License-Identifier: Apache-2.0
# Owns: how everything here is compiled, and the kinds of target that are made often:
#   tocsin_plugin(NAME SOURCES... [LIBS ...])   a plugin, plugins/<name>/
#   tocsin_room(FOLDER [EXCEPT FILES...] [LIBS ...])
#                                               the library of one folder, see below
#   tocsin_sources(VAR [FOLDERS...])            every .c of this folder and of the named ones in it
#   tocsin_bpf(NAME)                            bpf/<name>.bpf.c, compiled for the kernel, in tocsin_<name>

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
include(CheckPIESupported)
check_pie_supported()

option(TOCSIN_WERROR "Warnings are errors" OFF)
set(TOCSIN_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")
option(TOCSIN_COVERAGE "Count executed lines" OFF)
option(TOCSIN_FUZZ "Build the libFuzzer targets (clang)" OFF)

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wundef -Wvla -Wformat=2 -Wcast-qual -Wwrite-strings -Wpointer-arith -Wnull-dereference
    -fstack-protector-strong -fstack-clash-protection -fcf-protection -g)
add_link_options(-Wl,-z,relro -Wl,-z,now)
if(TOCSIN_WERROR)
    add_compile_options(-Werror)
endif()
if(TOCSIN_SANITIZE)
    add_compile_options(-fsanitize=${TOCSIN_SANITIZE} -fno-omit-frame-pointer
        -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${TOCSIN_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(TOCSIN_FUZZ)
    # Everywhere, so that the fuzzer sees its way through the code that a target links.
    add_compile_options(-fsanitize=fuzzer-no-link)
    add_link_options(-fsanitize=fuzzer-no-link)
endif()
if(TOCSIN_COVERAGE)
    # Threads count, too.
    add_compile_options(--coverage -fprofile-update=atomic)
    add_link_options(--coverage)
endif()

function(tocsin_sources var)
    list(TRANSFORM ARGN REPLACE "(.+)" "${CMAKE_CURRENT_SOURCE_DIR}/\\1/*.c")
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c ${ARGN})
    set(${var} ${found} PARENT_SCOPE)
endfunction()

# The library of one folder: core/slot is tocsin_core_slot. Its headers are included from the top,
# "core/slot/slot.h", which finds them through a link in the build folder that only those who link
# the room have in their include path: who may include what is what the LIBS say, and no more.
function(tocsin_room folder)
    cmake_parse_arguments(arg "" "" "EXCEPT;LIBS" ${ARGN})
    cmake_path(ABSOLUTE_PATH folder NORMALIZE OUTPUT_VARIABLE source)
    string(REGEX REPLACE "/$" "" source ${source})
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE path)
    string(REPLACE / _ name ${path})
    file(GLOB files CONFIGURE_DEPENDS ${source}/*.c)
    list(TRANSFORM arg_EXCEPT PREPEND ${source}/)
    list(REMOVE_ITEM files ${arg_EXCEPT})
    set(link ${PROJECT_BINARY_DIR}/rooms/${name}/${path})
    cmake_path(GET link PARENT_PATH parent)
    file(MAKE_DIRECTORY ${parent})
    file(CREATE_LINK ${source} ${link} SYMBOLIC)
    if(files)
        set(scope PUBLIC)
        add_library(tocsin_${name} STATIC ${files})
    else()
        set(scope INTERFACE) # headers only
        add_library(tocsin_${name} INTERFACE)
    endif()
    target_include_directories(tocsin_${name} ${scope} ${PROJECT_BINARY_DIR}/rooms/${name})
    target_link_libraries(tocsin_${name} ${scope} ${arg_LIBS})
endfunction()

function(tocsin_plugin name)
    cmake_parse_arguments(arg "" "" "LIBS" ${ARGN})
    add_library(tocsin_${name} MODULE ${arg_UNPARSED_ARGUMENTS})
    target_link_libraries(tocsin_${name} PRIVATE tocsin_include ${arg_LIBS})
    target_include_directories(tocsin_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    set_target_properties(tocsin_${name} PROPERTIES
        PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${TOCSIN_PLUGIN_OUTPUT} C_VISIBILITY_PRESET hidden)
    if(NOT TOCSIN_SANITIZE)
        target_link_options(tocsin_${name} PRIVATE -Wl,-z,defs)
    endif()
    install(TARGETS tocsin_${name} LIBRARY DESTINATION lib/tocsin/plugins)
    add_dependencies(tocsin_all tocsin_${name})
endfunction()

# The programs are compiled for the kernel and embedded as a skeleton, <name>.skel.h: at run time
# nothing but the kernel's own type information is needed. After tocsin_plugin(name).
function(tocsin_bpf name)
    find_program(TOCSIN_CLANG
        NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14)
    find_program(TOCSIN_BPFTOOL bpftool PATHS /usr/sbin /sbin)
    if(NOT TOCSIN_CLANG OR NOT TOCSIN_BPFTOOL)
        message(FATAL_ERROR "plugins/${name} needs clang, to compile for the kernel, and "
            "bpftool: run scripts/packages, or set TOCSIN_CLANG and TOCSIN_BPFTOOL")
    endif()
    file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/bpf/*.h
        ${PROJECT_SOURCE_DIR}/plugins/sensor/bpf/*.h)
    set(compiled ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.compiled.o)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
    set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
    set(flags -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror
        -I${PROJECT_SOURCE_DIR}/plugins/sensor)
    # linux/types.h needs asm/types.h, which is where the compiler of the host looks for it.
    if(CMAKE_LIBRARY_ARCHITECTURE)
        list(APPEND flags -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
    endif()
    add_custom_command(OUTPUT ${skeleton}
        COMMAND ${TOCSIN_CLANG} ${flags} -c ${CMAKE_CURRENT_SOURCE_DIR}/bpf/${name}.bpf.c
            -o ${compiled}
        COMMAND ${TOCSIN_BPFTOOL} gen object ${object} ${compiled}
        COMMAND ${TOCSIN_BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
        DEPENDS bpf/${name}.bpf.c ${headers}
        COMMENT "Compiling ${name}.bpf.c for the kernel" VERBATIM)
    add_custom_target(tocsin_${name}_skeleton DEPENDS ${skeleton})
    target_include_directories(tocsin_${name} SYSTEM PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
    target_link_libraries(tocsin_${name} PRIVATE PkgConfig::BPF)
    add_dependencies(tocsin_${name} tocsin_${name}_skeleton)
endfunction()
