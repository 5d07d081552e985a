#include "base/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/fork.h"

namespace hps {
namespace {

// One run(), on its caller's stack. All fields are guarded by State::mutex_.
struct Job {
  const std::function<void(std::size_t)>* body;
  std::size_t tasks;
  std::size_t next = 0;     // first task nobody has taken
  std::size_t running = 0;  // tasks taken and not returned
  Job* behind = nullptr;    // the queue

  bool taken() const noexcept { return next == tasks; }
};

// The host's signals are for the host's threads: helpers are started with all of them blocked.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

class ThreadPool::State {
 public:
  explicit State(unsigned threads) : wanted_(threads) {}
  ~State() { stop(); }

  unsigned wanted() const noexcept { return wanted_; }
  // Read without the lock: in a forked child the lock may be held by a thread that is gone.
  bool of_this_process() const noexcept {
    const std::int64_t owner = owner_.load(std::memory_order_acquire);
    return owner == kNobody || owner == static_cast<std::int64_t>(fork_generation());
  }

  void run(std::size_t tasks, const std::function<void(std::size_t)>& body) {
    Job job{&body, tasks};
    std::unique_lock lock(mutex_);
    start();
    enqueue(&job);
    work_.notify_all();
    while (!job.taken()) do_one(job, lock);
    done_.wait(lock, [&] { return job.running == 0; });
  }

 private:
  // With the lock held. What has been started stays when one more cannot be.
  void start() {
    if (helpers_.size() == wanted_) return;
    watch_forks();
    owner_.store(static_cast<std::int64_t>(fork_generation()), std::memory_order_release);
    const BlockedSignals blocked;
    try {
      helpers_.reserve(wanted_);
      while (helpers_.size() < wanted_) helpers_.emplace_back([this] { serve(); });
    } catch (const std::system_error& error) {
      if (helpers_.empty()) owner_.store(kNobody, std::memory_order_release);
      fail(ErrorCode::kIo, "cannot start lookup thread ", helpers_.size() + 1, " of ", wanted_,
           ": ", error.what(), "; lower 'threads' or raise the limit (ulimit -u)");
    }
  }

  void serve() {
    pthread_setname_np(pthread_self(), "hps-lookup");
    std::unique_lock lock(mutex_);
    while (true) {
      work_.wait(lock, [this] { return stopping_ || first_ != nullptr; });
      if (first_ == nullptr) return;
      do_one(*first_, lock);
    }
  }

  // Takes one task of `job`, which has one; the lock is not held while it runs.
  void do_one(Job& job, std::unique_lock<std::mutex>& lock) {
    const std::size_t task = job.next++;
    if (job.taken()) dequeue(&job);
    ++job.running;
    lock.unlock();
    (*job.body)(task);
    lock.lock();
    if (--job.running == 0 && job.taken()) done_.notify_all();
  }

  void enqueue(Job* job) noexcept {
    Job** end = &first_;
    while (*end != nullptr) end = &(*end)->behind;
    *end = job;
  }
  void dequeue(Job* job) noexcept {
    Job** at = &first_;
    while (*at != job) at = &(*at)->behind;
    *at = job->behind;
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& helper : helpers_) helper.join();
  }

  const unsigned wanted_;
  static constexpr std::int64_t kNobody = -1;
  std::atomic<std::int64_t> owner_{kNobody};  // fork generation of the process with the helpers
  std::mutex mutex_;
  std::condition_variable work_;  // a job has come, or stopping_
  std::condition_variable done_;  // a job has ended
  Job* first_ = nullptr;
  bool stopping_ = false;
  std::vector<std::thread> helpers_;
};

ThreadPool::ThreadPool(unsigned threads) : state_(std::make_unique<State>(threads)) {}

ThreadPool::~ThreadPool() {
  // Destroying the handles of threads that fork() did not copy would wait for them for ever.
  if (!state_->of_this_process()) static_cast<void>(state_.release());
}

unsigned ThreadPool::threads() const noexcept { return state_->wanted(); }

void ThreadPool::run(std::size_t tasks, const std::function<void(std::size_t)>& body) {
  if (!state_->of_this_process()) {
    fail(ErrorCode::kForked,
         "lookup threads were started before fork: open the configuration again");
  }
  if (tasks > 1 && state_->wanted() > 0) return state_->run(tasks, body);
  for (std::size_t task = 0; task < tasks; ++task) body(task);
}

}  // namespace hps
