#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "daemon/http/listener_metrics.h"
#include "daemon/http/metrics.h"
#include "tests/unit/daemon/http/exposition.h"
#include "tests/unit/daemon/http/fixtures.h"

// The files under deploy/ name metrics in text that no compiler reads: a renamed metric would leave an alarm
// that never rings and an empty panel. Each name they use must be one that is scraped.

namespace lacuna::daemon {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::set<std::string> scraped_names() {
  const Config config = testing::small_config();
  std::set<std::string> names;
  for (const std::string& text : {prometheus_text(config, testing::full_progress(*config.schema, 1)), listener_prometheus_text({}, {})}) {
    for (const auto& s : testing::parse_exposition(text).samples) names.insert(s.name);
  }
  return names;
}

TEST(Deploy, rules_dashboard_and_manual_use_metrics_that_exist) {
  const std::set<std::string> names = scraped_names();
  const std::regex metric("lacuna_[a-z][a-z0-9_]+");
  for (const char* file : {"deploy/prometheus-rules.yaml", "deploy/grafana-dashboard.json", "docs/operations.md"}) {
    const std::string text = read(file);
    ASSERT_FALSE(text.empty()) << file << " (run from the repository's root)";
    std::size_t found = 0;
    for (std::sregex_iterator it(text.begin(), text.end(), metric), end; it != end; ++it, ++found) {
      EXPECT_TRUE(names.contains(it->str())) << file << " uses " << it->str();
    }
    EXPECT_GT(found, 5u) << file;
  }
}

// And the other way round: the manual explains every metric, so that none is a riddle.
TEST(Deploy, the_manual_explains_every_metric) {
  const std::string manual = read("docs/operations.md");
  for (const std::string& name : scraped_names()) {
    EXPECT_NE(manual.find("`" + name), std::string::npos) << name << " is not in docs/operations.md";
  }
}

// Grafana refuses a broken file whole; a panel without a query shows nothing.
TEST(Deploy, the_dashboard_is_json_with_a_query_in_every_panel) {
  const nlohmann::json dashboard = nlohmann::json::parse(read("deploy/grafana-dashboard.json"), nullptr, false);
  ASSERT_TRUE(dashboard.is_object());
  std::set<int> ids;
  for (const nlohmann::json& panel : dashboard.at("panels")) {
    EXPECT_TRUE(ids.insert(panel.at("id").get<int>()).second) << "panel id twice";
    ASSERT_FALSE(panel.at("targets").empty()) << panel.at("title");
    for (const nlohmann::json& target : panel.at("targets")) EXPECT_FALSE(target.at("expr").get<std::string>().empty());
  }
  EXPECT_GE(ids.size(), 8u);
}

}  // namespace
}  // namespace lacuna::daemon
