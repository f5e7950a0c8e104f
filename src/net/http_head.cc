// SPDX-License-Identifier: Apache-2.0
// Response heads: the last step of a request's walk before its bytes leave.
#include "net/http_head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

namespace slipway::net {

namespace {

struct Phrase {
  int status;
  std::string_view text;
};
constexpr std::array<Phrase, 32> kPhrases = {{{200, "OK"},
                                              {201, "Created"},
                                              {202, "Accepted"},
                                              {204, "No Content"},
                                              {206, "Partial Content"},
                                              {301, "Moved Permanently"},
                                              {302, "Found"},
                                              {303, "See Other"},
                                              {304, "Not Modified"},
                                              {307, "Temporary Redirect"},
                                              {308, "Permanent Redirect"},
                                              {400, "Bad Request"},
                                              {401, "Unauthorized"},
                                              {403, "Forbidden"},
                                              {404, "Not Found"},
                                              {405, "Method Not Allowed"},
                                              {408, "Request Timeout"},
                                              {409, "Conflict"},
                                              {412, "Precondition Failed"},
                                              {413, "Content Too Large"},
                                              {414, "URI Too Long"},
                                              {415, "Unsupported Media Type"},
                                              {417, "Expectation Failed"},
                                              {422, "Unprocessable Content"},
                                              {429, "Too Many Requests"},
                                              {431, "Request Header Fields Too Large"},
                                              {500, "Internal Server Error"},
                                              {501, "Not Implemented"},
                                              {502, "Bad Gateway"},
                                              {503, "Service Unavailable"},
                                              {504, "Gateway Timeout"},
                                              {507, "Insufficient Storage"}}};

std::string_view PhraseOf(int status) {
  for (const Phrase& phrase : kPhrases) {
    if (phrase.status == status) return phrase.text;
  }
  return "Status";
}

char LowerOf(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsServersOwn(std::string_view name) {
  for (const std::string_view own : {"content-length", "date", "connection", "transfer-encoding"}) {
    if (name.size() == own.size() && std::equal(name.begin(), name.end(), own.begin(),
                                                [](char a, char b) { return LowerOf(a) == b; })) {
      return true;
    }
  }
  return false;
}

void AppendNumber(std::string& out, int64_t number) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  out.append(text.data(), end);
}

// A name or value of outside origin must not begin a header of its own.
void AppendOneLine(std::string& out, std::string_view text) {
  const size_t start = out.size();
  out += text;
  for (size_t i = start; i < out.size(); ++i) {
    if (static_cast<unsigned char>(out[i]) < 0x20 && out[i] != '\t') out[i] = ' ';
  }
}

}  // namespace

void AppendHead(std::string& out, const HttpResponse& response, const Framing& framing,
                std::string_view date) {
  if (response.status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
  } else {
    out += "HTTP/1.1 ";
    AppendNumber(out, response.status);
    out += ' ';
    out += PhraseOf(response.status);
    out += "\r\n";
  }
  for (const Header& header : response.headers) {
    if (IsServersOwn(header.name)) continue;
    AppendOneLine(out, header.name);
    out += ": ";
    AppendOneLine(out, header.value);
    out += "\r\n";
  }
  if (framing.length) {
    out += "Content-Length: ";
    AppendNumber(out, *framing.length);
    out += "\r\n";
  }
  if (framing.chunked) out += "Transfer-Encoding: chunked\r\n";
  if (framing.close) {
    out += "Connection: close\r\n";
  } else if (framing.keep_alive_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "Date: ";
  out += date;
  out += "\r\n\r\n";
}

std::string HttpDate(int64_t unix_seconds) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_seconds moment{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<std::chrono::seconds> clock(moment - day);
  std::array<char, 64> text{};
  const int size = std::snprintf(
      text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
      kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
      kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<size_t>(size)};
}

}  // namespace slipway::net
