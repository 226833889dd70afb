#include "streaming/files/file_list.h"

#include <algorithm>
#include <filesystem>

namespace lacuna::streaming {

namespace fs = std::filesystem;

std::string without_packing(std::string path) {
  for (const std::string_view extension : {".gz", ".xz", ".zst", ".bz2"}) {
    if (!path.ends_with(extension)) continue;
    path.resize(path.size() - extension.size());
    break;
  }
  return path;
}

Result<std::vector<InputFile>> list_files(const std::string& path) {
  std::vector<InputFile> files;
  std::error_code error;
  const auto add = [&](const fs::path& file) {
    std::error_code size_error;
    const auto bytes = fs::file_size(file, size_error);
    const fs::path name = without_packing(file.filename().string());
    files.push_back({file.string(), name.string(), name.stem().string(), size_error ? 0 : bytes});
  };
  if (!fs::is_directory(path, error)) {
    if (!fs::exists(path, error)) return {Code::not_found, "no such file or folder: " + path};
    add(path);
    return files;
  }
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (it->is_regular_file(error) && !it->path().filename().string().starts_with(".")) add(it->path());
  }
  if (error) return {Code::unavailable, "cannot list " + path + ": " + error.message()};
  if (files.empty()) return {Code::not_found, "no files in " + path};
  std::sort(files.begin(), files.end(), [](const InputFile& a, const InputFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace lacuna::streaming
