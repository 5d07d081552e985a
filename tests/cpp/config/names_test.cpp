#include "config/names.h"

#include <gtest/gtest.h>

namespace hps::config {
namespace {

TEST(Names, Nearest) {
  constexpr std::string_view kWords[] = {"rows", "path", "placement"};
  EXPECT_EQ(nearest("row", kWords), "rows");
  EXPECT_EQ(nearest("plcaement", kWords), "placement");
  EXPECT_EQ(nearest("", kWords), "rows");
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(Names, DistanceCountsInsertionsDeletionsAndReplacements) {
  constexpr std::string_view kWords[] = {"abcdef", "abxxef", "abef"};
  EXPECT_EQ(nearest("abcef", kWords), "abcdef");
  EXPECT_EQ(nearest("abxef", kWords), "abxxef");
  EXPECT_EQ(nearest("aef", kWords), "abef");
}

TEST(Names, PsNamesMayHaveDots) {
  EXPECT_TRUE(is_ps_name("wdl.v1"));
  EXPECT_TRUE(is_ps_name("..."));
  EXPECT_FALSE(is_ps_name(".."));
  EXPECT_FALSE(is_ps_name("a/b"));
  EXPECT_FALSE(is_name("wdl.v1"));
  EXPECT_FALSE(is_name(std::string_view("a\0b", 3)));
}

TEST(Names, ClimbsOut) {
  EXPECT_TRUE(climbs_out("a/../b"));
  EXPECT_FALSE(climbs_out("a/..b/c.."));
  EXPECT_FALSE(climbs_out("/a/../b"));
}

TEST(Names, InQuotes) {
  EXPECT_EQ(in_quotes("a\tb\x7f"), "\"a\\x09b\\x7f\"");
  EXPECT_EQ(in_quotes(std::string(100, 'a')), "\"" + std::string(80, 'a') + "...\"");
}

}  // namespace
}  // namespace hps::config
