// SPDX-License-Identifier: Apache-2.0
// Bodies that flow: uploads, downloads and event streams over real sockets, in bounded memory.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <future>
#include <string>

#include "net/http_server_testing.h"

namespace slipway::net {
namespace {

class HttpStreamsTest : public testing::Test, protected HttpServerFixture {};

TEST_F(HttpStreamsTest, StreamsALargeUploadInBoundedMemory) {
  Start();
  constexpr int64_t kSize = 64 << 20;
  const int64_t before = ResidentBytes();
  RawClient client(server_->port());
  client.Send("PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(kSize) +
              "\r\n\r\n");
  const std::string piece(1 << 16, 'u');
  for (int64_t sent = 0; sent < kSize; sent += static_cast<int64_t>(piece.size()))
    ASSERT_TRUE(client.Send(piece));
  EXPECT_EQ(Body(client.ReadResponse()), std::to_string(kSize));
  EXPECT_LT(most_resident_ - before, kMostGrowthBytes);
  client.Send("GET /hello/still HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(Body(client.ReadResponse()), "hello still");
}

TEST_F(HttpStreamsTest, HoldsBackAnUploadThatIsNotRead) {
  std::promise<void> go;
  const std::shared_future<void> may_go = go.get_future().share();
  router_.AddStreaming("PUT", "/waits", [may_go](HttpRequest& request) {
    may_go.wait();
    std::string piece(1 << 16, '\0');
    size_t total = 0;
    while (true) {
      const auto got = request.stream->Read(piece);
      if (!got.ok()) return ErrorResponse(got.status());
      if (*got == 0) return HttpResponse::Text(200, std::to_string(total));
      total += *got;
    }
  });
  Start();
  RawClient client(server_->port());
  const int64_t before = ResidentBytes();
  constexpr size_t kSize = 32 << 20;
  client.Send("PUT /waits HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(kSize) +
              "\r\n\r\n");
  const std::string body(kSize, 'b');
  size_t sent = 0;
  while (sent < kSize) {  // until the kernel's buffers and the window are full
    const ssize_t got =
        send(client.fd(), body.data() + sent, kSize - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (got < 0) break;
    sent += static_cast<size_t>(got);
  }
  EXPECT_LT(sent, kSize);
  EXPECT_LT(ResidentBytes() - before, static_cast<int64_t>(kSize) + kMostGrowthBytes);
  go.set_value();
  ASSERT_TRUE(client.Send(std::string_view(body).substr(sent)));
  EXPECT_EQ(Body(client.ReadResponse()), std::to_string(kSize));
}

TEST_F(HttpStreamsTest, TellsTheHandlerThatTheUploaderIsGone) {
  Start();
  {
    RawClient client(server_->port());
    client.Send("PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
  }
  EXPECT_EQ(upload_failure_.get_future().get(), "client_gone");
}

TEST_F(HttpStreamsTest, StreamsAResponse) {
  Start();
  RawClient client(server_->port());
  client.Send("GET /download?size=5000000&length=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(Body(client.ReadResponse()), std::string(5000000, 'x'));
  client.Send("GET /download?size=70000 HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string chunked = client.ReadUntil("\r\n0\r\n\r\n");
  EXPECT_NE(chunked.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_EQ(std::count(chunked.begin(), chunked.end(), 'x'), 70000);
  RawClient empty(server_->port());
  empty.Send("GET /download?size=0 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(Body(empty.ReadUntil("\r\n\r\n0\r\n\r\n")), "0\r\n\r\n");
  RawClient old(server_->port());
  old.Send("GET /download?size=70000 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(Body(old.ReadToEnd()), std::string(70000, 'x'));
}

TEST_F(HttpStreamsTest, DoesNotPassOffAFailedStreamAsWhole) {
  Start();
  RawClient client(server_->port());
  client.Send("GET /breaks HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string response = client.ReadToEnd();
  EXPECT_EQ(response.find("\r\n0\r\n"), std::string::npos) << response;
}

TEST_F(HttpStreamsTest, PushesEventsUntilTheClientLeaves) {
  std::promise<std::shared_ptr<EventSink>> made;
  router_.Add("GET", "/events", [&made](const HttpRequest&, const Respond& respond) {
    HttpResponse response;
    response.SetHeader("Content-Type", "text/event-stream");
    response.push = [&made](std::shared_ptr<EventSink> sink) { made.set_value(std::move(sink)); };
    respond(std::move(response));
  });
  Start();
  auto client = std::make_unique<RawClient>(server_->port());
  client->Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::shared_ptr<EventSink> sink = made.get_future().get();
  EXPECT_TRUE(sink->Send("data: one\n\n"));
  client->ReadUntil("data: one\n\n");
  EXPECT_TRUE(sink->Send("data: two\n\n"));
  EXPECT_NE(client->ReadUntil("data: two\n\n").find("data: two\n\n"), std::string::npos);
  client.reset();
  const int64_t give_up = base::MonotonicNanos() + 20'000'000'000;
  bool alive = true;
  while (alive && base::MonotonicNanos() < give_up) alive = sink->Send("x");
  EXPECT_FALSE(alive);
}

TEST_F(HttpStreamsTest, EndsPushedEventsWhenTheSinkIsLetGo) {
  router_.Add("GET", "/events", [](const HttpRequest&, const Respond& respond) {
    HttpResponse response;
    response.push = [](const std::shared_ptr<EventSink>& sink) { sink->Send("only"); };
    respond(std::move(response));
  });
  Start();
  RawClient client(server_->port());
  client.Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(Body(client.ReadUntil("0\r\n\r\n")), "4\r\nonly\r\n0\r\n\r\n");
}

TEST_F(HttpStreamsTest, PushesAPieceOfAnySize) {
  constexpr size_t kSize = 3'000'000;
  router_.Add("GET", "/events", [](const HttpRequest&, const Respond& respond) {
    HttpResponse response;
    response.push = [](const std::shared_ptr<EventSink>& sink) {
      EXPECT_TRUE(sink->Send(std::string(kSize, 'x')));
    };
    respond(std::move(response));
  });
  Start();
  RawClient client(server_->port());
  client.Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string all = client.ReadUntil("\r\n0\r\n\r\n");
  EXPECT_EQ(std::count(all.begin(), all.end(), 'x'), static_cast<std::ptrdiff_t>(kSize));
}

TEST_F(HttpStreamsTest, CutsOffAClientThatLetsEventsPileUp) {
  std::promise<std::shared_ptr<EventSink>> made;
  router_.Add("GET", "/events", [&made](const HttpRequest&, const Respond& respond) {
    HttpResponse response;
    response.push = [&made](std::shared_ptr<EventSink> sink) { made.set_value(std::move(sink)); };
    respond(std::move(response));
  });
  Start();
  RawClient client(server_->port());  // reads nothing
  client.Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::shared_ptr<EventSink> sink = made.get_future().get();
  const std::string piece(64 * 1024, 'x');
  int sent = 0;
  while (sent < 10'000 && sink->Send(piece)) ++sent;
  EXPECT_LT(sent, 10'000);  // 640 MB: more than sockets hold
  EXPECT_EQ(client.ReadToEnd().find("\r\n0\r\n\r\n"), std::string::npos);
}

}  // namespace
}  // namespace slipway::net
