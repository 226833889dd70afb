#include "model/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "model/adam.h"
#include "model/carried_weights.h"
#include "model/device_graph.h"
#include "model/learned_counts.h"
#include "model/learned_units.h"
#include "model/learner_checkpoint.h"
#include "model/objective.h"
#include "model/torch_device.h"
#include "model/torch_model_version.h"
#include "model/training_batch.h"
#include "model/version_parts.h"
#include "state/records/counter_random.h"
#include "state/records/feature_state.h"
#include "state/records/hash.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

enum Purpose : std::uint64_t { kDrawRows = 1, kDrawReplay, kHide, kNoise };

std::size_t payload_bytes(const Example& example) {
  std::size_t bytes = 0;
  const auto add = [&bytes](const PayloadRef& p) {
    if (p) bytes += p->values.size() * sizeof(float) + p->observed.size() + p->text.size();
  };
  for (const ModalityState& m : example.before.modalities) add(m.payload);
  for (const PayloadValue& v : example.arrived_payloads) add(v.payload);
  return bytes;
}

/// Of one patient's examples that crowd out the others', so many pay for a step what one does else: what it has to say is soon said.
constexpr std::int64_t kFloodPays = 8;
/// What has learned from n examples is paid kYoungExamples / n times for each, within 1 and TrainOptions::young_pace. Of these so many
/// where each is another patient's, and as many fewer as the newest are the same patients' again, which are soon known by heart.
constexpr std::int64_t kYoungExamples = 65536, kYoungExamplesMin = 8192;
/// But a step has so many fresh examples at least.
constexpr std::int64_t kYoungStep = 8;
/// A version is due when there are a kYoungVersions-th more steps than in the one before.
constexpr std::int64_t kYoungVersions = 8;

std::uint64_t known_patient(const Example& example) {
  return example.before.patient_id.empty() ? 0 : patient_hash(example.before.patient_id);
}

class TorchTrainer final : public Trainer {
 public:
  TorchTrainer(LearnedUnits units, const ModelOptions& model, const TrainOptions& train, const PredictOptions& predict,
               torch::Device device)
      : units_(std::make_shared<const LearnedUnits>(std::move(units))),
        options_(model),
        train_(train),
        predict_(predict),
        device_(device),
        encoder_(std::make_shared<const RowEncoder>(units_->schema(), model.two_sided)),
        standardiser_(units_->schema()),
        learned_(units_->schema()),
        network_(encoder_->layout(), model, Network::initial(encoder_->layout(), model).to(device), true),
        adam_(network_.flat(), device.is_cpu()),
        graph_(device),
        sums_(torch::zeros({4}, torch::TensorOptions().device(device))) {
    if (!device.is_cpu()) predictor_ = std::make_shared<DevicePredictor>(encoder_->layout(), model, device);
  }

  bool take(Example example, int steps_multiplier) override {
    units_->to_learned(example);
    standardiser_.observe(example, known_patient(example));
    const bool floods = keep(std::move(example), false);
    ++stats_.examples;
    if (!floods || stats_.examples % kFloodPays == 0) since_step_ += steps_multiplier * youth_pace();
    return step_due();
  }
  bool take_again(Example example) override {
    units_->to_learned(example);
    (void)keep(std::move(example), true);
    ++since_step_;
    return step_due();
  }
  void forget(std::uint64_t patient) override {
    std::erase_if(recent_, [&](const Recent& r) {
      if (r.patient == patient) recent_bytes_ -= payload_bytes(r.example);
      return r.patient == patient;
    });
    recent_of_.erase(patient);
    standardiser_.forget(patient);
  }
  bool step_due() const override { return since_step_ >= train_.examples_per_step; }

  std::pair<std::size_t, std::uint64_t> replay_wanted() const override {
    const auto count = static_cast<std::size_t>(std::lround(train_.replay_ratio * train_.batch_size));
    return {count, stream_seed(kDrawReplay)};
  }

