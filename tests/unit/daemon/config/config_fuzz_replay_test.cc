#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

// Protects: the fuzz target's promises hold on its corpus and on cut and scrambled real configurations, in every build
// and not only where libFuzzer runs.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

void feed(const std::string& text) { LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()); }

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ConfigFuzzReplay, TheCorpusKeepsThePromises) {
  std::size_t files = 0;
  for (const char* folder : {"tests/fuzz/corpus/config", "configs"}) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      feed(read(entry.path()));
      ++files;
    }
  }
  EXPECT_GE(files, 20u);
}

TEST(ConfigFuzzReplay, CutAndScrambledConfigurationsKeepThePromises) {
  const unsigned seed = 20260101;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string text = read("configs/simulated-ward.yaml");
  ASSERT_FALSE(text.empty());
  const std::string alphabet = " \n\t:{}[],#'\"&*!|>-%@ax09.\x01\xff";
  for (int i = 0; i < 150; ++i) {
    std::string changed = text.substr(0, random() % (text.size() + 1));
    for (unsigned edits = random() % 6; edits > 0 && !changed.empty(); --edits) {
      changed[random() % changed.size()] = alphabet[random() % alphabet.size()];
    }
    feed(changed);
  }
}

}  // namespace
