// SPDX-License-Identifier: Apache-2.0
// HttpServer: binds, accepts, spreads connections over the I/O threads, and drains. What a
// connection does is in http_connection.cc.
#include "net/http_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <latch>
#include <limits>
#include <thread>

#include "base/log.h"
#include "net/address.h"
#include "net/http_connection.h"
#include "net/http_head.h"

namespace slipway::net {

namespace {

constexpr int64_t kAcceptedAtOnce = 64;
constexpr base::Micros kTickInterval = 100 * base::kMillisecond;
constexpr int kBacklog = 1024;

struct AddressInfo {
  addrinfo* list = nullptr;
  AddressInfo() = default;
  ~AddressInfo() {
    if (list != nullptr) freeaddrinfo(list);
  }
  AddressInfo(const AddressInfo&) = delete;
  AddressInfo& operator=(const AddressInfo&) = delete;
};

base::Status CannotListen(const std::string& listen, const char* why) {
  return base::Unavailable("cannot_listen", "cannot listen on " + listen + ": " + why);
}

std::string RemoteText(const sockaddr_storage& address, socklen_t size) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host.data(), host.size(),
                  port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "unknown";
  }
  const bool six = address.ss_family == AF_INET6;
  return (six ? "[" : "") + std::string(host.data()) + (six ? "]:" : ":") + port.data();
}

uint16_t PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

void SetOption(int fd, int level, int option) {
  const int on = 1;
  setsockopt(fd, level, option, &on, sizeof(on));
}