  void step(const std::vector<Example>& replayed) override {
    try {
      if (recent_.empty()) {
        ++stats_.skipped_steps;
        ++stats_.steps;
      } else if (units_->same()) {
        learn(replayed);
      } else {
        std::vector<Example> converted = replayed;
        for (Example& example : converted) units_->to_learned(example);
        learn(converted);
      }
    } catch (const std::exception&) {
      // LibTorch failed before the update (memory, a device gone): the weights are as they were.
      ++stats_.skipped_steps;
      ++stats_.steps;
    }
    since_step_ = std::max<std::int64_t>(since_step_ - train_.examples_per_step, 0);
  }
  bool version_due() const override {
    const std::int64_t young = std::max<std::int64_t>(published_at_ / kYoungVersions, 1);
    return stats_.steps - published_at_ >= std::min(train_.publish_every_steps, young);
  }
  std::shared_ptr<const ModelVersion> publish() override;
  std::string checkpoint() const override;
  Status restore(const OpenedCheckpoint& checkpoint);
  LearnerStats stats() const override { return stats_; }

 private:
  struct Recent {
    Example example;
    std::uint64_t patient = 0;  ///< patient_hash(); 0: not known
    bool learned = false;       ///< it was in a gradient step
  };
  /// How many times the usual steps the newest example pays for.
  std::int64_t youth_pace() const {
    const std::int64_t most = std::min<std::int64_t>(train_.young_pace, train_.examples_per_step / kYoungStep);
    const auto patients = static_cast<std::int64_t>(recent_of_.size()), newest = static_cast<std::int64_t>(recent_.size());
    const std::int64_t young = std::max(kYoungExamples * patients / std::max<std::int64_t>(newest, 1), kYoungExamplesMin);
    return std::clamp<std::int64_t>(young / stats_.examples, 1, std::max<std::int64_t>(most, 1));
  }
  void learn(const std::vector<Example>& replayed);
  std::uint64_t stream_seed(Purpose purpose) const {
    return mix64(options_.seed ^ mix64(static_cast<std::uint64_t>(stats_.steps) * 8 + purpose));
  }
  struct Rows {
    std::vector<const Example*> examples;
    std::vector<std::uint64_t> patients;  ///< patient_hash(); 0: not known
    std::vector<std::size_t> recent;      ///< which of the recent ones are among them
  };
  Rows choose_rows(const std::vector<Example>& replayed) const;
  /// `counted`: what is learned from it was before.
  bool keep(Example example, bool counted);
  bool make_room(std::uint64_t patient);
  void drop(std::deque<Recent>::iterator at) {
    recent_bytes_ -= payload_bytes(at->example);
    if (--recent_of_[at->patient] == 0) recent_of_.erase(at->patient);
    recent_.erase(at);
  }
  void update(const TrainingBatch& batch);
  void read_sums();
  std::int64_t moves() const { return stats_.steps - stats_.skipped_steps; }  ///< of the weights
  bool restore_tail(ByteReader& in, const Schema& schema, Standardiser& known, LearnedCounts& learned);

  std::shared_ptr<const LearnedUnits> units_;
  ModelOptions options_;
  TrainOptions train_;
  PredictOptions predict_;
  torch::Device device_;
  std::shared_ptr<const RowEncoder> encoder_;
  Standardiser standardiser_;
  LearnedCounts learned_;
  Network network_;
  Adam adam_;
  struct Nothing {};
  DeviceGraph<TrainingBatch, Nothing> graph_;
  std::shared_ptr<DevicePredictor> predictor_;  ///< the versions'; null on a processor
  Tensor sums_;                                 ///< since the last version, on the device: loss, KL, steps, skipped steps
  std::deque<Recent> recent_;
  std::unordered_map<std::uint64_t, std::size_t> recent_of_;  ///< how many of them, by patient
  std::size_t recent_bytes_ = 0;                              ///< of their payloads
  std::int64_t since_step_ = 0;                               ///< examples that no step has used, times their steps_multiplier
  std::int64_t published_at_ = 0;                             ///< steps, at the last version
  std::int64_t published_moves_ = -1;                         ///< moves(), at the last version; -1: there is none
  std::shared_ptr<const ModelVersion> published_;             ///< the last version of this process
  double loss_sum_ = 0, loss_steps_ = 0;
  LearnerStats stats_;
};

