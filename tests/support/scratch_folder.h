#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace lacuna::testing {

/// A folder that is gone, with all it holds, when the test is over.
class ScratchFolder {
 public:
  /// `in_memory`: where the system has such a place and it can be written; for tests that write much.
  explicit ScratchFolder(bool in_memory = false) {
    namespace fs = std::filesystem;
    const fs::path memory = "/dev/shm";
    const bool there = in_memory && fs::is_directory(memory) && access(memory.c_str(), W_OK) == 0;
    path_ = ((there ? memory : fs::temp_directory_path()) / "lacuna-test-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  /// Makes a file in it; returns its path.
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(*this / name, std::ios::binary) << content;
    return *this / name;
  }

 private:
  std::string path_;
};

}  // namespace lacuna::testing
