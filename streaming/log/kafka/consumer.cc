#include "streaming/log/kafka/consumer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "streaming/log/log_sink.h"

namespace lacuna::streaming::kafka {
namespace {

constexpr int kWarning = 4;
constexpr int kInfo = 6;
constexpr int kDebug = 7;

/// Bounds: queued.max.messages.kbytes is what is fetched ahead, over all partitions. A new topic that matches a pattern is
/// seen within the metadata interval.
const Settings kDefaults = {
    {"auto.offset.reset", "earliest"},
    {"queued.min.messages", "20000"},
    {"queued.max.messages.kbytes", "32768"},
    {"fetch.wait.max.ms", "100"},
    {"topic.metadata.refresh.interval.ms", "30000"},
    {"socket.nagle.disable", "true"},
    {"reconnect.backoff.max.ms", "2000"},
};

constexpr std::string_view kChangelogPrefix = "chg=";

std::optional<std::int64_t> parse_metadata(const void* bytes, std::size_t size) {
  const std::string_view text(bytes ? static_cast<const char*>(bytes) : "", bytes ? size : 0);
  if (!text.starts_with(kChangelogPrefix)) return std::nullopt;
  std::int64_t next = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + kChangelogPrefix.size(), end, next);
  if (error != std::errc() || stop != end || next < 0) return std::nullopt;
  return next;
}

std::vector<TopicPartition> to_partitions(const rd_kafka_topic_partition_list_t* list) {
  std::vector<TopicPartition> partitions;
  for (int i = 0; i < list->cnt; ++i) partitions.push_back({list->elems[i].topic, list->elems[i].partition});
  return partitions;
}

/// librdkafka answers null while the client ends, and "NONE" once the group has dropped it.
bool is_cooperative(rd_kafka_t* client) {
  const char* protocol = rd_kafka_rebalance_protocol(client);
  return protocol && std::strcmp(protocol, "COOPERATIVE") == 0;
}

}  // namespace

GroupConsumer::GroupConsumer(KafkaOptions options, std::string group) : options_(std::move(options)), group_(std::move(group)) {}

GroupConsumer::~GroupConsumer() {
  if (!client_) return;
  closing_ = true;
  rd_kafka_consumer_close(client_.get());
}

Status GroupConsumer::open(bool together) {
  Settings defaults = kDefaults;
  defaults.emplace_back("partition.assignment.strategy", together ? "range" : "cooperative-sticky");
  auto conf = make_conf(options_, defaults,
                        {{"group.id", group_},
                         {"isolation.level", "read_committed"},
                         {"enable.auto.commit", "false"},
                         {"enable.auto.offset.store", "false"},
                         {"enable.partition.eof", "true"}});
  if (!conf.ok()) return conf.status();
  rd_kafka_conf_set_opaque(conf->get(), this);
  rd_kafka_conf_set_rebalance_cb(conf->get(), on_rebalance);
  rd_kafka_conf_set_error_cb(conf->get(), on_error);
  auto client = make_client(RD_KAFKA_CONSUMER, std::move(*conf));
  if (!client.ok()) return client.status();
  client_ = std::move(*client);
  const rd_kafka_resp_err_t error = rd_kafka_poll_set_consumer(client_.get());
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : to_status(Code::internal, "serving a consumer", error);
}

Status GroupConsumer::subscribe(const std::vector<std::string>& topics, AssignmentListener listener) {
  if (topics.size() > 1 || topics.front().starts_with('^')) LACUNA_RETURN_IF_ERROR(open(true));
  listener_ = std::move(listener);
  std::vector<TopicPartition> names;
  for (const std::string& topic : topics) names.push_back({topic, RD_KAFKA_PARTITION_UA});
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(client_.get(), make_list(names).get());
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : to_status(Code::invalid, "subscribing", error);
}

void GroupConsumer::on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* list, void* opaque) {
  static_cast<GroupConsumer*>(opaque)->rebalance(event, list);
}

void GroupConsumer::on_error(rd_kafka_t*, int error, const char* reason, void* opaque) {
  auto& self = *static_cast<GroupConsumer*>(opaque);
  const auto code = static_cast<rd_kafka_resp_err_t>(error);
  // A refused credential says more than that all brokers are down, which follows from it.
  if (is_authorization(code) || (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !is_authorization(self.unreachable_))) {
    self.unreachable_ = code;
  }
  log_line(kInfo, std::string("kafka consumer: ") + reason);
}

void GroupConsumer::rebalance(rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* list) {
  last_input_ = nullptr;
  last_topic_ = nullptr;
  if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    assign(list);
  } else {
    revoke(list);
  }
}

