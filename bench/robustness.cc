#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/evaluation/protocols.h"
#include "daemon/simulator/ward.h"
#include "daemon/simulator/ward_schema.h"
#include "model/trainer.h"
#include "state/patient.h"
#include "state/records/counter_random.h"
#include "state/records/hash.h"
#include "state/records/scale.h"

// What errors among the values do to what is said of other patients, on the simulated ward, its schema without ranges.
//
// A minute of one core.
//
//   ninja robustness_bench && bench/robustness_bench [SEED [BEDS]]     1 % sentinels in every feature: errors on clean stays held back,
//       against the run without; one value of each size, and one patient's 10,000 values at one end of the range: how far
//       others' imputations move

namespace {

using namespace lacuna;

constexpr double kSentinel = 9'999'999;
constexpr std::size_t kReplayed = 50'000;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "robustness: %s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T value_or_fail(Result<T> result) {
  if (!result.ok()) fail(result.status().to_string());
  return std::move(result).value();
}

/// The ward's, but nothing of it has a range.
Schema open_schema() {
  const Schema ward = daemon::ward_schema();
  std::vector<Schema::ModalitySpec> specs;
  for (const Modality& m : ward.modalities()) {
    Schema::ModalitySpec& spec = specs.emplace_back(Schema::ModalitySpec{m, {}});
    for (FeatureId f = m.first_feature; f < m.first_feature + m.feature_count; ++f) {
      Feature& feature = spec.features.emplace_back(ward.features()[f]);
      if (is_discrete(feature.likelihood)) continue;
      feature.low = feature.likelihood == Likelihood::normal || feature.likelihood == Likelihood::student_t ? -HUGE_VAL : 0;
      feature.high = HUGE_VAL;
    }
  }
  return value_or_fail(Schema::make(std::move(specs), ward.attributes()));
}

using ChangeValue = std::function<double(FeatureId, double)>;

/// A learner with what it replays, and the patients it knows.
class Hospital {
 public:
  Hospital(const Schema& schema, std::uint64_t seed, const std::string& checkpoint = {}) : schema_(schema), random_(seed) {
    model::ModelOptions model;
    model.seed = seed;
    model::TrainOptions train;
    train.batch_size = 128;
    train.examples_per_step = 16;
    trainer_ = value_or_fail(model::Trainer::make(schema, model, train, {}, checkpoint));
  }

  void take(Event event, const ChangeValue& change) {
    for (FeatureValue& v : event.values) {
      if (!is_discrete(schema_.features()[v.feature].likelihood)) v.value = change(v.feature, v.value);
    }
    auto [at, is_new] = snapshots_.try_emplace(event.patient_id, state::new_snapshot(schema_, event.patient_id));
    Example example{at->second, event.time, event.values};
    example.before.recent_ids.clear();
    (void)state::apply(schema_, at->second, event, {}, Millis::max());
    if (example.arrived.empty()) return;
    seen_ += 1;
    if (replayed_.size() < kReplayed) {
      replayed_.push_back(example);
    } else if (const std::uint64_t slot = random_.below(seen_); slot < kReplayed) {
      replayed_[slot] = example;
    }
    trainer_->take(std::move(example));
    while (trainer_->step_due()) {
      const auto [wanted, seed] = trainer_->replay_wanted();
      CounterRandom draw(seed);
      std::vector<Example> drawn;
      for (std::size_t i = 0; i < wanted; ++i) drawn.push_back(replayed_[draw.below(replayed_.size())]);
      trainer_->step(drawn);
    }
  }

  /// One that goes on from here in another way.
  Hospital twin() const {
    Hospital other(schema_, 1, trainer_->checkpoint());
    other.snapshots_ = snapshots_;
    other.replayed_ = replayed_;
    other.seen_ = seen_;
    return other;
  }

  model::Trainer& trainer() { return *trainer_; }
  const std::map<std::string, Snapshot>& snapshots() const { return snapshots_; }

 private:
  const Schema& schema_;
  CounterRandom random_;
  std::unique_ptr<model::Trainer> trainer_;
  std::map<std::string, Snapshot> snapshots_;
  std::vector<Example> replayed_;
  std::uint64_t seen_ = 0;
};

struct Errors {
  double next = 0, next_rmse = 0, cross = 0, cross_rmse = 0;
};

