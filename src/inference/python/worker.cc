// SPDX-License-Identifier: Apache-2.0
// A prediction by a Python model: hands the batch to a process and waits for its answer.
#include "inference/python/worker.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "inference/request_check.h"

namespace slipway::inference::python {
namespace {

constexpr int64_t kOpenFiles = 4096;
constexpr size_t kMostOutputSegments = 8;
constexpr base::Micros kEndGrace = 2 * base::kSecond;
constexpr base::Micros kDeathGrace = base::kSecond / 2;
constexpr int64_t kMostRollupBytes = 1 << 16;
constexpr size_t kMostNameBytes = 1000, kMostRank = 64;

base::Status Timeout(std::string message) {
  return {base::Code::kDeadlineExceeded, std::string(kWorkerTimeout), std::move(message)};
}

base::Status CheckNames(const Request& request) {
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const std::string place = "inputs[" + std::to_string(i) + "]";
    if (request.inputs[i].name.size() > kMostNameBytes)
      return base::InvalidArgument(place + ".name", "a name has at most 1000 bytes");
    if (request.inputs[i].tensor.shape().size() > kMostRank)
      return base::InvalidArgument(place + ".shape", "a tensor has at most 64 dimensions");
  }
  return base::Status::Ok();
}

std::string HowItEnded(const base::ProcessExit& end) {
  if (end.exited) return "ended with status " + std::to_string(end.exit_status);
  return "was ended by signal " + std::to_string(end.signal) + " (" + strsignal(end.signal) + ")";
}

}  // namespace

base::Result<std::unique_ptr<Worker>> Worker::Start(const WorkerSpec& spec,
                                                    std::shared_ptr<Supervisor> supervisor) {
  std::unique_ptr<Worker> worker(new Worker(spec, std::move(supervisor)));
  TRY(worker->Open());
  return worker;
}

base::Status Worker::Open() {
  std::array<int, 2> ends{}, pipe_ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return base::FromErrno(errno, "make a worker's socket");
  channel_ = base::FileHandle(ends[0]);
  const base::FileHandle theirs(ends[1]);
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return base::FromErrno(errno, "make a pipe");
  output_ = std::make_shared<Output>(spec_.model, base::FileHandle(pipe_ends[0]));
  const base::FileHandle write_end(pipe_ends[1]);
  fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
  base::ProcessSpec process;
  process.argv = spec_.argv;
  process.environment = spec_.environment;
  process.working_directory = spec_.folder;
  process.output_path = "/proc/self/fd/" + std::to_string(write_end.fd());
  process.channel = theirs.fd();
  process.only_environment = true;
  process.memory_bytes = spec_.memory_bytes;
  process.open_files = kOpenFiles;
  process.sandboxed = true;
  process.network = spec_.network;
  process_ = TRY(supervisor_->Spawn(process));
  supervisor_->Watch(output_);
  packet_.resize(kMostMessageBytes);
  return Send(MakeMessage(ToWorker::kLoad, {}, 0, 0, spec_.load));
}

Worker::~Worker() {
  Hangup();
  // It ends by itself when nobody is at the other end; Kill waits for that, then insists.
  if (process_) {
    static_cast<void>(process_->Wait(usable_ ? kEndGrace : 0));
    process_->Kill(0);
  }
  if (output_) {
    output_->Drain();
    supervisor_->Forget(output_);
  }
}

void Worker::Hangup() {
  if (channel_.valid()) shutdown(channel_.fd(), SHUT_RDWR);
}

base::Result<ModelDescription> Worker::Load() {
  const Message message = TRY(Await(spec_.load_timeout));
  const auto json = base::Json::Parse(message.rest);
  if (static_cast<FromWorker>(message.head.kind) == FromWorker::kReady && json.ok())
    return ReadDescription(*json);
  if (static_cast<FromWorker>(message.head.kind) == FromWorker::kError && json.ok()) {
    usable_ = false;
    return ReadFailure(*json);
  }
  return Failed(base::Internal("worker_garbled", "the model's worker did not say what it loaded"));
}

