#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace lacuna::testing {

/// The real binary as a child process, its output in a file. Killed by the destructor.
class DaemonProcess {
 public:
  /// `arguments` after the program's name; `environment` as NAME=value beside this process's own.
  DaemonProcess(std::vector<std::string> arguments, std::string output_file, std::vector<std::string> environment = {});
  ~DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  void signal(int number) const;
  /// The exit status (128 + the signal that ended it); empty: still running when `limit` was over.
  std::optional<int> wait(std::chrono::milliseconds limit);
  std::string output() const { return read(output_file_); }
  static std::string read(const std::string& file);

 private:
  pid_t pid_ = -1;
  std::string output_file_;
};

}  // namespace lacuna::testing
