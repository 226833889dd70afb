#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "streaming/log/kafka/handles.h"

namespace lacuna::streaming::kafka {

/// A member of a consumer group that never commits by itself. One thread; callbacks come from inside its calls.
/// Started by open(); the destructor leaves the group without telling the listener.
class GroupConsumer {
 public:
  GroupConsumer(KafkaOptions options, std::string group);
  ~GroupConsumer();
  GroupConsumer(const GroupConsumer&) = delete;
  GroupConsumer& operator=(const GroupConsumer&) = delete;

  /// `together`: partitions of the same number, of topics with as many of them, go to the same member, all moving at once
  /// (range). Otherwise they move one by one (cooperative-sticky), and two topics' go where they may. The operator's own
  /// partition.assignment.strategy stands above both.
  Status open(bool together = false);
  /// Of several topics, or a pattern, partitions are kept together: a patient's events may come through each of them.
  Status subscribe(const std::vector<std::string>& topics, AssignmentListener listener);
  Result<std::vector<Record>> poll(std::size_t max_records, Millis max_wait);
  Status set_paused(const std::vector<TopicPartition>& partitions, bool paused);

  /// What the group has committed, waiting for transactions under way to end. A partition without an offset is left out.
  Result<std::map<TopicPartition, Committed>> committed(const std::vector<TopicPartition>& partitions, Millis limit);
  /// Puts the read position of each assigned partition back to what is committed. On failure call it again before poll().
  Status rewind(Millis limit);

  bool is_assigned(const TopicPartition& partition) const { return inputs_.contains(partition); }
  std::vector<TopicPartition> assignment() const;
  std::int64_t lag(const TopicPartition& partition) const;
  Owned<rd_kafka_consumer_group_metadata_t> group_metadata() const;

 private:
  struct Input {
    std::int64_t first = -1;  ///< of the records given since the partition was assigned; -1: none yet
    std::int64_t next = -1;   ///< offset after the last one given; -1: none yet
    std::int64_t end = -1;    ///< where the partition was last seen to end; it may lie behind transaction markers
    bool paused = false;
  };

  static void on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* list, void* opaque);
  static void on_error(rd_kafka_t* client, int error, const char* reason, void* opaque);
  void rebalance(rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* list);
  void assign(rd_kafka_topic_partition_list_t* list);
  void revoke(rd_kafka_topic_partition_list_t* list);
  void accept(const rd_kafka_message_t& message);
  Status handle_error(const rd_kafka_message_t& message);
  Input* find(const rd_kafka_message_t& message);

  const KafkaOptions options_;
  const std::string group_;
  AssignmentListener listener_;
  bool closing_ = false;
  rd_kafka_resp_err_t unreachable_ = RD_KAFKA_RESP_ERR_NO_ERROR;  ///< why, when librdkafka said so since the last poll()
  std::map<TopicPartition, Input> inputs_;
  std::vector<Record> gathered_;  ///< the batch that poll() is filling
  // The partition of the last message, since messages come in runs; reset when inputs_ changes.
  const rd_kafka_topic_t* last_topic_ = nullptr;
  std::int32_t last_partition_ = -1;
  Input* last_input_ = nullptr;
  Client client_;  ///< last: its callbacks use the rest
};

}  // namespace lacuna::streaming::kafka
