#include "daemon/table_imputation/table_learning.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "model/trainer.h"
#include "state/records/counter_random.h"
#include "state/records/hash.h"

namespace lacuna::daemon {

namespace {

/// Examples that are held at once, beside those that are replayed.
constexpr std::size_t kShuffled = 4096;
constexpr std::size_t kReplayedMax = 20'000;
/// Passes in a row that are hardly better, until it is over; more of many.
constexpr int kPatience = 4, kPatienceMax = 10;
constexpr double kBetter = 0.002;

template <typename T>
void shuffle(std::vector<T>& items, CounterRandom& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

/// What has been learned from, a sample of it that all are alike likely to be in (Vitter 1985, algorithm R).
class Replay {
 public:
  explicit Replay(std::uint64_t seed) : random_(seed) {}
  void add(const Example& example) {
    ++seen_;
    if (kept_.size() < kReplayedMax) return kept_.push_back(example);
    if (const std::uint64_t at = random_.below(seen_); at < kReplayedMax) kept_[at] = example;
  }
  std::vector<Example> draw(std::size_t count, std::uint64_t seed) const {
    std::vector<Example> out;
    CounterRandom random(seed);
    for (std::size_t i = 0; i < count && !kept_.empty(); ++i) out.push_back(kept_[random.below(kept_.size())]);
    return out;
  }

 private:
  CounterRandom random_;
  std::uint64_t seen_ = 0;
  std::vector<Example> kept_;
};

/// Goes over a table's moments pass by pass.
class TableTrainer {
 public:
  TableTrainer(const Schema& schema, const PatientTable& table, const HeldOutCells& held_out, bool both_sides, model::Trainer& trainer,
               std::uint64_t seed)
      : schema_(schema),
        table_(table),
        held_out_(held_out),
        both_sides_(both_sides),
        trainer_(trainer),
        random_(mix64(seed ^ 0x7461626cULL)),
        replay_(mix64(seed ^ 0x72706c79ULL)) {}

  /// Moments of one pass.
  std::size_t examples() const {
    std::size_t all = 0;
    for (std::size_t p = 0; p < table_.patients.size(); ++p) add_examples(p, [&all](const CourseMoment&) { ++all; });
    return all;
  }

  void pass(bool first, const std::function<void()>& learned) {
    std::vector<std::size_t> order(table_.patients.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    shuffle(order, random_);
    std::vector<Example> some;
    for (const std::size_t patient : order) {
      add_examples(patient, [&some](const CourseMoment& m) { some.push_back(example_of(m)); });
      if (some.size() >= kShuffled) learn(some, first, learned);
    }
    learn(some, first, learned);
  }

 private:
  /// A patient's first moment is learned with its own values known. Where there are later ones it is to be told from these: so it is no
  /// first moment, but one after an admission of which nothing is known.
  static Example example_of(const CourseMoment& moment) {
    Example out{moment.before, moment.time, moment.measured, moment.payloads, moment.after};
    if (out.before.event_count == 0 && moment.after && moment.after->event_count > 0) {
      out.before.event_count = 1;
      out.before.first_time = out.before.last_time = moment.time;
    }
    return out;
  }
  void add_examples(std::size_t patient, const std::function<void(const CourseMoment&)>& add) const {
    follow_course(schema_, table_.patients[patient], held_out_[patient], both_sides_, [&](const CourseMoment& moment) {
      if (!moment.measured.empty() || !moment.payloads.empty()) add(moment);
    });
  }
  void learn(std::vector<Example>& examples, bool first, const std::function<void()>& learned) {
    shuffle(examples, random_);
    for (Example& example : examples) {
      if (first) replay_.add(example);
      if (first) trainer_.take(std::move(example));
      else trainer_.take_again(std::move(example));
      while (trainer_.step_due()) {
        const auto [count, seed] = trainer_.replay_wanted();
        trainer_.step(replay_.draw(count, seed));
      }
      learned();
    }
    examples.clear();
  }

  const Schema& schema_;
  const PatientTable& table_;
  const HeldOutCells& held_out_;
  const bool both_sides_;
  model::Trainer& trainer_;
  CounterRandom random_;
  Replay replay_;
};

int passes_for(const TableLearningOptions& options, const model::TrainOptions& train, std::size_t examples) {
  if (options.epochs > 0) return options.epochs;
  const double wanted = kTableSteps * static_cast<double>(train.examples_per_step) / static_cast<double>(examples);
  return std::clamp(static_cast<int>(std::ceil(wanted)), 1, kTableEpochsMax);
}

Status too_little() { return {Code::not_found, "too little to learn from: no value that can be read, or too few for one gradient step"}; }

}  // namespace

Result<LearnedTable> learn_table(const Config& config, const PatientTable& table, const TableLearningOptions& options,
                                 const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const Schema& schema = *config.schema;
  model::ModelOptions model = config.model;
  model.two_sided = options.both_sides;
  auto trainer = model::Trainer::make(schema, model, config.train, config.predict, {});
  if (!trainer.ok()) return trainer.status();
  const HeldOutCells held_out = draw_held_out(schema, table, kHeldOutShare, config.model.seed);
  const std::vector<StandardScale> scales = scales_of(schema, table, held_out);
  TableTrainer course(schema, table, held_out, options.both_sides, **trainer, config.model.seed);
  LearnedTable out{nullptr, model::Calibrator(schema, config.predict.level), {}, held_out, {}, scales, course.examples(), 0, 0, 0};
  if (out.examples == 0) return too_little();
  const int passes = passes_for(options, config.train, out.examples);
  const std::uint64_t all = out.examples * static_cast<std::uint64_t>(passes);
  std::uint64_t done = 0;
  double best = 0, worth = 0;  // of the best pass; of the last that was worth the time
  int worth_pass = 0;
  for (int pass = 1; pass <= passes; ++pass) {
    course.pass(pass == 1, [&] { progress(++done, all); });
    out.passes = pass;
    const auto version = (*trainer)->publish();
    if (version->steps() == 0) continue;
    auto answers = ask_held_out(schema, table, held_out, *version, config.observations_min, options.both_sides);
    if (!answers.ok()) return answers.status();
    const double score = mean_score(scales, *answers);
    const bool is_first = !out.version;
    if (is_first || score < (1 - kBetter) * worth) {
      worth = score;
      worth_pass = pass;
    }
    if (is_first || answers->empty() || score < best) {
      best = score;
      out.answers = std::move(*answers);
      out.version = version;
      out.best_pass = pass;
    }
    if (pass - worth_pass >= std::min(kPatience + passes / 10, kPatienceMax)) break;
  }
  if (!out.version) return too_little();
  out.steps = out.version->steps();
  out.calibrator = calibrate(schema, out.answers, config.predict.level);
  out.scores = score_features(schema, scales, out.answers, config.predict.level);
  return out;
}

}  // namespace lacuna::daemon
