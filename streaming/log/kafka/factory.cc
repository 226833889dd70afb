#include "streaming/log/kafka/factories.h"

#include <array>

#include "streaming/log/kafka/handles.h"

namespace lacuna::streaming {
namespace kafka {
namespace {

/// Not a topic property of Kafka's; here it sets the number of replicas of a new topic (default: the brokers').
constexpr std::string_view kReplicationFactor = "replication.factor";

class KafkaFactory final : public LogFactory {
 public:
  explicit KafkaFactory(KafkaOptions options) : options_(std::move(options)) {}

  Status ensure_topics(const std::vector<TopicSpec>& topics) override;
  Result<std::unique_ptr<EventLog>> open(const std::string& group, const std::string& transactional_id) override {
    if (group.empty() || transactional_id.empty()) {
      return Status(Code::invalid, "an event log needs a group and a transactional id");
    }
    return make_event_log(options_, group, transactional_id);
  }
  Result<std::unique_ptr<TopicReader>> reader() override { return make_reader(options_); }
  Result<std::unique_ptr<Appender>> appender() override { return make_appender(options_); }

 private:
  Status create(const std::vector<TopicSpec>& topics, const Deadline& deadline);
  Status wait_until_known(const std::vector<TopicSpec>& topics, const Deadline& deadline);

  const KafkaOptions options_;
};

Result<Owned<rd_kafka_NewTopic_t>> new_topic(const TopicSpec& topic) {
  int replicas = -1;  // the brokers' default
  if (const auto found = topic.properties.find(std::string(kReplicationFactor)); found != topic.properties.end()) {
    replicas = std::atoi(found->second.c_str());
    if (replicas < 1) return Status(Code::invalid, "topic " + topic.name + ": replication.factor is a number from 1 on");
  }
  std::array<char, 256> text{};
  Owned<rd_kafka_NewTopic_t> made(rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, replicas, text.data(), text.size()));
  if (!made) return Status(Code::invalid, "topic " + topic.name + ": " + text.data());
  for (const auto& [name, value] : topic.properties) {
    if (name != kReplicationFactor) rd_kafka_NewTopic_set_config(made.get(), name.c_str(), value.c_str());
  }
  return made;
}

Status KafkaFactory::create(const std::vector<TopicSpec>& topics, const Deadline& deadline) {
  std::vector<Owned<rd_kafka_NewTopic_t>> made;
  std::vector<rd_kafka_NewTopic_t*> raw;
  for (const TopicSpec& topic : topics) {
    auto one = new_topic(topic);
    if (!one.ok()) return one.status();
    raw.push_back(one->get());
    made.push_back(std::move(*one));
  }
  auto conf = make_conf(options_, {}, {});
  if (!conf.ok()) return conf.status();
  const auto client = make_client(RD_KAFKA_PRODUCER, std::move(*conf));
  if (!client.ok()) return client.status();
  const Owned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client->get()));
  const Owned<rd_kafka_AdminOptions_t> settings(rd_kafka_AdminOptions_new(client->get(), RD_KAFKA_ADMIN_OP_CREATETOPICS));
  std::array<char, 256> text{};
  rd_kafka_AdminOptions_set_request_timeout(settings.get(), std::max(deadline.left_ms(), 1), text.data(), text.size());
  rd_kafka_CreateTopics(client->get(), raw.data(), raw.size(), settings.get(), queue.get());
  const Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), deadline.left_ms() + 1'000));
  if (!event) return {Code::unavailable, "kafka: making topics: no answer in time"};
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return to_status(Code::unavailable, "making topics", rd_kafka_event_error(event.get()));
  }
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) continue;
    const char* why = rd_kafka_topic_result_error_string(results[i]);
    return {is_authorization(error) ? Code::unavailable : Code::invalid,
            std::string("kafka: making topic ") + rd_kafka_topic_result_name(results[i]) + ": " + (why ? why : rd_kafka_err2str(error))};
  }
  return {};
}

/// The answer to "create" may come before every broker knows the topic; a producer would then take it for missing.
Status KafkaFactory::wait_until_known(const std::vector<TopicSpec>& topics, const Deadline& deadline) {
  auto reader = make_reader(options_);
  if (!reader.ok()) return reader.status();
  for (const TopicSpec& topic : topics) {
    BackOff back_off;
    for (;;) {
      const auto count = (*reader)->partition_count(topic.name);
      if (count.ok() && *count > 0) break;
      if (deadline.over() || (!count.ok() && count.code() != Code::not_found)) {
        return {Code::unavailable, "kafka: topic " + topic.name + " was made and is not there yet"};
      }
      back_off.wait(deadline);
    }
  }
  return {};
}

Status KafkaFactory::ensure_topics(const std::vector<TopicSpec>& topics) {
  if (topics.empty()) return {};
  for (const TopicSpec& topic : topics) {
    if (topic.name.empty() || topic.partitions < 1) return {Code::invalid, "a topic needs a name and one partition or more"};
  }
  const Deadline deadline(options_.request_timeout);
  LACUNA_RETURN_IF_ERROR(create(topics, deadline));
  return wait_until_known(topics, deadline);
}

}  // namespace
}  // namespace kafka

Result<std::unique_ptr<LogFactory>> make_kafka_log(KafkaOptions options) {
  if (options.bootstrap_servers.empty()) return Status(Code::invalid, "bootstrap_servers is empty");
  if (options.transaction_timeout <= Millis(0) || options.request_timeout <= Millis(0)) {
    return Status(Code::invalid, "time-outs must be more than nothing");
  }
  if (Status status = kafka::check_properties(options); !status.ok()) return status;
  if (const auto conf = kafka::make_conf(options, {}, {}); !conf.ok()) return conf.status();
  return std::unique_ptr<LogFactory>(std::make_unique<kafka::KafkaFactory>(std::move(options)));
}

}  // namespace lacuna::streaming
