#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/stream_state.h"
#include "daemon/registry/newest_checkpoint.h"
#include "model/predictive/recency.h"
#include "state/patient.h"
#include "state/records/scale.h"
#include "state/store.h"
#include "streaming/files/input_files.h"

// What a daemon that has learned from a table says of its hidden cells: by the newest version in its data_dir and its calibration, each
// from what was known of the patient by the time of the cell. bench/table/run runs the daemon before, and scores the answers.
//
//   table_bench CONFIG CELLS ANSWERS EVENTS... [key.path=value]...    EVENTS: NDJSON; CELLS as bench/table/prepare.py writes it

namespace {

using namespace lacuna;

constexpr std::size_t kQueriesMax = 512;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "table_bench: %s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T value_or_fail(Result<T> result) {
  if (!result.ok()) fail(result.status().to_string());
  return std::move(result).value();
}

struct Cell {
  std::string row, column, patient;
  Time time{};
  FeatureId feature = 0;
  ModalityId hide = kNoModality;
};

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> out(1);
  for (const char c : line) {
    if (c == ',') out.emplace_back();
    else out.back() += c;
  }
  return out;
}

std::vector<Cell> read_cells(const Schema& schema, const std::string& path) {
  std::map<std::string, FeatureId> features;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) features.emplace(schema.features()[f].name, f);
  std::map<std::string, ModalityId> modalities{{"", kNoModality}};
  for (ModalityId m = 0; m < schema.modality_count(); ++m) modalities.emplace(schema.modalities()[m].name, m);
  std::ifstream in(path);
  std::vector<Cell> out;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    const std::vector<std::string> c = split(line);
    if (c.size() != 7 || !features.contains(c[4]) || !modalities.contains(c[5])) fail(path + ": " + line);
    out.push_back({c[0], c[1], c[2], Time(Millis(std::stoll(c[3]))), features.at(c[4]), modalities.at(c[5])});
  }
  if (out.empty()) fail(path + ": no cells");
  return out;
}

std::map<std::string, std::vector<Event>> read_events(const Schema& schema, const std::vector<std::string>& paths) {
  std::map<std::string, std::vector<Event>> out;
  for (const std::string& path : paths) {
    streaming::FileReport report;
    const Status read = streaming::read_patients(
        schema, {}, path, 0,
        [&out](std::vector<Event> events) {
          if (!events.empty()) out[events.front().patient_id] = std::move(events);
          return Status();
        },
        {}, report);
    if (!read.ok()) fail(read.to_string());
    if (!report.lossless()) fail(path + ": not all of it could be read; lacuna replay --strict says what");
  }
  return out;
}

/// As known by then; cells that the modality's hiding strikes are not.
Snapshot known_by(const Schema& schema, const std::vector<Event>& events, const Cell& cell) {
  Snapshot snapshot = state::new_snapshot(schema, cell.patient);
  for (const Event& event : events) {
    if (event.time <= cell.time) (void)state::apply(schema, snapshot, event, {}, Millis::max());
  }
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    if (schema.features()[f].modality == cell.hide) snapshot.features[f] = {};
  }
  return snapshot;
}

void write_answer(std::FILE* out, const Cell& cell, const model::Predictive& p, const model::Interval& interval) {
  std::fprintf(out, "%s,%s,", cell.row.c_str(), cell.column.c_str());
  if (is_discrete(p.likelihood)) {
    std::fputs(",,,,", out);
    for (std::size_t c = 0; c < p.class_probabilities.size(); ++c) {
      std::fprintf(out, c > 0 ? " %.6g" : "%.6g", static_cast<double>(p.class_probabilities[c]));
    }
    std::fputc('\n', out);
    return;
  }
  const auto scaled = [&p](double value) { return to_scale(p.likelihood, value); };
  std::fprintf(out, "%.8g,%.8g,%.8g,%.8g,\n", scaled(p.median()), p.mean_on_scale(), scaled(interval.low), scaled(interval.high));
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::string> paths, overrides;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    (argument.find('=') == std::string::npos ? paths : overrides).push_back(argument);
  }
  if (paths.size() < 4) fail("Usage: table_bench CONFIG CELLS ANSWERS EVENTS... [key.path=value]...");
  const daemon::ConfigOutcome loaded = daemon::load_config(paths[0], overrides);
  if (!loaded.config) fail(daemon::format_problem(loaded.problems.front()));
  const daemon::Config& config = *loaded.config;
  const Schema& schema = *config.schema;
  const std::vector<Cell> cells = read_cells(schema, paths[1]);
  const auto events = read_events(schema, {paths.begin() + 3, paths.end()});
  const auto version = value_or_fail(daemon::open_newest_checkpoint(config));
  daemon::StreamState state(config);
  {
    const auto store = value_or_fail(state::Store::open(schema, config.store));
    if (const Status loaded_state = state.load(config, *store); !loaded_state.ok()) fail(loaded_state.to_string());
  }
  std::FILE* const out = std::fopen(paths[2].c_str(), "w");
  if (out == nullptr) fail("cannot write " + paths[2]);
  std::fputs("row,column,median,mean,low,high,probabilities\n", out);
  for (std::size_t begin = 0; begin < cells.size(); begin += kQueriesMax) {
    const std::size_t end = std::min(cells.size(), begin + kQueriesMax);
    std::vector<Snapshot> snapshots;
    for (std::size_t i = begin; i < end; ++i) {
      const auto found = events.find(cells[i].patient);
      snapshots.push_back(known_by(schema, found == events.end() ? std::vector<Event>() : found->second, cells[i]));
    }
    std::vector<model::Query> queries;
    for (std::size_t i = begin; i < end; ++i) queries.push_back({&snapshots[i - begin], cells[i].time, {cells[i].feature}, {}, i});
    const auto said = value_or_fail(version->predict(queries));
    for (std::size_t i = begin; i < end; ++i) {
      const Cell& cell = cells[i];
      const model::Predictive& p = said[i - begin].predictive.front();
      const model::Recency recency = model::recency_of(schema, cell.feature, snapshots[i - begin].features[cell.feature], cell.time);
      write_answer(out, cell, p, state.calibrator.interval(cell.feature, recency, p));
    }
  }
  if (std::fclose(out) != 0) fail("cannot write " + paths[2]);
  std::printf("%s, %lld steps\n", version->id().c_str(), static_cast<long long>(version->steps()));
  return 0;
}