base::Status Worker::SetTimeout(base::Micros timeout) {
  if (timeout == timeout_) return base::Status::Ok();
  const timeval time{timeout / base::kSecond, timeout % base::kSecond};
  if (setsockopt(channel_.fd(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) != 0)
    return base::FromErrno(errno, "set a worker's time limit");
  timeout_ = timeout;
  return base::Status::Ok();
}

base::Status Worker::Send(const std::string& packet) {
  ssize_t sent = -1;
  do {
    sent = send(channel_.fd(), packet.data(), packet.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return base::Status::Ok();
  if (errno == EMSGSIZE)
    return base::InvalidArgument("inputs", "names and parameters do not fit one message",
                                 "too_many_inputs");
  return Crashed();
}

base::Result<Message> Worker::Receive(base::Micros limit) {
  TRY(SetTimeout(limit));
  ssize_t got = -1;
  do {
    got = recv(channel_.fd(), packet_.data(), packet_.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    auto message = ParseMessage(std::string_view(packet_).substr(0, static_cast<size_t>(got)));
    if (!message.ok()) return Failed(message.status());
    return message;
  }
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    return Failed(Timeout("the model's worker took longer than " + base::FormatDuration(limit) +
                          " and was ended"));
  }
  return Crashed();
}

base::Result<Message> Worker::Await(base::Micros limit) {
  while (true) {
    const Message message = TRY(Receive(limit));
    if (static_cast<FromWorker>(message.head.kind) != FromWorker::kGrow) return message;
    TRY(Grow(message));
  }
}

base::Status Worker::Crashed() {
  usable_ = false;
  auto end = process_->Wait(kDeathGrace);
  if (!end.ok()) {
    process_->Kill(0);
    end = process_->Wait(0);
  }
  output_->Drain();
  std::string message = "the model's worker " + (end.ok() ? HowItEnded(*end) : "ended");
  if (const std::string tail = output_->Tail(); !tail.empty())
    message += "; the last that it printed:\n" + tail;
  return base::Internal(std::string(kWorkerCrashed), message);
}

base::Status Worker::Failed(base::Status status) {
  usable_ = false;
  process_->Kill(0);
  return status;
}

base::Result<std::shared_ptr<Segment>> Worker::NewSegment(size_t bytes) {
  auto segment = TRY(Segment::Make(next_segment_++, bytes));
  const uint64_t size = segment->bytes().size();
  const std::string_view table(reinterpret_cast<const char*>(&size), sizeof(size));
  TRY(Send(MakeMessage(ToWorker::kSegment, table, segment->number(), 0, {})));
  char byte = 0;
  iovec content{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = segment->fd();
  std::memcpy(CMSG_DATA(part), &fd, sizeof(fd));
  if (sendmsg(channel_.fd(), &message, MSG_NOSIGNAL) < 0) return Crashed();
  segment->CloseFile();
  return segment;
}

base::Status Worker::ForgetSegment(uint32_t number) {
  return Send(MakeMessage(ToWorker::kForget, {}, number, 0, {}));
}

// An output segment that no answer looks into any more; 0: none yet, the worker will ask.
base::Result<uint32_t> Worker::FreeOutput() {
  for (const auto& segment : outputs_) {
    if (segment.use_count() == 1) return segment->number();
  }
  if (outputs_.empty()) return 0U;
  if (outputs_.size() >= kMostOutputSegments) {
    // Whoever looks into it keeps the memory; only the worker lets go.
    TRY(ForgetSegment(outputs_.front()->number()));
    outputs_.erase(outputs_.begin());
  }
  outputs_.push_back(TRY(NewSegment(outputs_.back()->bytes().size())));
  return outputs_.back()->number();
}

base::Status Worker::Grow(const Message& wanted) {
  uint64_t bytes = 0;
  if (wanted.table.size() != sizeof(bytes))
    return Failed(base::Internal("worker_garbled", "the model's worker asked for no size"));
  std::memcpy(&bytes, wanted.table.data(), sizeof(bytes));
  if (bytes > spec_.most_segment_bytes) {
    const base::Json refusal = base::Json::MakeObject(
        {{"message", "the answer takes " + std::to_string(bytes) + " bytes, at most " +
                         std::to_string(spec_.most_segment_bytes) + " (python.max_message_mb)"}});
    return Send(MakeMessage(ToWorker::kMore, {}, 0, 0, refusal.Dump()));
  }
  // Those that were too small once would be again.
  for (auto at = outputs_.begin(); at != outputs_.end();) {
    if (at->use_count() == 1) {
      TRY(ForgetSegment((*at)->number()));
      at = outputs_.erase(at);
    } else {
      ++at;
    }
  }
  outputs_.push_back(TRY(NewSegment(bytes)));
  return Send(MakeMessage(ToWorker::kMore, {}, outputs_.back()->number(), 0, {}));
}

base::Status Worker::SendRequest(ToWorker kind, const Request& request) {
  TRY(CheckNames(request));
  const size_t bytes = PlacedBytes(request.inputs);
  if (bytes > spec_.most_segment_bytes) {
    return base::InvalidArgument("inputs",
                                 "the tensors take " + std::to_string(bytes) + " bytes, at most " +
                                     std::to_string(spec_.most_segment_bytes) +
                                     " (python.max_message_mb)",
                                 "inputs_too_large");
  }
  if (input_ == nullptr || input_->bytes().size() < bytes) {
    if (input_ != nullptr) TRY(ForgetSegment(input_->number()));
    input_ = nullptr;
    input_ = TRY(NewSegment(bytes));
  }
  table_.clear();
  PlaceTensors(request.inputs, input_->bytes(), table_);
  const std::string packet =
      MakeMessage(kind, table_, input_->number(), TRY(FreeOutput()), RestOf(request));
  if (packet.size() > kMostMessageBytes) {
    return base::InvalidArgument("inputs", "names and parameters do not fit one message",
                                 "too_many_inputs");
  }
  return Send(packet);
}

void Worker::NoteKept(const Message& message) {
  if ((message.head.second & kInputKept) == 0 || input_ == nullptr) return;
  if (ForgetSegment(input_->number()).ok()) input_ = nullptr;
}

base::Result<Response> Worker::TakeAnswer(const Message& message) {
  NoteKept(message);
  std::shared_ptr<Segment> segment;
  for (const auto& one : outputs_) {
    if (one->number() == message.head.first) segment = one;
  }
  Response response;
  auto tensors = TakeTensors(message.table, segment);
  if (!tensors.ok()) return Failed(tensors.status());
  response.outputs = std::move(*tensors);
  return response;
}

base::Status Worker::TakeFailure(const Message& message) {
  NoteKept(message);
  const auto json = base::Json::Parse(message.rest);
  if (static_cast<FromWorker>(message.head.kind) != FromWorker::kError || !json.ok())
    return Failed(base::Internal("worker_garbled", "the model's worker answered out of turn"));
  const auto recycle = base::OptionalBool(*json, "recycle");
  if (recycle.ok() && recycle->value_or(false)) usable_ = false;
  return ReadFailure(*json);
}

base::Result<Response> Worker::Run(const Request& request) {
  TRY(SendRequest(ToWorker::kRun, request));
  const Message message = TRY(Await(spec_.run_timeout));
  if (static_cast<FromWorker>(message.head.kind) == FromWorker::kAnswer) return TakeAnswer(message);
  return TakeFailure(message);
}

base::Status Worker::Stream(const Request& request, const Session::Part& part) {
  TRY(SendRequest(ToWorker::kStream, request));
  while (true) {
    const Message message = TRY(Await(spec_.run_timeout));
    const auto kind = static_cast<FromWorker>(message.head.kind);
    if (kind == FromWorker::kEnd) {
      NoteKept(message);
      return base::Status::Ok();
    }
    if (kind != FromWorker::kPart) return TakeFailure(message);
    const bool more = part(TRY(TakeAnswer(message)));
    TRY(Send(MakeMessage(ToWorker::kMore, {}, TRY(FreeOutput()), more ? 0 : 1, {})));
  }
}

int64_t Worker::memory_bytes() const {
  const auto text = base::ReadFile("/proc/" + std::to_string(process_->pid()) + "/smaps_rollup",
                                   kMostRollupBytes);
  constexpr std::string_view kLabel = "\nPss:";
  const size_t at = text.ok() ? text->find(kLabel) : std::string::npos;
  if (at == std::string::npos) return 0;
  return std::strtoll(text->c_str() + at + kLabel.size(), nullptr, 10) * 1024;
}

}  // namespace slipway::inference::python
