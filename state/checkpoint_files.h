#pragma once

#include <string>
#include <system_error>
#include <vector>

#include "state/records/status.h"

namespace lacuna::state {

/// A full disk or quota is mended from outside and worth waiting for: `unavailable`. Anything else is `internal`.
Status to_status(std::error_code error, const std::string& what);

/// Named files of bytes in one folder, each whole or absent: written beside, synced, renamed, and the folder synced.
/// Names are letters, digits, '.', '_', '-', at most kNameMax, and do not start with a dot. Threads: any, as long as no
/// two write the same name at once.
class CheckpointFiles {
 public:
  static constexpr std::size_t kNameMax = 128;

  /// Makes the folder when it is absent, and clears what an interrupted put() left behind.
  static Result<CheckpointFiles> open(std::string folder);
  /// For get() and names() beside a process that writes: makes and clears nothing. Without the folder there are no names.
  static CheckpointFiles open_read_only(std::string folder) { return CheckpointFiles(std::move(folder)); }

  /// `unavailable` when the disk is full; after any failure the old one is still there.
  Status put(const std::string& name, const std::string& bytes) const;
  /// not_found; `corrupt` when the checksum or the name does not fit; `unsupported` for a newer file format.
  Result<std::string> get(const std::string& name) const;
  Result<std::vector<std::string>> names() const;  ///< sorted
  Status drop(const std::string& name) const;      ///< ok when there was none

 private:
  explicit CheckpointFiles(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

}  // namespace lacuna::state