// One listening socket; `port` replaces the one in `listen` (0: as written).
base::Result<base::FileHandle> Listen(const std::string& listen, uint16_t port, bool share_port) {
  const HostPort where = TRY(ParseHostPort(listen));
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  AddressInfo found;
  const std::string service = std::to_string(port != 0 ? port : where.port);
  const int problem = getaddrinfo(where.host.c_str(), service.c_str(), &hints, &found.list);
  if (problem != 0) return CannotListen(listen, gai_strerror(problem));
  base::FileHandle socket_handle(socket(
      found.list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, found.list->ai_protocol));
  if (!socket_handle.valid())
    return CannotListen(listen, std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
  SetOption(socket_handle.fd(), SOL_SOCKET, SO_REUSEADDR);
  if (share_port) SetOption(socket_handle.fd(), SOL_SOCKET, SO_REUSEPORT);
  if (bind(socket_handle.fd(), found.list->ai_addr, found.list->ai_addrlen) != 0 ||
      ::listen(socket_handle.fd(), kBacklog) != 0) {
    return CannotListen(listen, std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
  }
  return socket_handle;
}

class Acceptor final : public EventLoop::Watcher {
 public:
  Acceptor(std::shared_ptr<HttpWorker> worker, base::FileHandle socket)
      : Watcher(true), worker_(std::move(worker)), socket_(std::move(socket)) {}

  base::Status Start() { return worker_->loop.Watch(socket_.fd(), this); }
  uint16_t port() const { return PortOf(socket_.fd()); }
  void OnReady(const Ready&) override { Accept(); }

  // Those that still wait have their turn after those that are connected.
  void Accept() {
    if (again_ || !AcceptSome(kAcceptedAtOnce)) return;
    again_ = true;
    worker_->loop.Post([this] {
      again_ = false;
      Accept();
    });
  }

  // What already waits is still served.
  void Stop() {
    AcceptSome(std::numeric_limits<int64_t>::max());
    worker_->loop.Unwatch(socket_.fd(), this);
    socket_ = base::FileHandle();
  }

 private:
  // Whether more may wait.
  bool AcceptSome(int64_t most) {
    for (int64_t i = 0; socket_.valid() && i < most; ++i) {
      sockaddr_storage address{};
      socklen_t size = sizeof(address);
      base::FileHandle socket(accept4(socket_.fd(), reinterpret_cast<sockaddr*>(&address), &size,
                                      SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.valid()) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        return false;  // none left, or out of descriptors: the tick tries again
      }
      Take(std::move(socket), RemoteText(address, size));
    }
    return socket_.valid();
  }

  void Take(base::FileHandle socket, std::string remote_address) {
    HttpShared& shared = *worker_->shared;
    if (shared.open.fetch_add(1) >= shared.settings.max_connections) {
      shared.open.fetch_sub(1);
      shared.refused_connections.Add();
      constexpr std::string_view kFull =
          "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: "
          "close\r\n\r\n";
      [[maybe_unused]] const ssize_t sent =
          send(socket.fd(), kFull.data(), kFull.size(), MSG_NOSIGNAL);
      return;
    }
    SetOption(socket.fd(), IPPROTO_TCP, TCP_NODELAY);
    std::make_shared<HttpConnection>(worker_, std::move(socket), std::move(remote_address))
        ->Start();
  }

  std::shared_ptr<HttpWorker> worker_;
  base::FileHandle socket_;
  bool again_ = false;  // has a turn coming
};

base::Counter& AnswerCounter(base::Metrics& metrics, const char* family) {
  return metrics.GetCounter("slipway_net_http_answers", "HTTP answers by family of status.",
                            {{"status", family}});
}

}  // namespace

void Describe(base::Schema& schema, HttpServerSettings& settings) {
  using base::Duration;
  constexpr Duration kLeast{base::kMillisecond};
  constexpr Duration kMost{base::kDay};
  schema.Add("http.listen", &settings.listen,
             "Address and port of the HTTP server; port 0 takes any free one.");
  schema.Add("http.io_threads", &settings.io_threads, "Threads that read and write sockets.", 1,
             256);
  schema.Add("http.max_header_bytes", &settings.max_header_bytes,
             "Largest request line and headers together.", 1024, 1 << 20);
  schema.Add("http.max_body_bytes", &settings.max_body_bytes,
             "Largest request body, also after decompression.", 1024, 4LL << 30);
  schema.Add("http.max_stream_bytes", &settings.max_stream_bytes,
             "Largest body of a streaming route (artifacts).", 1024, 1LL << 50);
  schema.Add("http.max_headers", &settings.max_headers, "Most headers of a request.", 1, 10000);
  schema.Add("http.max_target_bytes", &settings.max_target_bytes,
             "Longest request target (path and query).", 128, 1 << 20);
  schema.Add("http.max_connection_requests", &settings.max_connection_requests,
             "Requests after which a connection is closed, so that clients spread anew; 0: never.",
             0, 1LL << 40);
  schema.Add("http.max_connections", &settings.max_connections,
             "Connections at a time; further ones get 503.", 1, 1000000);
  schema.Add("http.header_timeout", &settings.header_timeout,
             "Time for a TLS handshake, and for a request's headers to arrive.", kLeast, kMost);
  schema.Add("http.body_timeout", &settings.body_timeout,
             "Time between two pieces of a body, either way.", kLeast, kMost);
  schema.Add("http.idle_timeout", &settings.idle_timeout,
             "Time a connection may wait for its next request.", kLeast, kMost);
  schema.Add("http.drain_timeout", &settings.drain_timeout,
             "Time for requests in flight to end when stopping.", Duration{0}, kMost);
  schema.Add("http.max_backlog", &settings.max_backlog,
             "Time that a prediction may wait to be read when more come than the I/O threads can "
             "read; past it it is answered 429 unread. 0: any.",
             Duration{0}, kMost);
  schema.Add("http.compression", &settings.compression,
             "Compress text and JSON answers (zstd, gzip, deflate) for clients that ask for it.");
  schema.Add("http.compression_min_bytes", &settings.compression_min_bytes,
             "Smallest answer that is compressed.", 1, 1LL << 40);
  DescribeCors(schema, settings.cors);
  Describe(schema, "http.tls", settings.tls);
}

struct HttpServer::State {
  struct Thread {
    std::shared_ptr<HttpWorker> worker;
    std::unique_ptr<Acceptor> acceptor;
    std::thread thread;
  };

  std::shared_ptr<HttpShared> shared;
  std::vector<Thread> threads;
  uint16_t port = 0;
  bool started = false;

  static void Tick(HttpWorker& worker, Acceptor& acceptor) {
    worker.now = base::MonotonicNanos();
    std::string date = HttpDate(base::SystemClock().Now() / base::kSecond);
    if (date != worker.date) worker.date = std::move(date);
    acceptor.Accept();
    const std::vector<std::shared_ptr<HttpConnection>> open(worker.connections.begin(),
                                                            worker.connections.end());
    for (const auto& connection : open) connection->OnTick();
  }

  base::Status AddThread(bool share_port) {
    Thread made;
    made.worker = std::make_shared<HttpWorker>();
    made.worker->shared = shared;
    TRY(made.worker->loop.Open());
    made.worker->loop.SetMostWait(shared->settings.max_backlog.micros * 1000);
    base::FileHandle socket = TRY(Listen(shared->settings.listen, port, share_port));
    made.acceptor = std::make_unique<Acceptor>(made.worker, std::move(socket));
    if (port == 0) port = made.acceptor->port();
    TRY(made.acceptor->Start());
    made.worker->loop.SetTick(
        kTickInterval,
        [worker = made.worker.get(), acceptor = made.acceptor.get()] { Tick(*worker, *acceptor); });
    made.worker->loop.SetRoundEnd([worker = made.worker.get()] { worker->EndRound(); });
    Tick(*made.worker, *made.acceptor);
    threads.push_back(std::move(made));
    return base::Status::Ok();
  }

  template <typename Action>
  void OnEveryThread(Action action) {
    for (Thread& thread : threads) {
      thread.worker->loop.Post(
          [worker = thread.worker.get(), acceptor = thread.acceptor.get(), action] {
            const std::vector<std::shared_ptr<HttpConnection>> open(worker->connections.begin(),
                                                                    worker->connections.end());
            action(*acceptor, open);
          });
    }
  }
};

HttpServer::HttpServer(HttpServerSettings settings, const Router& router,
                       base::ThreadPool& blocking, base::Metrics& metrics)
    : state_(std::make_unique<State>()) {
  state_->shared.reset(new HttpShared{
      .settings = std::move(settings),
      .routes = router.state(),
      .blocking = blocking,
      .answers = {&AnswerCounter(metrics, "1xx"), &AnswerCounter(metrics, "2xx"),
                  &AnswerCounter(metrics, "3xx"), &AnswerCounter(metrics, "4xx"),
                  &AnswerCounter(metrics, "5xx")},
      .timeouts = metrics.GetCounter("slipway_net_http_timeouts",
                                     "Connections ended because the client was too slow."),
      .refused_connections = metrics.GetCounter("slipway_net_http_refused_connections",
                                                "Connections refused at http.max_connections."),
      .shed = metrics.GetCounter("slipway_net_http_shed",
                                 "Requests answered 429 unread, at http.max_backlog."),
  });
  base::Gauge& open = metrics.GetGauge("slipway_net_http_connections", "Open HTTP connections.");
  metrics.OnCollect([shared = std::weak_ptr(state_->shared), &open] {
    if (const auto alive = shared.lock()) open.Set(static_cast<double>(alive->open.load()));
  });
}

HttpServer::~HttpServer() { Stop(); }

base::Status HttpServer::Start() {
  CHECK(!state_->started, "a server is started once");
  HttpShared& shared = *state_->shared;
  shared.cors = TRY(Cors::Make(shared.settings.cors));
  if (shared.settings.tls.enabled())
    shared.tls = TRY(TlsFiles::Open("http.tls", shared.settings.tls));
  const bool share_port = state_->shared->settings.io_threads > 1;
  if (share_port) {
    // With SO_REUSEPORT a second server on the port would silently take half of the connections:
    // ask without it first.
    const base::FileHandle probe = TRY(Listen(state_->shared->settings.listen, 0, false));
    state_->port = PortOf(probe.fd());
  }
  for (int64_t i = 0; i < state_->shared->settings.io_threads; ++i)
    TRY(state_->AddThread(share_port));
  for (State::Thread& thread : state_->threads) {
    thread.thread = std::thread([worker = thread.worker.get()] {
      pthread_setname_np(pthread_self(), "http-io");
      worker->loop.Run();
    });
  }
  state_->started = true;
  return base::Status::Ok();
}

void HttpServer::Stop() {
  if (!state_->started) return;
  state_->started = false;
  HttpShared& shared = *state_->shared;
  shared.draining.store(true);
  state_->OnEveryThread([](Acceptor& acceptor, const auto&) { acceptor.Stop(); });
  // Done by every thread before the count is looked at, so that what was only just accepted is
  // counted.
  std::latch told(static_cast<std::ptrdiff_t>(state_->threads.size()));
  state_->OnEveryThread([&told](Acceptor&, const auto& open) {
    for (const auto& connection : open) connection->OnDrain();
    told.count_down();
  });
  told.wait();
  const auto no_more = [&] { return shared.open.load() == 0; };
  {
    std::unique_lock lock(shared.mutex);
    const bool drained = shared.all_closed.wait_for(
        lock, std::chrono::microseconds(shared.settings.drain_timeout.micros), no_more);
    if (!drained) {
      base::Log(base::LogLevel::kWarning, "net", "requests still in flight are cut off",
                {{"connections", shared.open.load()}});
    }
  }
  state_->OnEveryThread([](Acceptor& acceptor, const auto& open) {
    acceptor.Stop();
    for (const auto& connection : open) connection->Close();
  });
  for (State::Thread& thread : state_->threads) {
    thread.worker->loop.Post([worker = thread.worker.get()] { worker->loop.Quit(); });
    thread.thread.join();
  }
  state_->threads.clear();
}

void HttpServer::ReloadTls() {
  if (state_->shared->tls) state_->shared->tls->Reload();
}

uint16_t HttpServer::port() const { return state_->port; }

}  // namespace slipway::net
