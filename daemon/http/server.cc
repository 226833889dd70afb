#include "daemon/http/server.h"

#include "daemon/http/metrics.h"

#include <httplib.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/http/bearer_token.h"
#include "daemon/http/bounded_server.h"
#include "daemon/http/drift_json.h"
#include "daemon/http/features_json.h"
#include "daemon/http/person_json.h"
#include "daemon/http/subgroups_json.h"
#include "streaming/messages/encoders.h"

namespace lacuna::daemon {

namespace {

using httplib::Request;
using httplib::Response;

/// A body over its limit is read and thrown away up to this many times the limit, so that the client gets to
/// read why; then the connection is cut.
constexpr std::size_t kDrainFactor = 4;

constexpr const char* kJson = "application/json";

void fail(Response& response, int status, std::string_view message) {
  response.status = status;
  response.set_content(nlohmann::json{{"error", message}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), kJson);
}

void fail(Response& response, const Status& status) {
  switch (status.code()) {
    case Code::invalid:
    case Code::unsupported: return fail(response, 400, status.message());
    case Code::not_found: return fail(response, 404, status.message());
    case Code::unavailable:
    case Code::aborted:
    case Code::fenced: return fail(response, 503, status.message());
    default: spdlog::error("http: {}", status.to_string()); return fail(response, 500, "internal error; the log has more");
  }
}

const char* reason_of(int status) {
  switch (status) {
    case 400: return "not a well-formed request";
    case 401: return "this call changes something: it needs `Authorization: Bearer TOKEN`, with the token in http.token_file";
    case 404: return "no such path; / lists them";
    case 413: return "the body is over http.body_bytes_max";
    case 414: return "the path is too long";
    case 415: return "this content encoding is not supported";
    default: return "the request could not be served";
  }
}

std::string readiness_json(const Progress& progress) {
  auto degraded = nlohmann::json::array();
  for (const Degradation& d : progress.degraded) degraded.push_back({{"reason", d.reason}, {"since", format_rfc3339(d.since)}});
  return nlohmann::ordered_json{{"status", "ok"}, {"degraded", std::move(degraded)}}.dump();
}

/// "ready", "ready, degraded: wrong_keys since 2026-01-01T00:00:00Z", "not ready: restoring ...".
std::string readiness_text(const Status& ready, const Progress& progress) {
  if (!ready.ok()) return "not ready: " + ready.message();
  std::string out = "ready";
  for (const Degradation& d : progress.degraded) {
    out += (out == "ready" ? ", degraded: " : ", ") + std::string(d.reason) + " since " + format_rfc3339(d.since);
  }
  return out;
}

constexpr std::string_view kPatients = "/v1/patients/";
constexpr std::string_view kImpute = "/v1/impute";
constexpr std::string_view kAccept = "/v1/drift/accept", kMute = "/v1/drift/mute", kUnmute = "/v1/drift/unmute";
constexpr std::string_view kForget = "/v1/persons/forget", kMerge = "/v1/persons/merge";  // who is in the body: logs keep paths

struct Endpoint {
  std::string_view path, what;
  const char* method = "GET";
  bool changes = false;  ///< something: needs the token
};
constexpr Endpoint kEndpoints[] = {
    {"/metrics", "Prometheus metrics"},
    {"/livez", "200 while the loop moves"},
    {"/readyz", "200 once partitions are assigned and restored, with what is degraded; else 503 and why"},
    {"/v1/model", "the serving model and its scores"},
    {"/v1/alerts", "open alerts, and what operators decided"},
    {"/v1/features", "what each feature is, how much of it was learned from, how well it was predicted"},
    {"/v1/subgroups", "errors, skill, width and coverage by group of patients"},
    {"/v1/lag", "how far behind the log this instance is, by partition"},
    {"/v1/drift", "every subject that is watched: state, evidence, threshold"},
    {"/v1/missingness", "which modality arrives in how many patient-hours, by site and week"},
    {"/v1/patients/{id}", "what is known of a patient; outside of the default namespace the id is namespace|id"},
    {kImpute, "POST a snapshot, get its imputation now", "POST"},
    {kAccept, "POST a subject: what is seen now is its new normal (token)", "POST", true},
    {kMute, "POST a subject and for how long it shall say nothing (token)", "POST", true},
    {kUnmute, "POST a subject: it may speak again (token)", "POST", true},
    {kForget, "POST a person: all that is known is forgotten (token)", "POST", true},
    {kMerge, "POST a person and into whom: they are one from then on (token)", "POST", true},
};

/// Null: there is no such path.
const Endpoint* endpoint_of(std::string_view path) {
  static constexpr Endpoint root{"/", ""};
  if (path == root.path) return &root;
  const bool patient = path.starts_with(kPatients) && path.size() > kPatients.size();
  for (const Endpoint& e : kEndpoints) {
    if (e.path.find('{') == std::string_view::npos ? path == e.path : patient) return &e;
  }
  return nullptr;
}

class HttpServerImpl final : public HttpServer {
 public:
  HttpServerImpl(const Config& config, Pipeline& pipeline, Clock clock) : config_(config), pipeline_(pipeline), clock_(std::move(clock)) {}

