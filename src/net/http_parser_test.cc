// SPDX-License-Identifier: Apache-2.0
// The parser must see the same in the same bytes, however they are cut, and must never be more
// lenient than it says.
#include "net/http_parser.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

namespace slipway::net {
namespace {

struct Seen {
  std::string problem;  // reason of the error
  HttpRequest request;
  bool done = false;
  size_t used = 0;
};

// Feeds `bytes` in pieces that end at `cuts`, as a connection does.
Seen Feed(const std::string& bytes, const std::vector<size_t>& cuts) {
  Seen seen;
  HttpParser parser({2048, 20, 200});
  parser.Reset(&seen.request);
  size_t begin = 0;
  for (const size_t end : cuts) {
    bool more = true;
    while (more && begin < end && !parser.done()) {
      const std::string_view piece(bytes.data() + begin, end - begin);
      const auto used =
          parser.head_done() ? parser.ParseBody(piece, seen.request.body) : parser.ParseHead(piece);
      if (!used.ok()) {
        seen.problem = used.status().reason();
        return seen;
      }
      begin += *used;
      more = *used > 0;
    }
  }
  seen.done = parser.done();
  seen.used = begin;
  return seen;
}

std::vector<size_t> RandomCuts(size_t size) {
  auto cuts = *rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, size + 1));
  cuts.push_back(size);
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

const std::vector<std::string>& Requests() {
  static const std::vector<std::string> kRequests = {
      "GET /a%20b?x=1&y=%32 HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n",
      "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
      "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n"
      "0\r\nTrailer: t\r\n\r\n",
      "GET http://host:80/path?q HTTP/1.1\r\nHost: host\r\n\r\n",
      "HEAD / HTTP/1.0\r\n\r\n",
      "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n",
      "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n",
      "GET /" + std::string(300, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n",
  };
  return kRequests;
}

TEST(HttpParser, SeesTheSameHoweverTheBytesAreCut) {
  rc::check([] {
    const std::string bytes = *rc::gen::elementOf(Requests());
    const Seen whole = Feed(bytes, {bytes.size()});
    const Seen cut = Feed(bytes, RandomCuts(bytes.size()));
    RC_ASSERT(cut.problem == whole.problem);
    if (!whole.problem.empty()) return;
    RC_ASSERT(cut.done == whole.done);
    RC_ASSERT(cut.request.method == whole.request.method);
    RC_ASSERT(cut.request.path == whole.request.path);
    RC_ASSERT(cut.request.query == whole.request.query);
    RC_ASSERT(cut.request.headers.size() == whole.request.headers.size());
    RC_ASSERT(cut.request.body == whole.request.body);
    RC_ASSERT(cut.used == whole.used);
  });
}

TEST(HttpParser, LeavesTheNextRequestAlone) {
  rc::check([] {
    const std::string first =
        *rc::gen::elementOf(std::vector<std::string>(Requests().begin(), Requests().begin() + 5));
    const std::string both = first + "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
    const Seen seen = Feed(both, RandomCuts(both.size()));
    RC_ASSERT(seen.problem.empty());
    RC_ASSERT(seen.done);
    RC_ASSERT(seen.used == first.size());
  });
}

TEST(HttpParser, SurvivesDamage) {
  rc::check([] {
    std::string bytes = *rc::gen::elementOf(Requests());
    const int changes = *rc::gen::inRange(1, 6);
    for (int i = 0; i < changes; ++i) {
      const auto at = *rc::gen::inRange<size_t>(0, bytes.size());
      bytes[at] = *rc::gen::arbitrary<char>();
    }
    const Seen whole = Feed(bytes, {bytes.size()});
    const Seen cut = Feed(bytes, RandomCuts(bytes.size()));
    RC_ASSERT(cut.problem.empty() == whole.problem.empty());
    if (whole.problem.empty()) RC_ASSERT(cut.request.body == whole.request.body);
  });
}

TEST(HttpParser, RefusesWhatAnotherServerMightReadDifferently) {
  const std::pair<const char*, const char*> table[] = {
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
       "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc", "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
       "0\r\n\r\n",
       "bad_request"},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
       "unsupported_transfer_encoding"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
       "unsupported_transfer_encoding"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "bad_request"},
      {"GET / HTTP/1.1\r\nHost: x\nB: c\r\n\r\n", "bad_request"},
      {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", "bad_request"},
      {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "bad_request"},
      {"GET / / HTTP/1.1\r\nHost: x\r\n\r\n", "bad_request"},
      {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", "bad_request"},
      {"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", "bad_request"},
      {"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", "bad_request"},
      {"GET / HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\n\r\n", "expectation_failed"},
  };
  for (const auto& [bytes, reason] : table)
    EXPECT_EQ(Feed(bytes, {std::string(bytes).size()}).problem, reason) << bytes;
}

TEST(HttpParser, HoldsItsLimits) {
  const std::string head = "GET / HTTP/1.1\r\nHost: x\r\n";
  std::string many = head;
  for (int i = 0; i < 30; ++i) many += "A: b\r\n";
  const std::pair<std::string, const char*> table[] = {
      {many + "\r\n", "headers_too_large"},
      {head + "A: " + std::string(3000, 'a') + "\r\n\r\n", "headers_too_large"},
      {"GET /" + std::string(250, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", "target_too_long"},
      {"GET /" + std::string(5000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", "target_too_long"},
  };
  for (const auto& [bytes, reason] : table)
    EXPECT_EQ(Feed(bytes, {bytes.size()}).problem, reason) << bytes.substr(0, 40);
}

}  // namespace
}  // namespace slipway::net
