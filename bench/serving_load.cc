// SPDX-License-Identifier: Apache-2.0
// slipway_bench_load: one thread that keeps C requests under way and counts answers.
//   slipway_bench_load http HOST:PORT TARGET BODY_FILE CONNECTIONS SECONDS [HEADER: VALUE]...
//   slipway_bench_load grpc HOST:PORT /package.Service/Method MESSAGE_FILE CALLS SECONDS
//   slipway_bench_load open=RATE HOST:PORT TARGET BODY_FILE CONNECTIONS SECONDS [HEADER: VALUE]...
// HTTP: C connections, one request at a time on each. gRPC: C calls at a time on one channel; the
// message is sent as its bytes. Open: RATE requests a second fall due whatever the server does,
// each goes to a connection that is free, and its latency counts from when it fell due; answers
// 429, 503 and 504 are counted as refused. The first tenth of the time is not counted. Prints one
// JSON line: rate, p50_us, p99_us, answers, refused, unsent (no connection was free), failures, all
// (with the first tenth).
#include <arpa/inet.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace {

using slipway::base::MonotonicNanos;

struct Load {
  std::string host;
  int port = 0;
  std::string target;
  std::string body;
  int under_way = 1;
  double seconds = 1;
  std::vector<std::string> headers;
  double rate = 0;  // of open load
};

enum class Got { kMore, kAnswer, kRefused, kFailure, kClosed };

// What came back, after the first tenth of the time.
class Tally {
 public:
  explicit Tally(double seconds)
      : begin_(MonotonicNanos() + static_cast<int64_t>(seconds * 1e8)),
        end_(begin_ + static_cast<int64_t>(seconds * 9e8)) {
    latencies_.reserve(4'000'000);
  }
  bool over() const { return MonotonicNanos() >= end_; }
  void Unsent() { ++unsent_; }
  void Answer(int64_t sent_ns, Got got) {
    const int64_t now = MonotonicNanos();
    ++all_;
    if (now < begin_ || now >= end_) return;
    if (got == Got::kRefused) {
      ++refused_;
    } else if (got != Got::kAnswer) {
      ++failures_;
    } else {
      latencies_.push_back(static_cast<uint32_t>(std::min<int64_t>(now - sent_ns, UINT32_MAX)));
    }
  }
  int Print() {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [&](double share) {
      return latencies_.empty() ? 0.0
                                : latencies_[static_cast<size_t>(
                                      share * static_cast<double>(latencies_.size() - 1))] /
                                      1000.0;
    };
    std::printf(
        "{\"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"answers\": %zu, \"refused\": %ld, "
        "\"unsent\": %ld, \"failures\": %ld, \"all\": %ld}\n",
        static_cast<double>(latencies_.size()) * 1e9 / static_cast<double>(end_ - begin_), at(0.5),
        at(0.99), latencies_.size(), static_cast<long>(refused_), static_cast<long>(unsent_),
        static_cast<long>(failures_), static_cast<long>(all_));
    return failures_ == 0 && !latencies_.empty() ? 0 : 1;
  }

 private:
  const int64_t begin_;
  const int64_t end_;
  std::vector<uint32_t> latencies_;
  int64_t refused_ = 0;
  int64_t unsent_ = 0;
  int64_t failures_ = 0;
  int64_t all_ = 0;  // the first tenth too: what the server worked for
};

int Fail(const char* what) {
  std::perror(what);
  return 1;
}

// One connection with one request under way.
class Connection {
 public:
  bool Open(const Load& load) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(load.port));
    inet_pton(AF_INET, load.host.c_str(), &address.sin_addr);
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }
  int64_t sent_ns() const { return sent_ns_; }

  bool Send(const std::string& request) { return Send(request, MonotonicNanos()); }
  bool Send(const std::string& request, int64_t due_ns) {
    sent_ns_ = due_ns;
    size_t sent = 0;
    while (sent < request.size()) {
      const ssize_t n = send(fd_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<size_t>(n);
    }
    return true;
  }
  Got Receive() {
    const size_t have = seen_.size();
    seen_.resize(have + 16384);
    const ssize_t n = recv(fd_, seen_.data() + have, 16384, 0);
    seen_.resize(have + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (n <= 0) return Got::kClosed;
    const size_t head = seen_.find("\r\n\r\n");
    if (head == std::string::npos) return Got::kMore;
    const std::string_view text(seen_.data(), head);
    constexpr std::string_view kLength = "ontent-Length: ";
    size_t place = text.find(kLength);
    if (place == std::string_view::npos) place = text.find("ontent-length: ");
    if (place == std::string_view::npos) return Got::kClosed;
    size_t length = 0;
    std::from_chars(text.data() + place + kLength.size(), text.data() + text.size(), length);
    if (seen_.size() < head + 4 + length) return Got::kMore;
    const std::string_view status = text.substr(text.find(' ') + 1, 3);
    const bool refused = status == "429" || status == "503" || status == "504";
    const Got got = status == "200" ? Got::kAnswer : refused ? Got::kRefused : Got::kFailure;
    seen_.clear();
    return got;
  }

 private:
  int fd_ = -1;
  int64_t sent_ns_ = 0;
  std::string seen_;
};

std::string RequestText(const Load& load) {
  std::string request = "POST " + load.target + " HTTP/1.1\r\nHost: " + load.host + "\r\n";
  for (const std::string& header : load.headers) request += header + "\r\n";
  return request + "Content-Length: " + std::to_string(load.body.size()) + "\r\n\r\n" + load.body;
}

// The connections of a load, all open.
class Connections {
 public:
  bool Open(const Load& load) {
    for (int i = 0; i < load.under_way; ++i) {
      all_.push_back(std::make_unique<Connection>());
      Connection& connection = *all_.back();
      if (!connection.Open(load)) return false;
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &connection;
      epoll_ctl(poll_, EPOLL_CTL_ADD, connection.fd(), &event);
    }
    return true;
  }
  ~Connections() { close(poll_); }
  const std::vector<std::unique_ptr<Connection>>& all() const { return all_; }

  // Calls `answered` for each whole answer; false when the server closed a connection. Asks and
  // does not sleep: a client that must be woken costs the server an interrupt to the other core for
  // each answer, which is the machine's price and not the server's.
  bool Poll(const std::function<bool(Connection&, Got)>& answered) {
    epoll_event events[256];
    const int count = epoll_wait(poll_, events, 256, 0);
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      const Got got = connection.Receive();
      if (got == Got::kMore) continue;
      if (got == Got::kClosed || !answered(connection, got)) return false;
    }
    return true;
  }

 private:
  const int poll_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::unique_ptr<Connection>> all_;
};

