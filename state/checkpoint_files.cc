#include "state/checkpoint_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "state/stored_records.h"

namespace lacuna::state {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporary = ".writing-";
// Protocol Buffers end at 2 GiB.
constexpr std::size_t kContentBytesMax = 2'000'000'000;

Status io_error(const std::string& what) { return to_status({errno, std::generic_category()}, what); }

Status check_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= CheckpointFiles::kNameMax && name.front() != '.' &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
                    });
  if (good) return {};
  return {Code::invalid, "a checkpoint's name must be 1 to " + std::to_string(CheckpointFiles::kNameMax) +
                             " letters, digits, '.', '_' or '-', and not start with '.'"};
}

class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool ok() const { return fd_ >= 0; }
  bool write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  bool sync() const { return ::fsync(fd_) == 0; }
  bool read_all(std::string& out) const {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return false;
    out.resize(static_cast<std::size_t>(info.st_size));
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::read(fd_, out.data() + done, out.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return false;
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    out.resize(done);
    return true;
  }

 private:
  int fd_;
};

Status sync_folder(const std::string& folder) {
  const File handle(folder, O_RDONLY | O_DIRECTORY);
  if (!handle.ok() || !handle.sync()) return io_error("syncing the checkpoint folder");
  return {};
}

}  // namespace

Status to_status(std::error_code error, const std::string& what) {
  const bool full = error.value() == ENOSPC || error.value() == EDQUOT;
  return {full ? Code::unavailable : Code::internal, what + ": " + error.message()};
}

Result<CheckpointFiles> CheckpointFiles::open(std::string folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return to_status(error, "making the checkpoint folder " + folder);
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::error_code ignored;
    if (entry.path().filename().string().starts_with(kTemporary)) fs::remove(entry.path(), ignored);
  }
  if (error) return Status(Code::internal, "reading the checkpoint folder " + folder + ": " + error.message());
  return CheckpointFiles(std::move(folder));
}

Status CheckpointFiles::put(const std::string& name, const std::string& bytes) const {
  LACUNA_RETURN_IF_ERROR(check_name(name));
  if (bytes.size() > kContentBytesMax) {
    return {Code::invalid, "checkpoint " + name + ": more than " + std::to_string(kContentBytesMax) + " bytes"};
  }
  const std::string temporary = folder_ + "/" + std::string(kTemporary) + name;
  const std::string final_path = folder_ + "/" + name;
  Status status;
  {
    const File file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.ok() || !file.write(encode_checkpoint_file(name, bytes)) || !file.sync()) {
      status = io_error("writing checkpoint " + name);
    }
  }
  if (status.ok() && std::rename(temporary.c_str(), final_path.c_str()) != 0) status = io_error("renaming checkpoint " + name);
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return sync_folder(folder_);
}

Result<std::string> CheckpointFiles::get(const std::string& name) const {
  LACUNA_RETURN_IF_ERROR(check_name(name));
  const File file(folder_ + "/" + name, O_RDONLY);
  if (!file.ok()) {
    if (errno == ENOENT) return Status(Code::not_found, "no checkpoint " + name);
    return io_error("opening checkpoint " + name);
  }
  std::string all;
  if (!file.read_all(all)) return io_error("reading checkpoint " + name);
  Result<NamedBlob> decoded = decode_checkpoint_file(all);
  if (!decoded.ok()) return Status(decoded.code(), "checkpoint " + name + ": " + decoded.status().message());
  if (decoded->name != name) return Status(Code::corrupt, "checkpoint " + name + ": the file is another checkpoint's");
  return std::move(decoded->content);
}

Result<std::vector<std::string>> CheckpointFiles::names() const {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    std::string name = entry.path().filename().string();
    if (check_name(name).ok()) out.push_back(std::move(name));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Status(Code::internal, "reading the checkpoint folder: " + error.message());
  }
  std::sort(out.begin(), out.end());
  return out;
}

Status CheckpointFiles::drop(const std::string& name) const {
  LACUNA_RETURN_IF_ERROR(check_name(name));
  if (::unlink((folder_ + "/" + name).c_str()) != 0) {
    return errno == ENOENT ? Status() : io_error("dropping checkpoint " + name);
  }
  return sync_folder(folder_);
}

}  // namespace lacuna::state
