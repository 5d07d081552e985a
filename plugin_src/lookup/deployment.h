// The Deployment that open_deployment gives. Layer: lookup; for this folder.
#pragma once

#include <memory>
#include <mutex>

#include "lookup/service.h"

namespace hps {

/// Opens every table of `config`. @throws Error(kUnsupported) listing all settings this build does
/// not have, and whatever opening a table throws.
std::shared_ptr<const Version> load_version(Config config, const Progress& progress,
                                            std::shared_ptr<ThreadPool> helpers);

class LoadedDeployment final : public Deployment {
 public:
  explicit LoadedDeployment(std::shared_ptr<const Version> version);

  std::shared_ptr<const Version> snapshot() const override;
  void reload(const Progress& progress) override;
  const std::filesystem::path& file() const noexcept override { return file_; }

 private:
  void check_process() const;

  const std::filesystem::path file_;
  const std::uint64_t generation_;  // of the process that opened it
  std::mutex reloading_;            // held while loading, so that reloads are one after the other
  mutable std::mutex mutex_;        // guards version_, held for a pointer copy only
  std::shared_ptr<const Version> version_;
};

}  // namespace hps
