#include "streaming/log/embedded/factories.h"

namespace lacuna::streaming {
namespace embedded {
namespace {

class EmbeddedReader final : public TopicReader {
 public:
  explicit EmbeddedReader(std::shared_ptr<Store> store) : store_(std::move(store)) {}

  Result<std::int32_t> partition_count(const std::string& topic) override {
    if (Status status = store_->refresh(); !status.ok()) return status;
    return store_->partition_count(topic);
  }

  Result<std::pair<std::int64_t, std::int64_t>> bounds(const TopicPartition& partition) override {
    if (Status status = store_->refresh(); !status.ok()) return status;
    const auto id = store_->find(partition);
    if (!id.ok()) return id.status();
    return std::pair<std::int64_t, std::int64_t>(0, store_->end(*id));  // nothing is ever removed
  }

  Result<std::vector<Record>> read(const TopicPartition& partition, std::int64_t from, std::size_t max_records,
                                   Millis max_wait) override {
    const auto deadline = std::chrono::steady_clock::now() + max_wait;
    std::vector<Record> records;
    for (;;) {
      const std::uint64_t seen = store_->changes();
      if (Status status = store_->refresh(); !status.ok()) return status;
      const auto id = store_->find(partition);
      if (!id.ok()) return id.status();
      if (Status status = store_->read(partition, *id, from, store_->end(*id), max_records, records); !status.ok()) {
        return status;
      }
      if (!records.empty() || max_records == 0 || std::chrono::steady_clock::now() >= deadline) return records;
      store_->wait_for_change(seen, deadline);
    }
  }

 private:
  const std::shared_ptr<Store> store_;
};

class EmbeddedAppender final : public Appender {
 public:
  explicit EmbeddedAppender(std::shared_ptr<Store> store) : store_(std::move(store)) {}
  Status append(OutputRecord record) override { return store_->write({&record, 1}, nullptr, false); }
  Status flush() override { return store_->flush(); }

 private:
  const std::shared_ptr<Store> store_;
};

class EmbeddedFactory final : public LogFactory {
 public:
  explicit EmbeddedFactory(std::shared_ptr<Store> store) : store_(std::move(store)) {}

  Status ensure_topics(const std::vector<TopicSpec>& topics) override {
    for (const TopicSpec& topic : topics) LACUNA_RETURN_IF_ERROR(store_->ensure_topic(topic.name, topic.partitions));
    return {};
  }
  Result<std::unique_ptr<EventLog>> open(const std::string& group, const std::string& transactional_id) override {
    if (group.empty() || transactional_id.empty()) {
      return Status(Code::invalid, "an event log needs a group and a transactional id");
    }
    return make_event_log(store_, group, transactional_id);
  }
  Result<std::unique_ptr<TopicReader>> reader() override {
    return std::unique_ptr<TopicReader>(std::make_unique<EmbeddedReader>(store_));
  }
  Result<std::unique_ptr<Appender>> appender() override {
    if (store_->read_only()) return Status(Code::invalid, "the embedded log is open for reading only");
    return std::unique_ptr<Appender>(std::make_unique<EmbeddedAppender>(store_));
  }

 private:
  const std::shared_ptr<Store> store_;
};

}  // namespace
}  // namespace embedded

Result<std::unique_ptr<LogFactory>> make_embedded_log(EmbeddedOptions options) {
  auto store = embedded::Store::open(options);
  if (!store.ok()) return store.status();
  return std::unique_ptr<LogFactory>(std::make_unique<embedded::EmbeddedFactory>(*store));
}

}  // namespace lacuna::streaming
