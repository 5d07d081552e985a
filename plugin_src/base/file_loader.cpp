#include "base/file_loader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"

namespace hps {
namespace {

// Small enough for steady progress, large enough that claiming one costs nothing; a block is one
// huge page of the destination, so no two threads fault the same one.
constexpr std::size_t kBlock = std::size_t{2} << 20;
constexpr std::uint64_t kPage = 4096;  // direct reads need multiples of the device's block
constexpr unsigned kMaxThreads = 4;

// Reads one block: through the page cache when its pages are there (measured at twice the speed of
// anything else), past it when they are not (no second copy, and no fight over read-ahead between
// threads).
class BlockReader {
 public:
  BlockReader(const File& file, std::span<std::byte> into, std::uint64_t offset)
      : file_(file), into_(into), offset_(offset) {
    const bool aligned =
        offset % kPage == 0 && reinterpret_cast<std::uintptr_t>(into.data()) % kPage == 0;
    if (!aligned || into.size() < kBlock) return;
    direct_ = FileDescriptor(::open(file.path().c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
    // A file system without direct reads says so here; the page cache serves then. So it does
    // when the name means another file by now.
    if (direct_ && !same_file()) direct_.reset();
    if (direct_) map_ = MappedFile(file);
  }

  void read(std::size_t begin, std::size_t count) const {
    const std::span<std::byte> block = into_.subspan(begin, count);
    const std::uint64_t at = offset_ + begin;
    const std::size_t done = direct_ && !cached(at, count) ? read_direct(block, at) : 0;
    file_.read_at(block.subspan(done), at + done);
  }

 private:
  bool same_file() const;

  // A few pages stand for the block: asking for all takes longer than copying some of them. Where
  // the kernel hides the answer (files of other users) it says "yes".
  bool cached(std::uint64_t at, std::size_t count) const {
    if (at + count > map_.bytes().size()) return true;  // shrunk or hostile: read_at reports it
    const std::byte* const base = map_.bytes().data();
    for (const std::uint64_t part : {0, 1, 2, 3}) {
      const std::uint64_t byte = (at + (count - 1) * part / 3) / kPage * kPage;
      unsigned char state = 0;
      if (::mincore(const_cast<std::byte*>(base + byte), 1, &state) != 0) return true;
      if ((state & 1) == 0) return false;
    }
    return true;
  }

  // Bytes read; the caller reads the rest, and reports what goes wrong, through the page cache.
  std::size_t read_direct(std::span<std::byte> block, std::uint64_t at) const {
    const std::size_t whole = block.size() / kPage * kPage;
    std::size_t done = 0;
    while (done < whole) {
      const ssize_t got =
          ::pread(direct_.get(), block.data() + done, whole - done, static_cast<off_t>(at + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0 || static_cast<std::uint64_t>(got) % kPage != 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  const File& file_;
  const std::span<std::byte> into_;
  const std::uint64_t offset_;
  FileDescriptor direct_;
  MappedFile map_;
};

bool BlockReader::same_file() const {
  // fstat through a second File would open the name a third time; compare the descriptor itself.
  struct stat status {};
  return ::fstat(direct_.get(), &status) == 0 && status.st_dev == file_.identity().device &&
         status.st_ino == file_.identity().inode;
}

// What the readers share. The caller's thread hashes and reports; all of them read.
class Load {
 public:
  Load(const File& file, std::span<std::byte> into, const LoadOptions& options)
      : file_(file),
        into_(into),
        options_(options),
        reader_(file, into, options.offset),
        ready_((into.size() + kBlock - 1) / kBlock, false) {}

  void run() {
    std::vector<std::jthread> helpers;
    const std::size_t wanted = std::min<std::size_t>(thread_count(), ready_.size());
    helpers.reserve(wanted);
    try {
      for (std::size_t i = 1; i < wanted; ++i) helpers.emplace_back([this] { help(); });
    } catch (const std::system_error&) {
      // No more threads to be had: the ones that run, this one among them, do all the blocks.
    }
    try {
      lead();
    } catch (...) {
      stop(std::current_exception());
    }
    helpers.clear();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  unsigned thread_count() const {
    if (options_.threads != 0) return options_.threads;
    return std::clamp(std::thread::hardware_concurrency(), 2U, kMaxThreads);
  }

  std::size_t size_of(std::size_t block) const {
    return std::min(kBlock, into_.size() - block * kBlock);
  }

  std::optional<std::size_t> claim() {
    const std::lock_guard lock(mutex_);
    if (failure_ || next_ == ready_.size()) return std::nullopt;
    return next_++;
  }

  void read(std::size_t block) {
    reader_.read(block * kBlock, size_of(block));
    {
      const std::lock_guard lock(mutex_);
      ready_[block] = true;
      done_ += size_of(block);
    }
    changed_.notify_one();
  }

  void stop(std::exception_ptr failure) {
    {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::move(failure);
    }
    changed_.notify_one();
  }

  void help() {
    try {
      while (const auto block = claim()) read(*block);
    } catch (...) {
      stop(std::current_exception());
    }
  }

  // In turn: hash what is next in order, else read a block, else wait for a helper's.
  void lead() {
    for (std::size_t hashed = 0; hashed < ready_.size();) {
      if (take_ready(hashed)) {
        const std::span<const std::byte> block = into_.subspan(hashed * kBlock, size_of(hashed));
        if (options_.hash != nullptr) options_.hash->update(block);
        ++hashed;
      } else if (const auto block = claim()) {
        read(*block);
        report();
      } else if (wait_for(hashed)) {
        report();
      } else {
        return;
      }
    }
    report();
  }

  bool take_ready(std::size_t block) {
    const std::lock_guard lock(mutex_);
    return !failure_ && ready_[block];
  }

  // False when a reader failed.
  bool wait_for(std::size_t block) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return failure_ || ready_[block]; });
    return !failure_;
  }

  void report() {
    if (!options_.progress) return;
    std::uint64_t done = 0;
    {
      const std::lock_guard lock(mutex_);
      done = done_;
    }
    if (!options_.progress(done)) {
      fail(ErrorCode::kCancelled, file_.path().string(), ": reading was cancelled after ", done,
           " of ", into_.size(), " bytes");
    }
  }

  const File& file_;
  const std::span<std::byte> into_;
  const LoadOptions& options_;
  const BlockReader reader_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::size_t next_ = 0;
  std::uint64_t done_ = 0;
  std::vector<bool> ready_;
  std::exception_ptr failure_;
};

}  // namespace

void load_file(const File& file, std::span<std::byte> into, const LoadOptions& options) {
  if (options.offset > file.size() || into.size() > file.size() - options.offset) {
    fail(ErrorCode::kIo, file.path().string(), ": has ", file.size(), " bytes, but ", into.size(),
         " from byte ", options.offset, " on are to be read");
  }
  if (into.empty()) return;
  Load(file, into, options).run();
}

}  // namespace hps