/// Among the recent ones. True when its patient has more of them than is its share.
bool TorchTrainer::keep(Example example, bool counted) {
  const std::uint64_t patient = known_patient(example);
  const bool floods = make_room(patient);
  recent_bytes_ += payload_bytes(example);
  recent_.push_back({std::move(example), patient, counted});
  ++recent_of_[patient];
  while (recent_.size() > kRecentExamplesMax || (recent_bytes_ > kRecentPayloadBytesMax && recent_.size() > 1)) drop(recent_.begin());
  return floods;
}

/// True when the recent examples are for the most part those of `patient`, and there are others: then the oldest of its own makes room
/// for the next, so that the others stay.
bool TorchTrainer::make_room(std::uint64_t patient) {
  const auto held = recent_of_.find(patient);
  if (patient == 0 || held == recent_of_.end()) return false;
  if (held->second < kRecentExamplesMax / 2 || held->second == recent_.size()) return false;
  drop(std::find_if(recent_.begin(), recent_.end(), [patient](const Recent& r) { return r.patient == patient; }));
  return true;
}

TorchTrainer::Rows TorchTrainer::choose_rows(const std::vector<Example>& replayed) const {
  const auto wanted = replay_wanted().first;
  const std::size_t fresh = static_cast<std::size_t>(train_.batch_size) - std::min(wanted, replayed.size());
  Rows rows;
  const auto add = [&rows](const Example& example, std::uint64_t patient) {
    rows.examples.push_back(&example);
    rows.patients.push_back(patient);
  };
  const auto add_recent = [&](std::size_t i) {
    add(recent_[i].example, recent_[i].patient);
    rows.recent.push_back(i);
  };
  // Every fresh example is used at least once (as far as the fresh share has room); the rest of the fresh
  // share is drawn from the recent ones.
  const std::size_t newest = std::min({static_cast<std::size_t>(since_step_), recent_.size(), fresh});
  for (std::size_t i = 0; i < newest; ++i) add_recent(recent_.size() - 1 - i);
  CounterRandom random(stream_seed(kDrawRows));
  while (rows.examples.size() < fresh) add_recent(random.below(recent_.size()));
  for (std::size_t i = 0; i < std::min(wanted, replayed.size()); ++i) add(replayed[i], known_patient(replayed[i]));
  return rows;
}

void TorchTrainer::learn(const std::vector<Example>& replayed) {
  const auto start = std::chrono::steady_clock::now();
  const Rows rows = choose_rows(replayed);
  TrainingBatch batch = make_training_batch(*encoder_, standardiser_, options_, train_, rows.examples, stream_seed(kHide),
                                            stream_seed(kNoise), rows.patients);
  const auto t = static_cast<double>(stats_.steps + 1);
  const double warm = std::min(1.0, t / static_cast<double>(std::max<std::int64_t>(train_.kl_warmup_steps, 1)));
  batch.kl_weight = torch::full({1}, train_.beta * warm);
  batch.rates = Adam::numbers(t, {train_.learning_rate, train_.weight_decay, train_.gradient_norm_max});
  graph_.run(device_.is_cpu() ? std::move(batch) : batch.padded(), [this](const TrainingBatch& b) {
    update(b);
    return Nothing();
  });
  ++stats_.steps;
  stats_.recorded_steps = graph_.replays();
  stats_.replayed += static_cast<std::int64_t>(std::min(replay_wanted().first, replayed.size()));
  const std::int64_t skipped = stats_.skipped_steps;
  if (device_.is_cpu()) read_sums();
  if (stats_.skipped_steps == skipped) {
    for (const std::size_t i : rows.recent) {
      if (!std::exchange(recent_[i].learned, true)) learned_.add(recent_[i].example);
    }
  }
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  stats_.step_ms = stats_.step_ms == 0 ? ms : 0.98 * stats_.step_ms + 0.02 * ms;
}

