target_sources(${bench} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av/engine/av_engine.c
    ${PROJECT_SOURCE_DIR}/plugins/av/engine/av_load.c ${PROJECT_SOURCE_DIR}/plugins/av/base/av_file.c
    ${PROJECT_SOURCE_DIR}/plugins/av/base/av_lists.c ${PROJECT_SOURCE_DIR}/plugins/av/engine/av_content.c)
target_include_directories(${bench} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av)
target_link_libraries(${bench} PRIVATE PkgConfig::YARA PkgConfig::CRYPTO Threads::Threads)
