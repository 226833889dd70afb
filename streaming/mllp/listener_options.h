#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "state/records/time.h"

// How messages are taken over MLLP. Filled from YAML by daemon/config (`mllp`); each takes effect at the next start.

namespace lacuna::streaming::mllp {

struct TlsOptions {
  std::string certificate;  ///< PEM, with its chain; empty: no TLS
  std::string key;          ///< PEM, of the certificate
  std::string client_ca;    ///< PEM: clients need a certificate of one of these; empty: they need none
};

struct ListenerOptions {
  std::string address = "127.0.0.1";
  int port = 2575;    ///< 0: any free one
  std::string topic;  ///< messages go there
  TlsOptions tls;
  std::size_t connections_max = 100;          ///< a further one is closed at once
  std::size_t in_flight_max = 64;             ///< messages of one connection that are not answered yet; then it is not read from
  std::size_t in_flight_bytes = 64ULL << 20;  ///< of all connections; then none is read from
  Millis frame_timeout{30'000};               ///< a handshake, a frame from its first byte to its last, an answer until it is sent
  Millis idle_timeout{3'600'000};             ///< between a connection's frames
  std::size_t remembered = 100'000;           ///< messages whose answer is known again when they come a second time; 64 bytes each
};

}  // namespace lacuna::streaming::mllp
