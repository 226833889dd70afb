#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "streaming/mllp/byte_stream.h"
#include "streaming/mllp/frame_reader.h"
#include "streaming/mllp/listener_counts.h"
#include "streaming/mllp/listener_options.h"

// One sender's connection. Private to this folder; all on the thread of the io_context.

namespace lacuna::streaming::mllp {

class Connection;

/// What a connection asks of the listener.
class Receiver {
 public:
  virtual ~Receiver() = default;
  /// False: so much waits for the log that nothing is read.
  virtual bool may_take() const = 0;
  /// A message. It is answered once, by Connection::answer with this place, at once or later.
  virtual void take(const std::shared_ptr<Connection>& from, std::uint64_t place, FrameReader::Frame frame) = 0;
  virtual void received(std::size_t bytes, std::uint64_t stray_bytes) = 0;
  virtual void ended(const std::shared_ptr<Connection>& connection, Closed why) = 0;
};

/// Frames in, answers out in the order of the frames. Not read from while it, or the listener, has too many that wait.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;
  /// Both must outlive it.
  Connection(std::unique_ptr<ByteStream> stream, Receiver& receiver, const ListenerOptions& options, std::size_t message_bytes_max)
      : stream_(std::move(stream)), receiver_(receiver), options_(options), reader_(message_bytes_max) {}

  void start();
  /// `frames`: the answers to the message of that place, as they are sent; may be empty.
  void answer(std::uint64_t place, std::string frames);
  /// Reads on, where it may.
  void proceed();
  bool paused() const { return paused_; }
  /// Takes no message more; closes when all are answered.
  void drain();
  /// Closes it where it is overdue.
  void check(Clock::time_point now);
  void close(Closed why);

 private:
  void read();
  void on_read(const asio::error_code& error, std::size_t count);
  void send();
  void finish_if_done();

  const std::unique_ptr<ByteStream> stream_;
  Receiver& receiver_;
  const ListenerOptions& options_;
  FrameReader reader_;
  std::array<char, 1 << 14> buffer_{};
  std::uint64_t stray_bytes_ = 0;  // that were told of
  /// Places of messages, the first of them first_; empty: not answered yet.
  std::deque<std::optional<std::string>> answers_;
  std::uint64_t first_ = 0;
  std::string out_;  // under way
  bool established_ = false, reading_ = false, writing_ = false, paused_ = false, ended_ = false, draining_ = false, closed_ = false;
  Clock::time_point active_ = Clock::now(), write_since_{};
  std::optional<Clock::time_point> frame_since_;  // of a frame that has begun, while it is read
};

}  // namespace lacuna::streaming::mllp
