#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "streaming/log/kafka/handles.h"

namespace lacuna::streaming::kafka {

/// What librdkafka reported of the messages of one transaction. Filled from inside its calls, on the caller's thread.
struct Delivery {
  std::string changelog_topic;
  std::size_t delivered = 0;
  std::size_t failed = 0;
  rd_kafka_resp_err_t first_error = RD_KAFKA_RESP_ERR_NO_ERROR;
  std::map<std::int32_t, std::int64_t> changelog_next;  ///< by partition: offset after the last one written
  rd_kafka_resp_err_t refused_login = RD_KAFKA_RESP_ERR_NO_ERROR;
};

/// A producer with a transactional id. One thread.
class TransactionalProducer {
 public:
  enum class Outcome : std::uint8_t {
    committed,
    aborted,         ///< nothing was written; the next transaction may go through
    refused,         ///< nothing was written; an output can never be
    fenced,          ///< nothing was written; another producer has the id
    unknown,         ///< the commit was sent and its answer is missing: open() again, then look at the committed offsets
    unknown_fenced,  ///< the same, but another producer has the id by now: only look
  };
  struct Attempt {
    Outcome outcome;
    Status status;
    std::map<std::int32_t, std::int64_t> changelog_next;
  };
  /// Given where the changelog now ends, the offsets to send, with metadata.
  using MakeOffsets = std::function<PartitionList(const std::map<std::int32_t, std::int64_t>& changelog_next)>;

  TransactionalProducer(KafkaOptions options, std::string transactional_id);
  ~TransactionalProducer();
  TransactionalProducer(const TransactionalProducer&) = delete;
  TransactionalProducer& operator=(const TransactionalProducer&) = delete;

  /// A fresh client with this id: what an earlier one began is completed or aborted, and it is fenced.
  Status open(Millis limit);
  /// False after a failure that only open() mends.
  bool usable() const { return client_ != nullptr; }
  Attempt run(const Transaction& transaction, const MakeOffsets& make_offsets, const rd_kafka_consumer_group_metadata_t* group);
  /// Serves callbacks (authentication, statistics) between transactions.
  void serve();

 private:
  Status produce_all(const Transaction& transaction, const Deadline& deadline, bool& refused);
  Attempt abort(Outcome outcome, Status why);
  Attempt fail(Outcome outcome, Status why);
  void drop_client();

  const KafkaOptions options_;
  const std::string transactional_id_;
  Delivery delivery_;  ///< before client_: its callbacks write here until it is gone
  Client client_;
};

}  // namespace lacuna::streaming::kafka
