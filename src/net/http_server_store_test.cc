// SPDX-License-Identifier: Apache-2.0
// HttpServer over real sockets: what a client sees, byte by byte.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <zlib.h>
#include <zstd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/http_server.h"
#include "net/http_server_testing.h"

namespace slipway::net {
namespace {

uint32_t SinceLastSentMs(int fd) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_last_data_sent : 0;
}

class HttpServerTest : public testing::Test, protected HttpServerFixture {};

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  Start();
  RawClient client(server_->port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send("GET /hello/bob HTTP/1.1\r\nHost: x\r\n\r\n"));
    const std::string response = client.ReadResponse();
    EXPECT_EQ(StatusLine(response), "HTTP/1.1 200 OK");
    EXPECT_EQ(Body(response), "hello bob");
    EXPECT_NE(response.find("\r\nDate: "), std::string::npos);
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  RawClient client(server_->port());
  std::string bytes;
  for (int i = 0; i < 3000;
       ++i) {  // across blocking and inline handlers, and more than one turn of the loop
    bytes += i % 100 == 7 ? "GET /blocking?q=" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n"
                          : "GET /hello/" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  std::thread sender([&] { client.Send(bytes); });
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(Body(client.ReadResponse()),
              i % 100 == 7 ? std::to_string(i) : "hello " + std::to_string(i));
  }
  sender.join();
}

