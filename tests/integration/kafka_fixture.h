#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "streaming/log/event_log.h"
#include "tests/integration/kafka_broker.h"

namespace lacuna::streaming {

/// What the tests of the Kafka log on a real broker share.
class KafkaLog : public ::testing::Test {
 protected:
  static constexpr Millis kPatience{60'000};
  static constexpr Millis kStep{200};

  void SetUp() override {
    const auto broker = integration::broker();
    if (!broker) GTEST_SKIP() << "no broker: set LACUNA_TEST_KAFKA, or let CTest start one (Maven Central is needed)";
    broker_ = *broker;
    auto made = make_kafka_log({.bootstrap_servers = broker_.bootstrap, .properties = {}});
    ASSERT_TRUE(made.ok());
    factory_ = std::move(*made);
  }
  std::string make_topic(const std::string& base, std::int32_t partitions) {
    const std::string topic = integration::unique_name(base);
    const Status made = factory_->ensure_topics({{topic, partitions, {}}});
    EXPECT_TRUE(made.ok()) << made.to_string();
    return topic;
  }
  void append_numbered(const std::string& topic, int from, int to) {
    auto appender = factory_->appender();
    for (int i = from; i < to; ++i) {
      ASSERT_TRUE((*appender)->append({topic, {}, "k" + std::to_string(i), std::to_string(i), {}}).ok());
    }
    ASSERT_TRUE((*appender)->flush().ok());
  }
  std::unique_ptr<EventLog> open(const std::string& group, const std::string& id, const std::string& topic,
                                 AssignmentListener listener = {}) {
    auto log = factory_->open(group, id);
    EXPECT_TRUE(log.ok()) << log.status().to_string();
    EXPECT_TRUE((*log)->subscribe({topic}, std::move(listener)).ok());
    return std::move(*log);
  }
  std::vector<Record> take(EventLog& log, std::size_t count, Millis patience = kPatience) {
    std::vector<Record> all;
    const auto end = std::chrono::steady_clock::now() + patience;
    while (all.size() < count && std::chrono::steady_clock::now() < end) {
      auto records = log.poll(count - all.size(), kStep);
      if (records.ok()) all.insert(all.end(), records->begin(), records->end());
    }
    return all;
  }
  std::vector<Record> contents(const std::string& topic) {
    std::vector<Record> all;
    auto reader = factory_->reader();
    const auto partitions = (*reader)->partition_count(topic);
    EXPECT_TRUE(partitions.ok());
    for (std::int32_t p = 0; p < *partitions; ++p) {
      const auto bounds = (*reader)->bounds({topic, p});
      EXPECT_TRUE(bounds.ok()) << bounds.status().to_string();
      for (auto next = bounds->first; next < bounds->second;) {
        const auto records = (*reader)->read({topic, p}, next, 1000, kPatience);
        EXPECT_TRUE(records.ok() && !records->empty());
        if (!records.ok() || records->empty()) break;
        next = records->back().position.offset + 1;
        all.insert(all.end(), records->begin(), records->end());
      }
    }
    return all;
  }
  static std::map<TopicPartition, std::int64_t> positions_after(const std::vector<Record>& records) {
    std::map<TopicPartition, std::int64_t> next;
    for (const Record& r : records) {
      auto& offset = next[{r.position.topic, r.position.partition}];
      offset = std::max(offset, r.position.offset + 1);
    }
    return next;
  }
  /// One step of the work: each record read becomes one output with its value.
  static Transaction echo(const std::vector<Record>& records, const std::string& output) {
    Transaction transaction{{}, positions_after(records), ""};
    for (const Record& r : records) transaction.outputs.push_back({output, {}, r.key, r.value, {}});
    return transaction;
  }
  std::string kcat(const std::string& arguments, const std::string& input = "") {
    const auto output = integration::run("kcat -b " + broker_.bootstrap + " " + arguments, input);
    EXPECT_TRUE(output.has_value()) << arguments;
    return output.value_or("");
  }

  integration::Broker broker_;
  std::unique_ptr<LogFactory> factory_;
};

}  // namespace lacuna::streaming
