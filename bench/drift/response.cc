// What an open critical alert should do to learning: a day of wrong units on the simulated ward, whose truth is known.
//
// Five days without fault, then for 24 h lactate x 9, bilirubin x 17 and urea x 0.36, then two days without. The whole loop reads it
// from an embedded log, once for each value of alerts.on_critical that is named. Shown: how far what is imputed of the three is from the
// truth, in standard deviations of the clean days, and how often the intervals hold it; the same of all other features; and the alerts.
//
//   ninja drift_response && bench/drift_response configs/simulated-ward.yaml FOLDER [SEED [BEDS]] -- nothing freeze adapt
//
// Some minutes of one core for each.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipeline.h"
#include "daemon/simulator/ward.h"
#include "state/records/scale.h"
#include "streaming/messages/encoders.h"

namespace {

using namespace lacuna;
using namespace lacuna::daemon;
using std::chrono::hours;

constexpr hours kClean{24 * 5}, kFault{24}, kAfter{48};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "response: %s\n", what.c_str());
  std::exit(1);
}
void require(const Status& status) {
  if (!status.ok()) fail(status.to_string());
}

struct Faulty {
  const char *modality, *feature;
  double factor;
};
constexpr Faulty kFaulty[] = {{"blood_gas", "lactate", 9}, {"liver", "bilirubin", 17}, {"chemistry", "bun", 0.36}};

struct Window {
  const char* name;
  hours from, until;
};
constexpr Window kWindows[] = {{"the day before", kClean - hours(24), kClean},
                               {"the day of it", kClean, kClean + kFault},
                               {"12 h after", kClean + kFault, kClean + kFault + hours(12)},
                               {"the rest", kClean + kFault + hours(12), kClean + kFault + kAfter}};

struct Tally {
  double error = 0;
  std::uint64_t count = 0, held = 0;
  void add(double off, bool holds) {
    error += off;
    count += 1;
    held += holds ? 1 : 0;
  }
};

class Run {
 public:
  Run(Config config, const WardOptions& ward) : config_(std::move(config)), ward_(ward), moments_(config_.schema->feature_count()) {
    for (const Faulty& f : kFaulty) faulty_.push_back(*config_.schema->find_feature(config_.schema->find_modality(f.modality), f.feature));
  }

  void go() {
    streaming::EmbeddedOptions options = config_.log.embedded;
    options.default_partitions = config_.log.partitions;
    if (options.path.empty()) options.path = config_.data_dir + "/log";
    auto log = streaming::make_embedded_log(options);
    if (!log.ok()) fail(log.status().to_string());
    require((*log)->ensure_topics({{config_.topics.events.front(), config_.log.partitions, {}}}));
    fill(**log);
    Pipeline::Hooks hooks;
    hooks.on_imputations = [this](const std::vector<Imputation>& all) { compare(all); };
    hooks.on_alert = [this](const Alert& a) { note(a); };
    auto pipeline = Pipeline::make(
        config_, **log, [end = ward_.start + ward_.duration] { return end; }, hooks);
    if (!pipeline.ok()) fail(pipeline.status().to_string());
    require((*pipeline)->run(true));
  }

  void print(const char* on_critical) const {
    for (std::size_t w = 0; w < std::size(kWindows); ++w) {
      std::printf("| %s | %s |", on_critical, kWindows[w].name);
      for (const Tally& t : tallies_[w]) {
        const double n = std::max<double>(1, static_cast<double>(t.count));
        std::printf(" %.3f | %.1f | %llu |", t.error / n, 100 * static_cast<double>(t.held) / n, static_cast<unsigned long long>(t.count));
      }
      std::printf("\n");
    }
    for (const std::string& line : alerts_) std::printf("    %s\n", line.c_str());
    std::fflush(stdout);
  }

