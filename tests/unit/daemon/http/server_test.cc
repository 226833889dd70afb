#include "daemon/http/server.h"
#include "daemon/http/metrics.h"

#include <gmock/gmock.h>
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "daemon/http/client.h"
#include "daemon/http/drift_json.h"
#include "daemon/http/person_json.h"
#include "state/patient.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/daemon/http/exposition.h"
#include "tests/unit/daemon/http/fixtures.h"

// The server over real loopback sockets, in front of a pipeline that holds one patient and does what the test
// switches on.

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPatient = "ward 3/4711";

class FakePipeline final : public Pipeline {
 public:
  explicit FakePipeline(const Config& config) : config_(config) {}
  Status run(bool, int) override { return {}; }
  Result<bool> turn() override { return false; }
  void stop() override {}
  Progress progress() const override {
    Progress p = testing::full_progress(*config_.schema, 7);
    p.degraded = degraded;
    return p;
  }
  bool live() const override { return alive; }
  Status ready() const override { return readiness; }
  Result<Snapshot> patient(const std::string& id) const override {
    if (id == "throws") throw std::runtime_error("secret-4711");
    if (id == "broken") return {Code::corrupt, "secret-4711"};
    if (id != kPatient && id != "north|1001" && id != "|a|b") return {Code::not_found, "unknown patient " + id};
    Snapshot snapshot = state::new_snapshot(*config_.schema, id);
    snapshot.event_count = 1;
    snapshot.first_time = snapshot.last_time = testing::at("2026-01-01T00:00:00Z");
    snapshot.features[0].last = 73;
    snapshot.features[0].count = 1;
    snapshot.features[0].time = snapshot.last_time;
    return snapshot;
  }
  Result<KeptOfPerson> kept(const std::string&) const override { return KeptOfPerson{12, 2, 7, 5}; }
  Result<Imputation> impute(const streaming::ImputeRequest& request) const override {
    if (!imputes.ok()) return imputes;
    Imputation out;
    out.patient_id = request.snapshot.patient_id;
    out.time = request.snapshot.last_time;
    out.model_version = "000412-9f3c21aa";
    ImputedValue alt;
    alt.feature = 2;
    alt.mean = 31.2;
    alt.low = 9.1;
    alt.high = 88;
    for (std::size_t i = 0; i < request.samples; ++i) alt.samples.push_back(30.5 + static_cast<double>(i + request.seed));
    out.values = {alt};
    return out;
  }
  Status command(const OperatorCommand& command) override {
    commands.push_back(command);
    return outcome;
  }
  std::vector<drift::MissingnessMatrix::Row> missingness() const override {
    return {{"icu-1", "vitals", testing::at("2026-01-05T00:00:00Z"), 10, 0.9}};
  }
  std::string model_json() const override { return R"({"version":"000412-9f3c21aa"})"; }

  bool alive = true;
  Status readiness, imputes, outcome;
  std::vector<Degradation> degraded{{"wrong_keys", testing::at("2026-01-01T00:03:00Z")}};
  std::vector<OperatorCommand> commands;

 private:
  const Config& config_;
};

class Http : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.http.body_bytes_max = 4096;
    auto started = HttpServer::start(config_, pipeline_, [] { return testing::at("2026-01-01T01:00:00Z"); });
    ASSERT_TRUE(started.ok()) << started.status().to_string();
    server_ = std::move(*started);
    client_ = std::make_unique<httplib::Client>("127.0.0.1", server_->port());
  }
  nlohmann::json json_of(const httplib::Result& result, int status) {
    if (!result) {
      ADD_FAILURE() << "no answer: " << httplib::to_string(result.error());
      return nullptr;
    }
    EXPECT_EQ(result->status, status) << result->body;
    EXPECT_THAT(result->get_header_value("Content-Type"), HasSubstr("application/json"));
    return nlohmann::json::parse(result->body, nullptr, false);
  }
  std::string error_of(const httplib::Result& result, int status) {
    const nlohmann::json body = json_of(result, status);
    if (!body.is_object() || !body.contains("error")) return "";
    return body.at("error").get<std::string>();
  }
  httplib::Result impute(const std::string& body) { return client_->Post("/v1/impute", body, "application/json"); }

  Config config_ = testing::small_config();
  FakePipeline pipeline_{config_};
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<httplib::Client> client_;
};

