#include "streaming/log/kafka/factories.h"

#include <algorithm>

#include "streaming/log/kafka/handles.h"

namespace lacuna::streaming::kafka {
namespace {

/// Bounds on what is fetched ahead: partitions open at once, times what each may queue (queued.max.messages.kbytes).
constexpr std::size_t kOpenPartitionsMax = 16;
constexpr std::size_t kProbeRecords = 10'000;

const Settings kDefaults = {
    {"queued.min.messages", "5000"},
    {"queued.max.messages.kbytes", "8192"},
    {"fetch.wait.max.ms", "50"},
    {"socket.nagle.disable", "true"},
};

/// librdkafka's simple consumer: by topic and partition, without a group or a coordinator.
class KafkaReader final : public TopicReader {
 public:
  explicit KafkaReader(KafkaOptions options) : options_(std::move(options)) {}
  ~KafkaReader() override { close_all(); }

  Status open() {
    auto conf = make_conf(options_, kDefaults,
                          {{"isolation.level", "read_committed"},
                           {"enable.auto.commit", "false"},
                           {"enable.partition.eof", "true"},
                           {"auto.offset.reset", "error"}});  // what "out of range" means depends on the side
    if (!conf.ok()) return conf.status();
    auto client = make_client(RD_KAFKA_CONSUMER, std::move(*conf));
    if (!client.ok()) return client.status();
    client_ = std::move(*client);
    return {};
  }

  Result<std::int32_t> partition_count(const std::string& topic) override;
  Result<std::pair<std::int64_t, std::int64_t>> bounds(const TopicPartition& partition) override;
  Result<std::int64_t> end(const TopicPartition& partition) override {
    const auto marks = watermarks(partition);
    return marks.ok() ? Result<std::int64_t>(marks->second) : Result<std::int64_t>(marks.status());
  }
  Result<std::vector<Record>> read(const TopicPartition& partition, std::int64_t from, std::size_t max_records, Millis max_wait) override {
    return fetch(partition, from, max_records, Deadline(max_wait), false);
  }

 private:
  struct Open {
    Owned<rd_kafka_topic_t> topic;
    std::int64_t next = 0;
  };

  Result<std::pair<std::int64_t, std::int64_t>> watermarks(const TopicPartition& partition);
  Status seek(const TopicPartition& partition, std::int64_t from);
  void close(const TopicPartition& partition);
  void close_all();
  /// `stop_at_end`: returns as soon as the end is seen, though nothing was found.
  Result<std::vector<Record>> fetch(const TopicPartition& partition, std::int64_t from, std::size_t max_records, const Deadline& deadline,
                                    bool stop_at_end);

  const KafkaOptions options_;
  Client client_;
  std::map<TopicPartition, Open> open_;
};

std::string name_of(const TopicPartition& partition) {
  return "topic " + partition.topic + " partition " + std::to_string(partition.partition);
}

Result<std::int32_t> KafkaReader::partition_count(const std::string& topic) {
  const Deadline deadline(options_.request_timeout);
  const Owned<rd_kafka_topic_t> handle(rd_kafka_topic_new(client_.get(), topic.c_str(), nullptr));
  if (!handle) return to_status(Code::invalid, "topic " + topic, rd_kafka_last_error());
  BackOff back_off;
  for (;;) {
    const struct rd_kafka_metadata* raw = nullptr;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client_.get(), 0, handle.get(), &raw, std::max(deadline.left_ms(), 1));
    const Owned<const struct rd_kafka_metadata> metadata(raw);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
      error = metadata->topics[0].err;
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return metadata->topics[0].partition_cnt;
    }
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
      return Status(Code::not_found, "there is no topic " + topic);
    }
    if (deadline.over()) return to_status(Code::unavailable, "metadata of topic " + topic, error);
    back_off.wait(deadline);
  }
}

Result<std::pair<std::int64_t, std::int64_t>> KafkaReader::watermarks(const TopicPartition& partition) {
  const Deadline deadline(options_.request_timeout);
  BackOff back_off;
  for (;;) {
    std::int64_t low = 0, high = 0;
    const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(client_.get(), partition.topic.c_str(), partition.partition, &low,
                                                                       &high, std::max(deadline.left_ms(), 1));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return std::pair(low, high);
    if (error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
        error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      return Status(Code::not_found, "there is no " + name_of(partition));
    }
    if (deadline.over()) return to_status(Code::unavailable, "bounds of " + name_of(partition), error);
    back_off.wait(deadline);
  }
}

