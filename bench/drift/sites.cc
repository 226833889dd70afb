// Heart disease at four hospitals, one after the other (UCI): what is measured differs by hospital, and cholesterol is not measured
// at all in the Swiss one. Are the gaps found, and named? Only the monitor is at work: missingness needs no model.
//
//   drift_sites FOLDER      holds processed.{hungarian,switzerland,va}.data and cleveland_target-binarised.csv

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "model/drift/monitor.h"

namespace lacuna::drift {
namespace {

constexpr std::array kSites = {"cleveland", "hungarian", "switzerland", "va"};
constexpr std::array kFiles = {"cleveland_target-binarised.csv", "processed.hungarian.data", "processed.switzerland.data",
                               "processed.va.data"};

struct Column {
  int index;  ///< in the files
  const char *modality, *feature;
};
constexpr std::array<Column, 9> kColumns = {{{3, "vitals", "trestbps"},
                                             {4, "lab", "chol"},
                                             {5, "lab", "fbs"},
                                             {6, "ecg", "restecg"},
                                             {7, "ecg", "thalach"},
                                             {9, "ecg", "oldpeak"},
                                             {10, "ecg", "slope"},
                                             {11, "imaging", "ca"},
                                             {12, "imaging", "thal"}}};

Schema schema() {
  std::vector<Schema::ModalitySpec> specs;
  for (const Column& c : kColumns) {
    if (specs.empty() || specs.back().modality.name != c.modality) {
      specs.emplace_back();
      specs.back().modality.name = c.modality;
    }
    Feature f;
    f.name = c.feature;
    specs.back().features.push_back(f);
  }
  return Schema::make(specs, {}).value();
}

int main_(const std::string& folder) {
  const Schema s = schema();
  Monitor monitor(s, {});
  Time now{};
  int number = 0;
  for (std::size_t site = 0; site < kSites.size(); ++site) {
    std::ifstream in(folder + "/" + kFiles[site]);
    if (!in) {
      std::fprintf(stderr, "drift_sites: no %s in %s\n", kFiles[site], folder.c_str());
      return 2;
    }
    const int first = number;
    const Time begin = now;
    std::printf("%s, from %s on\n", kSites[site], format_rfc3339(now).c_str());
    for (std::string line; std::getline(in, line);) {
      if (line.empty() || (line[0] < '0' || line[0] > '9')) continue;  // the heading
      std::vector<std::string> cells;
      std::stringstream row(line);
      for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
      cells.resize(14);
      const std::string patient = std::to_string(++number);
      now += std::chrono::minutes(10);
      for (ModalityId m = 0; m < s.modality_count(); ++m) {
        std::vector<FeatureValue> values;
        for (FeatureId f = 0; f < s.feature_count(); ++f) {
          if (s.features()[f].modality != m) continue;
          const std::string& cell = cells[static_cast<std::size_t>(kColumns[f].index)];
          const bool zero_is_missing = kColumns[f].index == 3 || kColumns[f].index == 4;
          char* end = nullptr;
          const double v = std::strtod(cell.c_str(), &end);
          if (end == cell.c_str() || (zero_is_missing && v == 0)) continue;
          values.push_back({f, v});
        }
        if (!values.empty()) monitor.observe(Arrival{patient, kSites[site], m, now, values, {}});
      }
      monitor.advance(now);
      for (const Alert& a : monitor.take_alerts()) {
        std::printf("  %s after %d patients, %.1f h: %s/%s%s; %s\n", std::string(to_string(a.state)).c_str(), number - first,
                    hours_between(begin, now), a.kind.c_str(), a.subject.c_str(),
                    a.contributors.empty() ? "" : (", most from " + a.contributors.front().name).c_str(), a.summary.c_str());
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace lacuna::drift

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  return lacuna::drift::main_(argv[1]);
}
