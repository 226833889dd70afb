#include "streaming/mllp/byte_stream.h"

#include <utility>

namespace lacuna::streaming::mllp {

namespace {

using asio::ip::tcp;

void close_socket(tcp::socket::lowest_layer_type& socket) {
  asio::error_code ignored;
  socket.close(ignored);
}

class PlainStream final : public ByteStream {
 public:
  explicit PlainStream(tcp::socket socket) : socket_(std::move(socket)) {}
  void handshake(std::function<void(const asio::error_code&)> done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}); });
  }
  void read_some(asio::mutable_buffer into, Handler done) override { socket_.async_read_some(asio::buffer(into), std::move(done)); }
  void write(asio::const_buffer bytes, Handler done) override { asio::async_write(socket_, asio::buffer(bytes), std::move(done)); }
  void finish() override {
    asio::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    close();
  }
  void close() override { close_socket(socket_); }

 private:
  tcp::socket socket_;
};

class TlsStream final : public ByteStream {
 public:
  TlsStream(tcp::socket socket, asio::ssl::context& context)
      : stream_(std::make_shared<asio::ssl::stream<tcp::socket>>(std::move(socket), context)) {}
  void handshake(std::function<void(const asio::error_code&)> done) override {
    stream_->async_handshake(asio::ssl::stream_base::server, std::move(done));
  }
  void read_some(asio::mutable_buffer into, Handler done) override { stream_->async_read_some(asio::buffer(into), std::move(done)); }
  void write(asio::const_buffer bytes, Handler done) override { asio::async_write(*stream_, asio::buffer(bytes), std::move(done)); }
  /// The notice is sent and its answer not waited for: it would hold the connection for as long as the peer likes.
  void finish() override {
    auto timer = std::make_shared<asio::steady_timer>(stream_->get_executor(), std::chrono::milliseconds(200));
    timer->async_wait([stream = stream_, timer](const asio::error_code&) { close_socket(stream->lowest_layer()); });
    stream_->async_shutdown([stream = stream_, timer](const asio::error_code&) { timer->cancel(); });
  }
  void close() override { close_socket(stream_->lowest_layer()); }

 private:
  std::shared_ptr<asio::ssl::stream<tcp::socket>> stream_;  // lives until its notice is sent
};

Status refuse(const char* key, const std::string& file, const asio::error_code& error) {
  return {Code::invalid, std::string(key) + ": cannot use " + file + ": " + error.message()};
}

}  // namespace

std::unique_ptr<ByteStream> plain_stream(tcp::socket socket) { return std::make_unique<PlainStream>(std::move(socket)); }
std::unique_ptr<ByteStream> tls_stream(tcp::socket socket, asio::ssl::context& context) {
  return std::make_unique<TlsStream>(std::move(socket), context);
}

Result<std::unique_ptr<asio::ssl::context>> make_tls(const TlsOptions& options) {
  namespace ssl = asio::ssl;
  auto context = std::make_unique<ssl::context>(ssl::context::tls_server);
  asio::error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                           ssl::context::no_tlsv1_1 | ssl::context::single_dh_use,
                       error);
  // Nobody is asked for a password at the terminal.
  context->set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string(); }, error);
  context->use_certificate_chain_file(options.certificate, error);
  if (error) return refuse("mllp.tls.certificate", options.certificate, error);
  context->use_private_key_file(options.key, ssl::context::pem, error);
  if (error) return refuse("mllp.tls.key", options.key, error);
  if (!options.client_ca.empty()) {
    context->load_verify_file(options.client_ca, error);
    if (error) return refuse("mllp.tls.client_ca", options.client_ca, error);
    context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, error);
  }
  // With client certificates a session that is taken up again needs an id of its own; there are none.
  SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_TICKET);
  return context;
}

}  // namespace lacuna::streaming::mllp
