#include "daemon/commands/checked_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <streambuf>
#include <utility>

namespace lacuna::daemon {

namespace {

constexpr std::size_t kHeldBack = 64 * 1024;  ///< bytes

/// main() ignores the signal, for the sake of sockets. Here it means what it does in every pipeline.
void end_like_a_broken_pipe() {
  std::signal(SIGPIPE, SIG_DFL);
  raise(SIGPIPE);
}

}  // namespace

class CheckedOutput::Buffer : public std::streambuf {
 public:
  explicit Buffer(std::string path) : path_(std::move(path)) {
    if (path_ == "-") {
      fd_ = STDOUT_FILENO;
    } else {
      open_file();
    }
    terminal_ = fd_ >= 0 && isatty(fd_) == 1;
    setp(held_.data(), held_.data() + held_.size());
  }
  ~Buffer() override {
    close_file();
    if (!partial_.empty()) unlink(partial_.c_str());
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  bool good() const { return reason_ == 0; }
  bool terminal() const { return terminal_; }
  bool to_standard_output() const { return path_ == "-"; }
  Status finish() {
    write_held();
    close_file();
    if (good() && !partial_.empty() && std::rename(partial_.c_str(), path_.c_str()) != 0) reason_ = errno;
    if (good()) partial_.clear();
    if (good() || std::exchange(told_, true)) return {};
    return {Code::unavailable, "cannot write " + (path_ == "-" ? "standard output" : path_) + ": " + std::strerror(reason_)};
  }

 protected:
  int_type overflow(int_type c) override {
    if (!write_held()) return traits_type::eof();
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    return sputc(traits_type::to_char_type(c));
  }
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    const std::streamsize taken = std::streambuf::xsputn(text, size);
    const bool line = terminal_ && std::memchr(text, '\n', static_cast<std::size_t>(size)) != nullptr;
    return line && !write_held() ? 0 : taken;
  }
  int sync() override {
    // Who has nothing to write, but waits for more, should hear too that nobody reads.
    if (pptr() == pbase() && fd_ >= 0) {
      pollfd end{fd_, 0, 0};
      if (poll(&end, 1, 0) == 1 && (end.revents & POLLERR) != 0) end_like_a_broken_pipe();
    }
    return write_held() ? 0 : -1;
  }

 private:
  bool write_held() {
    for (const char* at = pbase(); good() && at < pptr();) {
      const ssize_t written = ::write(fd_, at, static_cast<std::size_t>(pptr() - at));
      if (written >= 0) at += written;
      else if (errno == EPIPE) end_like_a_broken_pipe();
      else if (errno != EINTR) reason_ = errno;
    }
    setp(held_.data(), held_.data() + held_.size());
    return good();
  }
  /// Under another name until it is whole: a half of it would pass for all, and what was there before would be lost. What is no file of its
  /// own (a device, a pipe, a link), or lies in a folder that takes no other, is written as it stands.
  void open_file() {
    constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    struct stat there {};
    const bool exists = lstat(path_.c_str(), &there) == 0;
    if (!exists || S_ISREG(there.st_mode)) {
      partial_ = path_ + ".partial";
      fd_ = open(partial_.c_str(), kFlags, 0666);
      if (fd_ >= 0 && exists) (void)!fchmod(fd_, there.st_mode & 07777);
    }
    if (fd_ >= 0) return;
    partial_.clear();
    fd_ = open(path_.c_str(), kFlags, 0666);
    if (fd_ < 0) reason_ = errno;
  }
  void close_file() {
    if (path_ == "-" || fd_ < 0) return;
    // A file system over the network may tell only now that there was no room.
    if (close(std::exchange(fd_, -1)) != 0 && good()) reason_ = errno;
  }

  const std::string path_;
  std::string partial_;  ///< where it is written until it is whole; empty: in its place
  int fd_ = -1;
  bool terminal_ = false;
  int reason_ = 0;  ///< errno of the first failure
  bool told_ = false;
  std::array<char, kHeldBack> held_;
};

CheckedOutput::CheckedOutput(std::string path) : std::ostream(nullptr), buffer_(std::make_unique<Buffer>(std::move(path))) {
  rdbuf(buffer_.get());
  if (!buffer_->good()) setstate(std::ios::badbit);
}

CheckedOutput::~CheckedOutput() {
  if (buffer_->to_standard_output()) (void)finish();
}

bool CheckedOutput::terminal() const { return buffer_->terminal(); }

Status CheckedOutput::finish() {
  Status done = buffer_->finish();
  if (!done.ok()) setstate(std::ios::badbit);
  return done;
}

CheckedOutput& standard_output() {
  static CheckedOutput output("-");
  return output;
}

Status write_file(const std::string& path, std::string_view text) {
  CheckedOutput file(path);
  file << text;
  return file.finish();
}

}  // namespace lacuna::daemon
