#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lacuna::testing {

/// A sender of HL7 v2 messages that shares no code with the listener: plain sockets, and frames as the standard has them.
class MllpSender {
 public:
  explicit MllpSender(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int yes = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  ~MllpSender() { ::close(socket_); }
  MllpSender(const MllpSender&) = delete;
  MllpSender& operator=(const MllpSender&) = delete;

  bool connected() const { return connected_; }
  static std::string frame(std::string_view message) { return "\x0b" + std::string(message) + "\x1c\r"; }

  /// False: the connection is gone.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// As much as the connection takes at once.
  std::size_t send_some(std::string_view bytes) const {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }
  /// The next answer; nothing: none within the limit, or the connection is gone.
  std::optional<std::string> receive(std::chrono::milliseconds limit = std::chrono::seconds(30)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
      if (const std::size_t at = received_.find("\x1c\r"); at != std::string::npos && received_.front() == '\x0b') {
        std::string out = received_.substr(1, at - 1);
        received_.erase(0, at + 2);
        return out;
      }
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
      pollfd ready{socket_, POLLIN, 0};
      if (left < 0 || poll(&ready, 1, static_cast<int>(left)) <= 0) return std::nullopt;
      char buffer[4096];
      const ssize_t count = recv(socket_, buffer, sizeof buffer, 0);
      if (count <= 0) {
        gone_ = true;
        return std::nullopt;
      }
      received_.append(buffer, static_cast<std::size_t>(count));
    }
  }
  /// Nothing more comes from here.
  void end() const { shutdown(socket_, SHUT_WR); }
  bool gone() const { return gone_; }  ///< of which receive() heard

 private:
  int socket_;
  bool connected_ = false, gone_ = false;
  std::string received_;
};

/// A field of a segment of an answer, as it stands: field("MSA", 1) is "AA".
inline std::string field(const std::string& message, std::string_view segment, std::size_t number) {
  std::size_t at = message.starts_with(segment) ? 0 : message.find("\r" + std::string(segment) + "|");
  if (at == std::string::npos) return {};
  at += message[at] == '\r' ? 1 : 0;
  std::string_view line = std::string_view(message).substr(at);
  line = line.substr(0, line.find('\r'));
  for (std::size_t i = segment == "MSH" ? 1 : 0; i < number; ++i) {
    const std::size_t bar = line.find('|');
    if (bar == std::string_view::npos) return {};
    line.remove_prefix(bar + 1);
  }
  return std::string(line.substr(0, line.find('|')));
}

/// A result of a patient. `mode`: MSH-12 to MSH-16.
inline std::string result(const std::string& control_id, const std::string& patient, const std::string& value = "100",
                          const std::string& mode = "2.5") {
  return "MSH|^~\\&|LIS|LAB|LACUNA|ICU|20260101080000+0000||ORU^R01^ORU_R01|" + control_id + "|P|" + mode + "\rPID|||" + patient +
         "^^^HOSP^MR\rOBR|1|P" + control_id + "|F" + control_id + "|CHEM|||20260101075500+0000\rOBX|1|NM|GLU^Glucose^L||" + value +
         "|mg/dL|||||F\r";
}
inline std::string merge(const std::string& control_id, const std::string& into, const std::string& prior) {
  return "MSH|^~\\&|ADT|HOSP|||20260101090000+0000||ADT^A40^ADT_A39|" + control_id + "|P|2.5\rEVN||20260101090000+0000\rPID|||" + into +
         "^^^HOSP^MR\rMRG|" + prior + "^^^HOSP^MR\r";
}

}  // namespace lacuna::testing
