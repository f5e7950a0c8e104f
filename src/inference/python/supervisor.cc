// SPDX-License-Identifier: Apache-2.0
// Loading a Python model: its processes, and what they print.
#include "inference/python/supervisor.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <future>
#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace slipway::inference::python {
namespace {

constexpr size_t kMostLineBytes = 2000;
constexpr size_t kTailLines = 20;
constexpr int64_t kMostLinesASecond = 50;
constexpr int kMostReads = 64;  // of one Drain, so that a chatty worker does not hold up the others

}  // namespace

bool Output::Drain() {
  std::array<char, 16384> buffer;
  for (int i = 0; i < kMostReads; ++i) {
    const ssize_t size = read(read_end_.fd(), buffer.data(), buffer.size());
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) return false;
    std::lock_guard lock(mutex_);
    Take({buffer.data(), static_cast<size_t>(size)});
  }
  return true;
}

void Output::Take(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    begun_ += bytes.substr(0, std::min(end, kMostLineBytes));
    if (end == std::string_view::npos && begun_.size() < kMostLineBytes) return;
    Line(std::string_view(begun_).substr(0, kMostLineBytes));
    begun_.clear();
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  }
}

void Output::Line(std::string_view line) {
  if (line.empty()) return;
  tail_.emplace_back(line);
  if (tail_.size() > kTailLines) tail_.pop_front();
  const int64_t now = base::MonotonicNanos() / 1'000'000'000;
  if (now != second_) {
    if (lines_ > kMostLinesASecond) {
      base::Log(base::LogLevel::kWarning, "python", "lines of the model were left out",
                {{"model", model_}, {"lines", lines_ - kMostLinesASecond}});
    }
    second_ = now;
    lines_ = 0;
  }
  if (++lines_ <= kMostLinesASecond)
    base::Log(base::LogLevel::kInfo, "python", line, {{"model", model_}});
}

std::string Output::Tail() const {
  std::lock_guard lock(mutex_);
  std::string text;
  for (const std::string& line : tail_) text += (text.empty() ? "" : "\n") + line;
  if (!begun_.empty()) text += (text.empty() ? "" : "\n") + begun_;
  return text;
}

base::Result<std::shared_ptr<Supervisor>> Supervisor::Start() {
  base::FileHandle poll(epoll_create1(EPOLL_CLOEXEC));
  base::FileHandle wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  if (!poll.valid() || !wake.valid() || epoll_ctl(poll.fd(), EPOLL_CTL_ADD, wake.fd(), &event) != 0)
    return base::FromErrno(errno, "watch workers");
  return std::shared_ptr<Supervisor>(new Supervisor(std::move(poll), std::move(wake)));
}

Supervisor::Supervisor(base::FileHandle poll, base::FileHandle wake)
    : poll_(std::move(poll)), wake_(std::move(wake)), thread_([this] { Run(); }) {}

Supervisor::~Supervisor() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  eventfd_write(wake_.fd(), 1);
  thread_.join();
}

base::Result<base::Process> Supervisor::Spawn(const base::ProcessSpec& spec) {
  auto promise = std::make_shared<std::promise<base::Result<base::Process>>>();
  auto future = promise->get_future();
  {
    std::lock_guard lock(mutex_);
    tasks_.emplace_back([promise, &spec] { promise->set_value(base::Process::Start(spec)); });
  }
  eventfd_write(wake_.fd(), 1);
  return future.get();
}

void Supervisor::Watch(const std::shared_ptr<Output>& output) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = output.get();
  std::lock_guard lock(mutex_);
  outputs_.push_back(output);
  epoll_ctl(poll_.fd(), EPOLL_CTL_ADD, output->fd(), &event);
}

void Supervisor::Forget(const std::shared_ptr<Output>& output) {
  std::lock_guard lock(mutex_);
  if (std::erase(outputs_, output) > 0) epoll_ctl(poll_.fd(), EPOLL_CTL_DEL, output->fd(), nullptr);
}

void Supervisor::RunTasks() {
  uint64_t count = 0;
  eventfd_read(wake_.fd(), &count);
  while (true) {
    std::function<void()> task;
    {
      std::lock_guard lock(mutex_);
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

void Supervisor::Run() {
  pthread_setname_np(pthread_self(), "python");
  std::array<epoll_event, 32> events;
  while (true) {
    const int ready = epoll_wait(poll_.fd(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      if (events[static_cast<size_t>(i)].data.ptr == nullptr) {
        RunTasks();
        continue;
      }
      std::shared_ptr<Output> output;
      {
        std::lock_guard lock(mutex_);
        const auto found =
            std::ranges::find(outputs_, events[static_cast<size_t>(i)].data.ptr,
                              [](const auto& one) { return static_cast<void*>(one.get()); });
        if (found != outputs_.end()) output = *found;
      }
      if (output && !output->Drain()) Forget(output);
    }
    std::lock_guard lock(mutex_);
    if (stopping_ && tasks_.empty()) return;
  }
}

}  // namespace slipway::inference::python
