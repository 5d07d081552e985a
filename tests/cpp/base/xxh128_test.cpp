#include "base/xxh128.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace hps {
namespace {

// XXH3 of 128 bits, seed 0, as the reference implementation's command line prints it.
TEST(Xxh128, GivesThePublishedValueOfNothing) {
  EXPECT_EQ(xxh128_hex(""), "99aa06d3014798d86001c324468d497f");
}

TEST(Xxh128, StreamsAsOneText) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 7);
  Xxh128 hash;
  const auto bytes = std::as_bytes(std::span(text));
  std::size_t at = 0;
  for (const std::size_t part : {0UL, 1UL, 255UL, 1024UL, 3720UL}) {
    hash.update(bytes.subspan(at, part));
    at += part;
  }
  ASSERT_EQ(at, text.size());
  EXPECT_EQ(hash.hex(), xxh128_hex(text));
  EXPECT_EQ(hash.hex().size(), 32U);
}

TEST(Xxh128, EveryByteCounts) {
  std::string text(300, 'a');
  const std::string before = xxh128_hex(text);
  text[299] = 'b';
  EXPECT_NE(xxh128_hex(text), before);
}

TEST(Xxh128, MovesItsState) {
  Xxh128 hash;
  hash.update(std::as_bytes(std::span("ab", 2)));
  Xxh128 moved = std::move(hash);
  moved.update(std::as_bytes(std::span("c", 1)));
  EXPECT_EQ(moved.hex(), xxh128_hex("abc"));
}

}  // namespace
}  // namespace hps
