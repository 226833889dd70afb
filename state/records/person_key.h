#pragma once

#include <string>
#include <string_view>

// A person is a namespace and an id (docs/identity.md). The default namespace is the empty one. The key is what the store, the changelog,
// the detectors and our topics know a person by:
//
//   namespace  id      key
//   -          1001    1001
//   -          a|b     |a|b
//   north      1001    north|1001
//   north      a|b     north|a|b

namespace lacuna {

/// Letters, digits, '.', '_' and '-' of ASCII, at least one: what a namespace other than the default one is made of.
bool is_namespace(std::string_view text);

/// `name_space` is empty or is_namespace(). Two persons never have one key.
std::string person_key(std::string_view name_space, std::string_view id);

struct Person {
  std::string_view name_space;
  std::string_view id;  ///< as events give it: what partitions go by
  friend bool operator==(const Person&, const Person&) = default;
};
/// Takes a key apart, for as long as it lives. Of a text that is no key: what stands before its first '|', and after it.
Person split_person_key(std::string_view key);

}  // namespace lacuna
