#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lacuna::streaming::mllp {

inline constexpr char kFrameBegin = '\x0b', kFrameEnd = '\x1c';

/// `message` as it goes over the wire: <VT> message <FS><CR>.
std::string framed(std::string_view message);

/// The frames of a connection, in whatever pieces their bytes come. An FS ends a frame before CR, and before the VT of the next one;
/// elsewhere it is a byte of the message, and so is a VT inside. One thread.
class FrameReader {
 public:
  struct Frame {
    std::string message;
    bool too_long = false;  ///< it had more than `bytes_max`: `message` is its beginning
  };
  explicit FrameReader(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Takes what was read. Holds it until next() has gone over it: ask that until it has none before pushing more.
  void push(std::string_view bytes);
  /// The next whole frame; none: more has to be read.
  std::optional<Frame> next();

  bool inside() const { return inside_; }                     ///< a frame has begun and not ended
  std::uint64_t stray_bytes() const { return stray_bytes_; }  ///< that stood between frames, line ends left out

 private:
  void take(std::string_view bytes);
  Frame finish();

  const std::size_t bytes_max_;
  std::string pushed_;
  std::size_t at_ = 0;  // in pushed_
  std::string message_;
  bool inside_ = false;
  bool end_seen_ = false;  // an FS, of which the next byte decides what it is
  bool too_long_ = false;
  std::uint64_t stray_bytes_ = 0;
};

}  // namespace lacuna::streaming::mllp
