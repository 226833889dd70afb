#include "streaming/log/embedded/format.h"

#include "state/records/bytes.h"

namespace lacuna::streaming::embedded {
namespace {

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put<std::uint32_t>(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

template <typename T>
void put_big_endian(std::string& out, T value) {
  for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift & 0xff));
  }
}

}  // namespace

std::string format_key() { return "mformat"; }

std::string topic_key(std::string_view topic) { return std::string(1, kTopicPrefix).append(topic); }

std::string offset_key(std::string_view group, const TopicPartition& partition) {
  std::string key = "o";
  put_text(key, group);
  put_text(key, partition.topic);
  put<std::int32_t>(key, partition.partition);
  return key;
}

void encode_record_key(PartitionId id, std::int64_t offset, std::string& out) {
  out.assign(1, 'r');
  put_big_endian(out, id.topic);
  put_big_endian(out, id.partition);
  put_big_endian(out, static_cast<std::uint64_t>(offset));
}

std::int64_t offset_of(std::string_view record_key) {
  std::uint64_t offset = 0;
  for (const char c : record_key.substr(record_key.size() - 8)) offset = offset << 8 | static_cast<unsigned char>(c);
  return static_cast<std::int64_t>(offset);
}

std::string encode_topic(std::uint32_t id, std::int32_t partitions) {
  std::string out;
  put(out, id);
  put(out, partitions);
  return out;
}

bool decode_topic(std::string_view bytes, std::uint32_t& id, std::int32_t& partitions) {
  ByteReader reader(bytes);
  id = reader.get<std::uint32_t>();
  partitions = reader.get<std::int32_t>();
  return reader.ok() && reader.at_end() && partitions > 0;
}

std::string encode_committed(const Committed& committed) {
  std::string out;
  put(out, committed.next_offset);
  put<std::uint8_t>(out, committed.changelog_next.has_value());
  put<std::int64_t>(out, committed.changelog_next.value_or(0));
  return out;
}

bool decode_committed(std::string_view bytes, Committed& committed) {
  ByteReader reader(bytes);
  committed.next_offset = reader.get<std::int64_t>();
  const bool has_changelog = reader.get<std::uint8_t>() != 0;
  const auto changelog = reader.get<std::int64_t>();
  committed.changelog_next = has_changelog ? std::optional(changelog) : std::nullopt;
  return reader.ok() && reader.at_end() && committed.next_offset >= 0;
}

void encode_record(const OutputRecord& record, Time now, std::string& out) {
  out.clear();
  out.reserve(record_bytes(record));
  put<std::int64_t>(out, record.timestamp.value_or(now).time_since_epoch().count());
  put<std::uint8_t>(out, record.value.has_value());
  put<std::uint32_t>(out, static_cast<std::uint32_t>(record.headers.size()));
  for (const auto& [name, value] : record.headers) {
    put_text(out, name);
    put_text(out, value);
  }
  put_text(out, record.key);
  put_text(out, record.value ? std::string_view(*record.value) : std::string_view());
}

std::size_t record_bytes(const OutputRecord& record) {
  std::size_t bytes = 8 + 1 + 4 + 4 + record.key.size() + 4 + (record.value ? record.value->size() : 0);
  for (const auto& [name, value] : record.headers) bytes += 8 + name.size() + value.size();
  return bytes;
}

bool decode_record(std::string_view bytes, Record& record) {
  ByteReader reader(bytes);
  record.timestamp = Time(Millis(reader.get<std::int64_t>()));
  const bool has_value = reader.get<std::uint8_t>() != 0;
  const auto headers = reader.get<std::uint32_t>();
  record.headers.clear();
  for (std::uint32_t i = 0; i < headers && reader.ok(); ++i) {
    std::string name = reader.get_text();
    record.headers.emplace_back(std::move(name), reader.get_text());
  }
  record.key = reader.get_text();
  std::string value = reader.get_text();
  if (has_value) {
    record.value = std::move(value);
  } else {
    record.value.reset();
  }
  return reader.ok() && reader.at_end();
}

}  // namespace lacuna::streaming::embedded
