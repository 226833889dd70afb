#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "streaming/log/event_log.h"

namespace lacuna::testing {

/// A log that only takes records, with faults that the test switches on. Any thread.
class FakeLog final : public streaming::LogFactory {
 public:
  /// Flushes wait, as of a log that is slow, until let_go(); each tells `unavailable` once a look.
  void hold() {
    set([this] { held_ = true; });
  }
  void let_go() {
    set([this] { held_ = false; });
  }
  /// The next `count` flushes lose what was taken, and say so.
  void lose(int count) {
    set([this, count] { losses_ = count; });
  }
  /// Records of more bytes are never taken.
  void refuse_above(std::size_t bytes) {
    set([this, bytes] { bytes_max_ = bytes; });
  }

  /// What is durable, in order.
  std::vector<streaming::OutputRecord> records() const {
    const std::lock_guard lock(mutex_);
    return durable_;
  }
  /// What was given and is not durable yet.
  std::size_t under_way() const {
    const std::lock_guard lock(mutex_);
    return under_way_;
  }

  Status ensure_topics(const std::vector<streaming::TopicSpec>&) override { return {}; }
  Result<std::unique_ptr<streaming::EventLog>> open(const std::string&, const std::string&) override {
    return Status(Code::unsupported, "fake");
  }
  Result<std::unique_ptr<streaming::TopicReader>> reader() override { return Status(Code::unsupported, "fake"); }
  Result<std::unique_ptr<streaming::Appender>> appender() override {
    return std::unique_ptr<streaming::Appender>(std::make_unique<FakeAppender>(*this));
  }

 private:
  class FakeAppender final : public streaming::Appender {
   public:
    explicit FakeAppender(FakeLog& log) : log_(log) {}
    ~FakeAppender() override {
      log_.set([this] { log_.under_way_ -= taken_.size(); });
    }
    Status append(streaming::OutputRecord record) override {
      const std::lock_guard lock(log_.mutex_);
      if (record.value->size() > log_.bytes_max_) return {Code::invalid, "fake: too large"};
      taken_.push_back(std::move(record));
      log_.under_way_ += 1;
      return {};
    }
    Status flush() override {
      std::unique_lock lock(log_.mutex_);
      if (!log_.changed_.wait_for(lock, Millis(20), [this] { return !log_.held_; })) return {Code::unavailable, "fake: held"};
      log_.under_way_ -= taken_.size();
      if (log_.losses_ > 0 && !taken_.empty()) {
        log_.losses_ -= 1;
        taken_.clear();
        return {Code::aborted, "fake: lost"};
      }
      for (streaming::OutputRecord& record : taken_) log_.durable_.push_back(std::move(record));
      taken_.clear();
      return {};
    }

   private:
    FakeLog& log_;
    std::vector<streaming::OutputRecord> taken_;
  };

  template <typename F>
  void set(F change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  int losses_ = 0;
  std::size_t bytes_max_ = SIZE_MAX, under_way_ = 0;
  std::vector<streaming::OutputRecord> durable_;
};

}  // namespace lacuna::testing
