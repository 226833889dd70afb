#include "daemon/registry/newest_checkpoint.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "state/checkpoint_files.h"

namespace lacuna::daemon {

Result<std::vector<std::string>> learner_checkpoint_names(const CheckpointSource& source) {
  auto all = source.names();
  if (!all.ok()) return all.status();
  std::erase_if(*all, [](const std::string& name) { return !name.starts_with(kLearnerCheckpointPrefix); });
  std::sort(all->begin(), all->end());  // numbers have a fixed width
  return all;
}

Result<std::unique_ptr<model::Learner>> load_newest_checkpoint(const CheckpointSource& source, const MakeLearner& make, std::string* name) {
  const auto names = learner_checkpoint_names(source);
  if (!names.ok()) return names.status();
  Status newest(Code::not_found, "no model yet: let `lacuna run` learn first");
  for (auto it = names->rbegin(); it != names->rend(); ++it) {
    const auto bytes = source.get(*it);
    if (bytes.code() == Code::not_found) continue;  // dropped since
    auto learner = bytes.ok() ? make(*bytes) : Result<std::unique_ptr<model::Learner>>(bytes.status());
    if (learner.ok()) {
      if (name != nullptr) *name = *it;
      return learner;
    }
    if (newest.code() == Code::not_found) newest = learner.status();
    if (learner.code() != Code::corrupt) return learner.status();
    spdlog::warn("checkpoint {}: {}: trying the one before", *it, learner.status().to_string());
  }
  return newest;
}

namespace {

/// For asking, not for learning.
Result<std::unique_ptr<model::Learner>> make_to_ask(const Config& config, std::string_view bytes) {
  const auto no_replay = [](std::size_t, std::uint64_t) { return std::vector<Example>{}; };
  return model::Learner::make(*config.schema, config.model, config.train, config.predict, no_replay, bytes);
}

}  // namespace

Result<std::shared_ptr<const model::ModelVersion>> version_of_checkpoint(const Config& config, std::string_view bytes) {
  const auto learner = make_to_ask(config, bytes);
  if (!learner.ok()) return learner.status();
  return (*learner)->current();
}

Result<NewestCheckpoint> read_newest_checkpoint(const Config& config) {
  const std::string folder = config.store.path + "/checkpoints";
  const auto files = state::CheckpointFiles::open_read_only(folder);
  NewestCheckpoint out;
  const auto learner = load_newest_checkpoint(
      {[&] { return files.names(); }, [&](const std::string& name) { return files.get(name); }},
      [&config](std::string_view bytes) { return make_to_ask(config, bytes); }, &out.name);
  if (learner.code() == Code::not_found) return Status(Code::not_found, config.data_dir + ": " + learner.status().message());
  if (!learner.ok()) return learner.status();
  // Beside a daemon that drops old ones the file may be gone by now: then it has neither size nor age.
  std::error_code gone;
  const std::filesystem::path file = folder + "/" + out.name;
  if (const auto bytes = std::filesystem::file_size(file, gone); !gone) out.bytes = bytes;
  if (const auto written = std::filesystem::last_write_time(file, gone); !gone) {
    out.made = std::chrono::time_point_cast<Millis>(std::chrono::file_clock::to_sys(written));
  }
  out.version = (*learner)->current();
  out.stats = (*learner)->stats();
  return out;
}

Result<std::shared_ptr<const model::ModelVersion>> open_newest_checkpoint(const Config& config) {
  auto found = read_newest_checkpoint(config);
  if (!found.ok()) return found.status();
  return std::move(found->version);
}

}  // namespace lacuna::daemon
