#include "streaming/log/embedded/factories.h"

namespace lacuna::streaming {
namespace embedded {
namespace {

class EmbeddedReader final : public TopicReader {
 public:
  explicit EmbeddedReader(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  Result<std::int32_t> partition_count(const std::string& topic) override {
    if (Status status = database_->refresh(); !status.ok()) return status;
    return database_->partition_count(topic);
  }

  Result<std::pair<std::int64_t, std::int64_t>> bounds(const TopicPartition& partition) override {
    if (Status status = database_->refresh(); !status.ok()) return status;
    const auto id = database_->find(partition);
    if (!id.ok()) return id.status();
    return std::pair<std::int64_t, std::int64_t>(0, database_->end(*id));  // nothing is ever removed
  }

  Result<std::vector<Record>> read(const TopicPartition& partition, std::int64_t from, std::size_t max_records, Millis max_wait) override {
    const auto deadline = std::chrono::steady_clock::now() + max_wait;
    std::vector<Record> records;
    for (;;) {
      const std::uint64_t seen = database_->changes();
      if (Status status = database_->refresh(); !status.ok()) return status;
      const auto id = database_->find(partition);
      if (!id.ok()) return id.status();
      if (Status status = database_->read(partition, *id, from, database_->end(*id), max_records, records); !status.ok()) {
        return status;
      }
      if (!records.empty() || max_records == 0 || std::chrono::steady_clock::now() >= deadline) return records;
      database_->wait_for_change(seen, deadline);
    }
  }

 private:
  const std::shared_ptr<Database> database_;
};

class EmbeddedAppender final : public Appender {
 public:
  explicit EmbeddedAppender(std::shared_ptr<Database> database) : database_(std::move(database)) {}
  Status append(OutputRecord record) override { return database_->write({&record, 1}, nullptr, false); }
  Status flush() override { return database_->flush(); }

 private:
  const std::shared_ptr<Database> database_;
};

class EmbeddedFactory final : public LogFactory {
 public:
  explicit EmbeddedFactory(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  Status ensure_topics(const std::vector<TopicSpec>& topics) override {
    for (const TopicSpec& topic : topics) LACUNA_RETURN_IF_ERROR(database_->ensure_topic(topic.name, topic.partitions));
    return {};
  }
  Result<std::unique_ptr<EventLog>> open(const std::string& group, const std::string& transactional_id) override {
    if (group.empty() || transactional_id.empty()) {
      return Status(Code::invalid, "an event log needs a group and a transactional id");
    }
    return make_event_log(database_, group, transactional_id);
  }
  Result<std::unique_ptr<TopicReader>> reader() override {
    return std::unique_ptr<TopicReader>(std::make_unique<EmbeddedReader>(database_));
  }
  Result<std::unique_ptr<Appender>> appender() override {
    if (database_->read_only()) return Status(Code::invalid, "the embedded log is open for reading only");
    return std::unique_ptr<Appender>(std::make_unique<EmbeddedAppender>(database_));
  }

 private:
  const std::shared_ptr<Database> database_;
};

}  // namespace
}  // namespace embedded

Result<std::unique_ptr<LogFactory>> make_embedded_log(EmbeddedOptions options) {
  auto database = embedded::Database::open(options);
  if (!database.ok()) return database.status();
  return std::unique_ptr<LogFactory>(std::make_unique<embedded::EmbeddedFactory>(*database));
}

}  // namespace lacuna::streaming