int RunHttp(const Load& load) {
  const std::string request = RequestText(load);
  Connections connections;
  if (!connections.Open(load)) return Fail("connect");
  Tally tally(load.seconds);
  for (const auto& connection : connections.all()) {
    if (!connection->Send(request)) return Fail("send");
  }
  const auto again = [&](Connection& connection, Got got) {
    tally.Answer(connection.sent_ns(), got);
    return connection.Send(request);
  };
  while (!tally.over()) {
    if (!connections.Poll(again)) return Fail("the server closed a connection");
  }
  return tally.Print();
}

int RunOpen(const Load& load) {
  const std::string request = RequestText(load);
  Connections connections;
  if (!connections.Open(load)) return Fail("connect");
  std::vector<Connection*> idle;
  for (const auto& connection : connections.all()) idle.push_back(connection.get());
  Tally tally(load.seconds);
  const auto between_ns = static_cast<int64_t>(1e9 / load.rate);
  int64_t due_ns = MonotonicNanos();
  const auto answered = [&](Connection& connection, Got got) {
    tally.Answer(connection.sent_ns(), got);
    idle.push_back(&connection);
    return true;
  };
  while (!tally.over()) {
    for (; due_ns <= MonotonicNanos(); due_ns += between_ns) {
      if (idle.empty()) {
        tally.Unsent();
        continue;
      }
      Connection& connection = *idle.back();
      idle.pop_back();
      if (!connection.Send(request, due_ns)) return Fail("send");
    }
    if (!connections.Poll(answered)) return Fail("the server closed a connection");
  }
  return tally.Print();
}

struct Call {
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
  grpc::ByteBuffer answer;
  grpc::Status status;
  int64_t sent_ns = 0;
};

int RunGrpc(const Load& load) {
  const auto channel = grpc::CreateChannel(load.host + ":" + std::to_string(load.port),
                                           grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  const grpc::Slice slice(load.body.data(), load.body.size());
  const grpc::ByteBuffer message(&slice, 1);
  const auto begin = [&](Call& call) {
    call.context = std::make_unique<grpc::ClientContext>();
    call.answer.Clear();
    call.sent_ns = MonotonicNanos();
    call.reader = stub.PrepareUnaryCall(call.context.get(), load.target, message, &queue);
    call.reader->StartCall();
    call.reader->Finish(&call.answer, &call.status, &call);
  };
  std::vector<Call> calls(static_cast<size_t>(load.under_way));
  Tally tally(load.seconds);
  for (Call& call : calls) begin(call);
  int under_way = load.under_way;
  void* tag = nullptr;
  bool ok = false;
  // Does not sleep either.
  while (under_way > 0) {
    const auto got = queue.AsyncNext(&tag, &ok, gpr_time_0(GPR_CLOCK_MONOTONIC));
    if (got == grpc::CompletionQueue::TIMEOUT) continue;
    if (got == grpc::CompletionQueue::SHUTDOWN) break;
    auto& call = *static_cast<Call*>(tag);
    tally.Answer(call.sent_ns, ok && call.status.ok() ? Got::kAnswer : Got::kFailure);
    if (tally.over()) {
      --under_way;
    } else {
      begin(call);
    }
  }
  return tally.Print();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(
        stderr,
        "usage: %s http|grpc|open=RATE HOST:PORT TARGET BODY_FILE UNDER_WAY SECONDS [HEADER]...\n",
        argv[0]);
    return 2;
  }
  Load load;
  const std::string address = argv[2];
  load.host = address.substr(0, address.rfind(':'));
  load.port = std::atoi(address.c_str() + address.rfind(':') + 1);
  load.target = argv[3];
  std::ifstream file(argv[4], std::ios::binary);
  load.body.assign(std::istreambuf_iterator<char>(file), {});
  load.under_way = std::max(1, std::atoi(argv[5]));
  load.seconds = std::atof(argv[6]);
  for (int i = 7; i < argc; ++i) load.headers.emplace_back(argv[i]);
  const std::string_view kind = argv[1];
  if (kind.starts_with("open=")) {
    load.rate = std::max(1.0, std::atof(argv[1] + 5));
    return RunOpen(load);
  }
  return kind == "grpc" ? RunGrpc(load) : RunHttp(load);
}
