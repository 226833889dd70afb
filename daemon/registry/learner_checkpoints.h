#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/registry/learning_mask.h"
#include "daemon/registry/newest_checkpoint.h"
#include "model/learner.h"
#include "state/store.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// Under this name the store keeps the calibration: the one part of the stream's state that says something of the model and not of
/// the stream that this instance saw.
inline constexpr const char* kCalibrationMeta = "calibration";

/// Whether a patient is kept out of the passes after the first over a bounded input: one in eight. What has gone over the others many times
/// is calibrated by what it says of these.
bool is_left_out(const Config& config, std::string_view patient);

/// Keeps the learner's checkpoints: often in the store, now and then in topics.model as well, for an instance whose disk is
/// lost and for new ones. One thread.
class LearnerCheckpoints {
 public:
  LearnerCheckpoints(const Config& config, state::Store& store) : config_(config), store_(store) {}

  /// From the newest checkpoint in the store that can be read; else, on a new disk, from what was published: this instance's
  /// newest with all its state, which goes into the store if nothing is there yet, or another's, whose detectors and scores
  /// stay its own; else anew. The store must outlive the learner.
  Result<std::unique_ptr<model::Learner>> start(streaming::TopicReader& reader);
  /// Writes one more, and drops the oldest beyond checkpoint.keep; `alone`: all others.
  Status save(model::Learner& learner, bool alone = false);
  /// From now on nothing of those who are left out is replayed.
  void leave_out();
  /// From now on nothing that it masks is.
  void mask(const LearningMask& mask);

  /// Records for topics.model, to be written in one transaction.
  std::vector<streaming::OutputRecord> publish(model::Learner& learner, std::map<std::string, std::string> meta);

 private:
  struct Published {
    std::string instance;
    state::PublishedModel checkpoint;
  };
  /// This instance's newest complete one in topics.model, else the newest of another; not_found when there is none.
  Result<Published> find(streaming::TopicReader& reader);
  CheckpointSource source() const;
  Result<std::unique_ptr<model::Learner>> make(std::string_view bytes);  ///< anew when empty
  Result<std::unique_ptr<model::Learner>> from_store();                  ///< null when there is none
  Status adopt(Published& published);

  const Config& config_;
  state::Store& store_;
  struct NotReplayed {  ///< what the learner's thread reads
    std::mutex mutex;
    bool left_out = false;
    LearningMask mask;
  };
  const std::shared_ptr<NotReplayed> not_replayed_ = std::make_shared<NotReplayed>();
  std::int64_t number_ = 0;     ///< of the newest
  std::int64_t published_ = 0;  ///< of the newest in the topic
};

}  // namespace lacuna::daemon