constexpr const char* kSnapshot = R"({"patient_id":"x","time":"2026-01-01T00:30:00Z","values":{"vitals":{"hr":73}}})";

// Orchestrators act on these two: the status code is the message, the reason is for people.
TEST_F(Http, probes_follow_the_pipeline) {
  EXPECT_EQ(json_of(client_->Get("/livez"), 200).at("status"), "ok");
  EXPECT_EQ(json_of(client_->Get("/readyz"), 200).at("status"), "ok");
  pipeline_.alive = false;
  pipeline_.readiness = {Code::unavailable, "restoring lacuna.events/3"};
  EXPECT_NE(error_of(client_->Get("/livez"), 503), "");
  EXPECT_EQ(error_of(client_->Get("/readyz"), 503), "restoring lacuna.events/3");
}

// A daemon that does its work less well than it should stays ready: taken out of service it would do none.
TEST_F(Http, what_is_degraded_is_said_in_a_200) {
  const nlohmann::json degraded = nlohmann::json::parse(R"([{"reason":"wrong_keys","since":"2026-01-01T00:03:00Z"}])");
  EXPECT_EQ(json_of(client_->Get("/readyz"), 200).at("degraded"), degraded);
  EXPECT_THAT(client_->Get("/")->body, HasSubstr("<p>ready, degraded: wrong_keys since 2026-01-01T00:03:00Z; model"));
  pipeline_.degraded.clear();
  EXPECT_EQ(json_of(client_->Get("/readyz"), 200).at("degraded"), nlohmann::json::array());
  EXPECT_THAT(client_->Get("/")->body, HasSubstr("<p>ready; model"));
  pipeline_.readiness = {Code::unavailable, "restoring"};
  EXPECT_FALSE(json_of(client_->Get("/readyz"), 503).contains("degraded"));
}

// The scrape is the whole exposition, in the content type Prometheus asks for.
TEST_F(Http, metrics_are_scraped) {
  const auto got = client_->Get("/metrics");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 200);
  EXPECT_THAT(got->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
  EXPECT_EQ(got->body, prometheus_text(config_, pipeline_.progress()));
}

TEST_F(Http, model_and_alerts_are_json) {
  EXPECT_EQ(json_of(client_->Get("/v1/model"), 200).at("version"), "000412-9f3c21aa");
  const nlohmann::json alerts = json_of(client_->Get("/v1/alerts"), 200).at("alerts");
  ASSERT_EQ(alerts.size(), 2u);
  EXPECT_EQ(alerts[0].at("subject"), "vitals");
  EXPECT_EQ(json_of(client_->Get("/v1/lag"), 200).at("partitions").at(0).at("partition"), 3);
}

// A patient id is anything, also with spaces and slashes: it has to be found when escaped as URLs ask.
TEST_F(Http, a_patient_is_found_by_its_escaped_id) {
  const nlohmann::json found = json_of(client_->Get("/v1/patients/ward%203%2F4711"), 200);
  EXPECT_EQ(found.at("patient_id"), kPatient);
  EXPECT_THAT(found.dump(), HasSubstr("73"));
  EXPECT_EQ(found.at("kept"), nlohmann::json({{"ids", 12}, {"histories", 2}, {"replay_examples", 7}, {"changelog_records", 5}}));
  EXPECT_EQ(patient_path(kPatient), "/v1/patients/ward%203%2F4711");
  EXPECT_EQ(patient_path("../x|é?"), "/v1/patients/%2E%2E%2Fx%7C%C3%A9%3F");
}

// The store knows persons by their keys; what is shown has the id as the hospital writes it.
TEST_F(Http, a_person_of_a_namespace_is_found_by_its_key) {
  const nlohmann::json found = json_of(client_->Get("/v1/patients/north%7C1001"), 200);
  EXPECT_EQ(found.at("patient_id"), "1001");
  EXPECT_EQ(found.at("namespace"), "north");
  const nlohmann::json bare = json_of(client_->Get("/v1/patients/%7Ca%7Cb"), 200);
  EXPECT_EQ(bare.at("patient_id"), "a|b");
  EXPECT_FALSE(bare.contains("namespace"));
  EXPECT_EQ(error_of(client_->Get("/v1/patients/1001"), 404), "no such patient on this instance");
}