  Status open() {
    server_.set_payload_max_length(config_.http.body_bytes_max);
    add_guards();
    add_views();
    add_posts();
    if (const std::string& file = config_.http.token_file; !file.empty()) {
      if (const auto token = read_token(file); !token.ok()) spdlog::warn("http: {}", token.status().message());
    }
    return server_.start(config_.http.address, config_.http.port);
  }

  int port() const override { return server_.port(); }

 private:
  /// What happens before and after any route.
  void add_guards() {
    // Before a body is read: what the path does not take, or who may not, is turned away.
    server_.set_pre_routing_handler([this](const Request& request, Response& response) {
      const Endpoint* const endpoint = endpoint_of(request.path);
      if (endpoint == nullptr) {
        fail(response, 404, reason_of(404));
      } else if (request.method != endpoint->method && !(request.method == "HEAD" && std::string_view(endpoint->method) == "GET")) {
        response.set_header("Allow", endpoint->method);
        fail(response, 405, std::string("this path takes ") + endpoint->method);
      } else if (!endpoint->changes || may_change(request, response)) {
        return httplib::Server::HandlerResponse::Unhandled;
      }
      return httplib::Server::HandlerResponse::Handled;
    });
    server_.set_error_handler([](const Request&, Response& response) {
      if (response.body.empty()) fail(response, response.status, reason_of(response.status));
    });
    server_.set_exception_handler([](const Request&, Response& response, std::exception_ptr thrown) {
      // What a library throws can hold a part of the request: it is not passed on.
      try {
        std::rethrow_exception(thrown);
      } catch (const std::exception& e) {
        spdlog::error("http: a handler threw {}", typeid(e).name());
      } catch (...) {
        spdlog::error("http: a handler threw");
      }
      fail(response, 500, "internal error; the log has more");
    });
  }

  void add_views() {
    get("/", [this](const Request&, Response& response) { response.set_content(status_page(), "text/html; charset=utf-8"); });
    get("/metrics", [this](const Request&, Response& response) {
      response.set_content(prometheus_text(config_, pipeline_.progress()), "text/plain; version=0.0.4; charset=utf-8");
    });
    get("/livez", [this](const Request&, Response& response) {
      if (pipeline_.live()) response.set_content("{\"status\":\"ok\"}", kJson);
      else fail(response, 503, "the loop does not move");
    });
    get("/readyz", [this](const Request&, Response& response) {
      if (const Status ready = pipeline_.ready(); ready.ok()) response.set_content(readiness_json(pipeline_.progress()), kJson);
      else fail(response, 503, ready.message());
    });
    get("/v1/model", [this](const Request&, Response& response) { response.set_content(pipeline_.model_json(), kJson); });
    get("/v1/alerts", [this](const Request&, Response& response) { response.set_content(alerts_json(pipeline_.progress()), kJson); });
    get("/v1/lag", [this](const Request&, Response& response) { response.set_content(lag_json(pipeline_.progress()), kJson); });
    get("/v1/features",
        [this](const Request&, Response& response) { response.set_content(features_json(config_, pipeline_.progress()), kJson); });
    get("/v1/subgroups", [this](const Request&, Response& response) {
      const nlohmann::ordered_json json =
          subgroups_json(pipeline_.progress().subgroups, config_.subgroup_patients_min, config_.predict.level);
      response.set_content(json.dump(), kJson);
    });
    get("/v1/drift",
        [this](const Request&, Response& response) { response.set_content(drift_json(config_, pipeline_.progress()), kJson); });
    get("/v1/missingness",
        [this](const Request&, Response& response) { response.set_content(missingness_json(pipeline_.missingness()), kJson); });
    get("/v1/patients/.+", [this](const Request& request, Response& response) {
      // Before the store is restored, "no such patient" would be a guess.
      if (const Status ready = pipeline_.ready(); !ready.ok()) return fail(response, 503, ready.message());
      const std::string person = request.path.substr(kPatients.size());
      const Result<Snapshot> found = pipeline_.patient(person);
      if (found.ok()) {
        const Result<KeptOfPerson> kept = pipeline_.kept(person);
        if (!kept.ok()) return fail(response, kept.status());
        return response.set_content(person_json(*config_.schema, *found, *kept, clock_()), kJson);
      }
      if (found.code() == Code::not_found) return fail(response, 404, "no such patient on this instance");
      fail(response, found.status());
    });
  }

  void add_posts() {
    server_.Post(std::string(kImpute),
                 [this](const Request&, Response& response, const httplib::ContentReader& body) { impute(body, response); });
    using Action = OperatorCommand::Action;
    static constexpr std::pair<std::string_view, Action> decisions[] = {
        {kAccept, Action::accept}, {kMute, Action::mute}, {kUnmute, Action::unmute}};
    for (const auto& [path, action] : decisions) {
      server_.Post(std::string(path), [this, decision = action](const Request&, Response& response, const httplib::ContentReader& body) {
        command(decision, body, response);
      });
    }
    for (const auto& [path, action] : {std::pair{kForget, Action::forget}, std::pair{kMerge, Action::merge}}) {
      server_.Post(std::string(path), [this, asked = action](const Request&, Response& response, const httplib::ContentReader& body) {
        person_command(asked, body, response);
      });
    }
  }

