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
// (with the first tenth), seconds.
//   slipway_bench_load raw HOST:PORT - REQUESTS_FILE CONNECTIONS SECONDS
// Raw: the file holds whole requests, each after its length in bytes on a line; they are sent in
// turn.
//   --posts=COUNT,MS,TARGET,BODY_FILE[,BODY_FILE]   of HTTP loads: beside the load, a connection of
// its own posts the files in turn, MS apart or as soon as the last one is answered, and the load
// ends after COUNT; post_failures, post_p50_ms. No other process is to take the client's core.
//   --seen   of HTTP loads: how often each answer came, by its model_version and all from "outputs"
#include <arpa/inet.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <deque>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
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
  std::vector<std::string> posts;
  bool seen = false;
};

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

enum class Got { kMore, kAnswer, kRefused, kFailure, kClosed };

// A load that posts ends with the posts, so its seconds are only a bound.
int64_t UncountedNs(const Load& load) {
  return static_cast<int64_t>((load.posts.empty() ? load.seconds : std::min(load.seconds, 10.0)) *
                              1e8);
}

// What came back, after the first tenth of the time.
class Tally {
 public:
  explicit Tally(const Load& load)
      : begin_(MonotonicNanos() + UncountedNs(load)),
        end_(begin_ + static_cast<int64_t>(load.seconds * 9e8)) {
    latencies_.reserve(4'000'000);
  }
  bool over() const { return MonotonicNanos() >= end_; }
  void EndNow() { end_ = std::max(begin_ + 1, MonotonicNanos()); }
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
  // `more`: further members of the line.
  int Print(const std::string& more = {}) {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [&](double share) {
      return latencies_.empty() ? 0.0
                                : latencies_[static_cast<size_t>(
                                      share * static_cast<double>(latencies_.size() - 1))] /
                                      1000.0;
    };
    std::printf(
        "{\"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"answers\": %zu, \"refused\": %ld, "
        "\"unsent\": %ld, \"failures\": %ld, \"all\": %ld, \"seconds\": %.2f%s}\n",
        static_cast<double>(latencies_.size()) * 1e9 / static_cast<double>(end_ - begin_), at(0.5),
        at(0.99), latencies_.size(), static_cast<long>(refused_), static_cast<long>(unsent_),
        static_cast<long>(failures_), static_cast<long>(all_),
        static_cast<double>(end_ - begin_) * 1e-9, more.c_str());
    return failures_ == 0 && !latencies_.empty() ? 0 : 1;
  }

 private:
  const int64_t begin_;
  int64_t end_;
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
    // One buffer for all: thousands of connections with one each would not fit the cache.
    static std::array<char, 65536> buffer;
    const ssize_t n = recv(fd_, buffer.data(), buffer.size(), 0);
    if (n <= 0) return Got::kClosed;
    seen_.append(buffer.data(), static_cast<size_t>(n));
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
    last().swap(seen_);
    seen_.clear();
    return got;
  }
  // The whole answer that came last, on whichever connection.
  static std::string& last() {
    static std::string text;
    return text;
  }

 private:
  int fd_ = -1;
  int64_t sent_ns_ = 0;
  std::string seen_;
};