// Errors say what is wrong and never whose: an error goes to logs and screens that patient data must not
// reach.
TEST_F(Http, errors_name_no_patient) {
  EXPECT_EQ(error_of(client_->Get("/v1/patients/4712"), 404), "no such patient on this instance");
  for (const char* id : {"broken", "throws"}) {
    const std::string error = error_of(client_->Get(std::string("/v1/patients/") + id), 500);
    EXPECT_NE(error, "");
    EXPECT_THAT(error, Not(HasSubstr("4711")));
  }
  pipeline_.readiness = {Code::unavailable, "restoring"};
  EXPECT_EQ(error_of(client_->Get("/v1/patients/4712"), 503), "restoring");
}

TEST_F(Http, imputes_a_posted_snapshot) {
  const nlohmann::json out = json_of(impute(kSnapshot), 200);
  EXPECT_EQ(out.at("patient_id"), "x");
  EXPECT_EQ(out.at("imputed"), true);
  EXPECT_DOUBLE_EQ(out.at("values").at("liver").at("alt").at("mean").get<double>(), 31.2);
  EXPECT_FALSE(out.contains("namespace"));
  const nlohmann::json other =
      json_of(impute(R"({"namespace":"north","patient_id":"a|b","time":"2026-01-01T00:30:00Z","values":{"vitals":{"hr":73}}})"), 200);
  EXPECT_EQ(other.at("patient_id"), "a|b");
  EXPECT_EQ(other.at("namespace"), "north");
}

// Multiple imputation: as many joint samples as were asked for, and a refusal that says what may be asked.
TEST_F(Http, joint_samples_come_when_asked_for) {
  const std::string snapshot(kSnapshot);
  const auto with = [&](const std::string& members) { return snapshot.substr(0, snapshot.size() - 1) + "," + members + "}"; };
  const nlohmann::json out = json_of(impute(with(R"("samples":3,"seed":2)")), 200);
  EXPECT_EQ(out.at("values").at("liver").at("alt").at("samples").dump(), "[32.5,33.5,34.5]");
  EXPECT_FALSE(json_of(impute(kSnapshot), 200).at("values").at("liver").at("alt").contains("samples"));
  for (const char* wrong :
       {R"("samples":0)", R"("samples":101)", R"("samples":2.5)", R"("samples":"3")", R"("samples":-1)", R"("samples":null)"}) {
    EXPECT_THAT(error_of(impute(with(wrong)), 400), HasSubstr("samples: must be a whole number from 1 to 100")) << wrong;
  }
  EXPECT_THAT(error_of(impute(with(R"("samples":1,"samples":2)")), 400), HasSubstr("samples: given twice"));
  EXPECT_THAT(error_of(impute(with(R"("seed":-1,"sample":2)")), 400), HasSubstr("seed: must be a whole number"));
  EXPECT_THAT(error_of(impute(with(R"("seed":1e300)")), 400), HasSubstr("seed: must be a whole number"));
}

// All that is wrong with a snapshot comes in one answer, so that it is mended in one go.
TEST_F(Http, a_wrong_snapshot_is_refused_with_all_its_problems) {
  const std::string error =
      error_of(impute(R"({"patient_id":"secret-7","time":"2026-01-01T00:30:00Z","values":{"vitals":{"hrr":1},"livver":{"alt":2}}})"), 400);
  EXPECT_THAT(error, HasSubstr("hrr"));
  EXPECT_THAT(error, HasSubstr("livver"));
  EXPECT_THAT(error, Not(HasSubstr("secret-7")));
  EXPECT_NE(error_of(impute("not json"), 400), "");
  EXPECT_NE(error_of(impute(""), 400), "");
}

// Each code of the pipeline leads the client to another action: mend, wait, or call for help.
TEST_F(Http, failures_of_the_pipeline_become_status_codes) {
  const std::pair<Code, int> cases[] = {{Code::invalid, 400}, {Code::unsupported, 400}, {Code::not_found, 404}, {Code::unavailable, 503},
                                        {Code::aborted, 503}, {Code::fenced, 503},      {Code::internal, 500},  {Code::corrupt, 500}};
  for (const auto& [code, status] : cases) {
    pipeline_.imputes = {code, "why"};
    EXPECT_NE(error_of(impute(kSnapshot), status), "") << to_string(code);
  }
  pipeline_.imputes = {};
  pipeline_.readiness = {Code::unavailable, "no partition is assigned yet"};
  EXPECT_EQ(error_of(impute(kSnapshot), 503), "no partition is assigned yet");
}

