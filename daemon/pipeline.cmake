# The loop, and the binary.
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)

add_library(lacuna_pipeline STATIC alignment.cc batch.cc damaged_store.cc generation.cc generation_output.cc imputation.cc latent_reference.cc
            learner_checkpoints.cc model_json.cc operator_commands.cc pipeline.cc poison.cc progress.cc
            published_model.cc reaction.cc restore.cc)
add_library(lacuna::pipeline ALIAS lacuna_pipeline)
target_include_directories(lacuna_pipeline PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(lacuna_pipeline
  PUBLIC lacuna_records lacuna_state lacuna_streaming lacuna_model lacuna_model_core lacuna_drift lacuna_config
  PRIVATE lacuna_warnings spdlog::spdlog fmt::fmt nlohmann_json::nlohmann_json)

# The demo carries its configuration, so that the binary runs alone.
file(READ ${PROJECT_SOURCE_DIR}/configs/simulated-ward.yaml SIMULATED_WARD_YAML)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/configs/simulated-ward.yaml)
configure_file(simulated_ward_yaml.h.in ${PROJECT_BINARY_DIR}/generated/daemon/simulated_ward_yaml.h @ONLY)

add_executable(lacuna alerts_command.cc check_command.cc daemon_options.cc demo_command.cc demo_report.cc evaluate_command.cc generate_command.cc
               inspect_command.cc main.cc replay_command.cc run_command.cc service_manager.cc session.cc
               simulate_command.cc tail_command.cc)
target_compile_definitions(lacuna PRIVATE LACUNA_VERSION="${PROJECT_VERSION}")
target_include_directories(lacuna PRIVATE ${PROJECT_BINARY_DIR}/generated)
target_link_libraries(lacuna PRIVATE lacuna_pipeline lacuna_protocols lacuna_surface lacuna_ward lacuna_warnings
                      spdlog::spdlog nlohmann_json::nlohmann_json CLI11::CLI11 PkgConfig::SYSTEMD)

# What it brings to work on a batch while the one before commits: `ninja pipelining_bench && bench/pipelining_bench`.
add_executable(pipelining_bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/pipelining_bench.cc)
target_link_libraries(pipelining_bench PRIVATE lacuna_pipeline lacuna_ward lacuna_warnings)
set_target_properties(pipelining_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)

# What the alarms find of known changes in real stays: bench/drift/run.
add_executable(drift_injection EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/drift/injection.cc)
target_link_libraries(drift_injection PRIVATE lacuna_pipeline lacuna_surface lacuna_warnings nlohmann_json::nlohmann_json)
set_target_properties(drift_injection PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
