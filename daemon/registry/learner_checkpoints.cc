#include "daemon/registry/learner_checkpoints.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "model/device.h"
#include "state/model_chunks.h"
#include "state/records/hash.h"
#include "state/records/schema_bytes.h"
#include "state/stored_records.h"

namespace lacuna::daemon {

namespace {
/// Well below a broker's default message.max.bytes, with room for what the envelope adds.
constexpr std::size_t kChunkBytesMax = 512u << 10;
constexpr std::size_t kRecordsPerRead = 100;
constexpr Millis kReadWait{500};
/// Every so many-th patient; apart from every other use of the seed.
constexpr std::uint64_t kLeftOut = 8, kLeftOutSalt = 0x6c6566746f7574ULL;

}  // namespace

bool is_left_out(const Config& config, std::string_view patient) {
  return hash64(patient, mix64(config.model.seed ^ kLeftOutSalt)) % kLeftOut == 0;
}

void LearnerCheckpoints::leave_out() {
  const std::lock_guard lock(not_replayed_->mutex);
  not_replayed_->left_out = true;
}

void LearnerCheckpoints::mask(const LearningMask& mask) {
  const std::lock_guard lock(not_replayed_->mutex);
  if (not_replayed_->mask != mask) not_replayed_->mask = mask;
}

CheckpointSource LearnerCheckpoints::source() const {
  return {[this] { return store_.checkpoint_names(); }, [this](const std::string& name) { return store_.checkpoint(name); }};
}

Result<std::unique_ptr<model::Learner>> LearnerCheckpoints::make(std::string_view bytes) {
  const auto replay = [&config = config_, store = &store_, left = not_replayed_](std::size_t count,
                                                                                 std::uint64_t seed) -> std::vector<Example> {
    auto drawn = store->draw(count, seed);
    if (!drawn.ok()) {
      spdlog::warn("replay: {}", drawn.status().to_string());
      return {};
    }
    const std::lock_guard lock(left->mutex);
    if (left->left_out) std::erase_if(*drawn, [&config](const Example& e) { return is_left_out(config, e.before.patient_id); });
    if (!left->mask.empty()) std::erase_if(*drawn, [&](Example& e) { return !left->mask.apply(*config.schema, e); });
    return std::move(*drawn);
  };
  return model::Learner::make(*config_.schema, config_.model, config_.train, config_.predict, replay, bytes);
}

Result<std::unique_ptr<model::Learner>> LearnerCheckpoints::from_store() {
  const auto all = learner_checkpoint_names(source());
  if (!all.ok()) return all.status();
  if (!all->empty()) number_ = std::stoll(all->back().substr(kLearnerCheckpointPrefix.size()));
  std::string name;
  auto learner = load_newest_checkpoint(
      source(), [this](std::string_view bytes) { return make(bytes); }, &name);
  if (learner.code() == Code::not_found || learner.code() == Code::corrupt) return std::unique_ptr<model::Learner>();
  if (!learner.ok()) return learner;
  spdlog::info("model: {} from {}, {} steps, on {}", (*learner)->current()->id(), name, (*learner)->current()->steps(),
               model::describe_device(config_.model));
  return learner;
}

Status LearnerCheckpoints::save(model::Learner& learner, bool alone) {
  const std::string bytes = learner.checkpoint();
  const std::string name = fmt::format("{}{:09}", kLearnerCheckpointPrefix, ++number_);
  LACUNA_RETURN_IF_ERROR(store_.put_checkpoint(name, bytes));
  const auto all = learner_checkpoint_names(source());
  if (!all.ok()) return all.status();
  const std::size_t kept = alone ? 1 : config_.checkpoints_kept;
  for (std::size_t i = 0; i + kept < all->size(); ++i) {
    LACUNA_RETURN_IF_ERROR(store_.drop_checkpoint((*all)[i]));
  }
  spdlog::debug("checkpoint {} ({} bytes)", name, bytes.size());
  return {};
}

Result<std::unique_ptr<model::Learner>> LearnerCheckpoints::start(streaming::TopicReader& reader) {
  auto stored = from_store();
  if (!stored.ok() || *stored) return stored;
  auto published = find(reader);
  if (!published.ok() && published.code() != Code::not_found) return published.status();
  auto learner = make(published.ok() ? published->checkpoint.learner : "");
  if (!learner.ok() && published.ok()) {
    return Status(learner.code(),
                  "topic " + config_.topics.model + ": the checkpoint of " + published->instance + ": " + learner.status().message());
  }
  if (!learner.ok()) return learner;
  const auto version = (*learner)->current();
  const std::string where = model::describe_device(config_.model);
  if (!published.ok()) {
    spdlog::info("model: new, {} parameters, on {}", version->parameter_count(), where);
    return learner;
  }
  spdlog::info("model: {} as {} published it, {} steps, on {}", version->id(), published->instance, version->steps(), where);
  LACUNA_RETURN_IF_ERROR(adopt(*published));
  return learner;
}

Status LearnerCheckpoints::adopt(Published& published) {
  const auto positions = store_.positions();
  if (!positions.ok()) return positions.status();
  if (!positions->empty()) return {};  // only the learner's checkpoints were missing
  state::StateChange change;
  change.meta = std::move(published.checkpoint.meta);
  if (!published.checkpoint.schema.empty()) {
    const Result<Schema> schema = decode_schema(published.checkpoint.schema);
    if (!schema.ok()) return schema.status();
    LACUNA_RETURN_IF_ERROR(store_.learn_schema(state::encode_schema_record({published.checkpoint.schema, false})));
    change.meta_schema = schema->fingerprint();
  }
  if (published.instance != config_.instance) {
    std::erase_if(change.meta, [](const auto& m) { return m.first != kCalibrationMeta; });
  }
  return store_.apply(change);
}

std::vector<streaming::OutputRecord> LearnerCheckpoints::publish(model::Learner& learner, std::map<std::string, std::string> meta) {
  // Never lower than a number that lies in the topic, also after the disk was lost.
  published_ = std::max(published_, number_) + 1;
  const std::string content = state::encode_published_model({learner.checkpoint(), std::move(meta), encode_schema(*config_.schema)});
  std::vector<streaming::OutputRecord> out;
  for (const state::ModelChunk& c :
       state::split_chunks(config_.instance, static_cast<std::uint64_t>(published_), content, kChunkBytesMax)) {
    out.push_back({config_.topics.model, std::nullopt, c.instance + "/" + std::to_string(c.chunk), state::encode_model_chunk(c), {}});
  }
  return out;
}

Result<LearnerCheckpoints::Published> LearnerCheckpoints::find(streaming::TopicReader& reader) {
  const auto partitions = reader.partition_count(config_.topics.model);
  if (!partitions.ok()) return partitions.status();
  std::map<std::string, std::vector<state::ModelChunk>> chunks;
  std::map<std::string, Time> newest;
  for (std::int32_t p = 0; p < *partitions; ++p) {
    const streaming::TopicPartition partition{config_.topics.model, p};
    const auto bounds = reader.bounds(partition);
    if (!bounds.ok()) return bounds.status();
    for (std::int64_t next = bounds->first; next < bounds->second;) {
      const auto records = reader.read(partition, next, kRecordsPerRead, kReadWait);
      if (!records.ok()) return records.status();
      for (const streaming::Record& record : *records) {
        next = record.position.offset + 1;
        if (!record.value) continue;
        auto chunk = state::decode_model_chunk(*record.value);
        if (!chunk.ok()) return Status(chunk.code(), "topic " + config_.topics.model + ": " + chunk.status().message());
        newest[chunk->instance] = std::max(newest[chunk->instance], record.timestamp);
        if (chunk->instance == config_.instance) published_ = std::max(published_, static_cast<std::int64_t>(chunk->number));
        chunks[chunk->instance].push_back(std::move(*chunk));
      }
    }
  }
  std::vector<std::string> order;
  for (const auto& [instance, time] : newest) order.push_back(instance);
  std::sort(order.begin(), order.end(), [&](const std::string& a, const std::string& b) {
    return std::tuple(a == config_.instance, newest[a]) > std::tuple(b == config_.instance, newest[b]);
  });
  for (const std::string& instance : order) {
    const auto content = state::join_chunks(chunks[instance], instance);
    auto checkpoint = content.ok() ? state::decode_published_model(*content) : Result<state::PublishedModel>(content.status());
    if (checkpoint.ok()) return Published{instance, std::move(*checkpoint)};
    spdlog::warn("topic {}: {}'s checkpoint: {}", config_.topics.model, instance, checkpoint.status().to_string());
  }
  return Status(Code::not_found, "topic " + config_.topics.model + " holds no checkpoint");
}

}  // namespace lacuna::daemon
