#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <memory>

#include "bench/model_quality/contestant.h"
#include "state/patient.h"
#include "state/records/counter_random.h"

// PhysioNet 2012 on an hourly grid. The past of hour t is hours before t and what is known at t; with two_sided=1 also hours after t,
// as the state that time running backwards would leave. The strict reading leaves out what is known at t itself; one model does both.

namespace lacuna::bench {

namespace {

constexpr int kHours = 48;
constexpr Time kAdmission{std::chrono::hours(24 * 365 * 50)};
Time hour(int h) { return kAdmission + std::chrono::hours(h); }

constexpr double kUnknownShare = 0.1;  ///< of a training stay's cells, as in the stays that are scored
constexpr int kHoursDrawn = 6;         ///< training examples from one pass over a stay
constexpr std::size_t kPool = 3072;    ///< examples that are shuffled together
constexpr double kStrictShare = 0.2;   ///< of the examples know nothing of their own hour

struct Grid {
  TableSchema table;
  std::vector<float> values;
  std::vector<std::uint8_t> role, split;
  std::size_t features() const { return table.columns.size(); }
  std::size_t cell(std::size_t stay, int h, std::size_t f) const { return (stay * kHours + static_cast<std::size_t>(h)) * features() + f; }
};

/// Which of a stay's cells are known to the model.
using Known = std::function<bool(int hour, std::size_t feature)>;

std::vector<FeatureValue> values_at(const Grid& grid, std::size_t stay, int h, const Known& known) {
  std::vector<FeatureValue> out;
  for (std::size_t f = 0; f < grid.features(); ++f) {
    if (known(h, f)) out.push_back({grid.table.index[f], grid.values[grid.cell(stay, h, f)]});
  }
  return out;
}

void measure(const Schema& schema, Snapshot& s, std::vector<FeatureValue> values, Time time) {
  if (values.empty()) return;
  Event e{std::to_string(time.time_since_epoch().count()), s.patient_id, {}, 0, time, std::move(values), {}};
  state::apply(schema, s, e, {}, Millis(0));
  s.recent_ids.clear();
}

/// A stay seen from every hour.
struct Sides {
  std::vector<Snapshot> before;                        ///< hours before, without the hour itself
  std::vector<std::shared_ptr<const Snapshot>> after;  ///< hours after; empty unless asked for
};

Sides both_sides(const Grid& grid, std::size_t stay, const Known& known, bool two_sided) {
  const Schema& schema = grid.table.schema;
  Sides sides;
  Snapshot s = state::new_snapshot(schema, "stay");
  // The stay begins with its first hour, whether or not something was measured in it.
  state::apply(schema, s, {"admission", s.patient_id, {}, kNoModality, hour(0), {}, {}}, {}, Millis(0));
  for (int h = 0; h < kHours; ++h) {
    sides.before.push_back(s);
    measure(schema, s, values_at(grid, stay, h, known), hour(h));
  }
  if (!two_sided) return sides;
  sides.after.resize(kHours);
  s = state::new_snapshot(schema, "stay");
  for (int h = kHours - 1; h >= 0; --h) {
    // Backwards, hour h comes at kHours - 1 - h; seen from hour h that moment has to be now.
    Snapshot turned = s;
    const Millis shift = hour(h) - hour(kHours - 1 - h);
    turned.first_time += shift;
    turned.last_time += shift;
    for (FeatureState& f : turned.features) f.time += shift;
    for (ModalityState& m : turned.modalities) m.last_time += shift;
    sides.after[static_cast<std::size_t>(h)] = std::make_shared<const Snapshot>(std::move(turned));
    measure(schema, s, values_at(grid, stay, h, known), hour(kHours - 1 - h));
  }
  return sides;
}

/// Training examples of one stay: at some hours, part of what was measured then arrives, and the rest is known.
void draw_stay(const Grid& grid, std::size_t stay, bool two_sided, CounterRandom& random, std::vector<Example>& out) {
  std::vector<bool> dropped(static_cast<std::size_t>(kHours) * grid.features());
  for (std::size_t i = 0; i < dropped.size(); ++i) dropped[i] = random.unit() < kUnknownShare;
  const Known known = [&](int h, std::size_t f) {
    return grid.role[grid.cell(stay, h, f)] == 1 && !dropped[static_cast<std::size_t>(h) * grid.features() + f];
  };
  const Sides sides = both_sides(grid, stay, known, two_sided);
  for (int n = 0; n < kHoursDrawn; ++n) {
    const int h = static_cast<int>(random.below(kHours));
    const double share = random.unit() < kStrictShare ? 1.0 : 0.1 + 0.4 * random.unit();
    Example e{sides.before[static_cast<std::size_t>(h)], hour(h), {}};
    std::vector<FeatureValue> rest;
    for (const FeatureValue& v : values_at(grid, stay, h, [&](int at, std::size_t f) { return grid.role[grid.cell(stay, at, f)] == 1; }))
      (random.unit() < share ? e.arrived : rest).push_back(v);
    if (e.arrived.empty()) continue;
    measure(grid.table.schema, e.before, std::move(rest), hour(h));
    if (two_sided) e.after = sides.after[static_cast<std::size_t>(h)];
    out.push_back(std::move(e));
  }
}

}  // namespace

void run_grid(const std::string& folder, const std::string& name, Options options) {
  const Grid grid{make_table_schema(folder + "/columns.csv"), read_numbers<float>(folder + "/values.f32"),
                  read_numbers<std::uint8_t>(folder + "/role.u8"), read_numbers<std::uint8_t>(folder + "/split.u8")};
  const bool two_sided = options.model.two_sided;
  std::vector<std::size_t> train, scored;
  for (std::size_t i = 0; i < grid.split.size(); ++i) {
    if (grid.split[i] == 0) train.push_back(i);
    if (grid.split[i] == (options.validation ? 1 : 2)) scored.push_back(i);
  }
  std::vector<Example> pool;
  const auto versions = learn(grid.table.schema, options, {}, [&](CounterRandom& random) {
    if (pool.empty()) {
      while (pool.size() < kPool) draw_stay(grid, train[random.below(train.size())], two_sided, random, pool);
      for (std::size_t i = pool.size(); i > 1; --i) std::swap(pool[i - 1], pool[random.below(i)]);
    }
    Example e = std::move(pool.back());
    pool.pop_back();
    return e;
  });

  std::vector<std::ofstream> out;
  for (const char* suffix : {"", "-strict"}) {
    out.emplace_back(folder + "/" + name + suffix + ".csv");
    out.back() << "stay,hour,feature,median,mean\n";
  }
  for (const std::size_t stay : scored) {
    const Known known = [&](int h, std::size_t f) { return grid.role[grid.cell(stay, h, f)] == 1; };
    const Sides sides = both_sides(grid, stay, known, two_sided);
    for (std::size_t strict = 0; strict < out.size(); ++strict) {
      std::vector<model::Query> queries;
      std::deque<Snapshot> snapshots;
      std::vector<std::pair<int, std::size_t>> asked;
      for (int h = 0; h < kHours; ++h) {
        std::vector<FeatureId> wanted;
        for (std::size_t f = 0; f < grid.features(); ++f) {
          if (grid.role[grid.cell(stay, h, f)] != 2) continue;
          wanted.push_back(grid.table.index[f]);
          asked.emplace_back(h, f);
        }
        if (wanted.empty()) continue;
        snapshots.push_back(sides.before[static_cast<std::size_t>(h)]);
        if (strict == 0) measure(grid.table.schema, snapshots.back(), values_at(grid, stay, h, known), hour(h));
        queries.push_back({&snapshots.back(), hour(h), std::move(wanted), {}, stay * kHours + static_cast<std::size_t>(h)});
        if (two_sided) queries.back().after = sides.after[static_cast<std::size_t>(h)].get();
      }
      std::size_t next = 0;
      for (const model::Prediction& p : predict(versions, queries)) {
        for (const model::Predictive& d : p.predictive) {
          const auto [h, f] = asked[next++];
          char line[96];
          std::snprintf(line, sizeof line, "%zu,%d,%zu,%.7g,%.7g\n", stay, h, f, d.median(), d.mean());
          out[strict] << line;
        }
      }
    }
  }
  for (std::ofstream& o : out) {
    if (!o.flush()) stop("cannot write into " + folder);
  }
}

}  // namespace lacuna::bench
