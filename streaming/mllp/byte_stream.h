#pragma once

#include <asio.hpp>
#include <asio/ssl.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "state/records/status.h"
#include "streaming/mllp/listener_options.h"

// A connection's bytes, in the clear or under TLS. Private to this folder, the home of Asio and OpenSSL.

namespace lacuna::streaming::mllp {

/// One read and one write at a time; all on the thread of the io_context, which calls the handlers.
class ByteStream {
 public:
  using Handler = std::function<void(const asio::error_code&, std::size_t)>;
  virtual ~ByteStream() = default;
  virtual void handshake(std::function<void(const asio::error_code&)> done) = 0;
  virtual void read_some(asio::mutable_buffer into, Handler done) = 0;
  virtual void write(asio::const_buffer bytes, Handler done) = 0;
  /// Tells the peer that nothing more comes, then closes.
  virtual void finish() = 0;
  virtual void close() = 0;  ///< what is under way is called back with an error
};

std::unique_ptr<ByteStream> plain_stream(asio::ip::tcp::socket socket);
/// The context must outlive it.
std::unique_ptr<ByteStream> tls_stream(asio::ip::tcp::socket socket, asio::ssl::context& context);

/// TLS 1.2 and later. `invalid` names the key of the configuration whose file cannot be used.
Result<std::unique_ptr<asio::ssl::context>> make_tls(const TlsOptions& options);

}  // namespace lacuna::streaming::mllp