void GroupConsumer::assign(rd_kafka_topic_partition_list_t* list) {
  const bool cooperative = is_cooperative(client_.get());
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (cooperative) {
    const Error failure(rd_kafka_incremental_assign(client_.get(), list));
    if (failure) error = rd_kafka_error_code(failure.get());
  } else {
    error = rd_kafka_assign(client_.get(), list);
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    log_line(kWarning, to_status(Code::internal, "taking partitions of group " + group_, error).to_string());
    return;
  }
  const std::vector<TopicPartition> partitions = to_partitions(list);
  if (!cooperative) inputs_.clear();
  for (const TopicPartition& partition : partitions) inputs_[partition] = {};
  if (listener_.assigned && !closing_ && !partitions.empty()) listener_.assigned(partitions);
}

void GroupConsumer::revoke(rd_kafka_topic_partition_list_t* list) {
  const std::vector<TopicPartition> partitions = to_partitions(list);
  const bool lost = rd_kafka_assignment_lost(client_.get()) != 0;
  if (listener_.revoked && !closing_ && !partitions.empty()) listener_.revoked(partitions, lost);
  // Records gathered but not yet returned go to the partition's next owner.
  const bool cooperative = is_cooperative(client_.get());
  for (const TopicPartition& partition : partitions) inputs_.erase(partition);
  if (!cooperative) inputs_.clear();  // what is called below gives up all
  std::erase_if(gathered_, [&](const Record& record) { return !inputs_.contains({record.position.topic, record.position.partition}); });
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (cooperative) {
    const Error failure(rd_kafka_incremental_unassign(client_.get(), list));
    if (failure) error = rd_kafka_error_code(failure.get());
  } else {
    error = rd_kafka_assign(client_.get(), nullptr);
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    log_line(kWarning, to_status(Code::internal, "giving up partitions of group " + group_, error).to_string());
  }
}

GroupConsumer::Input* GroupConsumer::find(const rd_kafka_message_t& message) {
  if (!message.rkt) return nullptr;
  if (last_input_ && message.rkt == last_topic_ && message.partition == last_partition_) return last_input_;
  const auto found = inputs_.find({rd_kafka_topic_name(message.rkt), message.partition});
  last_topic_ = message.rkt;
  last_partition_ = message.partition;
  last_input_ = found == inputs_.end() ? nullptr : &found->second;
  return last_input_;
}

/// Around rebalances, and when a partition is resumed, librdkafka up to 2.3 may give a message of a partition that is gone
/// or an offset twice (its issues 4059, 4637, 4783). Neither may reach the caller.
void GroupConsumer::accept(const rd_kafka_message_t& message) {
  Input* const input = find(message);
  if (!input || message.offset < input->next) {
    log_line(kDebug, std::string("kafka: left out a stale message of topic ") + rd_kafka_topic_name(message.rkt));
    return;
  }
  if (input->first < 0) input->first = message.offset;
  input->next = message.offset + 1;
  gathered_.push_back(to_record(message));
}

Status GroupConsumer::handle_error(const rd_kafka_message_t& message) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      if (Input* const input = find(message)) input->end = std::max(input->end, message.offset);
      return {};
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID: {
      std::array<char, 256> text{};
      const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(client_.get(), text.data(), text.size());
      // Whatever the reason, this client is dead and a new one may live.
      return to_status(Code::fenced, "consumer of group " + group_, fatal);
    }
    default:
      if (is_authorization(message.err)) return to_status(Code::unavailable, "consumer of group " + group_, message.err);
      // librdkafka mends these by itself: a topic that is not there yet, a poll that came late, a broker that moved.
      log_line(kInfo, to_status(Code::unavailable, "consumer of group " + group_, message.err).to_string());
      return {};
  }
}

Result<std::vector<Record>> GroupConsumer::poll(std::size_t max_records, Millis max_wait) {
  const Deadline deadline(max_wait);
  gathered_.clear();
  unreachable_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  Status failure;
  for (;;) {
    const bool full = gathered_.size() >= max_records;
    if (full && max_records > 0) break;
    const Message message(rd_kafka_consumer_poll(client_.get(), gathered_.empty() ? deadline.left_ms() : 0));
    if (!message) {
      if (!gathered_.empty() || deadline.over()) break;
      continue;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      accept(*message);
    } else if (Status status = handle_error(*message); !status.ok()) {
      failure = std::move(status);
      break;
    }
  }
  // What was gathered before an error counts as given: it goes out first, and the error comes again if it persists.
  if (gathered_.empty() && !failure.ok()) return failure;
  if (gathered_.empty() && unreachable_ != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return to_status(Code::unavailable, "consumer of group " + group_, unreachable_);
  }
  return std::move(gathered_);
}