// The limit holds for a declared length, for chunks (which declare none), and exactly: memory must stay
// bounded.
TEST_F(Http, a_body_over_the_limit_is_refused_however_it_is_sent) {
  const std::string padding(config_.http.body_bytes_max - std::string(kSnapshot).size(), ' ');
  json_of(impute(kSnapshot + padding), 200);
  EXPECT_NE(error_of(impute(kSnapshot + padding + " "), 413), "");
  const auto chunked = [&](std::size_t size) {
    return client_->Post(
        "/v1/impute", httplib::Headers{},
        [size](std::size_t offset, httplib::DataSink& sink) {
          if (offset >= size) {
            sink.done();
            return true;
          }
          const std::string piece(std::min<std::size_t>(1000, size - offset), ' ');
          return sink.write(piece.data(), piece.size());
        },
        "application/json");
  };
  EXPECT_NE(error_of(chunked(config_.http.body_bytes_max), 400),
            "");  // only spaces: read whole, and no snapshot
  EXPECT_NE(error_of(chunked(config_.http.body_bytes_max + 1), 413), "");
}

// Paths and methods are a closed list; what is not on it is told so, in JSON, before a body is read.
TEST_F(Http, unknown_paths_and_methods_are_refused) {
  for (const char* path : {"/nothing", "/v1/patients/", "/v1", "/metrics/x", "/v1/patients"}) {
    EXPECT_NE(error_of(client_->Get(path), 404), "") << path;
  }
  EXPECT_NE(error_of(client_->Get("/v1/impute"), 405), "");
  for (const char* path : {"/", "/metrics", "/livez", "/v1/model", "/v1/patients/x"}) {
    const auto got = client_->Post(path, "{}", "application/json");
    EXPECT_NE(error_of(got, 405), "") << path;
    if (got) {
      EXPECT_EQ(got->get_header_value("Allow"), "GET");
    }
    EXPECT_NE(error_of(client_->Delete(path), 405), "") << path;
    EXPECT_NE(error_of(client_->Put(path, "{}", "application/json"), 405), "") << path;
  }
  const auto head = client_->Head("/livez");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
}

// The page a person meets first: it lists every endpoint, and names are escaped.
TEST_F(Http, the_root_lists_the_endpoints) {
  config_.instance = "<script>";
  const auto page = client_->Get("/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  for (const char* path : {"/metrics", "/livez", "/readyz", "/v1/model", "/v1/alerts", "/v1/lag", "/v1/subgroups", "/v1/patients/{id}",
                           "/v1/impute", "/v1/drift", "/v1/features", "/v1/missingness", "/v1/drift/accept", "/v1/drift/mute",
                           "/v1/drift/unmute", "/v1/persons/forget", "/v1/persons/merge"}) {
    EXPECT_THAT(page->body, HasSubstr(path));
  }
  EXPECT_THAT(page->body, Not(HasSubstr("<script>")));
}

// What an operator asks of a feature that is not imputed.
TEST_F(Http, features_say_how_much_of_them_was_learned_from) {
  const nlohmann::json answer = json_of(client_->Get("/v1/features"), 200);
  EXPECT_EQ(answer.at("observations_min"), 10);
  ASSERT_EQ(answer.at("features").size(), config_.schema->feature_count());
  const nlohmann::json& hr = answer.at("features")[0];
  EXPECT_EQ(hr.at("feature"), "vitals.hr");
  EXPECT_EQ(hr.at("unit"), "/min");
  EXPECT_EQ(hr.at("range"), nlohmann::json::parse("[0.0,300.0]"));
  EXPECT_EQ(hr.at("observations"), 1000);
  EXPECT_EQ(hr.at("patients"), 100);
  EXPECT_EQ(hr.at("state"), "ready");
  EXPECT_GT(hr.at("scored"), 0);
  EXPECT_EQ(answer.at("features")[1].at("state"), "warming_up");
  EXPECT_EQ(answer.at("features")[3].at("categories"), nlohmann::json::parse(R"(["alert","voice"])"));
}

