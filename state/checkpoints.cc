#include "state/checkpoints.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "state/records/bytes.h"

namespace lacuna::state {

namespace {

namespace fs = std::filesystem;

// 8 bytes magic, u32 checksum of all that follows it, u32 version, u64 length, content.
constexpr std::string_view kMagic = "LACUNACK";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderSize = 8 + 4 + 4 + 8;
constexpr std::string_view kTemporary = ".writing-";

Status io_error(const std::string& what) {
  const int error = errno;
  const std::string message = what + ": " + std::generic_category().message(error);
  // A full disk or quota is mended from outside and worth waiting for; anything else is not.
  return {error == ENOSPC || error == EDQUOT ? Code::unavailable : Code::internal, message};
}

Status check_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= Checkpoints::kNameMax && name.front() != '.' &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                             c == '_' || c == '-';
                    });
  if (good) return {};
  return {Code::invalid, "a checkpoint's name must be 1 to " + std::to_string(Checkpoints::kNameMax) +
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

std::uint32_t checksum(std::string_view head, std::string_view content) {
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(head.data()), head.size());
  return static_cast<std::uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(content.data()), content.size()));
}

std::string make_header(std::string_view content) {
  ByteWriter tail;
  tail.put<std::uint32_t>(kVersion);
  tail.put<std::uint64_t>(content.size());
  const std::string checked = tail.take();
  ByteWriter crc;
  crc.put<std::uint32_t>(checksum(checked, content));
  return std::string(kMagic) + crc.take() + checked;
}

}  // namespace

Result<Checkpoints> Checkpoints::open(std::string folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Status(Code::internal, "making the checkpoint folder " + folder + ": " + error.message());
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::error_code ignored;
    if (entry.path().filename().string().starts_with(kTemporary)) fs::remove(entry.path(), ignored);
  }
  if (error) return Status(Code::internal, "reading the checkpoint folder " + folder + ": " + error.message());
  return Checkpoints(std::move(folder));
}

Status Checkpoints::put(const std::string& name, const std::string& bytes) const {
  LACUNA_RETURN_IF_ERROR(check_name(name));
  const std::string temporary = folder_ + "/" + std::string(kTemporary) + name;
  const std::string final_path = folder_ + "/" + name;
  Status status;
  {
    const File file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.ok() || !file.write(make_header(bytes)) || !file.write(bytes) || !file.sync()) {
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

Result<std::string> Checkpoints::get(const std::string& name) const {
  LACUNA_RETURN_IF_ERROR(check_name(name));
  const File file(folder_ + "/" + name, O_RDONLY);
  if (!file.ok()) {
    if (errno == ENOENT) return Status(Code::not_found, "no checkpoint " + name);
    return io_error("opening checkpoint " + name);
  }
  std::string all;
  if (!file.read_all(all)) return io_error("reading checkpoint " + name);
  if (all.size() < kHeaderSize || !std::string_view(all).starts_with(kMagic)) {
    return Status(Code::corrupt, "checkpoint " + name + ": not a checkpoint, or cut off");
  }
  const std::string_view view(all);
  ByteReader header(view.substr(kMagic.size(), kHeaderSize - kMagic.size()));
  const auto crc = header.get<std::uint32_t>();
  const auto version = header.get<std::uint32_t>();
  const auto size = header.get<std::uint64_t>();
  // The checksum comes first: only an intact header may claim to be newer than we are.
  if (crc != checksum(view.substr(kMagic.size() + 4, 12), view.substr(kHeaderSize))) {
    return Status(Code::corrupt, "checkpoint " + name + ": the checksum does not fit");
  }
  if (version > kVersion) {
    return Status(Code::unsupported, "checkpoint " + name + ": file format " + std::to_string(version) + ", this build reads up to " +
                                         std::to_string(kVersion) + ": use a newer build");
  }
  if (version == 0 || size != all.size() - kHeaderSize) {
    return Status(Code::corrupt, "checkpoint " + name + ": the length does not fit");
  }
  return all.substr(kHeaderSize);
}

Result<std::vector<std::string>> Checkpoints::names() const {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    std::string name = entry.path().filename().string();
    if (check_name(name).ok()) out.push_back(std::move(name));
  }
  if (error) return Status(Code::internal, "reading the checkpoint folder: " + error.message());
  std::sort(out.begin(), out.end());
  return out;
}

Status Checkpoints::drop(const std::string& name) const {
  LACUNA_RETURN_IF_ERROR(check_name(name));
  if (::unlink((folder_ + "/" + name).c_str()) != 0) {
    return errno == ENOENT ? Status() : io_error("dropping checkpoint " + name);
  }
  return sync_folder(folder_);
}

}  // namespace lacuna::state
