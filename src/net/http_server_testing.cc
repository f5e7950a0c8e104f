// SPDX-License-Identifier: Apache-2.0
// Help for the tests of the HTTP server.
#include "net/http_server_testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

namespace slipway::net {

RawClient::RawClient(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  timeval limit{20, 0};  // a hang is a failure, not a stuck test
  setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connected_ = connect(socket_.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string RawClient::ReadUntil(std::string_view text) {
  while (seen_.find(text) == std::string::npos && ReadSome()) {
  }
  return seen_;
}

std::string RawClient::ReadToEnd() {
  while (ReadSome()) {
  }
  return seen_;
}

std::string RawClient::ReadResponse() {
  const size_t head = (ReadUntil("\r\n\r\n"), seen_.find("\r\n\r\n"));
  if (head == std::string::npos) return std::exchange(seen_, {});
  const size_t at = seen_.find("Content-Length: ");
  const size_t length = at < head ? std::stoul(seen_.substr(at + 16)) : 0;
  while (seen_.size() < head + 4 + length && ReadSome()) {
  }
  std::string response = seen_.substr(0, head + 4 + length);
  seen_.erase(0, response.size());
  return response;
}

bool RawClient::ReadSome() {
  char piece[65536];
  const ssize_t got = recv(socket_.fd(), piece, sizeof(piece), 0);
  if (got <= 0) return false;
  seen_.append(piece, static_cast<size_t>(got));
  return true;
}

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

std::string StatusLine(const std::string& response) {
  return response.substr(0, response.find("\r\n"));
}
std::string Body(const std::string& response) {
  const size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? "" : response.substr(end + 4);
}

namespace {

class Counting final : public BodySource {
 public:
  explicit Counting(int64_t total) : left_(total) {}
  base::Result<size_t> Read(std::span<char> buffer) override {
    const auto count =
        static_cast<size_t>(std::min<int64_t>(left_, static_cast<int64_t>(buffer.size())));
    std::fill_n(buffer.data(), count, 'x');
    left_ -= static_cast<int64_t>(count);
    return count;
  }

 private:
  int64_t left_;
};

class Failing final : public BodySource {
 public:
  base::Result<size_t> Read(std::span<char> buffer) override {
    if (std::exchange(given_, true)) return base::Internal("disk_gone", "the disk is gone");
    buffer[0] = 'a';
    return 1;
  }

 private:
  bool given_ = false;
};

}  // namespace

HttpServerFixture::HttpServerFixture() { settings_.listen = "127.0.0.1:0"; }

HttpServerFixture::~HttpServerFixture() {
  server_.reset();
  pool_.Stop();
}

void HttpServerFixture::Start() {
  router_.Add("GET", "/hello/{name}", [](const HttpRequest& request, const Respond& respond) {
    respond(HttpResponse::Text(200, "hello " + request.GetParam("name")));
  });
  router_.Add("POST", "/echo", [](HttpRequest request, const Respond& respond) {
    respond(HttpResponse::Text(200, std::move(request.body)));
  });
  router_.Add("GET", "/forgets", [](const HttpRequest&, const Respond&) {});
  router_.AddBlocking("GET", "/blocking", [](HttpRequest& request) {
    return HttpResponse::Text(200, request.GetQuery("q").value_or("none"));
  });
  router_.AddStreaming("PUT", "/upload", [this](HttpRequest& request) { return Upload(request); });
  router_.AddBlocking("GET", "/download", [](HttpRequest& request) {
    HttpResponse response;
    const int64_t size = std::stoll(request.GetQuery("size").value_or("0"));
    response.source = std::make_unique<Counting>(size);
    if (request.GetQuery("length")) response.source_length = size;
    return response;
  });
  router_.AddBlocking("GET", "/breaks", [](HttpRequest&) {
    HttpResponse response;
    response.source = std::make_unique<Failing>();
    return response;
  });
  server_ = std::make_unique<HttpServer>(settings_, router_, pool_, metrics_);
  const base::Status status = server_->Start();
  CHECK(status.ok(), status.ToString());
}

HttpResponse HttpServerFixture::Upload(HttpRequest& request) {
  std::string piece(128 * 1024, '\0');
  int64_t total = 0;
  while (true) {
    const auto got = request.stream->Read(piece);
    if (!got.ok()) {
      upload_failure_.set_value(got.status().reason());
      return ErrorResponse(got.status());
    }
    if (*got == 0) break;
    total += static_cast<int64_t>(*got);
    most_resident_ = std::max(most_resident_.load(), ResidentBytes());
  }
  return HttpResponse::Text(200, std::to_string(total));
}

std::string HttpServerFixture::Ask(const std::string& bytes) {
  RawClient client(server_->port());
  client.Send(bytes);
  return client.ReadResponse();
}

}  // namespace slipway::net
