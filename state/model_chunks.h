#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "state/store.h"

// A model checkpoint in pieces that fit into messages, and back. Pure functions.

namespace lacuna::state {

/// Pieces of at most `bytes_max` (above 0) bytes each, in order; one empty piece for empty content.
std::vector<ModelChunk> split_chunks(const std::string& instance, std::uint64_t number, std::string_view content, std::size_t bytes_max);

/// The content of the instance's checkpoint with the highest number of which every piece is there and the checksum fits. The
/// pieces may come in any order, more than once, and mixed with those of other checkpoints and instances. not_found: none is
/// complete. `corrupt`: of those complete no checksum fits.
Result<std::string> join_chunks(std::span<const ModelChunk> chunks, std::string_view instance);

}  // namespace lacuna::state
