#pragma once

#include <cstddef>
#include <string>
#include <vector>

// What is printed to be typed: it must work exactly as it stands, also where `lacuna` is not on PATH.

namespace lacuna::daemon {

/// As a shell takes it for one word.
std::string shell_word(const std::string& text);

/// How this program was started, from argv[0]: main() says it once, before there are threads.
void set_program(const std::string& started_as);
/// What has to be typed to start it again: `lacuna`, or the path by which it was started, as one word of a shell.
const std::string& program();

/// A command of this program, indented by two and with the line's end. Words are quoted where they have to be. What is wider than `columns`
/// goes on in a further line, behind a backslash.
std::string typed_command(const std::vector<std::string>& words, std::size_t columns);

}  // namespace lacuna::daemon
