// Protects: a payload that does not fit what its modality declares is refused before anything keeps it, and says why.

#include "state/records/payload.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lacuna {
namespace {

PayloadSpec grey(std::uint32_t height, std::uint32_t width) {
  PayloadSpec spec;
  spec.height = height;
  spec.width = width;
  return spec;
}

TEST(Payload, TakesWhatFits) {
  EXPECT_TRUE(check_payload(ModalityKind::image, grey(2, 3), {{1, 2, 3, 4, 5, 6}, {}, ""}).ok());
  EXPECT_TRUE(check_payload(ModalityKind::image, grey(1, 3), {{1, 0, 3}, {1, 0, 1}, ""}).ok());
  EXPECT_TRUE(check_payload(ModalityKind::text, {}, {{}, {}, "no acute disease"}).ok());
}

TEST(Payload, RefusesWhatDoesNot) {
  const std::vector<std::pair<Payload, const char*>> bad = {
      {{{1, 2}, {}, ""}, "number of values"},      {{{1, 2, NAN}, {}, ""}, "not finite"},    {{{1, 2, 3}, {1, 1}, ""}, "mask's length"},
      {{{1, 2, 3}, {1, 1, 2}, ""}, "but 0 and 1"}, {{{1, 2, 3}, {1, 1, 0}, ""}, "is not 0"}, {{{0, 0, 0}, {0, 0, 0}, ""}, "nothing of it"},
      {{{1, 2, 3}, {}, "a"}, "only a text"},
  };
  for (const auto& [payload, why] : bad) {
    const Status status = check_payload(ModalityKind::image, grey(1, 3), payload);
    EXPECT_EQ(status.code(), Code::invalid);
    EXPECT_NE(status.message().find(why), std::string::npos) << status.message();
  }
  EXPECT_FALSE(check_payload(ModalityKind::text, {}, {}).ok());
  EXPECT_FALSE(check_payload(ModalityKind::text, {}, {{1}, {}, "a"}).ok());
  EXPECT_FALSE(check_payload(ModalityKind::tabular, {}, {{1}, {}, ""}).ok());
}

TEST(Payload, ReferencesCompareByContent) {
  const Payload film{{1, 2}, {}, ""};
  EXPECT_EQ(PayloadRef(film), PayloadRef(film));
  EXPECT_EQ(PayloadRef(), PayloadRef());
  EXPECT_FALSE(PayloadRef(film) == PayloadRef());
  EXPECT_FALSE(PayloadRef(film) == PayloadRef(Payload{{1, 3}, {}, ""}));
}

}  // namespace
}  // namespace lacuna