/// All of a step that the device does. On CUDA it is recorded: no value may come back to the host in between.
void TorchTrainer::update(const TrainingBatch& batch) {
  network_.gradient().zero_();
  const Loss loss = objective(network_, encoder_->layout(), options_, train_, batch);
  loss.total.backward();
  const torch::NoGradGuard no_gradients;
  const Tensor fine = adam_.step(network_.gradient(), loss.total, batch.rates);
  sums_ += torch::stack({loss.nats.nan_to_num(0, 0, 0) * fine, loss.kl.nan_to_num(0, 0, 0) * fine, fine, 1.0 - fine});
}

/// Moves the sums kept on the device into the figures; on CUDA only once a version, since it waits for the
/// device.
void TorchTrainer::read_sums() {
  const Tensor host = sums_.to(torch::kCPU);
  const float* s = host.data_ptr<float>();
  if (s[2] > 0) {
    const double loss = s[0] / s[2], kl = s[1] / s[2], keep = std::pow(0.98, s[2]);
    const bool first = stats_.loss == 0 && stats_.kl == 0;
    stats_.loss = first ? loss : keep * stats_.loss + (1 - keep) * loss;
    stats_.kl = first ? kl : keep * stats_.kl + (1 - keep) * kl;
    loss_sum_ += s[0];
    loss_steps_ += s[2];
  }
  stats_.skipped_steps += static_cast<std::int64_t>(s[3]);
  sums_.zero_();
}

std::shared_ptr<const ModelVersion> TorchTrainer::publish() {
  read_sums();
  published_at_ = stats_.steps;
  const bool moved = moves() != published_moves_;
  if (published_ && !moved) return published_;
  if (moved) ++stats_.versions;
  published_moves_ = moves();
  VersionParts parts{units_,
                     encoder_,
                     standardiser_,
                     learned_,
                     options_,
                     predict_,
                     adam_.average().clone(),
                     stats_.versions - 1,
                     stats_.steps,
                     loss_steps_ > 0 ? loss_sum_ / loss_steps_ : 0.0,
                     predictor_};
  loss_sum_ = loss_steps_ = 0;
  published_ = make_version(std::move(parts));
  return published_;
}

std::string TorchTrainer::checkpoint() const {
  ByteWriter out;
  std::vector<Tensor> tensors = adam_.state();
  tensors.insert(tensors.begin(), network_.flat());
  for (const Tensor& t : tensors) {
    const Tensor host = t.to(torch::kCPU).contiguous();
    out.put_text({static_cast<const char*>(host.data_ptr()), host.nbytes()});
  }
  const Tensor sums = sums_.to(torch::kCPU);
  for (int i = 0; i < 4; ++i) out.put(sums.data_ptr<float>()[i]);
  standardiser_.save(out);
  for (std::int64_t v :
       {stats_.steps, stats_.examples, stats_.replayed, stats_.versions, stats_.skipped_steps, since_step_, published_at_}) {
    out.put(v);
  }
  for (double v : {stats_.loss, stats_.kl, loss_sum_, loss_steps_}) out.put(v);
  out.put<std::uint32_t>(static_cast<std::uint32_t>(recent_.size()));
  for (const Recent& r : recent_) write_example(out, r.example);
  for (const Recent& r : recent_) out.put(r.patient);
  standardiser_.save_start(out);
  learned_.save(out);
  for (const Recent& r : recent_) out.put<std::uint8_t>(r.learned ? 1 : 0);
  out.put(published_moves_);
  const bool censored = std::any_of(recent_.begin(), recent_.end(), [](const Recent& r) { return is_censored(r.example); });
  return seal_learner_checkpoint(units_->schema(), options_, out.take(), censored);
}

/// What came later than the format: some versions wrote none of it, or its beginning. False: damaged.
bool TorchTrainer::restore_tail(ByteReader& in, const Schema& schema, Standardiser& known, LearnedCounts& learned) {
  if (!in.at_end()) {
    for (Recent& r : recent_) r.patient = in.get<std::uint64_t>();
  }
  if (!in.at_end()) known.load_start(in);
  if (!in.at_end()) {
    if (!learned.load(in)) return false;
    for (Recent& r : recent_) r.learned = in.get<std::uint8_t>() != 0;
    published_moves_ = in.get<std::int64_t>();
    return true;
  }
  published_moves_ = stats_.versions > 0 ? published_at_ - stats_.skipped_steps : -1;
  if (moves() <= 0) return true;
  learned = LearnedCounts::of_standardiser(schema, known);
  for (Recent& r : recent_) {
    learned.add_payloads(r.example);
    r.learned = true;
  }
  return true;
}

