#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/table_imputation/patient_table.h"
#include "state/records/counter_random.h"
#include "tests/support/scratch_folder.h"

// A small table with a relation that can be learned, the same at each run: y = 2 x + noise, z follows the visit before.

namespace lacuna::daemon::testing {

inline Config make_config(const std::string& schema_and_input, const std::vector<std::string>& overrides = {}) {
  ConfigOutcome out =
      parse_config("log: {kind: embedded, partitions: 1}\nhttp: {enabled: false}\n" + schema_and_input, "made_up.yaml", overrides);
  for (const ConfigProblem& p : out.problems) ADD_FAILURE() << format_problem(p);
  return out.config.value_or(Config());
}

/// Columns id, day, x, y, z, group; of the schema, y is in another unit and `group` has other names.
inline const char* const kVisits = R"(
train: {batch_size: 64, examples_per_step: 16}
schema:
  modalities:
    first:
      stale_after: 400d
      features:
        x: {range: [-50, 50]}
        group: {likelihood: categorical, categories: [low, high]}
    second:
      stale_after: 400d
      features:
        y: {unit: g/L, range: [-200, 200]}
        z: {range: [-50, 50]}
input:
  format: wide_csv
  patient_column: id
  time_column: day
  time_form: days
  start: 2001-01-01T00:00:00Z
  missing: [NA]
  columns:
    x: {to: first.x}
    y: {to: second.y, unit: mg/L}
    z: {to: second.z}
    group: {to: first.group, categories: {"0": low, "1": high}}
)";

struct MadeUpCell {
  std::string patient;
  int day = 0;
  double x = 0, y = 0, z = 0;  ///< y in the schema's unit
  bool has_x = true, has_y = true, has_z = true;
};

/// Of `patients`, three visits each; a cell is missing in `gaps` of the cases, and its value is known to the test all the same.
inline std::vector<MadeUpCell> made_up_visits(std::size_t patients, double gaps, std::uint64_t seed = 7) {
  CounterRandom random(seed);
  std::vector<MadeUpCell> out;
  for (std::size_t p = 0; p < patients; ++p) {
    const double level = random.normal();
    for (int visit = 0; visit < 3; ++visit) {
      MadeUpCell c{"p" + std::to_string(p), 180 * visit};
      c.x = 3 * random.normal();
      c.y = 2 * c.x + random.normal();
      c.z = 4 * level + 0.5 * random.normal();
      c.has_x = random.unit() >= gaps;
      c.has_y = random.unit() >= gaps;
      c.has_z = random.unit() >= gaps;
      out.push_back(c);
    }
  }
  return out;
}

inline std::string to_csv(const std::vector<MadeUpCell>& cells) {
  std::string out = "row,id,day,x,y,z,group\n";
  const auto number = [](double v, bool there, double factor) {
    char text[40];
    std::snprintf(text, sizeof text, "%.4f", v * factor);
    return there ? std::string(text) : std::string("NA");
  };
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const MadeUpCell& c = cells[i];
    out += std::to_string(i) + "," + c.patient + "," + std::to_string(c.day) + "," + number(c.x, c.has_x, 1) + "," +
           number(c.y, c.has_y, 1000) + "," + number(c.z, c.has_z, 1) + "," + (c.x > 0 ? "1" : "0") + "\n";
  }
  return out;
}

/// Files of one test.
class TableFiles {
 public:
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = std::string(folder_.path()) + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

 private:
  lacuna::testing::ScratchFolder folder_;
};

inline PatientTable table_of(const Config& config, const std::vector<std::string>& paths) {
  auto table = read_table(*config.schema, config.mapping.value_or(streaming::FileMapping()), paths, [](auto, auto) {});
  EXPECT_TRUE(table.ok()) << table.status().to_string();
  return table.ok() ? std::move(*table) : PatientTable();
}

inline FeatureId feature(const Config& config, const std::string& modality, const std::string& name) {
  return *config.schema->find_feature(config.schema->find_modality(modality), name);
}

}  // namespace lacuna::daemon::testing
