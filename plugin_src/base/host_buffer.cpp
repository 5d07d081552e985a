#include "base/host_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace hps {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t round_up(std::uint64_t bytes, std::size_t unit, std::string_view purpose) {
  if (bytes > std::numeric_limits<std::size_t>::max() / 2 - unit) {
    fail(ErrorCode::kOutOfMemory, purpose, ": ", bytes, " bytes are beyond the address space");
  }
  return (static_cast<std::size_t>(bytes) + unit - 1) / unit * unit;
}

}  // namespace

HugePagePool huge_page_pool() {
  HugePagePool pool;
  std::uint64_t free = 0;
  std::uint64_t promised = 0;
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t value = 0;
    if (!(words >> name >> value)) continue;
    if (name == "HugePages_Total:") pool.total = value;
    if (name == "HugePages_Free:") free = value;
    if (name == "HugePages_Rsvd:") promised = value;
    if (name == "Hugepagesize:") pool.page_bytes = value * 1024;
  }
  pool.available = free - std::min(free, promised);
  return pool;
}

HostBuffer::HostBuffer(std::uint64_t bytes, HostPages pages, std::string_view purpose) {
  if (bytes == 0) return;
  (void)round_up(bytes, kHugePage, purpose);  // refuses what no arithmetic below could hold
  size_ = static_cast<std::size_t>(bytes);
  if (pages == HostPages::kReserved) {
    map_reserved(purpose);
  } else {
    map_transparent(purpose);
  }
}

void HostBuffer::map_transparent(std::string_view purpose) {
  reserved_ = round_up(size_, kHugePage, purpose);
  // One huge page more than needed, so that an aligned start lies in it; the ends are given back.
  const std::size_t mapped = reserved_ + kHugePage;
  void* const at =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    fail(ErrorCode::kOutOfMemory, purpose, ": no memory for ", size_, " bytes (", errno_text(errno),
         "); use \"memory\": \"mapped\" or a machine with more of it");
  }
  auto* const start = static_cast<std::byte*>(at);
  const std::size_t head =
      (kHugePage - reinterpret_cast<std::uintptr_t>(start) % kHugePage) % kHugePage;
  if (head != 0) ::munmap(start, head);
  if (head != kHugePage) ::munmap(start + head + reserved_, kHugePage - head);
  data_ = start + head;
  // Advice: where transparent huge pages are switched off, ordinary pages hold the same bytes.
  (void)::madvise(data_, reserved_, MADV_HUGEPAGE);
}

void HostBuffer::map_reserved(std::string_view purpose) {
  const HugePagePool pool = huge_page_pool();
  if (pool.page_bytes == 0) {
    fail(ErrorCode::kOutOfMemory, purpose,
         ": this kernel has no huge pages to reserve; use \"memory\": \"copied\"");
  }
  reserved_ = round_up(size_, static_cast<std::size_t>(pool.page_bytes), purpose);
  void* const at = ::mmap(nullptr, reserved_, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
  if (at == MAP_FAILED) {
    const std::uint64_t needed = reserved_ / pool.page_bytes;
    const std::uint64_t lacking = needed - std::min(needed, pool.available);
    fail(ErrorCode::kOutOfMemory, purpose, ": ", size_, " bytes need ", needed, " huge pages of ",
         pool.page_bytes / 1024, " KiB and ", pool.available, " are free (", errno_text(errno),
         "); reserve them with: sysctl -w vm.nr_hugepages=", pool.total + lacking,
         ", or use \"memory\": \"copied\"");
  }
  data_ = static_cast<std::byte*>(at);
}

HostBuffer::~HostBuffer() {
  if (data_ != nullptr) ::munmap(data_, reserved_);
}

HostBuffer::HostBuffer(HostBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      reserved_(std::exchange(other.reserved_, 0)) {}

HostBuffer& HostBuffer::operator=(HostBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(reserved_, other.reserved_);
  return *this;
}

}  // namespace hps