// All that comes while the thread is busy is one round, and its answers leave together.
TEST_F(HttpServerTest, AnswersAllThatCameInOneRoundThoughOneClientIsGone) {
  std::promise<void> go_on;
  router_.Add("GET", "/busy", [&](const HttpRequest&, const Respond& respond) {
    go_on.get_future().wait();
    respond(HttpResponse::Text(200, "busy"));
  });
  settings_.io_threads = 1;
  Start();
  RawClient busy(server_->port());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    ASSERT_EQ(Body((clients.back()->Send("GET /hello/0 HTTP/1.1\r\nHost: x\r\n\r\n"),
                    clients.back()->ReadResponse())),
              "hello 0");
  }
  ASSERT_TRUE(busy.Send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n"));
  for (const auto& client : clients) {
    for (const char* name : {"1", "2"}) {
      ASSERT_TRUE(client->Send("GET /hello/" + std::string(name) + " HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
  }
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(clients[4]->fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  clients[4].reset();
  go_on.set_value();
  EXPECT_EQ(Body(busy.ReadResponse()), "busy");
  for (const auto& client : clients) {
    if (!client) continue;
    EXPECT_EQ(Body(client->ReadResponse()), "hello 1");
    EXPECT_EQ(Body(client->ReadResponse()), "hello 2");
  }
}

TEST_F(HttpServerTest, FindsEachRequestsOwnRouteOnOneConnection) {
  Start();
  RawClient client(server_->port());
  const auto ask = [&](const std::string& line, const std::string& body = {}) {
    client.Send(line + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body);
    return client.ReadResponse();
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Body(ask("GET /hello/bob")), "hello bob");
    EXPECT_EQ(Body(ask("GET /hello/bob")), "hello bob");
    EXPECT_EQ(Body(ask("GET /hello/ann?x=1")), "hello ann");
    EXPECT_EQ(StatusLine(ask("POST /hello/ann")), "HTTP/1.1 405 Method Not Allowed");
    EXPECT_EQ(StatusLine(ask("GET /nothing")), "HTTP/1.1 404 Not Found");
    EXPECT_EQ(Body(ask("GET /hello/ann")), "hello ann");
    const std::string long_name(3000, 'n');
    EXPECT_EQ(Body(ask("GET /hello/" + long_name)), "hello " + long_name);
    for (const size_t size : {0, 1, 4096, 4097, 300'000}) {
      const std::string body(size, 'b');
      EXPECT_EQ(Body(ask("POST /echo", body)), body);
    }
  }
}

// The loop is held up while more requests come than it takes at once.
class HttpServerBehindTest : public HttpServerTest {
 protected:
  static constexpr size_t kClients = 300;

  void StartHeld() {
    router_.Add(
        "POST", "/hold",
        [this, held = go_.get_future().share()](const HttpRequest&, const Respond& respond) {
          entered_.set_value();
          held.wait();
          respond(HttpResponse::Text(200, "held"));
        });
    Start();
    holder_ = std::make_unique<RawClient>(server_->port());
    for (size_t i = 0; i < kClients; ++i) {  // all of them known to the loop
      clients_.push_back(std::make_unique<RawClient>(server_->port()));
      ASSERT_TRUE(clients_.back()->Send("GET /hello/x HTTP/1.1\r\nHost: x\r\n\r\n"));
      ASSERT_EQ(Body(clients_.back()->ReadResponse()), "hello x");
    }
    ASSERT_TRUE(holder_->Send("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
    entered_.get_future().wait();
  }
  void SendAll(const std::string& path) {
    for (const auto& client : clients_)
      client->Send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  }
  void LetGo() {
    go_.set_value();
    EXPECT_EQ(Body(holder_->ReadResponse()), "held");
  }

  std::promise<void> go_, entered_;
  std::unique_ptr<RawClient> holder_;
  std::vector<std::unique_ptr<RawClient>> clients_;
};

TEST_F(HttpServerBehindTest, AnswersUnreadWhatWaitedTooLongToBeRead) {
  settings_.max_backlog = base::Duration{base::kMillisecond};
  StartHeld();
  SendAll("/echo");
  while (SinceLastSentMs(clients_.back()->fd()) < 2) std::this_thread::yield();
  LetGo();
  int refused = 0;
  for (const auto& client : clients_) {
    const std::string response = client->ReadResponse();
    if (StatusLine(response) == "HTTP/1.1 200 OK") continue;
    ++refused;
    EXPECT_EQ(StatusLine(response), "HTTP/1.1 429 Too Many Requests");
    EXPECT_NE(response.find("Retry-After: 1"), std::string::npos);
    EXPECT_NE(Body(response).find("http.max_backlog"), std::string::npos);
  }
  EXPECT_GT(refused, 0);
  EXPECT_NE(
      metrics_.PrintPrometheusText().find("slipway_net_http_shed_total " + std::to_string(refused)),
      std::string::npos);
  // The connection is as good as before.
  ASSERT_TRUE(clients_[0]->Send("GET /hello/y HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(Body(clients_[0]->ReadResponse()), "hello y");
}

TEST_F(HttpServerBehindTest, TheNewestGoesFirstOnceTheOldestWasTooLate) {
  std::atomic<int> calls{0};
  router_.Add("POST", "/turn", [&](const HttpRequest&, const Respond& respond) {
    const int turn = calls.fetch_add(1);
    respond(HttpResponse::Text(turn == 1 ? 504 : 200, std::to_string(turn)));
  });
  StartHeld();
  SendAll("/turn");
  LetGo();
  EXPECT_EQ(Body(clients_[0]->ReadResponse()), "0");
  EXPECT_EQ(StatusLine(clients_[1]->ReadResponse()), "HTTP/1.1 504 Gateway Timeout");
  for (size_t i = 2; i < kClients; ++i)
    EXPECT_EQ(Body(clients_[i]->ReadResponse()), std::to_string(kClients + 1 - i));
}

TEST_F(HttpServerTest, TakesARequestByteByByte) {
  Start();
  RawClient client(server_->port());
  for (const char c : std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                  "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")) {
    ASSERT_TRUE(client.Send({&c, 1}));
  }
  EXPECT_EQ(Body(client.ReadResponse()), "abcde");
}

TEST_F(HttpServerTest, UndoesContentEncodings) {
  Start();
  const std::string plain(100000, 'z');
  std::string zstd(ZSTD_compressBound(plain.size()), '\0');
  zstd.resize(ZSTD_compress(zstd.data(), zstd.size(), plain.data(), plain.size(), 3));
  uLongf size = compressBound(plain.size());
  std::string deflate(size, '\0');
  compress(reinterpret_cast<Bytef*>(deflate.data()), &size,
           reinterpret_cast<const Bytef*>(plain.data()), plain.size());
  deflate.resize(size);
  for (const auto& [name, packed] :
       {std::pair<std::string, std::string>{"zstd", zstd}, {"deflate", deflate}}) {
    const std::string head =
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: " + name + "\r\nContent-Length: ";
    EXPECT_EQ(Body(Ask(head + std::to_string(packed.size()) + "\r\n\r\n" + packed)), plain) << name;
    const std::string cut = packed.substr(0, packed.size() - 4);
    EXPECT_EQ(StatusLine(Ask(head + std::to_string(cut.size()) + "\r\n\r\n" + cut)),
              "HTTP/1.1 400 Bad Request")
        << name;
  }
  EXPECT_EQ(
      StatusLine(Ask(
          "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx")),
      "HTTP/1.1 415 Unsupported Media Type");
}

TEST_F(HttpServerTest, RefusesABodyThatUnpacksPastTheLimit) {
  settings_.max_body_bytes = 100'000;
  Start();
  const std::string plain(10'000'000, 'z');
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), 3));
  ASSERT_LT(packed.size(), 10'000U);
  EXPECT_EQ(StatusLine(
                Ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: zstd\r\nContent-Length: " +
                    std::to_string(packed.size()) + "\r\n\r\n" + packed)),
            "HTTP/1.1 413 Content Too Large");
}

TEST_F(HttpServerTest, RefusesWhatIsTooLarge) {
  settings_.max_body_bytes = 2048;
  settings_.max_header_bytes = 2048;
  Start();
  EXPECT_EQ(StatusLine(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2049\r\n\r\n")),
            "HTTP/1.1 413 Content Too Large");
  std::string chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 30; ++i) chunked += "64\r\n" + std::string(100, 'c') + "\r\n";
  EXPECT_EQ(StatusLine(Ask(chunked)), "HTTP/1.1 413 Content Too Large");
  EXPECT_EQ(StatusLine(Ask("GET /hello/x HTTP/1.1\r\nHost: x\r\nA: " + std::string(3000, 'a') +
                           "\r\n\r\n")),
            "HTTP/1.1 431 Request Header Fields Too Large");
  const std::string full(2048, 'f');
  EXPECT_EQ(Body(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2048\r\n\r\n" + full)),
            full);
}

TEST_F(HttpServerTest, RefusesAnEndlessChunkHeader) {
  Start();
  RawClient client(server_->port());
  client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" +
              std::string(400'000, 'x'));
  EXPECT_EQ(StatusLine(client.ReadResponse()), "HTTP/1.1 400 Bad Request");
}

TEST_F(HttpServerTest, RefusesMalformedRequests) {
  Start();
  for (const std::string bytes :
       {"NONSENSE\r\n\r\n", "GET /hello/x HTTP/1.1\r\n\r\n",
        "GET /hello/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET hello HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a HTTP/1.1\r\nHost : x\r\n\r\n"}) {
    RawClient client(server_->port());
    client.Send(bytes);
    const std::string response = client.ReadToEnd();  // and the connection ends
    EXPECT_EQ(StatusLine(response), "HTTP/1.1 400 Bad Request") << bytes;
    EXPECT_NE(response.find("\"reason\":\"bad_request\""), std::string::npos) << response;
    EXPECT_NE(response.find("Connection: close"), std::string::npos) << response;
  }
  EXPECT_EQ(
      StatusLine(Ask(
          "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
      "HTTP/1.1 501 Not Implemented");
}

TEST_F(HttpServerTest, KnowsMethods) {
  router_.OnNotFound("/own",
                     [](const HttpRequest&) { return HttpResponse::Text(404, "own words"); });
  router_.Add("DELETE", "/own/thing",
              [](const HttpRequest&, const Respond& respond) { respond({}); });
  Start();
  const std::string head = Ask("HEAD /hello/bob HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 9\r\n"), std::string::npos);
  EXPECT_EQ(Body(head), "");
  const std::string options = Ask("OPTIONS /hello/bob HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(StatusLine(options), "HTTP/1.1 204 No Content");
  EXPECT_NE(options.find("Allow: GET, HEAD, OPTIONS\r\n"), std::string::npos);
  const std::string wrong = Ask("POST /hello/bob HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(StatusLine(wrong), "HTTP/1.1 405 Method Not Allowed");
  EXPECT_NE(wrong.find("Allow: GET, HEAD, OPTIONS\r\n"), std::string::npos);
  EXPECT_EQ(StatusLine(Ask("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(Body(Ask("GET /own/x HTTP/1.1\r\nHost: x\r\n\r\n")), "own words");
  EXPECT_EQ(StatusLine(Ask("GET /own/thing HTTP/1.1\r\nHost: x\r\n\r\n")),
            "HTTP/1.1 405 Method Not Allowed");
}

TEST_F(HttpServerTest, FollowsTheClientsKeepAlive) {
  Start();
  RawClient old(server_->port());
  old.Send("GET /hello/a HTTP/1.0\r\n\r\n");
  EXPECT_NE(old.ReadToEnd().find("hello a"), std::string::npos);  // and the end came
  RawClient asks(server_->port());
  asks.Send("GET /hello/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(asks.ReadResponse().find("Connection: keep-alive"), std::string::npos);
  asks.Send("GET /hello/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(asks.ReadToEnd().find("hello b"), std::string::npos);
}

TEST_F(HttpServerTest, SendsContinueOnlyWhenTheBodyIsWanted) {
  settings_.max_body_bytes = 1024;
  Start();
  RawClient client(server_->port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.ReadResponse();
  client.Send("abc");
  EXPECT_EQ(Body(client.ReadResponse()), "abc");
  EXPECT_EQ(StatusLine(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: "
                           "100-continue\r\nContent-Length: 4096\r\n\r\n")),
            "HTTP/1.1 413 Content Too Large");
}

TEST_F(HttpServerTest, CutsOffSlowClients) {
  settings_.header_timeout = {200 * base::kMillisecond};
  settings_.body_timeout = {200 * base::kMillisecond};
  settings_.idle_timeout = {200 * base::kMillisecond};
  Start();
  RawClient head(server_->port());
  head.Send("GET /hello/bob HTTP/1.1\r\nHo");
  EXPECT_EQ(StatusLine(head.ReadToEnd()), "HTTP/1.1 408 Request Timeout");
  RawClient body(server_->port());
  body.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(StatusLine(body.ReadToEnd()), "HTTP/1.1 408 Request Timeout");
  RawClient idle(server_->port());
  idle.Send("GET /hello/bob HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(Body(idle.ReadToEnd()), "hello bob");
  RawClient silent(server_->port());
  EXPECT_EQ(silent.ReadToEnd(), "");
  RawClient upload(server_->port());
  upload.Send("PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(StatusLine(upload.ReadToEnd()), "HTTP/1.1 408 Request Timeout");
  EXPECT_EQ(upload_failure_.get_future().get(), "request_timeout");
}

TEST_F(HttpServerTest, CutsOffAClientThatDoesNotRead) {
  settings_.body_timeout = {300 * base::kMillisecond};
  Start();
  RawClient client(server_->port());
  client.Send("GET /download?size=1000000000 HTTP/1.1\r\nHost: x\r\n\r\n");
  base::Counter& timeouts = metrics_.GetCounter("slipway_net_http_timeouts", "");
  const int64_t give_up = base::MonotonicNanos() + 20'000'000'000;
  while (timeouts.Value() == 0 && base::MonotonicNanos() < give_up) std::this_thread::yield();
  EXPECT_EQ(timeouts.Value(), 1);
}

TEST_F(HttpServerTest, LimitsConnections) {
  settings_.max_connections = 2;
  Start();
  RawClient first(server_->port());
  RawClient second(server_->port());
  for (RawClient* client : {&first, &second}) {
    client->Send("GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(Body(client->ReadResponse()), "hello a");
  }
  RawClient third(server_->port());
  EXPECT_EQ(StatusLine(third.ReadToEnd()), "HTTP/1.1 503 Service Unavailable");
}

TEST_F(HttpServerTest, AnswersForAHandlerThatForgot) {
  Start();
  const std::string response = Ask("GET /forgets HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(StatusLine(response), "HTTP/1.1 500 Internal Server Error");
  EXPECT_NE(response.find("no_answer"), std::string::npos);
}

TEST_F(HttpServerTest, RefusesWhenThePoolIsFull) {
  base::ThreadPool narrow("narrow", 1, 0);
  Router router;
  router.AddBlocking("GET", "/x", [](HttpRequest&) { return HttpResponse::Text(200, ""); });
  HttpServer server(settings_, router, narrow, metrics_);
  ASSERT_TRUE(server.Start().ok());
  RawClient client(server.port());
  client.Send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string response = client.ReadResponse();
  EXPECT_EQ(StatusLine(response), "HTTP/1.1 503 Service Unavailable");
  EXPECT_NE(response.find("Retry-After: "), std::string::npos);
}

TEST_F(HttpServerTest, NamesTheAddressThatItCannotBind) {
  Start();
  HttpServerSettings settings;
  settings.listen = "127.0.0.1:" + std::to_string(server_->port());
  for (const int64_t threads : {1, 2}) {
    settings.io_threads = threads;
    const base::Status status = HttpServer(settings, router_, pool_, metrics_).Start();
    EXPECT_EQ(status.code(), base::Code::kUnavailable);
    EXPECT_NE(status.message().find(settings.listen), std::string::npos);
  }
}

TEST_F(HttpServerTest, ServesOnSeveralThreads) {
  settings_.io_threads = 3;
  Start();
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(Body(Ask("GET /hello/" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n")),
              "hello " + std::to_string(i));
  }
}

TEST_F(HttpServerTest, DrainsWhatIsInFlightAndRefusesTheRest) {
  std::promise<Respond> taken;
  router_.Add("GET", "/slow", [&taken](const HttpRequest&, Respond respond) {
    taken.set_value(std::move(respond));
  });
  Start();
  const uint16_t port = server_->port();
  RawClient busy(port);
  busy.Send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  RawClient idle(port);
  idle.Send("GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.ReadResponse();
  const Respond respond = taken.get_future().get();
  std::thread stopping([&] { server_->Stop(); });
  EXPECT_EQ(idle.ReadToEnd(), "");  // closed, while the other is still waited for
  EXPECT_FALSE(RawClient(port).connected());
  respond(HttpResponse::Text(200, "finished"));
  const std::string response = busy.ReadToEnd();
  EXPECT_EQ(Body(response), "finished");
  EXPECT_NE(response.find("Connection: close"), std::string::npos);
  stopping.join();
}

TEST_F(HttpServerTest, GivesUpOnWhatDoesNotDrain) {
  settings_.drain_timeout = {50 * base::kMillisecond};
  std::promise<Respond> taken;
  router_.Add("GET", "/never", [&taken](const HttpRequest&, Respond respond) {
    taken.set_value(std::move(respond));
  });
  Start();
  RawClient client(server_->port());
  client.Send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
  const Respond respond = taken.get_future().get();
  server_->Stop();
  EXPECT_EQ(client.ReadToEnd(), "");
  respond(HttpResponse::Text(200, "too late"));  // harmless
}

}  // namespace
}  // namespace slipway::net
