#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "state/model_chunks.h"
#include "tests/fuzz/state_records.h"

// The records of the store's `meta` column family, checkpoint files, and the model checkpoints of lacuna.model.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lacuna::state;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  fuzz::check(bytes, decode_header, encode_header);
  fuzz::check(bytes, decode_position, encode_position);
  fuzz::check(bytes, decode_stratum, encode_stratum);
  fuzz::check(bytes, decode_named_blob, encode_named_blob);
  fuzz::check(bytes, decode_model_chunk, encode_model_chunk);
  fuzz::check(bytes, decode_published_model, encode_published_model);
  const auto encode_file = [](const NamedBlob& file) { return encode_checkpoint_file(file.name, file.content); };
  fuzz::check(bytes, decode_checkpoint_file, encode_file);

  // A checksum keeps most inputs out of the two below, so they come in as content too.
  const NamedBlob file{"name", std::string(bytes)};
  const auto read = decode_checkpoint_file(encode_file(file));
  fuzz::require(read.ok() && *read == file, "a checkpoint is read as it was written");
  std::vector<ModelChunk> chunks = split_chunks("a", 1, bytes, 1 + size / 3);
  const auto joined = join_chunks(chunks, "a");
  fuzz::require(joined.ok() && *joined == bytes, "pieces join to what was cut");

  // A foreign piece of the same checkpoint never makes it another one.
  if (auto chunk = decode_model_chunk(bytes); chunk.ok()) {
    chunk->instance = "a";
    chunks.push_back(std::move(*chunk));
    const auto mixed = join_chunks(chunks, "a");
    if (mixed.ok() && *mixed != bytes) {
      fuzz::require(chunks.back().chunks == 1 && *mixed == chunks.back().content, "only a whole checkpoint is joined");
    }
  }
  return 0;
}
