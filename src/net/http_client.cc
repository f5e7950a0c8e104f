// SPDX-License-Identifier: Apache-2.0
// HttpClient: the one way out of the process: webhooks, object stores' side calls. Plain sockets
// with deadlines; TLS by OpenSSL.
#include "net/http_client.h"

#include <algorithm>
#include <cctype>

#include "net/address.h"
#include "net/http_answer.h"
#include "net/outbound.h"

namespace slipway::net {

namespace {

struct Url {
  bool tls = false;
  std::string host;
  uint16_t port = 0;
  std::string authority;  // for Host
  std::string target;
};

base::Result<Url> ParseUrl(const std::string& text) {
  Url url;
  std::string_view rest = text;
  const base::Status bad = base::InvalidArgument(
      "url", "expected http://host[:port]/path or https://..., got \"" + text + "\"", "bad_url");
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else {
    return bad;
  }
  rest = rest.substr(0, rest.find('#'));
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  url.authority = rest.substr(0, end);
  url.target = rest.substr(end);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  const bool odd = std::any_of(rest.begin(), rest.end(),
                               [](char c) { return static_cast<unsigned char>(c) <= 0x20; });
  if (odd || url.authority.empty() || url.authority.find('@') != std::string::npos) return bad;
  const bool has_port =
      url.authority.find(
          ':', url.authority.rfind(']') == std::string::npos ? 0 : url.authority.rfind(']')) !=
      std::string::npos;
  const auto where =
      ParseHostPort(has_port ? url.authority : url.authority + (url.tls ? ":443" : ":80"));
  if (!where.ok()) return bad;
  url.host = where->host;
  url.port = where->port;
  return url;
}

bool IsHeaderText(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

base::Result<std::string> MakeRequest(const HttpCall& call, const Url& url) {
  std::string bytes =
      call.method + " " + url.target + " HTTP/1.1\r\nHost: " + url.authority + "\r\n";
  for (const Header& header : call.headers) {
    if (!IsHeaderText(header.name) || !IsHeaderText(header.value) ||
        header.name.find(':') != std::string::npos) {
      return base::InvalidArgument(
          "headers", "the header " + header.name + " holds characters that a header cannot");
    }
    bytes += header.name + ": " + header.value + "\r\n";
  }
  if (!call.body.empty() || call.method == "POST" || call.method == "PUT" ||
      call.method == "PATCH") {
    bytes += "Content-Length: " + std::to_string(call.body.size()) + "\r\n";
  }
  return bytes + "Connection: close\r\n\r\n" + call.body;
}

}  // namespace

void Describe(base::Schema& schema, HttpClientSettings& settings) {
  schema.Add("http_client.allow", &settings.allow,
             "Networks that the server may call (webhooks): CIDR, or * for all; checked after name "
             "resolution.");
  schema.Add("http_client.timeout", &settings.timeout, "Time for a whole outbound call.",
             base::Duration{base::kMillisecond}, base::Duration{base::kHour});
  schema.Add("http_client.max_response_bytes", &settings.max_response_bytes,
             "Largest response that is read.", 1024, 1LL << 32);
}

HttpClient::HttpClient(HttpClientSettings settings) : settings_(std::move(settings)) {}
HttpClient::~HttpClient() = default;

base::Result<HttpResponse> HttpClient::Send(const HttpCall& call) const {
  const Url url = TRY(ParseUrl(call.url));
  const std::string request = TRY(MakeRequest(call, url));
  const AllowList allowed = TRY(AllowList::Parse(settings_.allow));
  const int64_t deadline = base::MonotonicNanos() + settings_.timeout.micros * 1000;
  const auto connection = TRY(Outbound::Connect(url.host, url.port, url.tls, allowed, deadline));
  TRY(connection->Write(request));
  HttpAnswer answer(call.method == "HEAD", settings_.max_response_bytes);
  std::string piece(16 * 1024, '\0');
  while (!answer.done()) {
    const size_t got = TRY(connection->Read(piece));
    TRY(got == 0 ? answer.End() : answer.Take({piece.data(), got}));
  }
  return answer.TakeResponse();
}

}  // namespace slipway::net
