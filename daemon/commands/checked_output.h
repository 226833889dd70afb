#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "state/records/status.h"

namespace lacuna::daemon {

/// Where a command writes what it was asked for: standard output, or a file. A stream like any other, but that it knows why it failed
/// (`bad()` from the first byte that was not taken on; later ones are dropped), and that a reader who is gone ends the process as SIGPIPE
/// does, silently. Nothing else in the commands writes to standard output or to a file. On a terminal each line is shown at once.
/// One thread.
class CheckedOutput : public std::ostream {
 public:
  /// A file, which is written as "FILE.partial" and takes its name when finish() finds it whole; "-": standard output.
  explicit CheckedOutput(std::string path);
  ~CheckedOutput() override;  ///< of standard output finish(), of which nobody hears; a file that was not finished is gone
  CheckedOutput(const CheckedOutput&) = delete;
  CheckedOutput& operator=(const CheckedOutput&) = delete;

  bool terminal() const;
  /// Writes what is held back, closes a file and gives it its name. `unavailable`: "cannot write FILE: No space left on device", or
  /// whatever the reason was, also of an earlier write. Told once.
  Status finish();

 private:
  class Buffer;
  std::unique_ptr<Buffer> buffer_;
};

/// The process' one; main() finishes it, and ends with 1 where that fails.
CheckedOutput& standard_output();

/// The whole of a file at once.
Status write_file(const std::string& path, std::string_view text);

}  // namespace lacuna::daemon
