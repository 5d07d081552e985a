// XXH3-128 checksums: of files (table integrity) and of manifests (bundle ids).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace hps {

/// Streams bytes; `hex` gives the 32 lower-case digits of the canonical form.
class Xxh128 {
 public:
  Xxh128();
  ~Xxh128();
  Xxh128(Xxh128&&) noexcept;
  Xxh128& operator=(Xxh128&&) noexcept;

  void update(std::span<const std::byte> bytes);
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string xxh128_hex(std::string_view text);

}  // namespace hps