Status TorchTrainer::restore(const OpenedCheckpoint& checkpoint) {
  const Result<SchemaMapping> mapping = SchemaMapping::make(checkpoint.schema, units_->schema());
  if (!mapping.ok()) return mapping.status();
  ByteReader in(checkpoint.body);
  const Status damaged(Code::corrupt, "model checkpoint: content does not fit its own description");
  const auto size =
      static_cast<std::size_t>(Network::parameter_count(InputLayout(checkpoint.schema, options_.two_sided, checkpoint.columns), options_));
  const auto positions = carried_weights(checkpoint.schema, units_->schema(), *mapping, options_, checkpoint.columns);
  std::vector<Tensor> tensors = adam_.state();
  tensors.insert(tensors.begin(), network_.flat());
  for (Tensor& t : tensors) {
    const std::string raw = in.get_text();
    if (raw.size() != size * sizeof(float)) return damaged;
    Tensor host = t.to(torch::kCPU).clone();
    for (std::size_t i = 0; i < positions.size(); ++i) {
      if (positions[i] == kZeroWeight) host.data_ptr<float>()[i] = 0;
      if (positions[i] >= 0)
        std::memcpy(host.data_ptr<float>() + i, raw.data() + static_cast<std::size_t>(positions[i]) * sizeof(float), sizeof(float));
    }
    t.copy_(host);
  }
  std::vector<float> sums;
  for (int i = 0; i < 4; ++i) sums.push_back(in.get<float>());
  sums_.copy_(torch::tensor(sums));
  Standardiser known(checkpoint.schema);
  if (!known.load(in)) return damaged;
  for (std::int64_t* v :
       {&stats_.steps, &stats_.examples, &stats_.replayed, &stats_.versions, &stats_.skipped_steps, &since_step_, &published_at_}) {
    *v = in.get<std::int64_t>();
  }
  for (double* v : {&stats_.loss, &stats_.kl, &loss_sum_, &loss_steps_}) *v = in.get<double>();
  const auto count = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    recent_.push_back({mapping->carry(units_->schema(), read_example(in, checkpoint.schema))});
    recent_bytes_ += payload_bytes(recent_.back().example);
  }
  LearnedCounts learned(checkpoint.schema);
  if (!restore_tail(in, checkpoint.schema, known, learned)) return damaged;
  for (const Recent& recent : recent_) ++recent_of_[recent.patient];
  standardiser_.carry(known, *mapping);
  learned_.carry(learned, *mapping, standardiser_);
  if (!in.ok() || !in.at_end() || recent_.size() > kRecentExamplesMax) return damaged;
  return {};
}

}  // namespace

Result<std::unique_ptr<Trainer>> Trainer::make(const Schema& schema, const ModelOptions& model, const TrainOptions& train,
                                               const PredictOptions& predict, std::string_view checkpoint) {
  try {
    const auto device = choose_device(model.device);
    if (!device.ok()) return device.status();
    prepare_thread();
    std::optional<OpenedCheckpoint> before;
    if (!checkpoint.empty()) {
      auto opened = open_learner_checkpoint(schema, model, checkpoint);
      if (!opened.ok()) return opened.status();
      before = std::move(*opened);
    }
    auto units = LearnedUnits::make(schema, before ? before->schema : schema);
    if (!units.ok()) return units.status();
    auto trainer = std::make_unique<TorchTrainer>(std::move(*units), model, train, predict, *device);
    if (before) LACUNA_RETURN_IF_ERROR(trainer->restore(*before));
    return std::unique_ptr<Trainer>(std::move(trainer));
  } catch (const std::exception& e) {
    return {Code::internal, std::string("the model could not be set up: ") + e.what()};
  }
}

}  // namespace lacuna::model
