#include "base/xxh128.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <new>

namespace hps {

struct Xxh128::State {
  XXH3_state_t* raw = XXH3_createState();
  ~State() { XXH3_freeState(raw); }
};

Xxh128::Xxh128() : state_(std::make_unique<State>()) {
  if (state_->raw == nullptr || XXH3_128bits_reset(state_->raw) != XXH_OK) throw std::bad_alloc();
}
Xxh128::~Xxh128() = default;
Xxh128::Xxh128(Xxh128&&) noexcept = default;
Xxh128& Xxh128::operator=(Xxh128&&) noexcept = default;

void Xxh128::update(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_->raw, bytes.data(), bytes.size());
}

std::string Xxh128::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->raw));
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : canonical.digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string xxh128_hex(std::string_view text) {
  Xxh128 hash;
  hash.update(std::as_bytes(std::span(text.data(), text.size())));
  return hash.hex();
}

}  // namespace hps
