# The configuration, and the simulated ward that needs none.
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)

add_library(lacuna_config STATIC
  config.cc config_finish.cc config_keys.cc config_schema_keys.cc config_values.cc config_yaml.cc)
add_library(lacuna::config ALIAS lacuna_config)
target_include_directories(lacuna_config PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(lacuna_config PUBLIC lacuna_records PRIVATE lacuna_warnings yaml-cpp)

add_library(lacuna_ward STATIC ward.cc ward_faults.cc ward_patient.cc ward_schema.cc)
add_library(lacuna::ward ALIAS lacuna_ward)
target_include_directories(lacuna_ward PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(lacuna_ward PUBLIC lacuna_records PRIVATE lacuna_warnings fmt::fmt)
