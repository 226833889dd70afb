#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "state/records/status.h"

namespace lacuna::streaming {

/// A file's lines as they are, without their ends, unpacked and in UTF-8. `progress` gets the bytes read of the file as it lies on the
/// disk. `invalid`: a line of more than 1 MiB; `internal`: the file is damaged or cut off. Both after the lines before. Ends with the
/// sink's first error.
Status read_lines(const std::string& path, const std::function<Status(std::string_view)>& sink,
                  const std::function<void(std::uint64_t)>& progress);

}  // namespace lacuna::streaming
