#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

// A file system of a few MiB in a mount namespace of this process's own, and a file that fills it.

namespace lacuna::testing {

/// As root, or else in a user namespace of its own, which has to be entered before there are threads.
inline bool enter_mount_namespace() {
  if (::unshare(CLONE_NEWNS) == 0) return true;
  const std::string user = std::to_string(::getuid()), group = std::to_string(::getgid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << user + " " + user + " 1";
  std::ofstream("/proc/self/gid_map") << group + " " + group + " 1";
  return true;
}

/// A new empty file system at `path` that goes with this process; otherwise why there is none.
inline std::string mount_small_disk(const std::string& path, std::uintmax_t bytes) {
  if (!enter_mount_namespace()) return std::string("no mount namespace: ") + std::strerror(errno);
  std::filesystem::create_directories(path);
  const std::string size = "size=" + std::to_string(bytes);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || ::mount("tmpfs", path.c_str(), "tmpfs", 0, size.c_str()) != 0) {
    return std::string("mounting a tmpfs: ") + std::strerror(errno);
  }
  return {};
}

class Ballast {
 public:
  explicit Ballast(std::string path) : path_(std::move(path)) {}
  /// Grows until no more than this is left.
  void leave(std::uintmax_t bytes) const {
    const int fd = ::open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const std::uintmax_t room = available(), size = std::filesystem::file_size(path_);
    if (room > bytes && ::posix_fallocate(fd, 0, static_cast<off_t>(size + room - bytes)) != 0) {
      throw std::runtime_error("the ballast does not grow");
    }
    ::close(fd);
  }
  std::uintmax_t available() const { return std::filesystem::space(std::filesystem::path(path_).parent_path()).available; }
  void remove() const { std::filesystem::remove(path_); }

 private:
  std::string path_;
};

}  // namespace lacuna::testing
