#include "daemon/pipeline/poison_search.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace lacuna::daemon {

Status PoisonSearch::failed(const std::vector<streaming::Record>& batch, const char* stage, const Status& why) {
  if (batch.size() > 1) {
    limit_ = std::max<std::size_t>(1, batch.size() / 2);
    spdlog::warn("a batch of {} records fails in {} ({}): trying {} at a time", batch.size(), stage, why.message(), limit_);
    return {};
  }
  const SourcePosition& at = batch.front().position;
  const auto [entry, first] = list_.try_emplace(at, QuarantinedRecord{stage, false});
  if (!first && entry->second.without_value) {
    return {Code::internal, "not even a dead letter without its bytes can be written: " + why.message()};
  }
  if (!first) entry->second.without_value = true;
  if (first && ++run_ > kRunMax) {
    return {Code::internal, std::to_string(run_) + " records in a row fail, the last in " + stage + ": " + why.message()};
  }
  spdlog::warn("record {}/{} at {} fails in {} ({}): it goes to the dead letters", at.topic, at.partition, at.offset, stage, why.message());
  return {};
}

void PoisonSearch::succeeded(const std::vector<streaming::Record>& batch) {
  for (const streaming::Record& record : batch) {
    if (list_.erase(record.position) == 0) run_ = 0;
  }
  limit_ = std::min(batch_max_, limit_ * 2);
}

}  // namespace lacuna::daemon
