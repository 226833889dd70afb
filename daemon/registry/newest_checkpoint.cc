#include "daemon/registry/newest_checkpoint.h"

#include <spdlog/spdlog.h>

#include "daemon/registry/learner_checkpoints.h"
#include "state/checkpoint_files.h"

namespace lacuna::daemon {

Result<std::shared_ptr<const model::ModelVersion>> open_newest_checkpoint(const Config& config) {
  const auto checkpoints = state::CheckpointFiles::open_read_only(config.store.path + "/checkpoints");
  const auto names = checkpoints.names();
  if (!names.ok()) return names.status();
  Status newest(Code::not_found, "no model in " + config.data_dir + ": let `lacuna run` learn first");
  bool first = true;
  for (auto name = names->rbegin(); name != names->rend(); ++name) {
    if (!name->starts_with(kLearnerCheckpointPrefix)) continue;
    const auto bytes = checkpoints.get(*name);
    if (bytes.code() == Code::not_found) continue;  // the daemon has dropped it since
    auto learner = bytes.ok() ? model::Learner::make(*config.schema, config.model, config.train, config.predict,
                                                     [](std::size_t, std::uint64_t) { return std::vector<Example>{}; }, *bytes)
                              : Result<std::unique_ptr<model::Learner>>(bytes.status());
    if (learner.ok()) return (*learner)->current();
    if (first) newest = learner.status();
    first = false;
    if (learner.code() != Code::corrupt) break;
    spdlog::warn("checkpoint {}: {}: trying the one before", *name, learner.status().to_string());
  }
  return newest;
}

}  // namespace lacuna::daemon
