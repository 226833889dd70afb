#include "daemon/http/listener_server.h"

#include <nlohmann/json.hpp>
#include <string>

#include "daemon/http/bounded_server.h"
#include "daemon/http/listener_metrics.h"

namespace lacuna::daemon {

namespace {

constexpr const char* kJson = "application/json";

class ListenerServerImpl final : public ListenerServer {
 public:
  explicit ListenerServerImpl(const streaming::mllp::Listener& listener) : listener_(listener) {}

  Status open(const ListenerConfig::Http& http) {
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(listener_prometheus_text(listener_.counts(), listener_.status()), "text/plain; version=0.0.4; charset=utf-8");
    });
    server_.Get("/livez", [](const httplib::Request&, httplib::Response& response) { response.set_content("{\"status\":\"ok\"}", kJson); });
    server_.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      const Status log = listener_.status();
      if (log.ok()) return response.set_content("{\"status\":\"ok\"}", kJson);
      response.status = 503;
      response.set_content(nlohmann::json{{"error", log.message()}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), kJson);
    });
    return server_.start(http.address, http.port);
  }
  int port() const override { return server_.port(); }

 private:
  const streaming::mllp::Listener& listener_;
  BoundedServer server_;
};

}  // namespace

Result<std::unique_ptr<ListenerServer>> ListenerServer::start(const ListenerConfig::Http& http, const streaming::mllp::Listener& listener) {
  auto server = std::make_unique<ListenerServerImpl>(listener);
  if (Status status = server->open(http); !status.ok()) return status;
  return std::unique_ptr<ListenerServer>(std::move(server));
}

}  // namespace lacuna::daemon