// Of a group of few nothing is told that could be one patient's.
TEST_F(Http, subgroups_say_how_good_predictions_were_in_each) {
  const nlohmann::json answer = json_of(client_->Get("/v1/subgroups"), 200);
  EXPECT_EQ(answer.at("patients_min"), 60);
  EXPECT_EQ(answer.at("level"), 0.9);
  ASSERT_EQ(answer.at("groups").size(), 2u);
  EXPECT_EQ(answer.at("groups")[0],
            nlohmann::json::parse(R"({"group":"all","patients":200,"values":4000,"mae":0.4,"mae_mean":0.8,"skill":0.5,
                                                             "coverage":0.9,"coverage_error":0.01,"width":1.6})"));
  EXPECT_EQ(answer.at("groups")[1], nlohmann::json::parse(R"({"group":"age=0-40","patients":3})"));
}

// Everything an operator's table is made of, as logarithms; families are sums over it.
TEST_F(Http, drift_lists_every_subject_and_family) {
  const nlohmann::json drift = json_of(client_->Get("/v1/drift"), 200);
  EXPECT_EQ(drift.at("false_per_month"), 1);
  ASSERT_EQ(drift.at("subjects").size(), 2u);
  const nlohmann::json& armed = drift.at("subjects")[0];
  EXPECT_EQ(armed.at("kind"), "missingness");
  EXPECT_EQ(armed.at("subject"), "vitals");
  EXPECT_EQ(armed.at("state"), "armed");
  EXPECT_EQ(armed.at("updates"), 100);
  EXPECT_EQ(armed.at("log_evidence"), 3);
  EXPECT_EQ(armed.at("log_threshold"), 12);
  EXPECT_EQ(armed.at("since"), "2026-01-01T00:00:00Z");
  EXPECT_EQ(armed.at("effects"), nlohmann::json({{"missing_share", 0.4}}));
  EXPECT_FALSE(armed.contains("muted_until"));
  EXPECT_FALSE(drift.at("subjects")[1].contains("log_threshold")) << "none while it learns";
  EXPECT_FALSE(drift.at("subjects")[1].contains("since"));
  ASSERT_EQ(drift.at("families").size(), 2u);
  EXPECT_EQ(drift.at("families")[1].at("kind"), "missingness");
  EXPECT_EQ(drift.at("families")[1].at("armed"), 1);
  EXPECT_EQ(drift.at("families")[1].at("log_evidence_over_threshold_max"), -9);
  const nlohmann::json rows = json_of(client_->Get("/v1/missingness"), 200).at("rows");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].at("week"), "2026-01-05");
  EXPECT_EQ(rows[0].at("share"), 0.9);
}

class Commands : public Http {
 protected:
  static constexpr const char* kToken = "0123456789abcdef-secret";
  static constexpr const char* kMuteBody = R"({"kind":"missingness","subject":"vitals","for":"24h"})";
  void SetUp() override {
    config_.http.token_file = scratch_.write("token", std::string(kToken) + "\n");
    Http::SetUp();
  }
  httplib::Result post(const std::string& path, const std::string& body, const std::string& authorization) {
    httplib::Headers headers;
    if (!authorization.empty()) headers.emplace("Authorization", authorization);
    return client_->Post(path, headers, body, "application/json");
  }
  lacuna::testing::ScratchFolder scratch_;
};

