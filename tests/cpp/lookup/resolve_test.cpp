#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/error.h"
#include "lookup/deployment_folder.h"
#include "lookup/service.h"

namespace hps {
namespace {

using testing_support::config_text;
using testing_support::Environment;
using testing_support::Folder;
using testing_support::write_bundle;

constexpr const char* kId = "0123456789abcdef0123456789abcdef";
constexpr const char* kOtherId = "fedcba9876543210fedcba9876543210";

class Resolve : public testing::Test {
 protected:
  std::uint64_t open(const std::filesystem::path& file) {
    handles_.push_back(add_handle(open_deployment(file)));
    return handles_.back();
  }
  ~Resolve() override {
    for (const std::uint64_t handle : handles_) drop_handle(handle);
  }

  static std::filesystem::path found(const NodeIdentity& identity) {
    return resolve_deployment(identity)->file();
  }
  static std::string not_found(const NodeIdentity& identity) {
    try {
      resolve_deployment(identity);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNotFound) << error.what();
      return error.what();
    }
    return "it was found";
  }

  const Folder folder_;

 private:
  std::vector<std::uint64_t> handles_;
};

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(Resolve, ABundleMatchesByItsIdAmongThoseOpened) {
  const auto first = write_bundle(folder_, "a", {.bundle_id = kId});
  const auto second = write_bundle(folder_, "b", {.bundle_id = kOtherId});
  open(first);
  open(second);
  EXPECT_EQ(found({2, kId, "m", ""}), std::filesystem::canonical(first));
  EXPECT_EQ(found({2, kOtherId, "m", ""}), std::filesystem::canonical(second));
}

TEST_F(Resolve, ByModelNameTheNewestOpenedOneIsMeant) {
  const auto first = write_bundle(folder_, "a", {.bundle_id = kId});
  const auto second = write_bundle(folder_, "b");
  open(first);
  const std::uint64_t newest = open(second);
  EXPECT_EQ(found({1, "", "m", ""}), std::filesystem::canonical(second));
  EXPECT_EQ(found({2, "-", "m", ""}), std::filesystem::canonical(second));
  EXPECT_EQ(found({2, "", "m", ""}), std::filesystem::canonical(second));
  EXPECT_NE(from_handle(newest), nullptr);
}

TEST_F(Resolve, OpenedOnesComeBeforeTheVariableAndThatBeforeTheNodesFile) {
  const auto opened = write_bundle(folder_, "a");
  const auto listed = write_bundle(folder_, "b");
  const auto named = write_bundle(folder_, "c");
  const NodeIdentity node{1, "", "m", named.string()};
  EXPECT_EQ(found(node), std::filesystem::canonical(named));
  const Environment variable("HPS_TRT_CONFIG", listed.string());
  EXPECT_EQ(found(node), std::filesystem::canonical(listed));
  open(opened);
  EXPECT_EQ(found(node), std::filesystem::canonical(opened));
}

TEST_F(Resolve, TheVariableHoldsFilesAndSortedGlobsAndBadEntriesAreSkipped) {
  write_bundle(folder_, "z", {.model = "m"});
  write_bundle(folder_, "y", {.model = "m"});
  folder_.write("x/hps.json", "no json");
  write_bundle(folder_, "only", {.model = "wanted"});
  const std::string root = folder_.path().string();
  const Environment variable("HPS_TRT_CONFIG", "::" + root + "/gone.json:" + root +
                                                   "/[xyz]/hps.json:" + root + "/only/hps.json");
  EXPECT_EQ(found({1, "", "m", ""}), std::filesystem::canonical(folder_.path() / "y/hps.json"));
  EXPECT_EQ(found({1, "", "wanted", ""}),
            std::filesystem::canonical(folder_.path() / "only/hps.json"));
}

TEST_F(Resolve, TheVariableIsLookedThroughAgain) {
  const std::string root = folder_.path().string();
  const Environment variable("HPS_TRT_CONFIG", root + "/*/hps.json");
  EXPECT_HAS(not_found({2, kId, "m", ""}), "/*/hps.json: does not exist");
  write_bundle(folder_, "a", {.bundle_id = kOtherId});
  EXPECT_HAS(not_found({2, kId, "m", ""}), std::string("is bundle ") + kOtherId);
  folder_.write("a/hps.json", config_text({.bundle_id = kId}));
  EXPECT_EQ(found({2, kId, "m", ""}), std::filesystem::canonical(folder_.path() / "a/hps.json"));
}

// What kept a file from being read may pass without a trace on the file.
TEST_F(Resolve, AFileThatCouldNotBeReadIsReadAgain) {
  const auto file = write_bundle(folder_, "a", {.bundle_id = kId});
  const Environment variable("HPS_TRT_CONFIG", file.string());
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{0, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::string text = not_found({2, kId, "m", ""});
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_HAS(text, "Too many open files");
  EXPECT_EQ(found({2, kId, "m", ""}), std::filesystem::canonical(file));
}

TEST_F(Resolve, TheNodesFileMustBeTheNodesBundle) {
  const auto file = write_bundle(folder_, "a", {.bundle_id = kOtherId});
  const std::string text = not_found({2, kId, "m", file.string()});
  EXPECT_HAS(text, std::string("bundle ") + kId);
  EXPECT_HAS(text, std::string("is bundle ") + kOtherId);
}

TEST_F(Resolve, TheMessageListsAllThatWasLookedThroughAndHowToMendIt) {
  open(write_bundle(folder_, "a", {.model = "other"}));
  folder_.write("broken.json", "no json");
  const Environment variable("HPS_TRT_CONFIG", (folder_.path() / "broken.json").string());
  const std::string text = not_found({1, "", "m", "/nowhere/ps.json"});
  EXPECT_HAS(text, "model 'm'");
  EXPECT_HAS(text, "a/hps.json: has only model other");
  EXPECT_HAS(text, "HPS_TRT_CONFIG " + (folder_.path() / "broken.json").string());
  EXPECT_HAS(text, "the node's /nowhere/ps.json: does not exist");
  EXPECT_HAS(text, "hps_open");
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST_F(Resolve, AFileWithoutAnIdIsNoBundle) {
  open(write_bundle(folder_, "a"));
  EXPECT_HAS(not_found({2, kId, "m", ""}), "has no bundle id");
}

// Only the configuration that matches is loaded: one whose tables are missing does no harm.
TEST_F(Resolve, TablesOfOtherBundlesAreNotTouched) {
  folder_.write("a/hps.json", config_text({.bundle_id = kOtherId, .table_path = "tables/gone"}));
  write_bundle(folder_, "b", {.bundle_id = kId});
  const Environment variable("HPS_TRT_CONFIG", folder_.path().string() + "/*/hps.json");
  EXPECT_EQ(found({2, kId, "m", ""}), std::filesystem::canonical(folder_.path() / "b/hps.json"));
}

TEST_F(Resolve, AMatchThatCannotBeLoadedIsAnErrorOfItsOwn) {
  const auto file = folder_.write("a/hps.json", config_text({.table_path = "tables/gone"}));
  try {
    resolve_deployment({1, "", "m", file.string()});
    FAIL() << "it was found";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("gone"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace hps
