// SPDX-License-Identifier: Apache-2.0
// HttpClient against real servers: ours, and sockets that misbehave.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/files.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace slipway::net {
namespace {

// Accepts one connection, reads what comes first and runs `serve` on it.
class OneShot {
 public:
  explicit OneShot(std::function<void(int)> serve)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_.fd(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_.fd(), 1), 0);
    getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const base::FileHandle peer(accept(listener_.fd(), nullptr, nullptr));
      if (peer.valid()) serve(peer.fd());
    });
  }
  ~OneShot() {
    shutdown(listener_.fd(), SHUT_RDWR);
    thread_.join();
  }
  OneShot(const OneShot&) = delete;
  OneShot& operator=(const OneShot&) = delete;
  std::string Url(const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port_) + "/x";
  }

 private:
  base::FileHandle listener_;
  uint16_t port_ = 0;
  std::thread thread_;
};

void Answer(int fd, std::string_view bytes) {
  char request[65536];
  ASSERT_GT(recv(fd, request, sizeof(request), 0), 0);
  send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

HttpCall Get(std::string url) {
  HttpCall call;
  call.url = std::move(url);
  return call;
}

TEST(HttpClient, SendsAndReads) {
  Router router;
  router.Add("POST", "/hook", [](const HttpRequest& request, const Respond& respond) {
    HttpResponse response =
        HttpResponse::Text(202, request.body + "|" + std::string(request.GetHeader("X-Sign")));
    response.SetHeader("X-Back", "yes");
    respond(std::move(response));
  });
  base::ThreadPool pool("test", 1, 10);
  base::Metrics metrics;
  HttpServer server({.listen = "127.0.0.1:0"}, router, pool, metrics);
  ASSERT_TRUE(server.Start().ok());
  const auto response =
      HttpClient({}).Send({.method = "POST",
                           .url = "http://localhost:" + std::to_string(server.port()) + "/hook?a=b",
                           .headers = {{"X-Sign", "s"}},
                           .body = "payload"});
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->status, 202);
  EXPECT_EQ(response->body, "payload|s");
  bool back = false;
  for (const Header& header : response->headers)
    back = back || (header.name == "X-Back" && header.value == "yes");
  EXPECT_TRUE(back);
}

TEST(HttpClient, CallsOnlyAllowedAddresses) {
  const HttpClient client({.allow = {"10.0.0.0/8"}});
  for (const char* url : {"http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/",
                          "http://[::ffff:127.0.0.1]:1/"}) {
    EXPECT_EQ(client.Send(Get(url)).status().reason(), "address_not_allowed") << url;
  }
}

TEST(HttpClient, RefusesWhatIsNoUrlOrHeader) {
  for (const char* url : {"", "ftp://x/", "http://", "http://user@host/", "http://h:99999/",
                          "http://h/a b", "http://h\r\n/"}) {
    EXPECT_EQ(HttpClient({}).Send(Get(url)).status().reason(), "bad_url") << url;
  }
  HttpCall call = Get("http://127.0.0.1:1/");
  call.headers = {{"A", "b\r\nC: d"}};
  EXPECT_EQ(HttpClient({}).Send(call).status().field(), "headers");
}

TEST(HttpClient, ReadsChunksInterimAnswersAndBodiesThatEndWithTheConnection) {
  for (const std::string_view bytes :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\n\r\nabc"}) {
    const OneShot server([bytes](int fd) { Answer(fd, bytes); });
    const auto response = HttpClient({}).Send(Get(server.Url()));
    ASSERT_TRUE(response.ok()) << response.status().ToString();
    EXPECT_EQ(response->body, "abc");
  }
}

TEST(HttpClient, TellsBrokenAnswers) {
  for (const std::string_view bytes :
       {"", "NONSENSE\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"}) {
    const OneShot server([bytes](int fd) { Answer(fd, bytes); });
    EXPECT_EQ(HttpClient({}).Send(Get(server.Url())).status().code(), base::Code::kUnavailable)
        << bytes;
  }
  const OneShot large(
      [](int fd) { Answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"); });
  EXPECT_EQ(HttpClient({.max_response_bytes = 4096}).Send(Get(large.Url())).status().reason(),
            "response_too_large");
}

TEST(HttpClient, GivesUpAtTheDeadline) {
  const OneShot server([](int fd) {
    char piece[4096];
    while (recv(fd, piece, sizeof(piece), 0) > 0) {  // never answers
    }
  });
  const auto response = HttpClient({.timeout = {100 * base::kMillisecond}}).Send(Get(server.Url()));
  EXPECT_EQ(response.status().code(), base::Code::kDeadlineExceeded);
}

TEST(HttpClient, SaysThatNobodyListens) {
  std::string url;
  {
    const OneShot server([](int) {});
    url = server.Url();
  }
  EXPECT_EQ(HttpClient({}).Send(Get(url)).status().code(), base::Code::kUnavailable);
}

// A certificate of its own making for `address`.
SSL_CTX* SelfSigned() {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

TEST(HttpClient, DoesNotTrustACertificateThatNobodySigned) {
  const OneShot server([](int fd) {
    SSL_CTX* context = SelfSigned();
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    EXPECT_LE(SSL_accept(ssl), 0);
    SSL_free(ssl);
    SSL_CTX_free(context);
  });
  const auto response = HttpClient({}).Send(Get(server.Url("https")));
  EXPECT_EQ(response.status().reason(), "tls_failed");
  EXPECT_NE(response.status().message().find("certificate"), std::string::npos)
      << response.status().message();
}

}  // namespace
}  // namespace slipway::net
