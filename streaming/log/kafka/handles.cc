#include "streaming/log/kafka/handles.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "streaming/log/kafka_properties.h"
#include "streaming/log/log_sink.h"
#include "streaming/log/partition.h"

namespace lacuna::streaming::kafka {
namespace {

constexpr Millis kBackOffMax{2'000};
constexpr int kDebug = 7;
constexpr std::size_t kErrorBytes = 512;

void on_log(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  // One set of properties serves consumers and producers; that half of them is not for this one is no news.
  const int shown = std::strcmp(facility, "CONFWARN") == 0 ? kDebug : level;
  log_line(shown, std::string("kafka ") + (client ? rd_kafka_name(client) : "") + " " + facility + ": " + text);
}

/// librdkafka may call it after produce() returned, once it knows the topic: what a message brings along for it is the hash itself.
void* placed_by(std::string_view partition_key) {
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(murmur2(partition_key) & 0x7fffffff) + 1);
}

std::int32_t place(const rd_kafka_topic_t*, const void* key, std::size_t size, std::int32_t partitions, void*, void* placed) {
  if (placed != nullptr)
    return static_cast<std::int32_t>((reinterpret_cast<std::uintptr_t>(placed) - 1) % static_cast<std::uintptr_t>(partitions));
  return partition_for(key ? std::string_view(static_cast<const char*>(key), size) : std::string_view(), partitions);
}

Status set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, kErrorBytes> text{};  // not passed on: it quotes the value, which may be a password
  switch (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text.data(), text.size())) {
    case RD_KAFKA_CONF_OK: return {};
    case RD_KAFKA_CONF_UNKNOWN: return {Code::invalid, "librdkafka knows no property " + name};
    default: return {Code::invalid, "librdkafka does not take the value of property " + name};
  }
}

}  // namespace

Status check_properties(const KafkaOptions& options) {
  for (const auto& [name, value] : options.properties) {
    if (const auto problem = kafka_property_problem(name, value)) return {Code::invalid, "property " + name + ": " + *problem};
  }
  return {};
}

Result<Conf> make_conf(const KafkaOptions& options, const Settings& defaults, const Settings& fixed) {
  Conf conf(rd_kafka_conf_new());
  rd_kafka_topic_conf_t* topic = rd_kafka_topic_conf_new();
  rd_kafka_topic_conf_set_partitioner_cb(topic, place);
  rd_kafka_conf_set_default_topic_conf(conf.get(), topic);  // owns it
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  Settings all = {{"bootstrap.servers", options.bootstrap_servers}, {"client.id", "lacuna"}};
  all.insert(all.end(), defaults.begin(), defaults.end());
  all.insert(all.end(), options.properties.begin(), options.properties.end());
  all.insert(all.end(), fixed.begin(), fixed.end());
  for (const auto& [name, value] : all) {
    if (Status status = set(conf.get(), name, value); !status.ok()) return status;
  }
  return conf;
}

Result<Client> make_client(rd_kafka_type_t type, Conf conf) {
  std::array<char, kErrorBytes> text{};
  rd_kafka_t* client = rd_kafka_new(type, conf.get(), text.data(), text.size());
  if (!client) return Status(Code::invalid, std::string("kafka client: ") + text.data());
  (void)conf.release();
  return Client(client);
}

int Deadline::left_ms(Millis most) const {
  const auto left = std::chrono::ceil<Millis>(end_ - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp(left, Millis(0), most).count());
}

void BackOff::wait(const Deadline& deadline) {
  std::this_thread::sleep_for(Millis(deadline.left_ms(next_)));
  next_ = std::min(2 * next_, kBackOffMax);
}

Status to_status(Code code, std::string_view what, rd_kafka_resp_err_t error) {
  return {code, "kafka: " + std::string(what) + ": " + rd_kafka_err2str(error)};
}

bool is_fencing(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR__FENCED || error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
         error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH || error == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}

bool is_refusal(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
         error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

bool is_authorization(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED || error == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED || error == RD_KAFKA_RESP_ERR__AUTHENTICATION;
}

PartitionList make_list(const std::vector<TopicPartition>& partitions) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const TopicPartition& p : partitions) rd_kafka_topic_partition_list_add(list.get(), p.topic.c_str(), p.partition);
  return list;
}

Record to_record(const rd_kafka_message_t& message) {
  Record record;
  record.position = {rd_kafka_topic_name(message.rkt), message.partition, message.offset};
  const std::int64_t timestamp = rd_kafka_message_timestamp(&message, nullptr);
  record.timestamp = Time(Millis(std::max<std::int64_t>(timestamp, 0)));
  if (message.key) record.key.assign(static_cast<const char*>(message.key), message.key_len);
  if (message.payload) record.value.emplace(static_cast<const char*>(message.payload), message.len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return record;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    record.headers.emplace_back(name, value ? std::string(static_cast<const char*>(value), size) : std::string());
  }
  return record;
}

rd_kafka_resp_err_t produce(rd_kafka_t* client, const OutputRecord& record) {
  Owned<rd_kafka_headers_t> headers;
  if (!record.headers.empty()) {
    headers.reset(rd_kafka_headers_new(record.headers.size()));
    for (const auto& [name, value] : record.headers) {
      rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(), static_cast<ssize_t>(value.size()));
    }
  }
  std::array<rd_kafka_vu_t, 8> fields{};
  std::size_t count = 0;
  fields[count].vtype = RD_KAFKA_VTYPE_TOPIC;
  fields[count++].u.cstr = record.topic.c_str();
  fields[count].vtype = RD_KAFKA_VTYPE_PARTITION;
  fields[count++].u.i32 = record.partition.value_or(RD_KAFKA_PARTITION_UA);
  fields[count].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  fields[count++].u.i = RD_KAFKA_MSG_F_COPY;
  fields[count].vtype = RD_KAFKA_VTYPE_KEY;
  fields[count++].u.mem = {const_cast<char*>(record.key.data()), record.key.size()};
  // A null value is a tombstone; an empty one is not: std::string's data() is never null.
  fields[count].vtype = RD_KAFKA_VTYPE_VALUE;
  fields[count].u.mem = {nullptr, 0};
  if (record.value) fields[count].u.mem = {const_cast<char*>(record.value->data()), record.value->size()};
  ++count;
  if (!record.partition_key.empty()) {
    fields[count].vtype = RD_KAFKA_VTYPE_OPAQUE;
    fields[count++].u.ptr = placed_by(record.partition_key);
  }
  if (record.timestamp) {
    fields[count].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    fields[count++].u.i64 = record.timestamp->time_since_epoch().count();
  }
  if (headers) {
    fields[count].vtype = RD_KAFKA_VTYPE_HEADERS;
    fields[count++].u.headers = headers.get();
  }
  const Error error(rd_kafka_produceva(client, fields.data(), count));
  if (error) return rd_kafka_error_code(error.get());
  (void)headers.release();  // the message owns them now
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace lacuna::streaming::kafka
