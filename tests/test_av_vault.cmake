target_sources(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av/av_record.c
    ${PROJECT_SOURCE_DIR}/plugins/av/av_vault.c ${PROJECT_SOURCE_DIR}/plugins/av/av_restore.c
    ${PROJECT_SOURCE_DIR}/plugins/av/av_recover.c ${PROJECT_SOURCE_DIR}/plugins/av/av_file.c
    ${PROJECT_SOURCE_DIR}/plugins/av/av_lists.c)
target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av)
target_link_libraries(${test} PRIVATE tocsin_include PkgConfig::CRYPTO)