std::string RequestText(const Load& load, const std::string& target, const std::string& body) {
  std::string request = "POST " + target + " HTTP/1.1\r\nHost: " + load.host + "\r\n";
  for (const std::string& header : load.headers) request += header + "\r\n";
  return request + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// The connections of a load, all open.
class Connections {
 public:
  bool Open(const Load& load) {
    for (int i = 0; i < load.under_way; ++i) {
      all_.push_back(std::make_unique<Connection>());
      if (!all_.back()->Open(load)) return false;
      Add(*all_.back());
    }
    return true;
  }
  void Add(Connection& connection) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(poll_, EPOLL_CTL_ADD, connection.fd(), &event);
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

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

// What --posts and --seen ask for beside a load.
class Beside {
 public:
  explicit Beside(const Load& load) : seen_wanted_(load.seen) {
    if (load.posts.size() < 4) return;
    left_ = std::atol(load.posts[0].c_str());
    apart_ns_ = std::atol(load.posts[1].c_str()) * 1'000'000;
    for (size_t i = 3; i < load.posts.size(); ++i)
      requests_.push_back(RequestText(load, load.posts[2], ReadAll(load.posts[i])));
  }
  bool Open(const Load& load, Connections& connections) {
    if (requests_.empty()) return true;
    if (!connection_.Open(load)) return false;
    connections.Add(connection_);
    due_ns_ = MonotonicNanos() + UncountedNs(load);
    return true;
  }
  bool done() const { return !requests_.empty() && left_ == 0; }
  bool Send() {
    if (requests_.empty() || left_ == 0 || under_way_ || MonotonicNanos() < due_ns_) return true;
    due_ns_ = MonotonicNanos() + apart_ns_;
    under_way_ = true;
    return connection_.Send(requests_[next_++ % requests_.size()]);
  }
  // Whether the answer is to a post.
  bool Take(const Connection& connection, Got got) {
    if (&connection != &connection_) {
      if (seen_wanted_ && got == Got::kAnswer) Count(connection.last());
      return false;
    }
    under_way_ = false;
    --left_;
    if (got != Got::kAnswer) {
      ++failures_;
      std::fprintf(stderr, "%s\n", connection.last().c_str());
    }
    took_ns_.push_back(MonotonicNanos() - connection.sent_ns());
    return true;
  }
  std::string Print() {
    std::string text;
    if (!took_ns_.empty()) {
      std::sort(took_ns_.begin(), took_ns_.end());
      text += ", \"posts\": " + std::to_string(took_ns_.size()) +
              ", \"post_failures\": " + std::to_string(failures_) + ", \"post_p50_ms\": " +
              std::to_string(static_cast<double>(took_ns_[took_ns_.size() / 2]) * 1e-6);
    }
    if (!seen_wanted_) return text;
    text += ", \"seen\": {";
    for (const auto& [answer, count] : seen_)
      text += (text.ends_with('{') ? "" : ", ") + Quoted(answer) + ": " + std::to_string(count);
    return text + "}";
  }

 private:
  void Count(std::string_view answer) {
    constexpr std::string_view kVersion = "\"model_version\":\"";
    constexpr size_t kMostKinds = 100;
    const size_t version = std::min(answer.find(kVersion), answer.size());
    const std::string_view from = answer.substr(std::min(version + kVersion.size(), answer.size()));
    const size_t outputs = std::min(answer.find("\"outputs\""), answer.size());
    std::string kind(from.substr(0, from.find('"')));
    kind.append(" ").append(answer.substr(outputs));
    if (const auto found = seen_.find(kind); found != seen_.end()) {
      ++found->second;
    } else {
      ++seen_[seen_.size() < kMostKinds ? kind : "other"];
    }
  }

  const bool seen_wanted_;
  std::map<std::string, int64_t> seen_;
  Connection connection_;
  std::vector<std::string> requests_;
  size_t next_ = 0;
  int64_t left_ = 0;
  int64_t apart_ns_ = 0;
  int64_t due_ns_ = 0;
  bool under_way_ = false;
  int64_t failures_ = 0;
  std::vector<int64_t> took_ns_;
};

std::vector<std::string> SplitRequests(std::string_view text) {
  std::vector<std::string> requests;
  while (!text.empty()) {
    size_t length = 0;
    const char* end = std::from_chars(text.data(), text.data() + text.size(), length).ptr;
    text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
    requests.emplace_back(text.substr(0, length));
    text.remove_prefix(std::min(length, text.size()));
  }
  return requests;
}

int RunHttp(const Load& load, const std::vector<std::string>& requests) {
  size_t turn = 0;
  const auto next = [&]() -> const std::string& { return requests[turn++ % requests.size()]; };
  Connections connections;
  Beside beside(load);
  if (!connections.Open(load) || !beside.Open(load, connections)) return Fail("connect");
  Tally tally(load);
  for (const auto& connection : connections.all()) {
    if (!connection->Send(next())) return Fail("send");
  }
  const auto again = [&](Connection& connection, Got got) {
    if (beside.Take(connection, got)) return true;
    tally.Answer(connection.sent_ns(), got);
    return connection.Send(next());
  };
  while (!tally.over() && !beside.done()) {
    if (!connections.Poll(again) || !beside.Send()) return Fail("the server closed a connection");
  }
  if (!tally.over()) tally.EndNow();
  return tally.Print(beside.Print());
}

int RunOpen(const Load& load) {
  const std::string request = RequestText(load, load.target, load.body);
  Connections connections;
  Beside beside(load);
  if (!connections.Open(load) || !beside.Open(load, connections)) return Fail("connect");
  // The longest idle goes first: a server ends connections on which nothing comes.
  std::deque<Connection*> idle;
  for (const auto& connection : connections.all()) idle.push_back(connection.get());
  Tally tally(load);
  const auto between_ns = static_cast<int64_t>(1e9 / load.rate);
  int64_t due_ns = MonotonicNanos();
  const auto answered = [&](Connection& connection, Got got) {
    if (beside.Take(connection, got)) return true;
    tally.Answer(connection.sent_ns(), got);
    idle.push_back(&connection);
    return true;
  };
  while (!tally.over() && !beside.done()) {
    for (; due_ns <= MonotonicNanos(); due_ns += between_ns) {
      if (idle.empty()) {
        tally.Unsent();
        continue;
      }
      Connection& connection = *idle.front();
      idle.pop_front();
      if (!connection.Send(request, due_ns)) return Fail("send");
    }
    if (!connections.Poll(answered) || !beside.Send())
      return Fail("the server closed a connection");
  }
  if (!tally.over()) tally.EndNow();
  return tally.Print(beside.Print());
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
  Tally tally(load);
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
    std::fprintf(stderr,
                 "usage: %s http|grpc|raw|open=RATE HOST:PORT TARGET BODY_FILE UNDER_WAY SECONDS "
                 "[HEADER]...\n",
                 argv[0]);
    return 2;
  }
  Load load;
  const std::string address = argv[2];
  load.host = address.substr(0, address.rfind(':'));
  load.port = std::atoi(address.c_str() + address.rfind(':') + 1);
  load.target = argv[3];
  load.body = ReadAll(argv[4]);
  load.under_way = std::max(1, std::atoi(argv[5]));
  load.seconds = std::atof(argv[6]);
  for (int i = 7; i < argc; ++i) {
    std::string_view word = argv[i];
    constexpr std::string_view kPosts = "--posts=";
    if (word == "--seen") {
      load.seen = true;
    } else if (word.starts_with(kPosts)) {
      for (word.remove_prefix(kPosts.size()); !word.empty();) {
        const size_t end = std::min(word.find(','), word.size());
        load.posts.emplace_back(word.substr(0, end));
        word.remove_prefix(std::min(end + 1, word.size()));
      }
    } else {
      load.headers.emplace_back(word);
    }
  }
  const std::string_view kind = argv[1];
  if (kind.starts_with("open=")) {
    load.rate = std::max(1.0, std::atof(argv[1] + 5));
    return RunOpen(load);
  }
  if (kind == "grpc") return RunGrpc(load);
  return RunHttp(load, kind == "raw" ? SplitRequests(load.body)
                                     : std::vector{RequestText(load, load.target, load.body)});
}