TEST_F(Commands, a_decision_reaches_the_pipeline_and_the_subject_comes_back) {
  const std::string bearer = std::string("Bearer ") + kToken;
  EXPECT_EQ(json_of(post("/v1/drift/mute", kMuteBody, bearer), 200).at("subject"), "vitals");
  const std::string body = R"({"kind":"coverage","subject":"liver.alt"})";
  json_of(post("/v1/drift/accept", body, "bearer " + std::string(kToken)), 200);
  json_of(post("/v1/drift/unmute", body, bearer), 200);
  json_of(post("/v1/drift/accept", R"({"kind":"coverage","subject":"liver.alt","force":true,"by":"anna","why":"new kit"})", bearer), 200);
  ASSERT_EQ(pipeline_.commands.size(), 4u);
  EXPECT_FALSE(pipeline_.commands[1].force);
  EXPECT_TRUE(pipeline_.commands[3].force);
  EXPECT_EQ(pipeline_.commands[3].by, "anna");
  EXPECT_EQ(pipeline_.commands[3].why, "new kit");
  EXPECT_EQ(pipeline_.commands[0].action, OperatorCommand::Action::mute);
  EXPECT_EQ(pipeline_.commands[0].duration, std::chrono::hours(24));
  EXPECT_EQ(pipeline_.commands[1].action, OperatorCommand::Action::accept);
  EXPECT_EQ(pipeline_.commands[1].kind, "coverage");
  EXPECT_EQ(pipeline_.commands[1].subject, "liver.alt");
  EXPECT_EQ(pipeline_.commands[2].action, OperatorCommand::Action::unmute);
  pipeline_.outcome = {Code::not_found, "no such subject is watched"};
  EXPECT_EQ(error_of(post("/v1/drift/accept", body, bearer), 404), "no such subject is watched");
  pipeline_.outcome = {Code::unavailable, "restoring"};
  EXPECT_EQ(error_of(post("/v1/drift/accept", body, bearer), 503), "restoring");
}

// Whoever may look may not thereby change anything; and what is refused tells nothing of the token.
TEST_F(Commands, only_who_has_the_token_may_decide) {
  const std::string token = kToken;
  for (const std::string& given :
       std::vector<std::string>{"", token, "Bearer", "Bearer ", "Bearer " + token + "x", "Bearer " + token.substr(1), "Basic " + token,
                                "Bearer " + std::string(2000, 'x'), "Bearer 0123456789abcdef-Secret"}) {
    for (const char* path : {"/v1/drift/accept", "/v1/drift/mute", "/v1/drift/unmute", "/v1/persons/forget", "/v1/persons/merge"}) {
      const auto got = post(path, kMuteBody, given);
      EXPECT_THAT(error_of(got, 401), Not(HasSubstr("secret"))) << given;
      if (got) {
        EXPECT_EQ(got->get_header_value("WWW-Authenticate"), "Bearer");
      }
    }
  }
  EXPECT_TRUE(pipeline_.commands.empty());
  EXPECT_NE(error_of(client_->Get("/v1/drift/mute"), 405), "");
}

// Read at each call: a token can be changed, or taken away, without a restart.
TEST_F(Commands, without_a_token_the_calls_are_off_and_say_why) {
  const std::string bearer = std::string("Bearer ") + kToken;
  scratch_.write("token", "another-token-than-before\r\n");
  EXPECT_NE(error_of(post("/v1/drift/mute", kMuteBody, bearer), 401), "");
  json_of(post("/v1/drift/mute", kMuteBody, "Bearer another-token-than-before"), 200);
  for (const char* content : {"", "short", "with spaces in between it", "\n0123456789abcdef"}) {
    scratch_.write("token", content);
    const std::string error = error_of(post("/v1/drift/mute", kMuteBody, std::string("Bearer ") + content), 403);
    EXPECT_THAT(error, HasSubstr("http.token_file"));
  }
  std::filesystem::remove(config_.http.token_file);
  EXPECT_THAT(error_of(post("/v1/drift/mute", kMuteBody, bearer), 403), HasSubstr("cannot be read"));
  config_.http.token_file = scratch_ / "";  // a folder
  EXPECT_THAT(error_of(post("/v1/drift/mute", kMuteBody, bearer), 403), HasSubstr("http.token_file"));
  config_.http.token_file.clear();
  EXPECT_THAT(error_of(post("/v1/drift/mute", kMuteBody, bearer), 403), HasSubstr("is not set"));
  EXPECT_EQ(pipeline_.commands.size(), 1u);
}

