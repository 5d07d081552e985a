#include "lookup/service.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <latch>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "lookup/deployment_folder.h"

namespace hps {
namespace {

using testing_support::config_text;
using testing_support::ConfigText;
using testing_support::Folder;
using testing_support::kDim;
using testing_support::kRows;
using testing_support::value_of;
using testing_support::write_bundle;
using testing_support::write_table;

constexpr const char* kId = "0123456789abcdef0123456789abcdef";
constexpr const char* kOtherId = "fedcba9876543210fedcba9876543210";

struct Rows {
  std::vector<float> values;
  Missing missing;
  float row(std::size_t i) const { return values[i * kDim]; }
  bool whole(std::size_t i) const {
    for (std::uint32_t j = 1; j < kDim; ++j) {
      if (values[i * kDim + j] != values[i * kDim]) return false;
    }
    return true;
  }
};

void look_up(const Version& version, const std::vector<Key>& keys, Rows& rows) {
  rows.values.resize(keys.size() * kDim);
  rows.missing.clear();
  version.models.front().find("t")->lookup(
      {keys.data(), DataType::kInt64, keys.size()},
      {reinterpret_cast<std::byte*>(rows.values.data()), kDim * sizeof(float)}, DataType::kFloat32,
      rows.missing);
}

float first_value(Deployment& deployment, Key key) {
  Rows rows;
  look_up(*deployment.snapshot(), {key}, rows);
  return rows.missing.empty() ? rows.row(0) : -1.0f;
}

template <class Body>
Error error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kOk, "nothing was thrown");
}

bool has(const Error& error, const std::string& part) {
  return std::string(error.what()).find(part) != std::string::npos;
}

TEST(Service, OpensServesAndFrees) {
  const Folder folder;
  const auto file = write_bundle(folder, "b");
  auto deployment = open_deployment(file);
  EXPECT_EQ(first_value(*deployment, 7), value_of(1, 7));
  EXPECT_EQ(deployment->file(), std::filesystem::canonical(file));
  const std::weak_ptr<const Version> version = deployment->snapshot();
  deployment.reset();
  EXPECT_TRUE(version.expired());
}

TEST(Service, OnePathIsOneDeploymentHoweverItIsWritten) {
  const Folder folder;
  const auto file = write_bundle(folder, "b");
  const auto link = folder.path() / "link.json";
  std::filesystem::create_symlink(file, link);
  const auto first = open_deployment(file);
  EXPECT_EQ(open_deployment(folder.path() / "b/../b/hps.json"), first);
  EXPECT_EQ(open_deployment(link), first);
}

TEST(Service, AFileThatBecameAnotherBundleIsOpenedBesideTheOldOne) {
  const Folder folder;
  const auto file = write_bundle(folder, "b", {.bundle_id = kId}, 1);
  const auto old = open_deployment(file);
  write_bundle(folder, "b", {.bundle_id = kOtherId}, 2);
  const auto fresh = open_deployment(file);
  EXPECT_NE(old, fresh);
  EXPECT_EQ(first_value(*old, 3), value_of(1, 3));
  EXPECT_EQ(first_value(*fresh, 3), value_of(2, 3));
}

