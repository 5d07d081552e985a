#include "base/instance.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace hps {
namespace {

TEST(Instance, TheOnlyCopyClaimsItsProcessAndKeepsIt) {
  InstanceMarker marker{0};
  std::string other = "untouched";
  EXPECT_TRUE(claim_process("hps_test_marker_of_nobody", marker, &other));
  EXPECT_EQ(marker.load(), 1u);
  EXPECT_TRUE(claim_process("hps_test_marker_of_nobody", marker, &other));
  EXPECT_EQ(other, "untouched");
}

// The C library exports `optind`, an int that is 1 from the start: to this code, a marker that is
// set.
TEST(Instance, AnotherObjectWithTheMarkerSetWins) {
  InstanceMarker marker{0};
  std::string other;
  EXPECT_FALSE(claim_process("optind", marker, &other));
  EXPECT_EQ(marker.load(), 0u);
  EXPECT_NE(other.find("libc"), std::string::npos) << other;
  EXPECT_FALSE(claim_process("optind", marker, nullptr));
}

// `optopt` is '?', `optarg` is a null pointer: a marker that is there and not set claims nothing.
TEST(Instance, AnUnsetMarkerOfAnotherObjectDoesNotCount) {
  InstanceMarker marker{0};
  EXPECT_TRUE(claim_process("optarg", marker, nullptr));
}

TEST(Instance, AFunctionOfThatNameIsNoMarker) {
  InstanceMarker marker{0};
  EXPECT_TRUE(claim_process("getenv", marker, nullptr));
}

TEST(Instance, ManyThreadsMayClaimAtOnce) {
  InstanceMarker marker{0};
  std::atomic<int> claimed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back(
        [&] { claimed += claim_process("hps_test_marker_of_nobody", marker, nullptr) ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(claimed.load(), 8);
}

}  // namespace
}  // namespace hps