TEST_F(Commands, a_wrong_body_is_refused) {
  const std::string bearer = std::string("Bearer ") + kToken;
  for (const char* body : {"", "{}", "[]", R"({"kind":"a"})", R"({"kind":"a","subject":1,"for":"1h"})", R"({"kind":"a","subject":"b"})",
                           R"({"kind":"a","subject":"b","for":"soon"})", R"({"kind":"a","subject":"b","for":"0s"})",
                           R"({"kind":"a","subject":"b","for":"366d"})", R"({"kind":"a","subject":"b","for":"1h","fro":"1h"})"}) {
    EXPECT_NE(error_of(post("/v1/drift/mute", body, bearer), 400), "") << body;
  }
  EXPECT_NE(error_of(post("/v1/drift/accept", kMuteBody, bearer), 400), "") << "accepting is not for a time";
  EXPECT_NE(error_of(post("/v1/drift/accept", R"({"kind":"a","subject":"b","force":"yes"})", bearer), 400), "");
  EXPECT_NE(error_of(post("/v1/drift/unmute", R"({"kind":"a","subject":"b","force":true})", bearer), 400), "");
  EXPECT_NE(error_of(post("/v1/drift/accept", R"({"kind":"a","subject":"b","by":")" + std::string(201, 'x') + "\"}", bearer), 400), "");
  EXPECT_NE(error_of(post("/v1/drift/mute", std::string(config_.http.body_bytes_max + 1, ' '), bearer), 413), "");
  EXPECT_TRUE(pipeline_.commands.empty());
}

// Who is forgotten or merged stands in the body, twice; the answer says what follows, and what does not.
TEST_F(Commands, a_person_is_forgotten_or_merged) {
  const std::string bearer = std::string("Bearer ") + kToken;
  const nlohmann::json forgotten = json_of(post("/v1/persons/forget", R"({"person":"north|7","confirm":"north|7"})", bearer), 202);
  EXPECT_EQ(forgotten.at("status"), "published");
  EXPECT_EQ(forgotten.at("not_reached").size(), kForgettingDoesNotReach.size());
  const nlohmann::json merged = json_of(post("/v1/persons/merge", R"({"person":"7","into":"|a|b","confirm":"7"})", bearer), 202);
  EXPECT_FALSE(merged.contains("not_reached"));
  ASSERT_EQ(pipeline_.commands.size(), 2u);
  EXPECT_EQ(pipeline_.commands[0].action, OperatorCommand::Action::forget);
  EXPECT_EQ(pipeline_.commands[0].person, "north|7");
  EXPECT_EQ(pipeline_.commands[1].action, OperatorCommand::Action::merge);
  EXPECT_EQ(pipeline_.commands[1].person, "7");
  EXPECT_EQ(pipeline_.commands[1].into, "|a|b");
  pipeline_.outcome = {Code::unavailable, "restoring"};
  EXPECT_EQ(error_of(post("/v1/persons/forget", R"({"person":"7","confirm":"7"})", bearer), 503), "restoring");
}

// An answer must not tell who was asked for: it goes to screens and logs. And nothing that is half said is done.
TEST_F(Commands, a_wrong_person_is_refused_without_a_name) {
  const std::string bearer = std::string("Bearer ") + kToken;
  const auto refused = [&](const std::string& path, const std::string& body) {
    const std::string error = error_of(post(path, body, bearer), 400);
    EXPECT_NE(error, "") << body;
    EXPECT_THAT(error, Not(HasSubstr("4711"))) << body;
  };
  const std::string longest(config_.limits.id_bytes_max, '7');
  for (const std::string& body : std::vector<std::string>{
           "", "[]", "{}", R"({"person":"4711"})", R"({"confirm":"4711"})", R"({"person":4711,"confirm":4711})",
           R"({"person":"4711","confirm":"4712"})", R"({"person":"","confirm":""})", R"({"person":"north|","confirm":"north|"})",
           R"({"person":"ward 3|4711","confirm":"ward 3|4711"})", R"({"person":"|4711","confirm":"|4711"})",
           R"({"person":"4711\n","confirm":"4711\n"})", R"({"person":"4711","confirm":"4711","4711":"x"})",
           R"({"person":"4711","confirm":"4711","into":"4712"})", R"({"person":")" + longest + R"(7","confirm":")" + longest + R"(7"})",
           R"({"person":")" + std::string(250, 'n') + R"(|4711","confirm":")" + std::string(250, 'n') + R"(|4711"})"}) {
    refused("/v1/persons/forget", body);
  }
  for (const char* body : {R"({"person":"4711","confirm":"4711"})", R"({"person":"4711","into":"4711","confirm":"4711"})",
                           R"({"person":"4711","into":"","confirm":"4711"})", R"({"person":"4711","into":"4712","confirm":"4712"})",
                           R"({"person":"4711","into":"north|4712","confirm":"4711"})", R"({"person":"4711","into":"4712"})"}) {
    refused("/v1/persons/merge", body);
  }
  EXPECT_TRUE(pipeline_.commands.empty());
  json_of(post("/v1/persons/forget", R"({"person":"north|)" + longest + R"(","confirm":"north|)" + longest + R"("})", bearer), 202);
}

