#include "base/error.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
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

}  // namespace
}  // namespace hps
