# What an operator sees and touches: HTTP, metrics, logs, progress, replay and tail.
find_package(PkgConfig REQUIRED)
# The flags matter: they are those the packaged library was built with, and change the layout of its types.
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET GLOBAL cpp-httplib)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(Threads REQUIRED)

add_library(lacuna_surface STATIC bearer_token.cc daemon_client.cc drift_json.cc drift_table.cc http.cc logging.cc metrics.cc
            missingness_table.cc pretty_record.cc progress_bar.cc replay.cc tail.cc text_table.cc coverage_table.cc)
add_library(lacuna::surface ALIAS lacuna_surface)
target_include_directories(lacuna_surface PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(lacuna_surface
  PUBLIC lacuna_records lacuna_state lacuna_streaming lacuna_config lacuna_drift lacuna_model_core
  PRIVATE lacuna_warnings PkgConfig::httplib prometheus-cpp::core spdlog::spdlog fmt::fmt nlohmann_json::nlohmann_json
          Threads::Threads)
