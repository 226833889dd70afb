// A convention changes for everybody: how soon is what is imputed right again?
//
// Stays of PhysioNet 2012 in one pass through the whole loop, on an embedded log, one beginning every ten minutes, alerts at their
// defaults. From the moment half way on HR reads 40 more, platelets twice as much, Na 10 more, PaCO2 0.7 of it. Of each stay and feature
// the last thing that was imputed before its first value arrived is compared with that value: median less value, in standard deviations of
// the first half. Beside it the same stream unchanged.
//
//   ninja continual_shift && bench/continual_shift configs/physionet2012.yaml SET-A FOLDER STAYS (never|once) [key=value]...
//
// `once`: what is alarmed of predictions is accepted as soon as it is told. SET-A holds the files of the stays; FOLDER is emptied.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/commands/replay.h"
#include "daemon/config/config.h"
#include "daemon/pipeline/pipeline.h"
#include "state/records/scale.h"
#include "streaming/messages/encoders.h"
#include "streaming/messages/event_decoder.h"

namespace {

using namespace lacuna;
using namespace lacuna::daemon;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "shift: %s\n", what.c_str());
  std::exit(1);
}
void require(const Status& status) {
  if (!status.ok()) fail(status.to_string());
}

struct Changed {
  const char *modality, *feature;
  double factor, offset;
};
constexpr std::array<Changed, 4> kChanged = {
    {{"vitals", "hr", 1, 40}, {"haematology", "platelets", 2, 0}, {"chemistry", "na", 1, 10}, {"blood_gas", "paco2", 0.7, 0}}};
constexpr std::array<std::size_t, 8> kWindows = {0, 1000, 2000, 4000, 8000, 16000, 32000, 48000};

class Collector final : public streaming::Appender {
 public:
  Status append(streaming::OutputRecord record) override {
    messages.push_back(std::move(*record.value));
    return {};
  }
  Status flush() override { return {}; }
  std::vector<std::string> messages;
};

/// What replay would send of so many stays, decoded, in its order.
std::vector<Event> read_events(const Config& config, const std::string& folder, std::size_t stays) {
  ReplayOptions options;
  options.paths = {folder};
  options.topic = config.topics.events.front();
  options.mapping = *config.mapping;
  options.patients_max = stays;
  Collector collector;
  ReplayReport report;
  ReplayWorld world = real_replay_world();
  world.progress = [](const char*, std::uint64_t, std::uint64_t) {};
  require(replay(*config.schema, options, &collector, world, report));
  streaming::EventDecoder decoder(*config.schema, config.limits);
  std::vector<Event> events;
  for (const std::string& message : collector.messages) {
    auto decoded = decoder.decode(message, system_clock()());
    if (decoded.decoded) events.push_back(std::move(decoded.decoded->event));
  }
  return events;
}

struct Moments {
  double n = 0, mean = 0, squares = 0;
  void add(double y) {
    n += 1;
    const double from = y - mean;
    mean += from / n;
    squares += from * (y - mean);
  }
  double sd() const { return std::sqrt(squares / std::max(1.0, n - 1)); }
};

/// One pass, and how far off it was.
class Pass {
 public:
  Pass(Config config, bool change, bool accept) : config_(std::move(config)), change_(change), accept_(accept) {
    for (const Changed& c : kChanged)
      features_.push_back(*config_.schema->find_feature(config_.schema->find_modality(c.modality), c.feature));
  }

  void go(const std::vector<Event>& events) {
    streaming::EmbeddedOptions options = config_.log.embedded;
    options.default_partitions = 1;
    options.path = config_.data_dir + "/log";
    auto log = streaming::make_embedded_log(options);
    require(log.status());
    require((*log)->ensure_topics({{config_.topics.events.front(), 1, {}}}));
    fill(**log, events);
    Pipeline::Hooks hooks;
    hooks.on_imputations = [this](const std::vector<Imputation>& all) { note(all); };
    hooks.on_alert = [this](const Alert& alert) { note(alert); };
    auto pipeline = Pipeline::make(
        config_, **log, [end = events.back().time + std::chrono::hours(1)] { return end; }, hooks);
    require(pipeline.status());
    pipeline_ = pipeline->get();
    require(pipeline_->run(true));
    for (std::thread& t : deciding_) t.join();
  }

  void print(const char* name) {
    struct Tally {
      double error = 0, bias = 0;
      int count = 0;
    };
    std::map<FeatureId, std::array<Tally, kWindows.size()>> tallies;
    for (const auto& [key, arrived] : first_) {
      const auto said = said_.find(key);
      if (said == said_.end() || arrived.moment < half_) continue;
      const auto window = std::upper_bound(kWindows.begin(), kWindows.end(), arrived.moment - half_) - kWindows.begin() - 1;
      const double sd = moments_[key.second].sd();
      Tally& t = tallies[key.second][static_cast<std::size_t>(window)];
      t.error += std::abs(said->second - arrived.value) / sd;
      t.bias += (said->second - arrived.value) / sd;
      t.count += 1;
    }
    for (std::size_t i = 0; i < features_.size(); ++i) {
      std::printf("%-10s %-11s", name, kChanged[i].feature);
      for (const Tally& t : tallies[features_[i]])
        std::printf("  %5.2f %+5.2f %3d", t.error / std::max(1, t.count), t.bias / std::max(1, t.count), t.count);
      std::printf("\n");
    }
    for (const std::string& line : alerts_) std::printf("    %s\n", line.c_str());
    std::fflush(stdout);
  }

