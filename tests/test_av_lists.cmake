target_sources(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av/av_cache.c
    ${PROJECT_SOURCE_DIR}/plugins/av/av_lists.c ${PROJECT_SOURCE_DIR}/plugins/av/av_file.c)
target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av)
target_link_libraries(${test} PRIVATE PkgConfig::CRYPTO)
