// SPDX-License-Identifier: Apache-2.0
// HTTP values: headers, queries, percent coding and how a Status looks as an answer.
#include "net/http.h"

#include <array>

#include "base/json.h"
#include "net/retry_after.h"

namespace slipway::net {

namespace {

char LowerOf(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool SameName(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (LowerOf(a[i]) != LowerOf(b[i])) return false;
  }
  return true;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Failures of HTTP itself, which have a status of their own.
struct ReasonStatus {
  std::string_view reason;
  int status;
};
constexpr std::array<ReasonStatus, 9> kOwnStatus = {{{"body_too_large", 413},
                                                     {"target_too_long", 414},
                                                     {"expectation_failed", 417},
                                                     {"headers_too_large", 431},
                                                     {"method_not_allowed", 405},
                                                     {"request_timeout", 408},
                                                     {"unsupported_content_encoding", 415},
                                                     {"queue_full", 503},
                                                     {"no_answer", 500}}};

}  // namespace

std::string_view HttpRequest::GetHeader(std::string_view name) const {
  for (const Header& header : headers) {
    if (SameName(header.name, name)) return header.value;
  }
  return {};
}

std::optional<std::string> HttpRequest::GetQuery(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

const std::string& HttpRequest::GetParam(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return value;
  }
  CHECK(false, "the route has no {" + std::string(name) + "}");
}

HttpResponse HttpResponse::Json(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = std::move(body);
  return response;
}

HttpResponse HttpResponse::Text(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
  response.body = std::move(body);
  return response;
}

void HttpResponse::SetHeader(std::string_view name, std::string value) {
  for (Header& header : headers) {
    if (SameName(header.name, name)) {
      header.value = std::move(value);
      return;
    }
  }
  headers.push_back({std::string(name), std::move(value)});
}

int HttpStatusOf(base::Code code) {
  constexpr std::array<int, 17> kStatus = {
      200,  // OK
      499,  // CANCELLED
      500,  // UNKNOWN
      400,  // INVALID_ARGUMENT
      504,  // DEADLINE_EXCEEDED
      404,  // NOT_FOUND
      409,  // ALREADY_EXISTS
      403,  // PERMISSION_DENIED
      429,  // RESOURCE_EXHAUSTED
      400,  // FAILED_PRECONDITION
      409,  // ABORTED
      400,  // OUT_OF_RANGE
      501,  // UNIMPLEMENTED
      500,  // INTERNAL
      503,  // UNAVAILABLE
      500,  // DATA_LOSS
      401,  // UNAUTHENTICATED
  };
  const auto at = static_cast<size_t>(code);
  return at < kStatus.size() ? kStatus[at] : 500;
}

HttpResponse ErrorResponse(const base::Status& status) {
  int code = HttpStatusOf(status.code());
  for (const ReasonStatus& own : kOwnStatus) {
    if (own.reason == status.reason()) code = own.status;
  }
  base::Json error = base::Json::MakeObject({{"code", base::CodeName(status.code())},
                                             {"reason", status.reason()},
                                             {"message", status.message()},
                                             {"field", status.field()}});
  HttpResponse response =
      HttpResponse::Json(code, base::Json::MakeObject({{"error", std::move(error)}}).Dump());
  if (code == 429 || code == 503)
    response.SetHeader("Retry-After", std::to_string(RetryAfterSeconds(status)));
  return response;
}

std::string PercentDecode(std::string_view text, bool plus_is_space) {
  const bool plain = text.find('%') == std::string_view::npos &&
                     (!plus_is_space || text.find('+') == std::string_view::npos);
  if (plain) return std::string(text);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += text[i] == '+' && plus_is_space ? ' ' : text[i];
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<unsigned char>(c) >> 4];
      out += kDigits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> ParseQuery(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (item.empty()) continue;
    const size_t equals = std::min(item.find('='), item.size());
    const std::string_view value = item.substr(std::min(equals + 1, item.size()));
    pairs.emplace_back(PercentDecode(item.substr(0, equals), true), PercentDecode(value, true));
  }
  return pairs;
}

}  // namespace slipway::net