Errors errors(const Schema& schema, const model::ModelVersion& version, const std::vector<daemon::Stay>& learned,
              const std::vector<daemon::Stay>& scored) {
  const daemon::Moments moments = daemon::training_moments(schema, learned);
  model::Calibrator for_next(schema, 0.9), for_cross = for_next;
  const auto mean = [](const daemon::ProtocolResult& r, double daemon::FeatureResult::*of) {
    double sum = 0;
    for (const auto& f : r.features) sum += f.*of / static_cast<double>(r.features.size());
    return sum;
  };
  const auto next = value_or_fail(daemon::evaluate_next(schema, version, for_next, moments, scored, 3, {}))[0];
  const auto cross = value_or_fail(daemon::evaluate_cross(schema, version, for_cross, moments, scored, {}));
  using R = daemon::FeatureResult;
  return {mean(next, &R::mae), mean(next, &R::rmse), mean(cross, &R::mae), mean(cross, &R::rmse)};
}

double to_scale_sd(const Schema& schema, const model::ModelVersion& scale, FeatureId f, double value) {
  return to_scale(schema.features()[f].likelihood, value) / scale.moments(f).second;
}

/// Medians of all features of some patients, in standard deviations as `scale` knows them: each as if its modality had never been measured,
/// and as it is.
std::vector<std::vector<double>> medians(const Schema& schema, const model::ModelVersion& version, const model::ModelVersion& scale,
                                         const std::vector<Snapshot>& patients) {
  std::vector<std::vector<double>> out;
  for (const Snapshot& s : patients) {
    model::Query query{&s, s.last_time, {}, {}, 7};
    for (FeatureId f = 0; f < schema.feature_count(); ++f) {
      if (!is_discrete(schema.features()[f].likelihood)) query.wanted.push_back(f);
    }
    std::vector<double>& row = out.emplace_back();
    for (ModalityId hidden = 0; hidden <= schema.modality_count(); ++hidden) {
      query.hidden = {hidden};  // the last: none
      const auto p = value_or_fail(version.predict(std::span(&query, 1)))[0];
      for (std::size_t i = 0; i < p.features.size(); ++i) {
        const FeatureId f = p.features[i];
        if (hidden < schema.modality_count() && schema.features()[f].modality != hidden) continue;
        row.push_back(to_scale_sd(schema, scale, f, p.predictive[i].median()));
      }
    }
  }
  return out;
}

/// How far apart, for the feature that is furthest: in the mean over patients, of any of them, and where all move together.
std::array<double, 3> apart(const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b) {
  std::array<double, 3> most{};
  const auto n = static_cast<double>(a.size());
  for (std::size_t c = 0; c < a[0].size(); ++c) {
    double sum = 0, together = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double off = a[i][c] - b[i][c];
      sum += std::abs(off);
      together += off;
      most[1] = std::max(most[1], std::abs(off));
    }
    most[0] = std::max(most[0], sum / n);
    most[2] = std::max(most[2], std::abs(together) / n);
  }
  return most;
}

double as_it_is(FeatureId, double v) { return v; }

/// A ward of which nine tenths are learned, and a fifth of the patients held back.
class Trial {
 public:
  Trial(std::uint64_t seed, std::size_t beds) : schema_(open_schema()), seed_(seed), clean_(schema_, seed) {
    daemon::WardOptions ward;
    ward.beds = beds;
    ward.seed = seed;
    std::map<std::string, daemon::Stay> learned, held;
    daemon::simulate_ward(ward, [&](const Event& event, const daemon::WardTruth&) {
      const bool is_held = hash64(event.patient_id) % 5 == 0;
      (is_held ? held : learned)[event.patient_id].push_back(event);
      if (!is_held) stream_.push_back(event);
      return true;
    });
    for (auto& [id, stay] : learned) learned_.push_back(std::move(stay));
    for (auto& [id, stay] : held) held_.push_back(std::move(stay));
    for (const daemon::Stay& stay : held_) {
      Snapshot s = state::new_snapshot(schema_, stay.front().patient_id);
      for (std::size_t e = 0; e < stay.size() / 2; ++e) (void)state::apply(schema_, s, stay[e], {}, Millis::max());
      if (s.event_count > 0 && patients_.size() < 40) patients_.push_back(std::move(s));
    }
    learned_events_ = stream_.size() * 9 / 10;
    for (std::size_t i = 0; i < learned_events_; ++i) clean_.take(stream_[i], as_it_is);
    before_ = clean_.trainer().publish();
    std::printf("%zu events of %zu patients; %zu patients held back\n", stream_.size(), learned_.size(), held_.size());
  }

