target_sources(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av/av_engine.c
    ${PROJECT_SOURCE_DIR}/plugins/av/av_load.c ${PROJECT_SOURCE_DIR}/plugins/av/av_file.c
    ${PROJECT_SOURCE_DIR}/plugins/av/av_lists.c ${PROJECT_SOURCE_DIR}/plugins/av/av_content.c)
target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av)
target_link_libraries(${test} PRIVATE PkgConfig::YARA PkgConfig::CRYPTO Threads::Threads)
