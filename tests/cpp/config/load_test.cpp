// Configuration files on disk.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "config/config_texts.h"

namespace hps::test {
namespace {

namespace fs = std::filesystem;

class LoadConfig : public ::testing::Test {
 protected:
  LoadConfig() {
    std::string name = (fs::temp_directory_path() / "hps_load_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = fs::canonical(name);
  }
  ~LoadConfig() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  static void expect_error(const fs::path& file, ErrorCode code, const std::string& part) {
    try {
      load_config(file);
      ADD_FAILURE() << file << " was loaded";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(file.filename().string()), std::string::npos);
    }
  }

  fs::path folder_;
};

TEST_F(LoadConfig, ReadsAFile) {
  const Config config = load_config(write("hps.json", hps_document().dump(2)));
  EXPECT_EQ(config.file, folder_ / "hps.json");
  EXPECT_EQ(config.models[0].tables[0].folder, folder_ / "tables/emb_0");
}

TEST_F(LoadConfig, FollowsLinksToTheCanonicalFile) {
  write("hps.json", hps_document().dump());
  fs::create_directory(folder_ / "links");
  fs::create_symlink("../hps.json", folder_ / "links/here.json");
  const Config config = load_config(folder_ / "links" / "here.json");
  EXPECT_EQ(config.file, folder_ / "hps.json");
  EXPECT_EQ(config.models[1].tables[0].folder, folder_ / "tables/w");
}

TEST_F(LoadConfig, MissingFiles) {
  expect_error(folder_ / "none.json", ErrorCode::kNotFound, "No such file");
  write("file", "x");
  expect_error(folder_ / "file" / "hps.json", ErrorCode::kNotFound, "Not a directory");
  fs::create_symlink("gone.json", folder_ / "link.json");
  expect_error(folder_ / "link.json", ErrorCode::kNotFound, "No such file");
  EXPECT_THROW(load_config(""), Error);
}

TEST_F(LoadConfig, WhatIsNotARegularFile) {
  expect_error(folder_, ErrorCode::kIo, "a folder");
  ASSERT_EQ(::mkfifo((folder_ / "pipe.json").c_str(), 0600), 0);
  expect_error(folder_ / "pipe.json", ErrorCode::kIo, "not a regular file");
  fs::create_symlink("loop.json", folder_ / "loop.json");
  expect_error(folder_ / "loop.json", ErrorCode::kIo, "symbolic links");
}

TEST_F(LoadConfig, UnreadableFiles) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads every file";
  const fs::path file = write("hps.json", hps_document().dump());
  fs::permissions(file, fs::perms::none);
  expect_error(file, ErrorCode::kIo, "Permission denied");
}

TEST_F(LoadConfig, HugeFilesAreRefusedUnread) {
  const fs::path file = write("hps.json", "{}");
  fs::resize_file(file, std::uint64_t{1} << 40);  // sparse
  expect_error(file, ErrorCode::kConfig, "1099511627776 bytes; a configuration has at most");
}

TEST_F(LoadConfig, ErrorsNameTheFile) {
  expect_error(write("hps.json", R"({"format": "hps-trt/1"})"), ErrorCode::kConfig,
               "the key \"models\" is missing");
}

}  // namespace
}  // namespace hps::test