/// The brokers know where the log ends, transaction markers and aborted records included; the last visible record has to be
/// looked for. It is next to the end unless transactions were aborted, so the search goes back in doubling steps.
Result<std::pair<std::int64_t, std::int64_t>> KafkaReader::bounds(const TopicPartition& partition) {
  const auto marks = watermarks(partition);
  if (!marks.ok()) return marks.status();
  const auto [low, high] = *marks;
  const Deadline deadline(options_.request_timeout);
  std::int64_t searched = high;  // nothing visible from here on
  for (std::int64_t step = 2; searched > low; step *= 2) {
    const std::int64_t from = std::max(low, high - step);
    std::int64_t next = from, end = from;
    while (next < searched) {
      const auto records = fetch(partition, next, kProbeRecords, deadline, true);
      if (!records.ok()) return records.status();
      if (records->empty()) break;
      next = end = records->back().position.offset + 1;
    }
    if (deadline.over()) return Status(Code::unavailable, "kafka: looking for the end of " + name_of(partition));
    if (end > from) return std::pair(low, end);
    searched = from;
  }
  return std::pair(low, low);
}

void KafkaReader::close(const TopicPartition& partition) {
  const auto found = open_.find(partition);
  if (found == open_.end()) return;
  rd_kafka_consume_stop(found->second.topic.get(), partition.partition);
  open_.erase(found);
}

void KafkaReader::close_all() {
  while (!open_.empty()) close(TopicPartition(open_.begin()->first));
}

Status KafkaReader::seek(const TopicPartition& partition, std::int64_t from) {
  const auto found = open_.find(partition);
  if (found != open_.end() && found->second.next == from) return {};
  close(partition);
  if (open_.size() >= kOpenPartitionsMax) close_all();
  Owned<rd_kafka_topic_t> topic(rd_kafka_topic_new(client_.get(), partition.topic.c_str(), nullptr));
  if (!topic) return to_status(Code::invalid, name_of(partition), rd_kafka_last_error());
  if (rd_kafka_consume_start(topic.get(), partition.partition, from) != 0) {
    return to_status(Code::invalid, "reading " + name_of(partition), rd_kafka_last_error());
  }
  open_[partition] = {std::move(topic), from};
  return {};
}

Result<std::vector<Record>> KafkaReader::fetch(const TopicPartition& partition, std::int64_t from, std::size_t max_records,
                                               const Deadline& deadline, bool stop_at_end) {
  from = std::max<std::int64_t>(from, 0);
  if (Status status = seek(partition, from); !status.ok()) return status;
  std::vector<Record> records;
  while (records.size() < max_records) {
    rd_kafka_poll(client_.get(), 0);
    Open& open = open_.at(partition);
    const Message message(rd_kafka_consume(open.topic.get(), partition.partition, records.empty() ? deadline.left_ms() : 0));
    if (!message) {
      if (!records.empty() || deadline.over()) break;
      continue;
    }
    switch (message->err) {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        if (message->offset < open.next) break;  // never goes back
        open.next = message->offset + 1;
        records.push_back(to_record(*message));
        break;
      case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (stop_at_end || !records.empty()) return records;
        break;
      case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: {
        close(partition);
        const auto marks = watermarks(partition);
        if (!marks.ok()) return marks.status();
        // Beyond the end there is nothing; before the start, the start is next.
        if (from >= marks->first) return records;
        from = marks->first;
        if (Status status = seek(partition, from); !status.ok()) return status;
        break;
      }
      case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: close(partition); return Status(Code::not_found, "there is no " + name_of(partition));
      case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED: return to_status(Code::unavailable, "reading " + name_of(partition), message->err);
      default: break;  // librdkafka mends the others by itself
    }
  }
  return records;
}

}  // namespace

Result<std::unique_ptr<TopicReader>> make_reader(const KafkaOptions& options) {
  auto reader = std::make_unique<KafkaReader>(options);
  if (Status status = reader->open(); !status.ok()) return status;
  return std::unique_ptr<TopicReader>(std::move(reader));
}

}  // namespace lacuna::streaming::kafka
