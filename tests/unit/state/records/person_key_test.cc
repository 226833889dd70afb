// Goal: two persons never share a key, whatever their ids hold, and from a key one gets back to the person. Method: the examples of the
// header; every short text over an alphabet with the separator in it, against a set.

#include "state/records/person_key.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace lacuna {
namespace {

TEST(PersonKey, HasTheAgreedForm) {
  EXPECT_EQ(person_key("", "1001"), "1001");
  EXPECT_EQ(person_key("", "a|b"), "|a|b");
  EXPECT_EQ(person_key("", "|"), "||");
  EXPECT_EQ(person_key("north", "1001"), "north|1001");
  EXPECT_EQ(person_key("north", "a|b"), "north|a|b");
  EXPECT_EQ(person_key("north", "|b"), "north||b");
}

TEST(PersonKey, IsOfOnePersonAlone) {
  std::vector<std::string> texts{""};
  for (std::size_t begin = 0, length = 0; length < 5; ++length) {
    const std::size_t end = texts.size();
    for (; begin < end; ++begin) {
      for (const char c : {'|', 'a', '1'}) texts.push_back(texts[begin] + c);
    }
  }
  std::set<std::string> keys;
  for (const std::string& name_space : {std::string(), std::string("a"), std::string("1"), std::string("a1"), std::string("1.a")}) {
    for (const std::string& id : texts) {
      if (id.empty()) continue;
      const std::string key = person_key(name_space, id);
      EXPECT_TRUE(keys.insert(key).second) << key;
      EXPECT_EQ(split_person_key(key), (Person{name_space, id})) << key;
    }
  }
  EXPECT_GT(keys.size(), 1500u);
}

TEST(PersonKey, NamespacesHoldNothingThatAKeyIsTakenApartBy) {
  for (const char* good : {"north", "St.Mary", "icu-4", "lacuna.events", "A_1", "-"}) EXPECT_TRUE(is_namespace(good)) << good;
  for (const char* bad : {"", "a|b", "|", "icu 4", "a/b", "K\xc3\xb6ln", "a\n", "a#"}) EXPECT_FALSE(is_namespace(bad)) << bad;
  EXPECT_FALSE(is_namespace(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace lacuna