  void sentinels() {
    const Errors good = errors(schema_, *before_, learned_, held_);
    Hospital soiled(schema_, seed_);
    CounterRandom chance(seed_ + 100);
    for (std::size_t i = 0; i < learned_events_; ++i) {
      soiled.take(stream_[i], [&](FeatureId, double v) { return chance.unit() < 0.01 ? kSentinel : v; });
    }
    const Errors bad = errors(schema_, *soiled.trainer().publish(), learned_, held_);
    const auto line = [](const char* what, double without, double with) {
      std::printf("%-22s %8.4f   with 1 %% sentinels %14.4f   ratio %.3f\n", what, without, with, with / without);
    };
    line("next, MAE", good.next, bad.next);
    line("next, RMSE", good.next_rmse, bad.next_rmse);
    line("cross, MAE", good.cross, bad.cross);
    line("cross, RMSE", good.cross_rmse, bad.cross_rmse);
  }

  void one_value() {
    const auto usual = after_one(as_it_is);
    for (const double size : {1.0, 1e2, 1e4, 1e7, 1e12, 1e300}) {
      say("one value of " + std::to_string(static_cast<long long>(std::log10(size))) + " zeros",
          apart(after_one([size](FeatureId f, double v) { return f == 0 ? size : v; }), usual));
    }
  }

  void one_patient() {
    const auto at_first = medians(schema_, *before_, *before_, patients_);
    const auto typical = after_flood(false), extreme = after_flood(true);
    say("10,000 values at the end, against typical ones", apart(extreme, typical));
    say("10,000 typical ones, against none", apart(typical, at_first));
  }

 private:
  static void say(const std::string& what, const std::array<double, 3>& off) {
    std::printf("%-48s %14.4f sd in the mean over patients, %14.4f at most, %14.4f together\n", what.c_str(), off[0], off[1], off[2]);
    std::fflush(stdout);
  }

  /// 200 events more, of which the first with feature 0 is changed.
  std::vector<std::vector<double>> after_one(const ChangeValue& change) {
    Hospital twin = clean_.twin();
    bool changed = false;
    for (std::size_t i = learned_events_; i < std::min(learned_events_ + 200, stream_.size()); ++i) {
      const auto& values = stream_[i].values;
      const bool here = !changed && std::any_of(values.begin(), values.end(), [](const FeatureValue& v) { return v.feature == 0; });
      twin.take(stream_[i], here ? change : ChangeValue(as_it_is));
      changed |= here;
    }
    return medians(schema_, *twin.trainer().publish(), *before_, patients_);
  }

  /// One patient more, with all vital signs once a minute: at the upper end of the ward's ranges, or like others'.
  std::vector<std::vector<double>> after_flood(bool extreme) {
    const Schema ranged = daemon::ward_schema();
    Hospital twin = clean_.twin();
    CounterRandom random(5);
    const Modality& vitals = schema_.modalities()[0];
    for (int i = 0; i < 10'000; ++i) {
      Event event;
      event.event_id = "flood-" + std::to_string(i);
      event.patient_id = "flood";
      event.modality = 0;
      event.time = stream_[learned_events_].time + std::chrono::minutes(i);
      for (FeatureId f = vitals.first_feature; f < vitals.first_feature + vitals.feature_count; ++f) {
        const auto [mean, sd] = before_->moments(f);
        const double usual = from_scale(schema_.features()[f].likelihood, mean + sd * 0.3 * random.normal());
        event.values.push_back({f, extreme ? ranged.features()[f].high : usual});
      }
      twin.take(event, as_it_is);
    }
    return medians(schema_, *twin.trainer().publish(), *before_, patients_);
  }

  const Schema schema_;
  const std::uint64_t seed_;
  Hospital clean_;
  std::vector<Event> stream_;
  std::size_t learned_events_ = 0;
  std::vector<daemon::Stay> learned_, held_;
  std::vector<Snapshot> patients_;
  std::shared_ptr<const model::ModelVersion> before_;
};

}  // namespace

int main(int count, char** arguments) {
  Trial trial(count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1, count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 120);
  trial.sentinels();
  trial.one_value();
  trial.one_patient();
  return 0;
}
