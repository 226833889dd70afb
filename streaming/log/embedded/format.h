#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "streaming/log/event_log.h"

// What the embedded log keeps in RocksDB: one key space, told apart by the first byte. Integers in keys are big-endian so
// that byte order is offset order; in values little-endian. Topics are numbered, so that a key stays at 17 bytes.
//
//   'm' "format"                                -> u32 kFormatVersion
//   't' topic name                              -> u32 topic id, i32 partitions
//   'o' u32 n, group; u32 n, topic; i32 number  -> i64 next offset, u8 has chg, i64 chg
//   'r' u32 topic id, u32 partition, u64 offset -> i64 append time (ms), u8 has value, u32 headers,
//                                                  headers x (u32 n, name; u32 n, value), u32 n, key, u32 n, value

namespace lacuna::streaming::embedded {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kRecordKeyBytes = 17;

struct PartitionId {
  std::uint32_t topic = 0;
  std::uint32_t partition = 0;
};

std::string format_key();
std::string topic_key(std::string_view topic);
inline constexpr char kTopicPrefix = 't';
std::string offset_key(std::string_view group, const TopicPartition& partition);
void encode_record_key(PartitionId id, std::int64_t offset, std::string& out);  ///< replaces `out`
std::int64_t offset_of(std::string_view record_key);

std::string encode_topic(std::uint32_t id, std::int32_t partitions);
bool decode_topic(std::string_view bytes, std::uint32_t& id, std::int32_t& partitions);

std::string encode_committed(const Committed& committed);
bool decode_committed(std::string_view bytes, Committed& committed);

void encode_record(const OutputRecord& record, Time now, std::string& out);  ///< replaces `out`
/// Fills all but the position. False when the bytes are not a record.
bool decode_record(std::string_view bytes, Record& record);
/// Bytes that encode_record gives; for size limits.
std::size_t record_bytes(const OutputRecord& record);

}  // namespace lacuna::streaming::embedded