 private:
  using Key = std::pair<std::string, FeatureId>;
  struct First {
    double value = 0;  ///< on the feature's scale
    Time time{};
    std::size_t moment = 0;
  };

  void fill(streaming::LogFactory& log, const std::vector<Event>& events) {
    auto appender = log.appender();
    require(appender.status());
    std::size_t moments = 0, moment = 0;
    const auto begins = [&](std::size_t i) {
      return i == 0 || events[i].patient_id != events[i - 1].patient_id || events[i].time != events[i - 1].time;
    };
    for (std::size_t i = 0; i < events.size(); ++i) moments += begins(i);
    half_ = moments / 2;
    for (std::size_t i = 0; i < events.size(); ++i) {
      Event event = events[i];
      moment += begins(i);
      if (moment == half_ && begins(i)) onset_ = event.time;
      for (FeatureValue& v : event.values) {
        const auto at = std::ranges::find(features_, v.feature);
        if (at == features_.end()) continue;
        const Changed& c = kChanged[static_cast<std::size_t>(at - features_.begin())];
        if (change_ && moment >= half_) v.value = v.value * c.factor + c.offset;
        const double y = to_scale(config_.schema->features()[v.feature].likelihood, v.value);
        if (moment < half_) moments_[v.feature].add(y);
        first_.try_emplace({event.patient_id, v.feature}, First{y, event.time, moment});
      }
      require((*appender)->append(
          {config_.topics.events.front(), std::nullopt, event.patient_id, streaming::encode_event(*config_.schema, event), {}}));
    }
    require((*appender)->flush());
  }

  void note(const std::vector<Imputation>& all) {
    for (const Imputation& imputation : all) {
      for (const ImputedValue& v : imputation.values) {
        if (v.reason != ImputationReason::never_measured || std::ranges::find(features_, v.feature) == features_.end()) continue;
        const Key key{imputation.patient_id, v.feature};
        const auto arrives = first_.find(key);
        if (arrives == first_.end() || imputation.time >= arrives->second.time) continue;
        said_[key] = to_scale(config_.schema->features()[v.feature].likelihood, v.median);
      }
    }
  }

  void note(const Alert& a) {
    char when[32];
    std::snprintf(when, sizeof when, "%7.1f h  ", hours_between(onset_, a.told));
    alerts_.push_back(when + std::string(to_string(a.state)) + " " + a.kind + "/" + a.subject + (a.adapted ? " (adapted)" : ""));
    const bool predicted = a.kind == "value" || a.kind == "error" || a.kind == "coverage";
    if (!accept_ || !predicted || a.state != AlertState::raised) return;
    // The loop answers between two batches, so nobody may wait on its thread.
    deciding_.emplace_back([this, kind = a.kind, subject = a.subject] {
      OperatorCommand command;
      command.kind = kind;
      command.subject = subject;
      for (int i = 0; i < 100 && pipeline_->command(command).code() == Code::unavailable; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    });
  }

  Config config_;
  const bool change_, accept_;
  std::vector<FeatureId> features_;
  Pipeline* pipeline_ = nullptr;
  std::map<Key, First> first_;
  std::map<Key, double> said_;
  std::map<FeatureId, Moments> moments_;
  std::size_t half_ = 0;
  Time onset_{};
  std::vector<std::string> alerts_;
  std::vector<std::thread> deciding_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) fail("see the first lines of bench/continual/shift.cc");
  std::vector<std::string> overrides{"log.kind=embedded", "log.partitions=1", "http.enabled=false", "logging.level=warn"};
  overrides.insert(overrides.end(), argv + 6, argv + argc);
  std::printf("moments since the change:      ");
  for (const std::size_t from : kWindows) std::printf("  %-14zu", from);
  std::printf("\n%-22s", "");
  for (std::size_t i = 0; i < kWindows.size(); ++i) std::printf("  error  bias   n");
  std::printf("\n");
  for (const bool change : {false, true}) {
    const std::string folder = std::string(argv[3]) + (change ? "/changed" : "/unchanged");
    std::filesystem::remove_all(folder);
    overrides.push_back("data_dir=" + folder);
    const ConfigOutcome loaded = load_config(argv[1], overrides);
    if (!loaded.config) fail("the configuration is not valid");
    Pass pass(*loaded.config, change, std::string(argv[5]) == "once");
    pass.go(read_events(*loaded.config, argv[2], std::strtoull(argv[4], nullptr, 10)));
    pass.print(change ? "changed" : "unchanged");
  }
}