// The commands' way to the daemon: its own words come back, and what is wrong on the way is said.
TEST_F(Commands, the_client_brings_the_token_and_the_daemons_words) {
  const std::string url = "http://127.0.0.1:" + std::to_string(server_->port());
  const DaemonClient client(url, config_.http.token_file);
  EXPECT_EQ(client.get("/v1/drift").value(), drift_json(config_, pipeline_.progress()));
  EXPECT_TRUE(client.post("/v1/drift/mute", kMuteBody).ok());
  EXPECT_EQ(pipeline_.commands.size(), 1u);
  EXPECT_TRUE(client.post("/v1/persons/forget", R"({"person":"7","confirm":"7"})").ok());
  pipeline_.outcome = {Code::not_found, "no such subject is watched"};
  EXPECT_EQ(client.post("/v1/drift/mute", kMuteBody).code(), Code::not_found);
  pipeline_.outcome = {Code::unavailable, "restoring"};
  EXPECT_THAT(client.post("/v1/drift/mute", kMuteBody).status().message(), HasSubstr("restoring"));
  EXPECT_EQ(DaemonClient(url, "").post("/v1/drift/mute", kMuteBody).code(), Code::invalid);
  EXPECT_EQ(DaemonClient(url, scratch_ / "none").post("/v1/drift/mute", kMuteBody).code(), Code::invalid);
  const DaemonClient stranger(url, scratch_.write("other", "not-the-token-of-that-daemon"));
  EXPECT_THAT(stranger.post("/v1/drift/mute", kMuteBody).status().message(), HasSubstr("token_file"));
  EXPECT_EQ(pipeline_.commands.size(), 4u);
  server_.reset();
  EXPECT_EQ(client.get("/v1/drift").code(), Code::unavailable);
  for (const char* wrong : {"", "nonsense", "ftp://x", "http://", "http://host:port"}) {
    const auto outcome = DaemonClient(wrong, "").get("/v1/drift");
    EXPECT_TRUE(outcome.code() == Code::invalid || outcome.code() == Code::unavailable) << wrong;
  }
}

TEST(DaemonUrl, is_where_the_daemon_listens) {
  Config config = testing::small_config();
  EXPECT_EQ(daemon_url(config).code(), Code::invalid) << "any free port: only the log tells";
  config.http.port = 9464;
  EXPECT_EQ(daemon_url(config).value(), "http://127.0.0.1:9464");
  config.http.address = "0.0.0.0";
  EXPECT_EQ(daemon_url(config).value(), "http://127.0.0.1:9464");
  config.http.address = "::";
  EXPECT_EQ(daemon_url(config).value(), "http://[::1]:9464");
  config.http.enabled = false;
  EXPECT_EQ(daemon_url(config).code(), Code::invalid);
}

// Two daemons on one port would each answer every other probe: the second must not start.
TEST_F(Http, a_taken_port_is_unavailable) {
  Config second = config_;
  second.http.port = server_->port();
  const auto started = HttpServer::start(second, pipeline_, system_clock());
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.code(), Code::unavailable);
  EXPECT_THAT(started.status().message(), HasSubstr(std::to_string(second.http.port)));
  server_.reset();  // and once it is free again, it can be taken
  EXPECT_TRUE(HttpServer::start(second, pipeline_, system_clock()).ok());
}

// More clients at once than threads: every one gets its answer, and the server still stops at once.
TEST_F(Http, serves_many_clients_and_stops) {
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        httplib::Client client("127.0.0.1", server_->port());
        const auto got = i % 2 == 0 ? client.Get("/metrics") : client.Post("/v1/impute", kSnapshot, "application/json");
        if (got && got->status == 200) answered += 1;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(answered, 160);
  server_.reset();
  EXPECT_FALSE(client_->Get("/livez"));
}

}  // namespace
}  // namespace lacuna::daemon
