#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace lacuna::soak {

/// Starts a program in a process group of its own, its output appended to `log`. It is killed when the thread
/// that started it ends, however that comes about. Returns its id; ends the soak where no process can be
/// made.
pid_t spawn(const std::vector<std::string>& arguments, const std::string& log);

/// Waits for it; the exit status, or 128 + the signal that ended it.
int wait_for(pid_t pid);

/// The same of a status from waitpid().
int exit_code(int status);

}  // namespace lacuna::soak