Status GroupConsumer::set_paused(const std::vector<TopicPartition>& partitions, bool paused) {
  std::vector<TopicPartition> changing;
  for (const TopicPartition& partition : partitions) {
    const auto found = inputs_.find(partition);
    if (found == inputs_.end()) return {Code::not_found, "not assigned: topic " + partition.topic};
    // Resuming what is not paused makes librdkafka up to 2.3 fetch old offsets again (its issue 4637).
    if (found->second.paused != paused) changing.push_back(partition);
  }
  if (changing.empty()) return {};
  const PartitionList list = make_list(changing);
  const rd_kafka_resp_err_t error =
      paused ? rd_kafka_pause_partitions(client_.get(), list.get()) : rd_kafka_resume_partitions(client_.get(), list.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return to_status(Code::internal, "pausing", error);
  for (int i = 0; i < list->cnt; ++i) {
    if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return to_status(Code::internal, std::string("pausing topic ") + list->elems[i].topic, list->elems[i].err);
    }
  }
  for (const TopicPartition& partition : changing) inputs_.at(partition).paused = paused;
  return {};
}

Result<std::map<TopicPartition, Committed>> GroupConsumer::committed(const std::vector<TopicPartition>& partitions, Millis limit) {
  const Deadline deadline(limit);
  BackOff back_off;
  for (;;) {
    const PartitionList list = make_list(partitions);
    rd_kafka_resp_err_t error = rd_kafka_committed(client_.get(), list.get(), std::max(deadline.left_ms(), 1));
    std::map<TopicPartition, Committed> found;
    for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      const rd_kafka_topic_partition_t& one = list->elems[i];
      error = one.err;
      if (one.offset >= 0) {
        found[{one.topic, one.partition}] = {one.offset, parse_metadata(one.metadata, one.metadata_size)};
      }
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return found;
    if (is_authorization(error) || deadline.over()) return to_status(Code::unavailable, "offsets of group " + group_, error);
    back_off.wait(deadline);
  }
}

Status GroupConsumer::rewind(Millis limit) {
  const Deadline deadline(limit);
  std::vector<TopicPartition> moved;
  for (const auto& [partition, input] : inputs_) {
    if (input.next >= 0) moved.push_back(partition);
  }
  if (moved.empty()) return {};
  const auto stored = committed(moved, Millis(deadline.left_ms()));
  if (!stored.ok()) return stored.status();
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(moved.size())));
  for (const TopicPartition& partition : moved) {
    const auto found = stored->find(partition);
    const std::int64_t target = found == stored->end() ? inputs_.at(partition).first : found->second.next_offset;
    if (target == inputs_.at(partition).next) continue;
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)->offset = target;
  }
  if (list->cnt == 0) return {};
  const Error error(rd_kafka_seek_partitions(client_.get(), list.get(), std::max(deadline.left_ms(), 1)));
  if (error) return to_status(Code::unavailable, "seeking", rd_kafka_error_code(error.get()));
  Status status;
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& one = list->elems[i];
    if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      status = to_status(Code::unavailable, std::string("seeking in topic ") + one.topic, one.err);
      continue;
    }
    Input& input = inputs_.at({one.topic, one.partition});
    input.next = one.offset;
    input.first = std::min(input.first, one.offset);
  }
  return status;
}

std::vector<TopicPartition> GroupConsumer::assignment() const {
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, input] : inputs_) partitions.push_back(partition);
  return partitions;
}

std::int64_t GroupConsumer::lag(const TopicPartition& partition) const {
  const auto found = inputs_.find(partition);
  if (found == inputs_.end()) return 0;
  std::int64_t low = -1, high = -1;
  rd_kafka_get_watermark_offsets(client_.get(), partition.topic.c_str(), partition.partition, &low, &high);
  const std::int64_t position = std::max(found->second.next, found->second.end);
  // Never fetched: there may be something. Counting it as one keeps "lag 0" from meaning "not looked yet".
  if (high < 0 || position < 0) return std::max<std::int64_t>(1, high - std::max<std::int64_t>(low, 0));
  return std::max<std::int64_t>(0, high - position);
}

Owned<rd_kafka_consumer_group_metadata_t> GroupConsumer::group_metadata() const {
  return Owned<rd_kafka_consumer_group_metadata_t>(rd_kafka_consumer_group_metadata(client_.get()));
}

}  // namespace lacuna::streaming::kafka