  /// Whether the request brings the token; if not, the response says why.
  bool may_change(const Request& request, Response& response) const {
    if (config_.http.token_file.empty()) {
      fail(response, 403, "calls that change anything are off: http.token_file is not set");
      return false;
    }
    const auto token = read_token(config_.http.token_file);
    if (!token.ok()) {
      fail(response, 403, "calls that change anything are off: " + token.status().message());
      return false;
    }
    if (same_token(*token, bearer_of(request.get_header_value("Authorization")))) return true;
    response.set_header("WWW-Authenticate", "Bearer");
    fail(response, 401, reason_of(401));
    return false;
  }

  void get(const std::string& pattern, httplib::Server::Handler handler) { server_.Get(pattern, std::move(handler)); }

  /// Empty: the response says why.
  std::optional<std::string> read(const httplib::ContentReader& body, Response& response) const {
    // The library holds a declared length against the limit, but not what comes in chunks or unpacks: counted
    // here.
    const std::size_t limit = config_.http.body_bytes_max;
    std::string text;
    std::size_t size = 0;
    const bool whole = body([&](const char* data, std::size_t length) {
      size += length;
      if (size <= limit) text.append(data, length);
      return size <= limit * kDrainFactor;
    });
    if (size <= limit && whole) return text;
    if (size > limit) response.status = 413;
    else if (response.status < 400) response.status = 400;
    fail(response, response.status, reason_of(response.status));
    return {};
  }

  void command(OperatorCommand::Action action, const httplib::ContentReader& body, Response& response) {
    const auto json = read(body, response);
    if (!json) return;
    const Result<OperatorCommand> command = parse_command(action, *json);
    if (!command.ok()) return fail(response, command.status());
    if (const Status done = pipeline_.command(*command); !done.ok()) return fail(response, done);
    response.set_content(subject_json(pipeline_.progress(), command->kind, command->subject), kJson);
  }

  void person_command(OperatorCommand::Action action, const httplib::ContentReader& body, Response& response) {
    const auto json = read(body, response);
    if (!json) return;
    const Result<OperatorCommand> command = parse_person_command(action, *json, config_.limits);
    if (!command.ok()) return fail(response, command.status());
    if (const Status done = pipeline_.command(*command); !done.ok()) return fail(response, done);
    response.status = 202;
    response.set_content(published_json(action), kJson);
  }

  void impute(const httplib::ContentReader& body, Response& response) {
    const auto json = read(body, response);
    if (!json) return;
    if (const Status ready = pipeline_.ready(); !ready.ok()) return fail(response, 503, ready.message());
    const Result<streaming::ImputeRequest> request = streaming::decode_impute_request(*config_.schema, *json, config_.limits, clock_());
    if (!request.ok()) return fail(response, request.status());
    const Result<Imputation> imputed = pipeline_.impute(*request);
    if (!imputed.ok()) return fail(response, imputed.status());
    response.set_content(streaming::encode_imputation(*config_.schema, *imputed), kJson);
  }

  std::string status_page() const {
    const Progress p = pipeline_.progress();
    // Names and messages come from the configuration and the log: escaped all the same.
    const auto escaped = [](std::string_view text) {
      std::string out;
      for (const char c : text) {
        if (c == '<') out += "&lt;";
        else if (c == '>') out += "&gt;";
        else if (c == '&') out += "&amp;";
        else out += c;
      }
      return out;
    };
    std::string out = "<!doctype html><meta charset=\"utf-8\"><title>Lacuna</title><h1>Lacuna " + escaped(config_.instance) + "</h1>\n<p>" +
                      escaped(readiness_text(pipeline_.ready(), p)) + "; model " + escaped(p.model_version) + "; consumed " +
                      std::to_string(p.counts.consumed) + " records, lag " + std::to_string(p.lag) +
                      "; open alerts: " + std::to_string(p.open_alerts.size()) + "</p>\n<ul>\n";
    for (const Endpoint& e : kEndpoints) {
      const std::string path(e.path);
      const bool link = std::string_view(e.method) == "GET" && path.find('{') == std::string::npos;
      out += "<li>" + (link ? "<a href=\"" + path + "\">" + path + "</a>" : path) + " " + std::string(e.what) + "</li>\n";
    }
    return out + "</ul>\n";
  }

  const Config& config_;
  Pipeline& pipeline_;
  const Clock clock_;
  BoundedServer server_;  // last: its threads use all above
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Config& config, Pipeline& pipeline, Clock clock) {
  auto server = std::make_unique<HttpServerImpl>(config, pipeline, std::move(clock));
  if (Status s = server->open(); !s.ok()) return s;
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace lacuna::daemon
