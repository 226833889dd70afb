#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// The log as compaction leaves its changelog: of each key the newest record, or, without tombstones, the newest that has a value. `step`:
/// records that one read gives at most.
struct Compaction {
  bool compacted = false;
  bool tombstones = true;
  std::size_t step = 1000;
};

class CompactedLog final : public streaming::LogFactory {
 public:
  CompactedLog(streaming::LogFactory& log, std::string topic, Compaction how) : log_(log), topic_(std::move(topic)), how_(how) {}
  Status ensure_topics(const std::vector<streaming::TopicSpec>& topics) override { return log_.ensure_topics(topics); }
  Result<std::unique_ptr<streaming::EventLog>> open(const std::string& group, const std::string& id) override {
    return log_.open(group, id);
  }
  Result<std::unique_ptr<streaming::Appender>> appender() override { return log_.appender(); }
  Result<std::unique_ptr<streaming::TopicReader>> reader() override {
    auto reader = log_.reader();
    if (!reader.ok()) return reader.status();
    return std::unique_ptr<streaming::TopicReader>(std::make_unique<Reader>(std::move(*reader), *this));
  }

 private:
  class Reader final : public streaming::TopicReader {
   public:
    Reader(std::unique_ptr<streaming::TopicReader> inner, const CompactedLog& log) : inner_(std::move(inner)), log_(log) {}
    Result<std::int32_t> partition_count(const std::string& topic) override { return inner_->partition_count(topic); }
    Result<std::pair<std::int64_t, std::int64_t>> bounds(const streaming::TopicPartition& p) override { return inner_->bounds(p); }
    Result<std::vector<streaming::Record>> read(const streaming::TopicPartition& p, std::int64_t from, std::size_t max,
                                                Millis wait) override {
      if (p.topic != log_.topic_) return inner_->read(p, from, max, wait);
      auto all = inner_->read(p, 0, 1'000'000, wait);
      if (!all.ok()) return all.status();
      std::map<std::string, std::int64_t> newest;
      for (const auto& r : *all) newest[r.key] = r.position.offset;
      std::erase_if(*all, [&](const streaming::Record& r) {
        const bool superseded = newest[r.key] != r.position.offset;
        return r.position.offset < from || (log_.how_.compacted && superseded) ||
               (log_.how_.compacted && !log_.how_.tombstones && !r.value);
      });
      if (all->size() > log_.how_.step) all->resize(log_.how_.step);
      return all;
    }

   private:
    std::unique_ptr<streaming::TopicReader> inner_;
    const CompactedLog& log_;
  };
  streaming::LogFactory& log_;
  const std::string topic_;
  const Compaction how_;
};

}  // namespace lacuna::daemon
