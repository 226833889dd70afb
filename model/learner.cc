#include "model/learner.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include <pthread.h>

#include "model/trainer.h"
#include "state/records/hash.h"

namespace lacuna::model {

namespace {

class ThreadedLearner final : public Learner {
 public:
  ThreadedLearner(Schema schema, const TrainOptions& train, ReplaySource replay)
      : schema_(std::move(schema)), train_(train), replay_(std::move(replay)) {}

  ~ThreadedLearner() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  Status start(const ModelOptions& model, const PredictOptions& predict, std::string_view checkpoint) {
    auto trainer = Trainer::make(schema_, model, train_, predict, checkpoint);
    if (!trainer.ok()) return trainer.status();
    trainer_ = std::move(*trainer);
    current_ = trainer_->publish();
    stats_ = trainer_->stats();
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), "lacuna-learner");
    return {};
  }

  void submit(std::vector<Example> examples, int steps_multiplier) override {
    if (steps_multiplier > 0) enqueue(std::move(examples), Kind::fresh, steps_multiplier);
  }

  void submit_again(std::vector<Example> examples) override { enqueue(std::move(examples), Kind::again, 1); }

  void end_batch() override {
    const std::lock_guard lock(mutex_);
    queue_.push_back({{}, Kind::batch_end, 0});
    ++ends_queued_;
    changed_.notify_all();
  }

  std::shared_ptr<const ModelVersion> version_after(std::uint64_t batch, std::chrono::milliseconds patience) override {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [&] { return stopping_ || batches_learned_ > batch; });
    if (batches_learned_ <= batch) return nullptr;
    const auto first = [this] { return batches_learned_ - after_batch_.size(); };
    while (first() + 1 < batch) after_batch_.pop_front();
    return after_batch_[batch - first()];
  }

  void forget(std::uint64_t patient) override {
    const std::lock_guard lock(mutex_);
    const std::lock_guard training(trainer_mutex_);
    const auto of_them = [patient](const Queued& q) {
      return q.kind != Kind::batch_end && patient_hash(q.example.before.patient_id) == patient;
    };
    std::erase_if(queue_, of_them);
    std::erase_if(work_, of_them);
    trainer_->forget(patient);
    changed_.notify_all();
  }

  std::shared_ptr<const ModelVersion> current() const override {
    const std::lock_guard lock(mutex_);
    return current_;
  }

  LearnerStats stats() const override {
    const std::lock_guard lock(mutex_);
    LearnerStats stats = stats_;
    stats.queued = queue_.size() - ends_queued_;
    return stats;
  }

  std::shared_ptr<const ModelVersion> drain() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || (queue_.empty() && !busy_); });
    const std::lock_guard training(trainer_mutex_);
    current_ = trainer_->publish();
    stats_ = trainer_->stats();
    return current_;
  }

  std::string checkpoint() override {
    const std::lock_guard training(trainer_mutex_);
    return trainer_->checkpoint();
  }

 private:
  enum class Kind : std::uint8_t { fresh, again, batch_end };
  struct Queued {
    Example example;  ///< none at a batch's end
    Kind kind = Kind::fresh;
    int steps_multiplier = 1;
  };
  enum class Learned : std::uint8_t { all, some, batch };
  void enqueue(std::vector<Example> examples, Kind kind, int steps_multiplier);
  void run();
  /// Takes what fits up to the next step, and makes that step; or up to the end of a batch. trainer_mutex_ is held. `all`: there is
  /// nothing more to do.
  Learned learn();

  const Schema schema_;
  const TrainOptions train_;
  const ReplaySource replay_;
  std::deque<Queued> work_;           ///< taken from the queue; filled under mutex_, emptied under trainer_mutex_
  std::unique_ptr<Trainer> trainer_;  ///< guarded by trainer_mutex_; lock order: mutex_ first where both are held
  std::mutex trainer_mutex_;

  mutable std::mutex mutex_;  ///< guards all below
  std::condition_variable changed_;
  std::deque<Queued> queue_;
  std::size_t ends_queued_ = 0;  ///< in queue_: no examples
  std::shared_ptr<const ModelVersion> current_;
  std::uint64_t batches_learned_ = 0;
  std::deque<std::shared_ptr<const ModelVersion>> after_batch_;  ///< of the latest of these, in order
  LearnerStats stats_;
  bool busy_ = false, stopping_ = false;
  std::thread thread_;
};

void ThreadedLearner::enqueue(std::vector<Example> examples, Kind kind, int steps_multiplier) {
  std::unique_lock lock(mutex_);
  for (Example& example : examples) {
    changed_.wait(lock, [&] { return stopping_ || queue_.size() - ends_queued_ < train_.queue_examples_max; });
    if (stopping_) return;
    queue_.push_back({std::move(example), kind, steps_multiplier});
    if (queue_.size() == 1) changed_.notify_all();
  }
}

ThreadedLearner::Learned ThreadedLearner::learn() {
  while (!trainer_->step_due()) {
    if (work_.empty()) return Learned::all;
    Queued next = std::move(work_.front());
    work_.pop_front();
    if (next.kind == Kind::batch_end) return Learned::batch;
    if (next.kind == Kind::again) trainer_->take_again(std::move(next.example));
    else trainer_->take(std::move(next.example), next.steps_multiplier);
  }
  const auto [count, seed] = trainer_->replay_wanted();
  trainer_->step(count > 0 && replay_ ? replay_(count, seed) : std::vector<Example>());
  return Learned::some;
}

void ThreadedLearner::run() {
  const auto chunk = static_cast<std::size_t>(std::max<std::int64_t>(train_.examples_per_step, 1));
  while (true) {
    {
      std::unique_lock lock(mutex_);
      busy_ = false;
      if (queue_.empty()) changed_.notify_all();
      changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      for (std::size_t i = 0; i < chunk && !queue_.empty(); ++i) {
        if (queue_.front().kind == Kind::batch_end) --ends_queued_;
        work_.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      busy_ = true;
    }
    changed_.notify_all();
    for (Learned learned = Learned::some; learned != Learned::all;) {
      std::shared_ptr<const ModelVersion> version;
      LearnerStats stats;
      {
        const std::lock_guard training(trainer_mutex_);
        learned = learn();
        if (trainer_->version_due()) version = trainer_->publish();
        stats = trainer_->stats();
      }
      const std::lock_guard lock(mutex_);
      stats_ = stats;
      if (version) current_ = std::move(version);
      if (learned == Learned::batch) {
        ++batches_learned_;
        after_batch_.push_back(current_);
        changed_.notify_all();
      }
      if (stopping_) return;
    }
  }
}

}  // namespace

std::uint64_t patient_hash(std::string_view patient_id) { return hash64(patient_id); }

Result<std::unique_ptr<Learner>> Learner::make(const Schema& schema, const ModelOptions& model, const TrainOptions& train,
                                               const PredictOptions& predict, ReplaySource replay, std::string_view checkpoint) {
  auto learner = std::make_unique<ThreadedLearner>(schema, train, std::move(replay));
  LACUNA_RETURN_IF_ERROR(learner->start(model, predict, checkpoint));
  return std::unique_ptr<Learner>(std::move(learner));
}

}  // namespace lacuna::model