TEST(Service, ConcurrentOpensLoadOnce) {
  const Folder folder;
  const auto file = write_bundle(folder, "b", {.memory = "copied"});
  constexpr int kThreads = 8;
  std::latch all_there(kThreads);
  std::atomic<int> begun{0};
  std::vector<std::shared_ptr<Deployment>> found(kThreads);
  std::vector<std::thread> threads;
  for (auto& one : found) {
    threads.emplace_back([&] {
      all_there.arrive_and_wait();
      one = open_deployment(file, [&](const std::string&, std::uint64_t done, std::uint64_t) {
        if (done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        ++begun;
        return true;
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& one : found) EXPECT_EQ(one, found.front());
  EXPECT_GT(begun.load(), 0);
  EXPECT_EQ(found.front()->snapshot()->models.size(), 1u);
}

TEST(Service, WhoWaitsForALoadThatFailsGetsItsError) {
  const Folder folder;
  const auto file = write_bundle(folder, "b");
  folder.write("b/tables/t/emb_vector", "short");
  std::atomic<int> told{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      const Error error = error_of([&] { open_deployment(file); });
      if (error.code() == ErrorCode::kTable && has(error, "emb_vector")) ++told;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told.load(), 6);
  write_table(folder, "b/tables/t", 2);
  EXPECT_EQ(first_value(*open_deployment(file), 1), value_of(2, 1));
}

TEST(Service, ProgressMayCancelAndTheNextOpeningStartsAgain) {
  const Folder folder;
  const auto file = write_bundle(folder, "b", {.memory = "copied"});
  const Error error = error_of([&] {
    open_deployment(file, [](const std::string&, std::uint64_t, std::uint64_t) { return false; });
  });
  EXPECT_EQ(error.code(), ErrorCode::kCancelled) << error.what();
  EXPECT_EQ(first_value(*open_deployment(file), 1), value_of(1, 1));
}

TEST(Service, SettingsThatThisBuildDoesNotHaveAreAllNamed) {
  const Folder folder;
  const auto file = write_bundle(
      folder, "b",
      {.extra_table = R"(, "gpu": {"placement": "cached"})",
       .extra_top = R"("volatile": {"type": "redis_cluster", "address": "localhost:7000"}, )"});
  const Error error = error_of([&] { open_deployment(file); });
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
  EXPECT_TRUE(has(error, "hps.json: ")) << error.what();
  EXPECT_TRUE(has(error, "placement")) << error.what();
  EXPECT_TRUE(has(error, "volatile")) << error.what();
}

TEST(Reload, SwapsTheRowsAndDropsTheOverlay) {
  const Folder folder;
  const auto file = write_bundle(folder, "b");
  const auto deployment = open_deployment(file);
  const auto old = deployment->snapshot();
  const Key key = 3;
  const std::vector<float> row(kDim, 77.0f);
  old->find("m")->find("t")->store().put(std::span(&key, 1), std::as_bytes(std::span(row)));
  EXPECT_EQ(first_value(*deployment, 3), 77.0f);
  write_table(folder, "b/tables/t", 2);
  deployment->reload({});
  EXPECT_EQ(first_value(*deployment, 3), value_of(2, 3));
  EXPECT_GT(deployment->snapshot()->serial, old->serial);
  Rows rows;
  look_up(*old, {3, 4}, rows);
  EXPECT_EQ(rows.row(0), 77.0f);
  EXPECT_EQ(rows.row(1), value_of(1, 4));
}

TEST(Reload, AnotherBundleIsRefusedAndABrokenOneToo) {
  const Folder folder;
  const auto file = write_bundle(folder, "b", {.bundle_id = kId});
  const auto deployment = open_deployment(file);
  folder.write("b/hps.json", config_text({.bundle_id = kOtherId}));
  const Error other = error_of([&] { deployment->reload({}); });
  EXPECT_EQ(other.code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(has(other, kId) && has(other, kOtherId)) << other.what();
  folder.write("b/hps.json", "{");
  EXPECT_EQ(error_of([&] { deployment->reload({}); }).code(), ErrorCode::kConfig);
  folder.write("b/hps.json", config_text({.bundle_id = kId, .table_path = "tables/gone"}));
  EXPECT_EQ(error_of([&] { deployment->reload({}); }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(first_value(*deployment, 5), value_of(1, 5));
}

TEST(Reload, HelpersFollowTheConfiguration) {
  const Folder folder;
  const auto file = write_bundle(folder, "b", {.extra_top = R"("threads": 2, )"});
  const auto deployment = open_deployment(file);
  const auto two = deployment->snapshot()->helpers;
  ASSERT_NE(two, nullptr);
  EXPECT_EQ(two->threads(), 2u);
  deployment->reload({});
  EXPECT_EQ(deployment->snapshot()->helpers, two);
  folder.write("b/hps.json", config_text({}));
  deployment->reload({});
  EXPECT_EQ(deployment->snapshot()->helpers, nullptr);
}

// 16 threads look up while two generations of the table are swapped and keys are put and erased:
// every row is a whole row of one generation, or the row that was put, or the default.
TEST(Reload, UnderSixteenThreadsEveryRowIsWhole) {
  const Folder folder;
  const auto file = write_bundle(folder, "b");
  const auto deployment = open_deployment(file);
  constexpr float kPut = 5e6f;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> done{0};
  std::vector<std::thread> threads;
  for (Key seed = 0; seed < 16; ++seed) {
    threads.emplace_back([&, seed] {
      std::vector<Key> keys;
      for (Key i = 0; i < 60; ++i) keys.push_back((i * 7 + seed) % 60);
      Rows rows;
      while (!stop.load()) {
        look_up(*deployment->snapshot(), keys, rows);
        for (std::size_t i = 0; i < keys.size(); ++i) {
          const auto key = static_cast<std::uint64_t>(keys[i]);
          const float value = rows.row(i);
          const bool stored =
              key < kRows && (value == value_of(1, key) || value == value_of(2, key));
          if (!rows.whole(i) || !(stored || value == kPut || value == 0.0f)) ++wrong;
        }
        ++done;
      }
    });
  }
  const std::vector<float> row(kDim, kPut);
  for (std::uint32_t round = 0; round < 40; ++round) {
    write_table(folder, "b/tables/t", 1 + round % 2);
    deployment->reload({});
    Store& store = deployment->snapshot()->models.front().tables.front()->store();
    for (Key key = 40; key < 60; ++key) {
      store.put(std::span(&key, 1), std::as_bytes(std::span(row)));
      if (key % 2 == 0) store.erase(std::span(&key, 1));
    }
    const std::uint64_t before = done.load();
    while (done.load() < before + 32) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_GE(done.load(), 40u * 32u);
}

TEST(Handles, AreNeverReusedAndAStaleOneIsAnError) {
  const Folder folder;
  const auto file = write_bundle(folder, "b");
  const std::uint64_t first = add_handle(open_deployment(file));
  EXPECT_NE(first, 0u);
  EXPECT_EQ(from_handle(first), open_deployment(file));
  drop_handle(first);
  const std::uint64_t second = add_handle(open_deployment(file));
  EXPECT_NE(first, second);
  EXPECT_EQ(error_of([&] { from_handle(first); }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(error_of([&] { drop_handle(first); }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(error_of([&] { from_handle(0); }).code(), ErrorCode::kNotFound);
  drop_handle(second);
}

TEST(Fork, AChildIsToldAndCanOpenAfresh) {
  const Folder folder;
  const auto file = write_bundle(folder, "b", {.extra_top = R"("threads": 2, )"});
  auto deployment = open_deployment(file);
  const std::uint64_t handle = add_handle(deployment);
  deployment->snapshot()->helpers->run(8, [](std::size_t) {});
  const pid_t child = fork();
  if (child == 0) {
    int wrong = 0;
    for (const Error& error :
         {error_of([&] { from_handle(handle); }), error_of([&] { drop_handle(handle); }),
          error_of([&] { deployment->snapshot(); }), error_of([&] { deployment->reload({}); })}) {
      if (error.code() != ErrorCode::kForked || !has(error, "opened before fork")) ++wrong;
    }
    const auto fresh = open_deployment(file);
    if (fresh == deployment || first_value(*fresh, 2) != value_of(1, 2)) ++wrong;
    if (add_handle(fresh) == handle) ++wrong;
    deployment.reset();  // the last holder here: must not wait for threads that do not exist
    _exit(wrong);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(first_value(*from_handle(handle), 2), value_of(1, 2));
  drop_handle(handle);
}

TEST(Statistics, SayWhatWasDone) {
  const Folder folder;
  const auto file = write_bundle(folder, "b", {.bundle_id = kId, .memory = "copied"});
  const auto deployment = open_deployment(file);
  Rows rows;
  look_up(*deployment->snapshot(), {1, 2, 1000}, rows);
  Store& store = deployment->snapshot()->find("m")->find("t")->store();
  const Key changed[] = {3, 2000, 4};
  store.put(std::span(changed, 2), std::as_bytes(std::span(rows.values).first(2 * kDim)));
  store.erase(std::span(changed + 2, 1));
  const auto json = nlohmann::json::parse(statistics_json(*deployment->snapshot()));
  EXPECT_EQ(json["file"], std::filesystem::canonical(file).string());
  EXPECT_EQ(json["bundle_id"], kId);
  const auto& table = json["models"][0]["tables"][0];
  EXPECT_EQ(json["models"][0]["name"], "m");
  EXPECT_EQ(table["name"], "t");
  EXPECT_EQ(table["rows"], kRows);
  EXPECT_EQ(table["dim"], kDim);
  EXPECT_EQ(table["type"], "fp32");
  EXPECT_EQ(table["keys"], "dense");
  EXPECT_EQ(table["memory"], "copied");
  EXPECT_EQ(table["keys_held"], kRows);
  EXPECT_EQ(table["overlay_rows"], 3);
  EXPECT_EQ(table["lookups"], 1);
  EXPECT_EQ(table["keys_looked_up"], 3);
  EXPECT_EQ(table["defaults"], 1);
  EXPECT_EQ(table["failures"], 0);
}

}  // namespace
}  // namespace hps
