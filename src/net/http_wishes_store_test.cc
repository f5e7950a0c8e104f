// SPDX-License-Identifier: Apache-2.0
// What a client may ask of the HTTP server beside its answer: compression, CORS, limits, and that
// work for a client that is gone be left out.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "net/content_decoder.h"
#include "net/http_server.h"
#include "net/http_server_testing.h"

namespace slipway::net {
namespace {

class HttpWishes : public testing::Test, protected HttpServerFixture {
 protected:
  std::string Get(const std::string& path, const std::string& headers = "",
                  const std::string& method = "GET") {
    return Ask(method + " " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
  }
};

std::string HeaderOf(const std::string& response, const std::string& name) {
  const size_t at = response.find("\r\n" + name + ": ");
  if (at == std::string::npos || at > response.find("\r\n\r\n")) return "(none)";
  const size_t begin = at + name.size() + 4;
  return response.substr(begin, response.find("\r\n", begin) - begin);
}

std::string Unpacked(const std::string& response) {
  auto decoder = ContentDecoder::Make(HeaderOf(response, "Content-Encoding"));
  std::string plain;
  if (!decoder.ok() || !*decoder || !(*decoder)->Decode(Body(response), plain, 1 << 30).ok())
    return "not packed";
  return (*decoder)->Finish().ok() ? plain : "cut short";
}

TEST_F(HttpWishes, PacksAnswersForThoseWhoAsk) {
  const std::string small(1000, 's');
  const std::string medium(10'000, 'm');
  const std::string large(3'000'000, 'l');
  for (const auto* text : {&small, &medium, &large}) {
    const std::string name(1, (*text)[0]);
    router_.Add("GET", "/" + name, [text](const HttpRequest&, const Respond& respond) {
      respond(HttpResponse::Text(200, *text));
    });
    router_.AddBlocking("GET", "/blocking-" + name,
                        [text](HttpRequest&) { return HttpResponse::Text(200, *text); });
  }
  Start();
  for (const char* encoding : {"gzip", "deflate", "zstd"}) {
    const std::string accept = std::string("Accept-Encoding: ") + encoding + "\r\n";
    for (const std::string prefix : {"/", "/blocking-"}) {
      for (const auto* text : {&medium, &large}) {
        const std::string response = Get(prefix + (*text)[0], accept);
        EXPECT_EQ(HeaderOf(response, "Content-Encoding"), encoding);
        EXPECT_EQ(HeaderOf(response, "Vary"), "Accept-Encoding");
        EXPECT_LT(Body(response).size(), text->size() / 20);
        EXPECT_TRUE(Unpacked(response) == *text);
      }
      EXPECT_EQ(Body(Get(prefix + "s", accept)), small);
      EXPECT_EQ(HeaderOf(Get(prefix + "s", accept), "Vary"), "(none)");
    }
  }
  const std::string plain = Get("/m");
  EXPECT_EQ(Body(plain), medium);
  EXPECT_EQ(HeaderOf(plain, "Vary"), "Accept-Encoding");
  const std::string head = Get("/m", "Accept-Encoding: gzip\r\nConnection: close\r\n", "HEAD");
  EXPECT_EQ(HeaderOf(head, "Content-Length"),
            HeaderOf(Get("/m", "Accept-Encoding: gzip\r\n"), "Content-Length"));
}

TEST_F(HttpWishes, LeavesPackedAndBinaryAnswersAsTheyAre) {
  router_.Add("GET", "/tensors", [](const HttpRequest&, const Respond& respond) {
    HttpResponse response;
    response.SetHeader("Content-Type", "application/octet-stream");
    response.body = std::string(10'000, 't');
    respond(std::move(response));
  });
  router_.Add("GET", "/packed", [](const HttpRequest&, const Respond& respond) {
    HttpResponse response = HttpResponse::Text(200, std::string(10'000, 'p'));
    response.SetHeader("Content-Encoding", "br");
    respond(std::move(response));
  });
  Start();
  EXPECT_EQ(Body(Get("/tensors", "Accept-Encoding: gzip\r\n")), std::string(10'000, 't'));
  EXPECT_EQ(Body(Get("/packed", "Accept-Encoding: gzip\r\n")), std::string(10'000, 'p'));
}

TEST_F(HttpWishes, PacksNothingWhenToldNotTo) {
  settings_.compression = false;
  router_.Add("GET", "/m", [](const HttpRequest&, const Respond& respond) {
    respond(HttpResponse::Text(200, std::string(10'000, 'm')));
  });
  Start();
  const std::string response = Get("/m", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(Body(response), std::string(10'000, 'm'));
  EXPECT_EQ(HeaderOf(response, "Vary"), "(none)");
}

constexpr const char* kPreflight =
    "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n";

TEST_F(HttpWishes, AllowsNoOtherOriginsUnlessTold) {
  Start();
  const std::string get = Get("/hello/a", "Origin: https://app.example\r\n");
  EXPECT_EQ(HeaderOf(get, "Access-Control-Allow-Origin"), "(none)");
  EXPECT_EQ(HeaderOf(Get("/echo", kPreflight, "OPTIONS"), "Access-Control-Allow-Methods"),
            "(none)");
}

TEST_F(HttpWishes, AnswersTheOriginsThatItKnows) {
  settings_.cors.origins = {"https://app.example", "http://localhost:3000"};
  settings_.cors.credentials = true;
  settings_.cors.max_age = {60 * base::kSecond};
  Start();
  const std::string preflight = Get("/echo", kPreflight, "OPTIONS");
  EXPECT_EQ(StatusLine(preflight), "HTTP/1.1 204 No Content");
  EXPECT_EQ(HeaderOf(preflight, "Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_EQ(HeaderOf(preflight, "Access-Control-Allow-Credentials"), "true");
  EXPECT_EQ(HeaderOf(preflight, "Access-Control-Allow-Methods"),
            "GET, HEAD, POST, PUT, PATCH, DELETE");
  EXPECT_EQ(HeaderOf(preflight, "Access-Control-Allow-Headers"),
            "Content-Type, Inference-Header-Content-Length");
  EXPECT_EQ(HeaderOf(preflight, "Access-Control-Max-Age"), "60");
  EXPECT_EQ(HeaderOf(preflight, "Vary"),
            "Access-Control-Request-Method, Access-Control-Request-Headers, Origin");
  for (const char* path : {"/hello/a", "/nothing"}) {  // errors too: a page must see why
    const std::string get = Get(path, "Origin: http://localhost:3000\r\n");
    EXPECT_EQ(HeaderOf(get, "Access-Control-Allow-Origin"), "http://localhost:3000");
    EXPECT_EQ(HeaderOf(get, "Vary"), "Origin");
    EXPECT_EQ(HeaderOf(get, "Access-Control-Expose-Headers"), "Inference-Header-Content-Length");
  }
  for (const char* origin : {"https://evil.example", "https://app.example.evil", "null", ""}) {
    const std::string get = Get("/hello/a", "Origin: " + std::string(origin) + "\r\n");
    EXPECT_EQ(HeaderOf(get, "Access-Control-Allow-Origin"), "(none)") << origin;
    EXPECT_EQ(Body(get), "hello a");
  }
}

TEST_F(HttpWishes, AnswersEveryOrigin) {
  settings_.cors.origins = {"*"};
  Start();
  const std::string get = Get("/hello/a", "Origin: https://app.example\r\n");
  EXPECT_EQ(HeaderOf(get, "Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(HeaderOf(get, "Vary"), "(none)");
  EXPECT_EQ(HeaderOf(Get("/nothing", kPreflight, "OPTIONS"), "Access-Control-Allow-Methods"),
            "(none)");
}

TEST_F(HttpWishes, RefusesCorsSettingsThatCannotWork) {
  const auto field = [&](const CorsSettings& cors) {
    settings_.cors = cors;
    return HttpServer(settings_, router_, pool_, metrics_).Start().field();
  };
  EXPECT_EQ(field({.origins = {"app.example"}}), "http.cors.origins");
  EXPECT_EQ(field({.origins = {"https://app.example/path"}}), "http.cors.origins");
  EXPECT_EQ(field({.origins = {"*"}, .credentials = true}), "http.cors.credentials");
  EXPECT_EQ(field({.origins = {"*"}, .headers = {"A\r\nB"}}), "http.cors.headers");
}

TEST_F(HttpWishes, AnswersForTheWholeServer) {
  Start();
  const std::string response = Ask("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(StatusLine(response), "HTTP/1.1 204 No Content");
  EXPECT_NE(HeaderOf(response, "Allow").find("POST"), std::string::npos);
}

TEST_F(HttpWishes, SaysWhichLimitWasPassed) {
  settings_.max_headers = 10;
  settings_.max_target_bytes = 128;
  Start();
  EXPECT_EQ(StatusLine(Get("/hello/" + std::string(200, 'a'))), "HTTP/1.1 414 URI Too Long");
  std::string many;
  for (int i = 0; i < 20; ++i) many += "A: b\r\n";
  EXPECT_EQ(StatusLine(Get("/hello/a", many)), "HTTP/1.1 431 Request Header Fields Too Large");
  EXPECT_EQ(StatusLine(Get("/hello/a", "Expect: a miracle\r\n")),
            "HTTP/1.1 417 Expectation Failed");
}

TEST_F(HttpWishes, ClosesAConnectionAfterSoManyRequests) {
  settings_.max_connection_requests = 2;
  Start();
  RawClient client(server_->port());
  client.Send("GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\nGET /hello/b HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(HeaderOf(client.ReadResponse(), "Connection"), "(none)");
  EXPECT_EQ(HeaderOf(client.ReadToEnd(), "Connection"), "close");
}

TEST_F(HttpWishes, TellsAHandlerThatItsClientIsGone) {
  std::promise<std::shared_ptr<const std::atomic<bool>>> taken;
  std::promise<Respond> kept;
  router_.Add("GET", "/slow", [&](const HttpRequest& request, Respond respond) {
    kept.set_value(std::move(respond));
    taken.set_value(request.gone);
  });
  Start();
  std::shared_ptr<const std::atomic<bool>> gone;
  {
    RawClient client(server_->port());
    client.Send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    gone = taken.get_future().get();
    EXPECT_FALSE(gone->load());
  }
  const int64_t give_up = base::MonotonicNanos() + 20'000'000'000;
  while (!gone->load() && base::MonotonicNanos() < give_up) std::this_thread::yield();
  EXPECT_TRUE(gone->load());
  kept.get_future().get()(HttpResponse::Text(200, "for nobody"));  // harmless
}

TEST_F(HttpWishes, KeepsTheOrderWhileAnAnswerIsAwaited) {
  std::promise<Respond> taken;
  router_.Add("GET", "/slow", [&taken](const HttpRequest&, Respond respond) {
    taken.set_value(std::move(respond));
  });
  Start();
  RawClient client(server_->port());
  client.Send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /hello/next HTTP/1.1\r\nHost: x\r\n\r\n");
  const Respond respond = taken.get_future().get();
  std::thread later([&respond] { respond(HttpResponse::Text(200, "first")); });
  EXPECT_EQ(Body(client.ReadResponse()), "first");
  EXPECT_EQ(Body(client.ReadResponse()), "hello next");
  later.join();
}

TEST_F(HttpWishes, SeesTheSameRequestsHoweverTheirBytesArrive) {
  Start();
  std::string bytes;
  std::vector<std::string> wanted;
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    const std::string name = std::to_string(i);
    switch (random() % 4) {
      case 0:
        bytes += "GET /hello/" + name + " HTTP/1.1\r\nHost: x\r\n\r\n";
        wanted.push_back("hello " + name);
        break;
      case 1:
        bytes += "GET /blocking?q=" + name + " HTTP/1.1\r\nHost: x\r\n\r\n";
        wanted.push_back(name);
        break;
      case 2:
        bytes +=
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(name.size()) +
            "\r\n\r\n" + name;
        wanted.push_back(name);
        break;
      default:
        bytes += "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n" +
                 std::to_string(name.size()) + ";e\r\n" + name + "\r\n0\r\nT: t\r\n\r\n";
        wanted.push_back("a" + name);
    }
  }
  RawClient client(server_->port());
  std::thread sender([&] {
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = std::min<size_t>(1 + random() % 60, bytes.size() - at);
      if (!client.Send(std::string_view(bytes).substr(at, size))) return;
      at += size;
    }
  });
  for (const std::string& text : wanted) ASSERT_EQ(Body(client.ReadResponse()), text);
  sender.join();
}

}  // namespace
}  // namespace slipway::net
