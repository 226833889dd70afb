#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>

#include "bench/model_quality/contestant.h"
#include "state/patient.h"
#include "state/records/counter_random.h"
#include "state/records/scale.h"

// Tables of mixed types: a row is a patient, all of whose known cells were measured at one time. The model learns from the incomplete
// table by hiding cells that are known, and fills what was hidden from it in the same rows.

namespace lacuna::bench {

namespace {

constexpr Time kTime{std::chrono::hours(24 * 365 * 50)};

Snapshot make_snapshot(const TableSchema& table, const float* row, std::size_t number) {
  Snapshot s = state::new_snapshot(table.schema, "row");
  std::map<ModalityId, Event> events;
  std::vector<AttributeValue> attributes;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    if (!std::isfinite(row[c])) continue;
    if (table.is_attribute(c)) {
      attributes.push_back({table.index[c], row[c]});
    } else {
      events[table.schema.features()[table.index[c]].modality].values.push_back({table.index[c], row[c]});
    }
  }
  Event admission{"admission", s.patient_id, {}, kNoModality, kTime, {}, attributes};
  state::apply(table.schema, s, admission, {}, Millis(0));
  for (auto& [modality, event] : events) {
    event.event_id = std::to_string(modality) + " " + std::to_string(number);
    event.patient_id = s.patient_id;
    event.modality = modality;
    event.time = kTime;
    state::apply(table.schema, s, event, {}, Millis(0));
  }
  s.recent_ids.clear();
  return s;
}

/// The same row before anything was measured, and all of it arriving.
Example arriving(const TableSchema& table, const Snapshot& full) {
  Example e{state::new_snapshot(table.schema, "row"), kTime, {}};
  e.before.attributes = full.attributes;
  e.before.first_time = e.before.last_time = kTime;
  e.before.event_count = 1;
  for (FeatureId f = 0; f < full.features.size(); ++f) {
    if (full.features[f].count > 0) e.arrived.push_back({f, full.features[f].last});
  }
  return e;
}

}  // namespace

void run_mixed(const std::string& folder, const std::string& name, Options options) {
  const TableSchema table = make_table_schema(folder + "/columns.csv");
  const std::vector<float> known = read_numbers<float>(folder + "/known.f32");
  const std::size_t width = table.columns.size(), rows = known.size() / width;
  std::vector<Snapshot> snapshots;
  // These tell the model means and deviations. From then on cells are hidden by the model itself, which so can tell what it hid from
  // what was never there.
  std::vector<Example> first;
  for (std::size_t r = 0; r < rows; ++r) {
    snapshots.push_back(make_snapshot(table, known.data() + r * width, r));
    first.push_back(arriving(table, snapshots.back()));
  }
  const auto versions = learn(table.schema, options, first, [&](CounterRandom& random) {
    return Example{snapshots[random.below(rows)], kTime, {}};
  });

  std::ifstream in(folder + "/hidden.csv");
  std::vector<std::pair<std::size_t, std::size_t>> asked;
  std::map<std::size_t, std::size_t> query_of;
  std::vector<model::Query> queries;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::size_t row = 0, column = 0;
    if (std::sscanf(line.c_str(), "%zu,%zu", &row, &column) != 2) stop(folder + "/hidden.csv: " + line);
    asked.emplace_back(row, column);
    const auto [at, fresh] = query_of.emplace(row, queries.size());
    if (fresh) queries.push_back({&snapshots[row], kTime, {}, {}, row});
    queries[at->second].wanted.push_back(table.index[column]);
  }
  const auto said = predict(versions, queries);
  std::ofstream out(folder + "/" + name + ".csv");
  out << "row,column,median,mean,probabilities\n";
  std::map<std::size_t, std::size_t> next;
  for (const auto& [row, column] : asked) {
    const std::size_t q = query_of.at(row);
    const model::Predictive& p = said[q].predictive[next[row]++];
    char text[128];
    if (is_discrete(p.likelihood)) {
      out << row << ',' << column << ",,,";
      for (std::size_t c = 0; c < p.class_probabilities.size(); ++c) {
        std::snprintf(text, sizeof text, c > 0 ? " %.6g" : "%.6g", static_cast<double>(p.class_probabilities[c]));
        out << text;
      }
      out << '\n';
      continue;
    }
    std::snprintf(text, sizeof text, "%zu,%zu,%.7g,%.7g,\n", row, column, to_scale(p.likelihood, p.median()), p.mean_on_scale());
    out << text;
  }
  if (!out.flush()) stop("cannot write " + folder + "/" + name + ".csv");
}

}  // namespace lacuna::bench
