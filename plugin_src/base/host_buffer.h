// Anonymous memory in huge pages, for rows that are read once and then looked up at random.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hps {

enum class HostPages {
  kTransparent,  ///< ordinary memory for which the kernel is asked for huge pages
  kReserved,     ///< from the pool of vm.nr_hugepages, never swapped; allocation fails without it
};

/// Owner of zero-filled memory that starts at a multiple of 2 MiB. Move-only.
class HostBuffer {
 public:
  HostBuffer() = default;
  /// `purpose` names the bytes in messages. No bytes: no memory, any kind of page.
  /// @throws Error(kOutOfMemory); for kReserved its message says how many huge pages are needed,
  /// how many are free, and the command that reserves them.
  HostBuffer(std::uint64_t bytes, HostPages pages, std::string_view purpose);
  ~HostBuffer();
  HostBuffer(HostBuffer&& other) noexcept;
  HostBuffer& operator=(HostBuffer&& other) noexcept;

  std::span<std::byte> bytes() noexcept { return {data_, size_}; }
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  void map_transparent(std::string_view purpose);
  void map_reserved(std::string_view purpose);

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;      ///< bytes asked for
  std::size_t reserved_ = 0;  ///< bytes mapped from data_ on
};

/// The pool of huge pages of the default size, from /proc/meminfo; zeros where there is none.
struct HugePagePool {
  std::uint64_t page_bytes = 0;
  std::uint64_t total = 0;
  std::uint64_t available = 0;  ///< free and not promised to another mapping
};
HugePagePool huge_page_pool();

}  // namespace hps
