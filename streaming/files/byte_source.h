#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "state/records/status.h"

// The bytes of a file as text: unpacked, and in UTF-8. Private to streaming/.

namespace lacuna::streaming {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Up to `size` bytes; fewer at the end or before a problem, and none from then on.
  virtual std::size_t read(char* to, std::size_t size) = 0;
  /// Of the file as it lies on the disk.
  virtual std::uint64_t bytes_read() const = 0;
  /// Why reading ended before the file did; empty: it did not.
  virtual std::string problem() const = 0;
};

struct OpenedBytes {
  std::unique_ptr<ByteSource> source;
  std::string first;         ///< the first bytes, up to 64 KiB; what `source` gives comes after them
  std::string_view packing;  ///< "gzip", "xz", "zstd" or "bzip2"; empty: none
};

/// Undoes gzip (RFC 1952, also several members in a row), xz, zstd and bzip2, each with its checksums, and converts UTF-16 that begins with
/// its byte-order mark; a mark is passed over. Their first bytes tell, not the name. `not_found`: it cannot be opened. A file that is
/// damaged or cut off is one in `problem()`, after all that could be read. Half of a surrogate pair becomes bytes that are no UTF-8.
Result<OpenedBytes> open_bytes(const std::string& path);

}  // namespace lacuna::streaming
