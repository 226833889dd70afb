#include "daemon/tables/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>

namespace lacuna::daemon {

namespace {

using Seconds = ProgressBar::Seconds;

constexpr Seconds kRedraw{0.1};    ///< on a terminal
constexpr Seconds kPlainLine{5};   ///< elsewhere
constexpr Seconds kMeasure{0.5};   ///< shortest span over which a rate is taken
constexpr double kRateMemory = 5;  ///< seconds after which a span has lost 63 % of its weight
constexpr int kBarWidth = 24;

ProgressBar::Screen standard_error() {
  return {&std::cerr, isatty(STDERR_FILENO) == 1,
          [] { return std::chrono::duration_cast<Seconds>(std::chrono::steady_clock::now().time_since_epoch()); }};
}

}  // namespace

std::string format_time_left(double seconds) {
  const auto s = static_cast<std::int64_t>(std::llround(std::clamp(seconds, 0.0, 1e9)));
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}s", s);
}

ProgressBar::ProgressBar(std::string title, std::string unit) : ProgressBar(std::move(title), std::move(unit), standard_error()) {}

ProgressBar::ProgressBar(std::string title, std::string unit, Screen screen)
    : title_(std::move(title)), unit_(std::move(unit)), screen_(std::move(screen)), start_(screen_.now()), measured_at_(start_) {}

ProgressBar::~ProgressBar() { finish(); }

void ProgressBar::update(std::uint64_t done, std::uint64_t total) {
  if (finished_) return;
  done_ = std::max(done_, done);
  total_ = total;
  const Seconds now = screen_.now();
  if (const Seconds span = now - measured_at_; span >= kMeasure) {
    const double latest = static_cast<double>(done_ - measured_) / span.count();
    const double keep = rate_ > 0 ? std::exp(-span.count() / kRateMemory) : 0;
    rate_ = keep * rate_ + (1 - keep) * latest;
    measured_ = done_;
    measured_at_ = now;
  }
  // Nothing is drawn for work that is over at once.
  const Seconds since = now - (drawn_ ? drawn_at_ : start_);
  if (since < (screen_.terminal ? kRedraw : kPlainLine)) return;
  drawn_at_ = now;
  draw(false);
}

void ProgressBar::finish() {
  if (finished_) return;
  finished_ = true;
  if (drawn_) draw(true);
}

void ProgressBar::draw(bool last) {
  drawn_ = true;
  const Seconds elapsed = screen_.now() - start_;
  const double rate = last && elapsed.count() > 0 ? static_cast<double>(done_) / elapsed.count() : rate_;
  std::string line = title_;
  if (total_ > 0) {
    const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    if (screen_.terminal) {
      const int full = static_cast<int>(share * kBarWidth);
      line += fmt::format(" [{:#>{}}{:.>{}}]", "", full, "", kBarWidth - full);
    }
    line += fmt::format(" {:3.0f} %", std::floor(share * 100));  // 100 % only when it is done
  }
  line += fmt::format("  {}", amount(static_cast<double>(done_)));
  if (unit_ != "bytes") line += " " + unit_;
  if (rate > 0) line += fmt::format("  {}/s", amount(rate));
  if (last) {
    line += "  in " + format_time_left(elapsed.count());
  } else if (total_ > done_ && rate > 0) {
    line += "  " + format_time_left(static_cast<double>(total_ - done_) / rate) + " left";
  }
  if (screen_.terminal) *screen_.out << "\r\033[K" << line << (last ? "\n" : "");
  else *screen_.out << line << "\n";
  screen_.out->flush();
}

std::string ProgressBar::amount(double count) const {
  if (unit_ == "bytes") {
    if (count >= 1e9) return fmt::format("{:.2f} GB", count / 1e9);
    if (count >= 1e6) return fmt::format("{:.1f} MB", count / 1e6);
    return fmt::format("{:.0f} kB", count / 1e3);
  }
  // Thousands are set apart: 604,123.
  std::string digits = fmt::format("{:.0f}", count);
  if (count < 10 && count != std::floor(count)) return fmt::format("{:.1f}", count);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

}  // namespace lacuna::daemon
