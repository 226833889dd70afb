#include "streaming/mllp/frame_reader.h"

#include <algorithm>
#include <utility>

namespace lacuna::streaming::mllp {

std::string framed(std::string_view message) {
  std::string out;
  out.reserve(message.size() + 3);
  out.push_back(kFrameBegin);
  out += message;
  out.push_back(kFrameEnd);
  out.push_back('\r');
  return out;
}

void FrameReader::push(std::string_view bytes) {
  pushed_.erase(0, at_);
  at_ = 0;
  pushed_ += bytes;
}

void FrameReader::take(std::string_view bytes) {
  const std::size_t room = bytes_max_ - message_.size();
  if (bytes.size() > room) too_long_ = true;
  message_ += bytes.substr(0, room);
}

FrameReader::Frame FrameReader::finish() {
  inside_ = false;
  end_seen_ = false;
  return {std::exchange(message_, {}), std::exchange(too_long_, false)};
}

std::optional<FrameReader::Frame> FrameReader::next() {
  while (at_ < pushed_.size()) {
    const std::string_view left = std::string_view(pushed_).substr(at_);
    if (!inside_) {
      const std::size_t begin = std::min(left.find(kFrameBegin), left.size());
      stray_bytes_ += static_cast<std::uint64_t>(
          std::count_if(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(begin), [](char c) { return c != '\r' && c != '\n'; }));
      inside_ = begin < left.size();
      at_ += begin + (inside_ ? 1 : 0);
    } else if (end_seen_) {
      if (left.front() == '\r' || left.front() == kFrameBegin) {
        at_ += left.front() == '\r' ? 1 : 0;
        return finish();
      }
      take({&kFrameEnd, 1});
      end_seen_ = false;
    } else {
      const std::size_t end = std::min(left.find(kFrameEnd), left.size());
      take(left.substr(0, end));
      end_seen_ = end < left.size();
      at_ += end + (end_seen_ ? 1 : 0);
    }
  }
  return std::nullopt;
}

}  // namespace lacuna::streaming::mllp
