#include "base/error.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

namespace hps {
namespace {

TEST(Error, FailJoinsItsPartsAndKeepsTheCode) {
  try {
    fail(ErrorCode::kTable, "row ", 7, " of ", std::string("x"), ": ", 0.5);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kTable);
    EXPECT_STREQ(error.what(), "row 7 of x: 0.5");
    return;
  }
  FAIL() << "nothing was thrown";
}

TEST(Error, GuardReturnsOkAndLeavesTheLastErrorAlone) {
  set_last_error("before");
  EXPECT_EQ(guard([] {}), ErrorCode::kOk);
  EXPECT_STREQ(last_error(), "before");
}

TEST(Error, GuardMapsEveryKindOfException) {
  EXPECT_EQ(guard([] { fail(ErrorCode::kConfig, "bad ", 1); }), ErrorCode::kConfig);
  EXPECT_STREQ(last_error(), "bad 1");
  EXPECT_EQ(guard([] { throw std::bad_alloc(); }), ErrorCode::kOutOfMemory);
  EXPECT_STREQ(last_error(), "out of memory");
  EXPECT_EQ(guard([] { throw std::logic_error("odd"); }), ErrorCode::kInternal);
  EXPECT_STREQ(last_error(), "odd");
  EXPECT_EQ(guard([] { throw 5; }), ErrorCode::kInternal);
  EXPECT_STREQ(last_error(), "an exception of unknown type");
}

TEST(Error, LastErrorIsOfItsThread) {
  set_last_error("mine");
  std::string theirs = "unset";
  std::thread([&] { theirs = last_error(); }).join();
  EXPECT_EQ(theirs, "");
  EXPECT_STREQ(last_error(), "mine");
}

// A host's static objects are destroyed after what is thread_local: their calls may fail too, and
// in a child of fork() those that close a handle do.
TEST(ErrorDeathTest, ACallFromAStaticDestructorMayFail) {
  const auto exit_after_a_failure = [] {
    set_last_error(std::string(100, 'a').c_str());
    std::atexit([] {
      if (std::string(last_error()) != "") std::_Exit(2);
      const std::string longer(1000, 'b');
      set_last_error(longer.c_str());
      std::_Exit(last_error() == longer ? 0 : 3);
    });
    std::exit(1);
  };
  EXPECT_EXIT(exit_after_a_failure(), testing::ExitedWithCode(0), "^$");
}

}  // namespace
}  // namespace hps
