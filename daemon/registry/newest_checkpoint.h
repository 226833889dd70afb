#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "model/learner.h"
#include "model/model_version.h"
#include "state/records/status.h"
#include "state/records/time.h"

namespace lacuna::daemon {

/// What the names of learners' checkpoints in the store begin with; a number of fixed width follows.
inline constexpr std::string_view kLearnerCheckpointPrefix = "learner-";

/// Where learners' checkpoints lie: in a store, or in a folder that is read beside it.
struct CheckpointSource {
  std::function<Result<std::vector<std::string>>()> names;  ///< other files may be among them
  std::function<Result<std::string>(const std::string& name)> get;
};
using MakeLearner = std::function<Result<std::unique_ptr<model::Learner>>(std::string_view bytes)>;

/// The names of the learners' checkpoints in `source`, oldest first.
Result<std::vector<std::string>> learner_checkpoint_names(const CheckpointSource& source);

/// The learner of the newest checkpoint that can be read: a damaged one is warned of and passed over, one that has gone since is passed
/// over. not_found: there is none. One of another shape, or of a schema that nothing leads from, ends the search:
/// the one before would be as wrong. When all are damaged, what is wrong with the newest. `name`, when given, becomes the found one's.
Result<std::unique_ptr<model::Learner>> load_newest_checkpoint(const CheckpointSource& source, const MakeLearner& make,
                                                               std::string* name = nullptr);

/// The version that a learner's checkpoint hands over, under the present schema. Errors as Learner::make.
Result<std::shared_ptr<const model::ModelVersion>> version_of_checkpoint(const Config& config, std::string_view bytes);

/// What there is to know of the newest checkpoint in data_dir.
struct NewestCheckpoint {
  std::string name;
  std::uint64_t bytes = 0;
  Time made{};
  std::shared_ptr<const model::ModelVersion> version;
  model::LearnerStats stats;
};
/// The same from data_dir, for asking: works beside a running daemon, and writes nothing.
Result<NewestCheckpoint> read_newest_checkpoint(const Config& config);
/// Of it the version alone.
Result<std::shared_ptr<const model::ModelVersion>> open_newest_checkpoint(const Config& config);

}  // namespace lacuna::daemon
