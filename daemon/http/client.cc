#include "daemon/http/client.h"

#include <fmt/format.h>
#include <httplib.h>

#include <nlohmann/json.hpp>

#include "daemon/http/bearer_token.h"

namespace lacuna::daemon {

namespace {

constexpr std::chrono::seconds kConnectTimeout{5};
/// Longer than a daemon lets a command wait.
constexpr std::chrono::seconds kReadTimeout{20};

/// What the daemon says is wrong; its own words where it is a daemon.
std::string error_of(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  const auto error = json.is_object() ? json.find("error") : json.end();
  return json.is_object() && error != json.end() && error->is_string() ? error->get<std::string>() : "no reason given";
}

Result<std::string> outcome(const httplib::Result& result, const std::string& url) {
  if (!result) {
    const bool refused = result.error() == httplib::Error::Connection;
    return Status(Code::unavailable, "no daemon answers at " + url + " (" +
                                         (refused ? "nothing listens there" : httplib::to_string(result.error())) +
                                         "): is `lacuna run` running? http.address and http.port, or --url, say where");
  }
  if (result->status == 200 || result->status == 202) return result->body;
  const std::string error = error_of(result->body);
  switch (result->status) {
    case 404: return Status(Code::not_found, error);
    case 503: return Status(Code::unavailable, "the daemon at " + url + " is not ready: " + error);
    case 400:
    case 401:
    case 403:
    case 413: return Status(Code::invalid, "the daemon at " + url + " refuses: " + error);
    default: return Status(Code::internal, url + " answers " + std::to_string(result->status) + ": " + error);
  }
}

/// Calls `ask` with a client of the address; nothing that the library throws gets out.
template <typename Ask>
Result<std::string> with_client(const std::string& url, Ask&& ask) {
  try {
    httplib::Client client(url);
    if (!client.is_valid()) return Status(Code::invalid, "--url: expected http://host:port, got '" + url + "'");
    client.set_connection_timeout(kConnectTimeout);
    client.set_read_timeout(kReadTimeout);
    return outcome(ask(client), url);
  } catch (const std::exception&) {
    return Status(Code::invalid, "--url: expected http://host:port, got '" + url + "'");
  }
}

}  // namespace

Result<std::string> daemon_url(const Config& config) {
  if (!config.http.enabled) return Status(Code::invalid, "http.enabled is false: a daemon of this configuration serves nothing");
  if (config.http.port == 0) {
    return Status(Code::invalid, "http.port is 0: the daemon logs at its start which port it took; give it with --url");
  }
  std::string host = config.http.address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return "http://" + host + ":" + std::to_string(config.http.port);
}

std::string patient_path(std::string_view person) {
  std::string out = "/v1/patients/";
  for (const char c : person) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Result<std::string> DaemonClient::get(const std::string& path) const {
  return with_client(url_, [&](httplib::Client& client) { return client.Get(path); });
}

Result<std::string> DaemonClient::post(const std::string& path, const std::string& json) const {
  if (token_file_.empty()) {
    return Status(Code::invalid,
                  "this changes something and needs a token: set http.token_file for the daemon and here, or give "
                  "--token-file");
  }
  const auto token = read_token(token_file_);
  if (!token.ok()) return Status(Code::invalid, token.status().message() + " (" + token_file_ + ")");
  const httplib::Headers headers{{"Authorization", "Bearer " + *token}};
  return with_client(url_, [&](httplib::Client& client) { return client.Post(path, headers, json, "application/json"); });
}

}  // namespace lacuna::daemon
