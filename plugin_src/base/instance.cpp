#include "base/instance.h"

#include <elf.h>
#include <link.h>

#include <cstring>
#include <string_view>

namespace hps {
namespace {

// What the loader keeps of an object's dynamic symbols. Read instead of asked for with dlsym: that
// needs the loader's lock, which a thread in the constructor of another copy may hold for long.
struct Symbols {
  ElfW(Addr) base = 0;
  const ElfW(Sym) * table = nullptr;
  const char* names = nullptr;
  const std::uint32_t* gnu_hash = nullptr;
};

Symbols symbols_of(const dl_phdr_info& object) {
  Symbols found;
  found.base = object.dlpi_addr;
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    if (object.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    // The loader has turned the addresses here into pointers, but for objects of the kernel's own.
    const auto pointer = [&](ElfW(Addr) at) { return at < found.base ? at + found.base : at; };
    const auto* entry =
        reinterpret_cast<const ElfW(Dyn)*>(found.base + object.dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      const ElfW(Addr) at = pointer(entry->d_un.d_ptr);
      if (entry->d_tag == DT_SYMTAB) found.table = reinterpret_cast<const ElfW(Sym)*>(at);
      if (entry->d_tag == DT_STRTAB) found.names = reinterpret_cast<const char*>(at);
      if (entry->d_tag == DT_GNU_HASH) found.gnu_hash = reinterpret_cast<const std::uint32_t*>(at);
    }
  }
  return found;
}

std::uint32_t gnu_hash_of(std::string_view name) {
  std::uint32_t hash = 5381;
  for (const char c : name) hash = hash * 33 + static_cast<unsigned char>(c);
  return hash;
}

// Address of the 4-byte (or wider) object `name` that `symbols` defines; null when it has none.
const void* find_object(const Symbols& symbols, const char* name) {
  if (symbols.table == nullptr || symbols.names == nullptr || symbols.gnu_hash == nullptr) {
    return nullptr;
  }
  const std::uint32_t buckets = symbols.gnu_hash[0];
  const std::uint32_t first = symbols.gnu_hash[1];
  const std::uint32_t bloom_words = symbols.gnu_hash[2] * (sizeof(ElfW(Addr)) / 4);
  if (buckets == 0) return nullptr;
  const std::uint32_t* const bucket = symbols.gnu_hash + 4 + bloom_words;
  const std::uint32_t* const chain = bucket + buckets;
  const std::uint32_t hash = gnu_hash_of(name);
  std::uint32_t at = bucket[hash % buckets];
  if (at < first) return nullptr;
  while (true) {
    const std::uint32_t link = chain[at - first];
    const ElfW(Sym)& symbol = symbols.table[at];
    if ((link | 1) == (hash | 1) && symbol.st_shndx != SHN_UNDEF && symbol.st_size >= 4 &&
        (symbol.st_info & 0xf) == STT_OBJECT &&
        std::strcmp(symbols.names + symbol.st_name, name) == 0) {
      return reinterpret_cast<const void*>(symbols.base + symbol.st_value);
    }
    if ((link & 1) != 0) return nullptr;
    ++at;
  }
}

struct Claim {
  const char* name;
  InstanceMarker* marker;
  bool lost = false;
  std::string other = {};
};

int look_at(dl_phdr_info* object, std::size_t, void* data) {
  Claim& claim = *static_cast<Claim*>(data);
  const void* const found = find_object(symbols_of(*object), claim.name);
  if (found == nullptr || found == claim.marker) return 0;
  if (static_cast<const InstanceMarker*>(found)->load(std::memory_order_acquire) == 0) return 0;
  claim.lost = true;
  claim.other = object->dlpi_name != nullptr ? object->dlpi_name : "";
  return 1;
}

// Runs with the loader's list locked, as every callback does: nobody else claims meanwhile.
int look_and_claim(dl_phdr_info*, std::size_t, void* data) {
  Claim& claim = *static_cast<Claim*>(data);
  dl_iterate_phdr(look_at, data);
  if (!claim.lost) claim.marker->store(1, std::memory_order_release);
  return 1;
}

}  // namespace

bool claim_process(const char* marker_name, InstanceMarker& marker, std::string* other) {
  if (marker.load(std::memory_order_acquire) != 0) return true;
  Claim claim{marker_name, &marker};
  dl_iterate_phdr(look_and_claim, &claim);
  if (claim.lost && other != nullptr) *other = claim.other;
  return !claim.lost;
}

}  // namespace hps
