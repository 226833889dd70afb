#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "streaming/log/event_log.h"

// Owning handles and settings for librdkafka; private to this folder.

namespace lacuna::streaming::kafka {

struct Deleter {
  void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
  void operator()(rd_kafka_conf_t* p) const { rd_kafka_conf_destroy(p); }
  void operator()(rd_kafka_topic_t* p) const { rd_kafka_topic_destroy(p); }
  void operator()(rd_kafka_topic_partition_list_t* p) const { rd_kafka_topic_partition_list_destroy(p); }
  void operator()(rd_kafka_message_t* p) const { rd_kafka_message_destroy(p); }
  void operator()(rd_kafka_error_t* p) const { rd_kafka_error_destroy(p); }
  void operator()(rd_kafka_headers_t* p) const { rd_kafka_headers_destroy(p); }
  void operator()(rd_kafka_consumer_group_metadata_t* p) const { rd_kafka_consumer_group_metadata_destroy(p); }
  void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
  void operator()(rd_kafka_event_t* p) const { rd_kafka_event_destroy(p); }
  void operator()(rd_kafka_NewTopic_t* p) const { rd_kafka_NewTopic_destroy(p); }
  void operator()(rd_kafka_AdminOptions_t* p) const { rd_kafka_AdminOptions_destroy(p); }
  void operator()(const struct rd_kafka_metadata* p) const { rd_kafka_metadata_destroy(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

using Conf = Owned<rd_kafka_conf_t>;
using Client = Owned<rd_kafka_t>;
using PartitionList = Owned<rd_kafka_topic_partition_list_t>;
using Error = Owned<rd_kafka_error_t>;  ///< null: no error
using Message = Owned<rd_kafka_message_t>;

using Settings = std::vector<std::pair<std::string, std::string>>;

/// `defaults` come first, then the operator's properties, then `fixed`, on which the guarantees rest. Logs go to the
/// sink; keys are placed by partition_for. `invalid` names the first property that librdkafka does not take.
Result<Conf> make_conf(const KafkaOptions& options, const Settings& defaults, const Settings& fixed);
/// Uses up `conf`.
Result<Client> make_client(rd_kafka_type_t type, Conf conf);

/// Properties that the operator may not set, and the one that stands for each; `invalid` for the first one found.
Status check_properties(const KafkaOptions& options);

/// A time limit as librdkafka's calls take it.
class Deadline {
 public:
  explicit Deadline(Millis limit) : end_(std::chrono::steady_clock::now() + limit) {}
  bool over() const { return std::chrono::steady_clock::now() >= end_; }
  /// Milliseconds left, at least 0 and at most `most`.
  int left_ms(Millis most = std::chrono::hours(1)) const;

 private:
  std::chrono::steady_clock::time_point end_;
};

/// Waits between tries: doubles from 50 ms to 2 s, never beyond the deadline. On the caller's thread.
class BackOff {
 public:
  void wait(const Deadline& deadline);

 private:
  Millis next_{50};
};

Status to_status(Code code, std::string_view what, rd_kafka_resp_err_t error);
bool is_fencing(rd_kafka_resp_err_t error);
PartitionList make_list(const std::vector<TopicPartition>& partitions);
Record to_record(const rd_kafka_message_t& message);
/// One copy of key, value and headers, made by librdkafka. The message's opaque is for its placement alone.
rd_kafka_resp_err_t produce(rd_kafka_t* client, const OutputRecord& record);
/// An error that no further try mends: the record itself, or the partition that it names, is wrong. A topic that is missing
/// or forbidden is not among them: that is mended from outside, and no record is to blame.
bool is_refusal(rd_kafka_resp_err_t error);
/// A credential or permission is missing; operators give it back.
bool is_authorization(rd_kafka_resp_err_t error);

}  // namespace lacuna::streaming::kafka
