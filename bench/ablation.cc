#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/evaluation/protocols.h"
#include "model/encoding.h"
#include "model/trainer.h"
#include "state/patient.h"
#include "state/records/counter_random.h"
#include "state/replay_buffer.h"
#include "streaming/files/input_files.h"

// One option changed at a time, on real stays: one pass over a folder of them, interleaved as their clinical times say, then the
// protocols on another folder. The daemon without its log, store and threads, so that a run is its options and its seed alone.
//
//   ablation CONFIG LEARN TEST [key.path=value]...    overrides of the configuration; prints a line of figures: steps, ms of processor
//                                                    time a step, KL; cross: MAE, RMSE, CRPS, MAE by value; next: the same; never seen
//                                                    before: MAE, CRPS, MAE by value
//
// LACUNA_FEATURES=chemistry.hco3,neuro.gcs: a second line with the MAE in cross of each of these.
// LACUNA_DRAWS=16,4: one training, and a line for each number of posterior draws (predict.samples) that is asked of it; each with a second
// line: coverage and width of the calibrated intervals in cross, next, never seen before.
// LACUNA_SENTINELS=0.01: this share of the values that are learned from is 9999999, which no range keeps out; what is scored is clean.

namespace {

using namespace lacuna;

/// One moment in so many is scored in `next`.
constexpr int kEvery = 3;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "ablation: %s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T value_or_fail(Result<T> result) {
  if (!result.ok()) fail(result.status().to_string());
  return std::move(result).value();
}

std::vector<daemon::Stay> read_stays(const daemon::Config& config, const std::string& path) {
  std::vector<daemon::Stay> stays;
  streaming::FileReport report;
  const Status s = streaming::read_patients(
      *config.schema, *config.mapping, path, 0,
      [&](std::vector<Event> events) {
        if (!events.empty()) stays.push_back(std::move(events));
        return Status();
      },
      {}, report);
  if (!s.ok()) fail(s.to_string());
  return stays;
}

void soil(const Schema& schema, std::vector<daemon::Stay>& stays, double share, std::uint64_t seed) {
  CounterRandom chance(seed);
  for (daemon::Stay& stay : stays) {
    for (Event& event : stay) {
      for (FeatureValue& v : event.values) {
        if (!is_discrete(schema.features()[v.feature].likelihood) && chance.unit() < share) v.value = 9'999'999;
      }
    }
  }
}

/// What one patient's events at one time add: an example, unless it is the first that is known of the patient.
struct Moment {
  std::size_t stay, from, to;
  Time time;
};

std::vector<Moment> in_clinical_order(const std::vector<daemon::Stay>& stays) {
  std::vector<Moment> moments;
  for (std::size_t i = 0; i < stays.size(); ++i) {
    for (std::size_t from = 0, to = 0; from < stays[i].size(); from = to) {
      for (to = from; to < stays[i].size() && stays[i][to].time == stays[i][from].time;) ++to;
      moments.push_back({i, from, to, stays[i][from].time});
    }
  }
  std::stable_sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) { return a.time < b.time; });
  return moments;
}

/// Everything of a stratified reservoir in memory.
class Replayed {
 public:
  Replayed(const daemon::Config& config, const Schema& schema)
      : schema_(schema), buffer_(config.store.replay_capacity, config.store.replay_strata_max, config.model.seed) {}

  void offer(const Example& example) {
    const auto placed = buffer_.offer(state::stratum_hash(schema_, example));
    for (const auto& e : placed.evicted) {
      if (e.hole != e.last) at(e.hole) = std::move(at(e.last));
    }
    if (placed.taken) at(placed.put) = example;
  }
  std::vector<Example> draw(std::size_t count, std::uint64_t seed) {
    std::vector<Example> out;
    for (const state::Slot& slot : buffer_.draw(count, seed)) out.push_back(at(slot));
    return out;
  }

 private:
  Example& at(const state::Slot& slot) {
    if (strata_.size() <= slot.stratum) strata_.resize(slot.stratum + 1);
    auto& examples = strata_[slot.stratum];
    if (examples.size() <= slot.index) examples.resize(slot.index + 1);
    return examples[slot.index];
  }

  const Schema& schema_;
  state::ReplayBuffer buffer_;
  std::vector<std::vector<Example>> strata_;
};

struct Figures {
  double mae = 0, rmse = 0, crps = 0, coverage = 0, width = 0;  ///< features with equal weight
  double mae_by_value = 0;  ///< values with equal weight: hardly moved by features that were measured a dozen times
};

Figures figures(const daemon::ProtocolResult& result) {
  Figures all;
  double values = 0;
  for (const daemon::FeatureResult& f : result.features) {
    all.mae += f.mae / static_cast<double>(result.features.size());
    all.rmse += f.rmse / static_cast<double>(result.features.size());
    all.crps += f.crps / static_cast<double>(result.features.size());
    all.coverage += f.coverage / static_cast<double>(result.features.size());
    all.width += f.width / static_cast<double>(result.features.size());
    all.mae_by_value += f.mae * static_cast<double>(f.count);
    values += static_cast<double>(f.count);
  }
  all.mae_by_value /= values;
  return all;
}

