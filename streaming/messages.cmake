# Codecs, units, input files: text to records and back. simdjson stays inside (its only header is *_internal.h).
find_package(simdjson REQUIRED)

add_library(lacuna_messages STATIC
  ${CMAKE_CURRENT_LIST_DIR}/base64.cc
  ${CMAKE_CURRENT_LIST_DIR}/csv_files.cc
  ${CMAKE_CURRENT_LIST_DIR}/csv_reader.cc
  ${CMAKE_CURRENT_LIST_DIR}/dead_letter.cc
  ${CMAKE_CURRENT_LIST_DIR}/encoders.cc
  ${CMAKE_CURRENT_LIST_DIR}/event_decoder.cc
  ${CMAKE_CURRENT_LIST_DIR}/input_files.cc
  ${CMAKE_CURRENT_LIST_DIR}/json_value.cc
  ${CMAKE_CURRENT_LIST_DIR}/json_writer.cc
  ${CMAKE_CURRENT_LIST_DIR}/payload_json.cc
  ${CMAKE_CURRENT_LIST_DIR}/snapshot_codec.cc
  ${CMAKE_CURRENT_LIST_DIR}/targets.cc
  ${CMAKE_CURRENT_LIST_DIR}/units.cc)
add_library(lacuna::messages ALIAS lacuna_messages)
target_include_directories(lacuna_messages PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(lacuna_messages PUBLIC lacuna_records PRIVATE lacuna_warnings simdjson::simdjson)

# How fast one core decodes and encodes: `ninja codec_bench && ./bench/codec_bench`.
add_executable(codec_bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/codec_bench.cc)
target_link_libraries(codec_bench PRIVATE lacuna_messages lacuna_warnings)
