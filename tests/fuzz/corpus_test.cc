// Goal: what a fuzzer once found, and what its authors thought of, stays handled in every ordinary build.
// Method: each file of the corpus goes through the fuzzer's own function, which aborts when a property is violated.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

TEST(Corpus, EveryInputIsHandled) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LACUNA_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    SCOPED_TRACE(entry.path().filename().string());
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    // Each also cut short and with one byte turned, which is where readers of nested text go wrong.
    for (std::size_t i = 0; i < bytes.size(); i += 1 + bytes.size() / 64) {
      std::string damaged = bytes.substr(0, i);
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(damaged.data()), damaged.size());
      damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x08);
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(damaged.data()), damaged.size());
    }
    ++count;
  }
  EXPECT_GT(count, 0U) << "the corpus is empty: " << LACUNA_CORPUS;
}