/// The MAE in cross of each feature that LACUNA_FEATURES names.
void print_features(const Schema& schema, const daemon::ProtocolResult& result) {
  const char* const named = std::getenv("LACUNA_FEATURES");
  if (named == nullptr) return;
  const std::string wanted = "," + std::string(named) + ",";
  for (const daemon::FeatureResult& f : result.features) {
    const std::string name = schema.qualified_name(f.feature);
    if (wanted.find("," + name + ",") != std::string::npos) std::printf("   %s %.4f", name.c_str(), f.mae);
  }
  std::printf("\n");
}

struct Trained {
  model::LearnerStats stats;
  double seconds = 0;
};

void print_figures(const daemon::Config& config, const std::string& what, const Trained& trained, const model::ModelVersion& version,
                   const daemon::Moments& moments, const std::vector<daemon::Stay>& scored, bool coverage) {
  const Schema& schema = *config.schema;
  model::Calibrator for_next(schema, config.predict.level), for_cross = for_next;
  const auto next = value_or_fail(daemon::evaluate_next(schema, version, for_next, moments, scored, kEvery, {}));
  const auto hidden = value_or_fail(daemon::evaluate_cross(schema, version, for_cross, moments, scored, {}));
  const Figures cross = figures(hidden), all = figures(next[0]), unseen = figures(next[1]);
  std::printf("%-44s %6lld %5.1f %5.1f   %.4f %.4f %.4f %.4f   %.4f %.4f %.4f %.4f   %.4f %.4f %.4f\n", what.c_str(),
              static_cast<long long>(trained.stats.steps), trained.seconds * 1e3 / static_cast<double>(trained.stats.steps),
              trained.stats.kl, cross.mae, cross.rmse, cross.crps, cross.mae_by_value, all.mae, all.rmse, all.crps, all.mae_by_value,
              unseen.mae, unseen.crps, unseen.mae_by_value);
  if (coverage) {
    std::printf("   coverage, width %.4f %.4f   %.4f %.4f   %.4f %.4f\n", cross.coverage, cross.width, all.coverage, all.width,
                unseen.coverage, unseen.width);
  }
  print_features(schema, hidden);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) fail("Usage: ablation CONFIG LEARN TEST [key.path=value]...");
  const std::vector<std::string> overrides(arguments + 4, arguments + count);
  const daemon::ConfigOutcome loaded = daemon::load_config(arguments[1], overrides);
  if (!loaded.config) fail(loaded.problems.front().file + ": " + loaded.problems.front().key + ": " + loaded.problems.front().message);
  const daemon::Config& config = *loaded.config;
  if (!config.mapping) fail("the configuration has no `input` section");
  const Schema& schema = *config.schema;
  std::vector<daemon::Stay> learned = read_stays(config, arguments[2]);
  const std::vector<daemon::Stay> scored = read_stays(config, arguments[3]);

  auto trainer = value_or_fail(model::Trainer::make(schema, config.model, config.train, config.predict, {}));
  Replayed replayed(config, schema);
  const daemon::Moments moments = daemon::training_moments(schema, learned);
  if (const char* share = std::getenv("LACUNA_SENTINELS")) soil(schema, learned, std::strtod(share, nullptr), config.model.seed);
  std::vector<Snapshot> snapshots;
  for (const daemon::Stay& stay : learned) snapshots.push_back(state::new_snapshot(schema, stay.front().patient_id));
  const std::clock_t start = std::clock();
  for (const Moment& moment : in_clinical_order(learned)) {
    const daemon::Stay& stay = learned[moment.stay];
    Snapshot& snapshot = snapshots[moment.stay];
    Example example{snapshot, moment.time, {}};
    example.before.recent_ids.clear();
    const bool first = snapshot.event_count == 0;
    for (std::size_t e = moment.from; e < moment.to; ++e) {
      for (const FeatureValue& v : stay[e].values) example.arrived.push_back(v);
      (void)state::apply(schema, snapshot, stay[e], {}, Millis::max());
    }
    if (first) example.before.attributes = snapshot.attributes;
    if (example.arrived.empty()) continue;
    replayed.offer(example);
    trainer->take(std::move(example));
    while (trainer->step_due()) {
      const auto [wanted, seed] = trainer->replay_wanted();
      trainer->step(replayed.draw(wanted, seed));
    }
  }
  const model::LearnerStats stats = trainer->stats();
  if (stats.skipped_steps > 0) fail("steps were skipped");
  const Trained trained{stats, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC};
  std::string what;
  for (const std::string& o : overrides) what += (what.empty() ? "" : " ") + o;
  if (what.empty()) what = "defaults";
  const char* const draws = std::getenv("LACUNA_DRAWS");
  if (draws == nullptr) print_figures(config, what, trained, *trainer->publish(), moments, scored, false);
  std::stringstream counts(draws != nullptr ? draws : "");
  for (std::string number; std::getline(counts, number, ',');) {
    model::PredictOptions predict = config.predict;
    predict.samples = std::atoi(number.c_str());
    const auto same = value_or_fail(model::Trainer::make(schema, config.model, config.train, predict, trainer->checkpoint()));
    print_figures(config, what + ", " + number + " draws", trained, *same->publish(), moments, scored, true);
  }
  return 0;
}
