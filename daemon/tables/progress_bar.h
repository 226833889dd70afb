#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

namespace lacuna::daemon {

/// How far a long command is: a redrawn line on a terminal (at most ten times a second), a plain line every
/// few seconds elsewhere. Rate and time left follow the last seconds, not the whole run. Writes to standard
/// error, so that output can be piped. One thread.
class ProgressBar {
 public:
  using Seconds = std::chrono::duration<double>;
  /// Where it draws and what time it is: given by tests.
  struct Screen {
    std::ostream* out = nullptr;
    bool terminal = false;
    std::function<Seconds()> now;  ///< monotonic
  };

  /// `unit`: what is counted, in the plural: "events"; "bytes" are shown as kB, MB, GB.
  ProgressBar(std::string title, std::string unit);
  ProgressBar(std::string title, std::string unit, Screen screen);
  ~ProgressBar();  ///< finish()
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// `total` 0: not known; then there is neither percent nor time left. `done` may pass `total` and never
  /// goes back.
  void update(std::uint64_t done, std::uint64_t total);
  /// Draws the last state once more, with the mean rate, and ends the line. Silent when nothing was ever
  /// drawn.
  void finish();

 private:
  void draw(bool last);
  std::string amount(double count) const;

  const std::string title_, unit_;
  const Screen screen_;
  const Seconds start_;
  Seconds drawn_at_{0}, measured_at_;
  std::uint64_t done_ = 0, total_ = 0, measured_ = 0;
  double rate_ = 0;  ///< units a second, exponentially weighted; 0 until measured
  bool drawn_ = false, finished_ = false;
};

/// "1h02m", "3m20s", "12s".
std::string format_time_left(double seconds);

}  // namespace lacuna::daemon
