#include "streaming/log/partition.h"

#include "streaming/log/event_log.h"

namespace lacuna::streaming {
namespace {

// The Java client's seed and MurmurHash2's own constants. They decide where every key lives: they must never change.
constexpr std::uint32_t kSeed = 0x9747b28c;
constexpr std::uint32_t kMultiplier = 0x5bd1e995;
constexpr int kShift = 24;

std::uint32_t byte_at(std::string_view bytes, std::size_t i) { return static_cast<unsigned char>(bytes[i]); }

}  // namespace

std::int32_t murmur2(std::string_view bytes) {
  const std::size_t size = bytes.size();
  std::uint32_t hash = kSeed ^ static_cast<std::uint32_t>(size);
  std::size_t i = 0;
  for (; i + 4 <= size; i += 4) {
    std::uint32_t word = byte_at(bytes, i) | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2) << 16 | byte_at(bytes, i + 3) << 24;
    word *= kMultiplier;
    word ^= word >> kShift;
    word *= kMultiplier;
    hash = (hash * kMultiplier) ^ word;
  }
  if (i < size) {
    for (std::size_t rest = size - i; rest-- > 0;) hash ^= byte_at(bytes, i + rest) << (8 * rest);
    hash *= kMultiplier;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  hash ^= hash >> 15;
  return static_cast<std::int32_t>(hash);
}

std::int32_t partition_for(std::string_view key, std::int32_t partitions) {
  return partitions < 1 ? 0 : (murmur2(key) & 0x7fffffff) % partitions;
}

std::int32_t partition_for(const OutputRecord& record, std::int32_t partitions) {
  return record.partition ? *record.partition : partition_for(record.partition_key.empty() ? record.key : record.partition_key, partitions);
}

}  // namespace lacuna::streaming