 private:
  struct Moments {
    double n = 0, mean = 0, squares = 0;
  };
  void fill(streaming::LogFactory& log) {
    auto appender = log.appender();
    if (!appender.ok()) fail(appender.status().to_string());
    simulate_ward(ward_, [&](const Event& event, const WardTruth& truth) {
      truth_[event.patient_id][event.time] = truth.truth;
      if (event.time < ward_.start + kClean) {
        for (const FeatureValue& v : event.values) {
          Moments& m = moments_[v.feature];
          const double y = to_scale(config_.schema->features()[v.feature].likelihood, v.value), from = y - m.mean;
          m.n += 1;
          m.mean += from / m.n;
          m.squares += from * (y - m.mean);
        }
      }
      require((*appender)->append(
          {config_.topics.events.front(), std::nullopt, event.patient_id, streaming::encode_event(*config_.schema, event), {}}));
      return true;
    });
    require((*appender)->flush());
  }

  void compare(const std::vector<Imputation>& all) {
    for (const Imputation& imputation : all) {
      const Millis at = imputation.time - ward_.start;
      const auto window =
          std::find_if(std::begin(kWindows), std::end(kWindows), [at](const Window& w) { return at >= w.from && at < w.until; });
      if (window == std::end(kWindows)) continue;
      const auto& moments = truth_[imputation.patient_id];
      const auto truth = moments.find(imputation.time);
      if (truth == moments.end()) continue;
      for (const ImputedValue& v : imputation.values) {
        const Feature& feature = config_.schema->features()[v.feature];
        if (is_discrete(feature.likelihood)) continue;
        const Moments& m = moments_[v.feature];
        const StandardScale scale{feature.likelihood, m.mean, std::sqrt(m.squares / std::max(1.0, m.n - 1))};
        const double true_value = truth->second[v.feature];
        const bool faulty = std::find(faulty_.begin(), faulty_.end(), v.feature) != faulty_.end();
        tallies_[static_cast<std::size_t>(window - kWindows)][faulty ? 0 : 1].add(scale.distance(v.median, true_value),
                                                                                  true_value >= v.low && true_value <= v.high);
      }
    }
  }

  void note(const Alert& a) {
    char when[32];
    std::snprintf(when, sizeof when, "%6.1f h  ", hours_between(ward_.start + kClean, a.told));
    alerts_.push_back(when + std::string(to_string(a.state)) + " " + a.kind + "/" + a.subject + (a.adapted ? " (adapted)" : "") +
                      (a.action.empty() ? "" : "; " + a.action));
  }

  const Config config_;
  const WardOptions ward_;
  std::vector<FeatureId> faulty_;
  std::map<std::string, std::map<Time, std::vector<double>>> truth_;
  std::vector<Moments> moments_;
  std::array<std::array<Tally, 2>, std::size(kWindows)> tallies_{};  ///< of the faulty features, and of the others
  std::vector<std::string> alerts_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto end = std::find(argv, argv + argc, std::string("--"));
  const auto given = end - argv;
  if (given < 3 || end + 1 >= argv + argc) fail("see the first lines of bench/drift/response.cc");
  WardOptions ward;
  ward.seed = given > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  ward.beds = given > 4 ? std::strtoull(argv[4], nullptr, 10) : 120;
  ward.duration = kClean + kFault + kAfter;
  ward.start = *parse_rfc3339("2026-01-01T00:00:00Z");
  for (const Faulty& f : kFaulty) ward.shifts.push_back({f.modality, f.feature, 0, kClean, kClean + kFault, f.factor});
  std::printf(
      "| on_critical | | error of the three, sd | intervals hold, %% | values | error of others, sd | intervals hold, %% | values |\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (auto on_critical = end + 1; on_critical != argv + argc; ++on_critical) {
    const std::string folder = std::string(argv[2]) + "/" + *on_critical;
    std::filesystem::remove_all(folder);
    const ConfigOutcome loaded = load_config(
        argv[1], {"data_dir=" + folder, "alerts.on_critical=" + std::string(*on_critical), "logging.level=warn", "http.enabled=false"});
    if (!loaded.config) fail("the configuration is not valid");
    Run run(*loaded.config, ward);
    run.go();
    run.print(*on_critical);
  }
}
