# Writes OUTPUT, a header with the commit of the tree in SOURCE; only where it changes, so that a build makes one source anew and no more.
# The environment's LACUNA_COMMIT says it where there is no .git (a container's build). Unknown: a tarball, also one unpacked inside
# another repository, whose commit would not be ours.
set(commit "$ENV{LACUNA_COMMIT}")
if(commit STREQUAL "")
  # The tree may be somebody else's, as under sudo; nothing of its configuration is run.
  set(git git -c safe.directory=${SOURCE} -c core.fsmonitor= -C ${SOURCE})
  execute_process(COMMAND ${git} rev-parse --show-prefix RESULT_VARIABLE status OUTPUT_VARIABLE prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(status EQUAL 0 AND prefix STREQUAL "")
    execute_process(COMMAND ${git} describe --always --dirty --abbrev=12 --exclude=* OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
if(NOT commit MATCHES "^[A-Za-z0-9._-]+$")
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[#pragma once

// Made by daemon/commands/commit.cmake.
namespace lacuna::daemon {
inline constexpr const char* kCommit = "@commit@";
}
]] @ONLY)
