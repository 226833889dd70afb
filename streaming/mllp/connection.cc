#include "streaming/mllp/connection.h"

#include <utility>

namespace lacuna::streaming::mllp {

void Connection::start() {
  stream_->handshake([self = shared_from_this()](const asio::error_code& error) {
    if (self->closed_) return;
    if (error) return self->close(Closed::handshake);
    self->established_ = true;
    self->active_ = Clock::now();
    if (self->draining_) self->finish_if_done();
    else self->proceed();
  });
}

void Connection::proceed() {
  if (closed_ || draining_ || !established_) return;
  for (;;) {
    paused_ = answers_.size() >= options_.in_flight_max || !receiver_.may_take();
    if (paused_) {
      frame_since_.reset();  // whoever is not read from cannot be late
      return;
    }
    std::optional<FrameReader::Frame> frame = reader_.next();
    const std::uint64_t stray = reader_.stray_bytes();
    receiver_.received(0, stray - std::exchange(stray_bytes_, stray));
    if (!frame) break;
    frame_since_.reset();
    answers_.emplace_back();
    receiver_.take(shared_from_this(), first_ + answers_.size() - 1, std::move(*frame));
    if (closed_) return;
  }
  if (!reader_.inside()) frame_since_.reset();
  else if (!frame_since_) frame_since_ = Clock::now();
  if (ended_) finish_if_done();
  else read();
}

void Connection::read() {
  if (std::exchange(reading_, true)) return;
  stream_->read_some(asio::buffer(buffer_),
                     [self = shared_from_this()](const asio::error_code& error, std::size_t count) { self->on_read(error, count); });
}

void Connection::on_read(const asio::error_code& error, std::size_t count) {
  reading_ = false;
  if (closed_) return;
  receiver_.received(count, 0);
  active_ = Clock::now();
  reader_.push({buffer_.data(), count});
  // Who has sent all may still wait for the answers.
  ended_ = error == asio::error::eof || error == asio::ssl::error::stream_truncated;
  if (error && !ended_) return close(Closed::peer);
  if (draining_) finish_if_done();
  else proceed();
}

void Connection::answer(std::uint64_t place, std::string frames) {
  if (closed_) return;
  answers_[place - first_] = std::move(frames);
  send();
}

void Connection::send() {
  if (closed_ || writing_) return;
  for (; !answers_.empty() && answers_.front(); answers_.pop_front(), ++first_) out_ += *answers_.front();
  if (out_.empty()) return finish_if_done();
  writing_ = true;
  write_since_ = Clock::now();
  stream_->write(asio::buffer(out_), [self = shared_from_this()](const asio::error_code& error, std::size_t) {
    self->writing_ = false;
    if (self->closed_) return;
    if (error) return self->close(Closed::peer);
    self->out_.clear();
    self->active_ = Clock::now();
    self->send();
    self->proceed();
  });
}

void Connection::finish_if_done() {
  const bool no_more = draining_ || (ended_ && !paused_);
  if (closed_ || !no_more || writing_ || !answers_.empty()) return;
  closed_ = true;
  const auto self = shared_from_this();  // the listener lets go of it
  receiver_.ended(self, draining_ ? Closed::stopped : Closed::peer);
  if (established_) stream_->finish();
  else stream_->close();
}

void Connection::drain() {
  draining_ = true;
  finish_if_done();
}

void Connection::close(Closed why) {
  if (std::exchange(closed_, true)) return;
  const auto self = shared_from_this();  // the listener lets go of it
  receiver_.ended(self, why);
  stream_->close();
}

void Connection::check(Clock::time_point now) {
  if (closed_) return;
  if (!established_) {
    if (now - active_ > options_.frame_timeout) close(Closed::deadline);
    return;
  }
  const bool slow_to_read = writing_ && now - write_since_ > options_.frame_timeout;
  const bool slow_to_send = frame_since_ && now - *frame_since_ > options_.frame_timeout;
  if (slow_to_read || slow_to_send) return close(Closed::deadline);
  const bool idle = answers_.empty() && !writing_ && !frame_since_ && !paused_;
  if (idle && now - active_ > options_.idle_timeout) close(Closed::idle);
}

}  // namespace lacuna::streaming::mllp
