#include "tests/integration/kafka_broker.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/support/scratch_folder.h"

namespace lacuna::integration {
namespace {

constexpr const char* kScript = "tests/support/kafka.sh";  // CTest runs the tests in the repository's root

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::optional<Broker> broker() {
  if (std::string bootstrap = environment("LACUNA_TEST_KAFKA"); !bootstrap.empty()) return Broker{bootstrap, ""};
  const std::string folder = environment("LACUNA_TEST_KAFKA_DIR");
  if (folder.empty()) return std::nullopt;
  std::ifstream file(folder + "/bootstrap");
  std::string bootstrap;
  if (!std::getline(file, bootstrap) || bootstrap.empty()) return std::nullopt;
  return Broker{bootstrap, folder};
}

std::string login_bootstrap(const Broker& broker) {
  std::string bootstrap;
  std::ifstream file(broker.folder + "/bootstrap-login");
  std::getline(file, bootstrap);
  return bootstrap;
}

bool control(const Broker& broker, const std::string& command, const std::string& arguments) {
  return run(std::string(kScript) + " " + command + " --dir '" + broker.folder + "'" + (arguments.empty() ? "" : " -- " + arguments))
      .has_value();
}

std::string unique_name(const std::string& base) {
  static std::atomic<int> count{0};
  static const auto start = std::chrono::system_clock::now().time_since_epoch().count();
  return "t" + std::to_string(start) + "-" + std::to_string(getpid()) + "-" + std::to_string(count++) + "-" + base;
}

std::optional<std::string> run(const std::string& command, const std::string& input) {
  const lacuna::testing::ScratchFolder scratch;
  const std::string input_file = scratch.path() + "/input";
  std::ofstream(input_file, std::ios::binary) << input;
  FILE* pipe = popen(("(" + command + ") < '" + input_file + "' 2>&1").c_str(), "r");
  if (!pipe) return std::nullopt;
  std::string output;
  std::array<char, 4096> chunk{};
  while (const std::size_t size = std::fread(chunk.data(), 1, chunk.size(), pipe)) output.append(chunk.data(), size);
  const int status = pclose(pipe);
  if (status != 0) std::fprintf(stderr, "%s: status %d\n%s\n", command.c_str(), status, output.c_str());
  return status == 0 ? std::optional(output) : std::nullopt;
}

}  // namespace lacuna::integration
