#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/unit/state/fixture_records.h"

// Writes one file of each stored form as this version has it: state_fixtures tests/fixtures/formats-v3, and of persons' records
// state_fixtures tests/fixtures/persons-v4 persons. What is as the version before wrote it (Fixture::until) is taken out by hand. To be run
// once for a format version; what an earlier version wrote is never written again.

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3 || !std::filesystem::create_directory(argv[1])) {
    std::cerr << "needs the name of a folder that is not there yet\n";
    return 2;
  }
  const lacuna::Schema schema = lacuna::state::testing::test_schema();
  const auto fixtures = argc == 3 ? lacuna::state::testing::person_fixtures() : lacuna::state::testing::fixtures(schema);
  for (const auto& fixture : fixtures) {
    std::ofstream file(std::filesystem::path(argv[1]) / fixture.file, std::ios::binary);
    if (!(file << fixture.bytes).flush()) return 1;
  }
}
