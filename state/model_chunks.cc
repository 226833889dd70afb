#include "state/model_chunks.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "state/stored_records.h"

namespace lacuna::state {

std::vector<ModelChunk> split_chunks(const std::string& instance, std::uint64_t number, std::string_view content, std::size_t bytes_max) {
  const std::size_t count = std::max<std::size_t>(1, (content.size() + bytes_max - 1) / bytes_max);
  const ModelChunk pattern{instance, number, 0, static_cast<std::uint32_t>(count), crc32_of(content), {}};
  std::vector<ModelChunk> out(count, pattern);
  for (std::size_t i = 0; i < count; ++i) {
    out[i].chunk = static_cast<std::uint32_t>(i);
    out[i].content = content.substr(i * bytes_max, bytes_max);
  }
  return out;
}

Result<std::string> join_chunks(std::span<const ModelChunk> chunks, std::string_view instance) {
  // The checksum keeps checkpoints apart that a restarted instance gave the same number.
  using Set = std::tuple<std::uint64_t, std::uint32_t, std::uint32_t>;
  std::map<Set, std::map<std::uint32_t, const ModelChunk*>> sets;
  for (const ModelChunk& c : chunks) {
    if (c.instance == instance && c.chunk < c.chunks) sets[{c.number, c.chunks, c.crc32}][c.chunk] = &c;
  }
  bool damaged = false;
  for (auto set = sets.rbegin(); set != sets.rend(); ++set) {
    const auto& [number, count, crc] = set->first;
    if (set->second.size() != count) continue;
    std::string content;
    for (const auto& [chunk, piece] : set->second) content += piece->content;
    if (crc32_of(content) == crc) return content;
    damaged = true;
  }
  if (damaged) return Status(Code::corrupt, "model checkpoint: the checksum does not fit its pieces");
  return Status(Code::not_found, "no complete model checkpoint");
}

}  // namespace lacuna::state
