// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/json.h"
#include "net/address.h"
#include "net/http_head.h"
#include "net/http_router.h"

namespace slipway::net {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(Http, FindsHeadersInAnyCase) {
  HttpRequest request;
  request.headers = {{"Content-TYPE", "a"}, {"content-type", "b"}};
  EXPECT_EQ(request.GetHeader("Content-Type"), "a");
  EXPECT_EQ(request.GetHeader("Accept"), "");
  HttpResponse response = HttpResponse::Json(200, "{}");
  response.SetHeader("CONTENT-type", "x");
  ASSERT_EQ(response.headers.size(), 1U);
  EXPECT_EQ(response.headers[0].value, "x");
}

TEST(Http, ReadsQueries) {
  EXPECT_EQ(ParseQuery("a=1&b=x%20y+z&c&&=d&e=%zz%4"),
            (Pairs{{"a", "1"}, {"b", "x y z"}, {"c", ""}, {"", "d"}, {"e", "%zz%4"}}));
  EXPECT_EQ(PercentDecode("a+b", false), "a+b");
  EXPECT_EQ(PercentEncode("a/b c~\xff"), "a%2Fb%20c~%FF");
}

TEST(Http, DecodesWhatItEncoded) {
  rc::check([](const std::string& text) {
    RC_ASSERT(PercentDecode(PercentEncode(text), false) == text);
  });
}

TEST(Http, ShowsAStatus) {
  const HttpResponse response =
      ErrorResponse(base::InvalidArgument("inputs[0]", "too \"long\"", "bad_shape"));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(
      response.body,
      R"({"error":{"code":"INVALID_ARGUMENT","reason":"bad_shape","message":"too \"long\"","field":"inputs[0]"}})");
  EXPECT_EQ(ErrorResponse(base::ResourceExhausted("body_too_large", "")).status, 413);
  EXPECT_EQ(ErrorResponse(base::ResourceExhausted("quota", "")).status, 429);
  EXPECT_EQ(ErrorResponse(base::ResourceExhausted("queue_full", "")).status, 503);
}

TEST(HttpHead, LetsNothingBeginAHeaderOfItsOwn) {
  HttpResponse response = HttpResponse::Text(418, "x");
  response.SetHeader("X-Name", "a\r\nSet-Cookie: b");
  response.SetHeader("Content-Length", "999");
  std::string head;
  AppendHead(head, response, {.length = 1, .close = true}, HttpDate(784111777));
  EXPECT_EQ(
      head,
      "HTTP/1.1 418 Status\r\nContent-Type: text/plain; charset=utf-8\r\nX-Name: a  Set-Cookie: "
      "b\r\n"
      "Content-Length: 1\r\nConnection: close\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
}

class RouterTest : public testing::Test {
 protected:
  void Add(const char* method, const char* pattern) {
    router_.AddBlocking(method, pattern, [](HttpRequest&) { return HttpResponse(); });
  }
  // "pattern value value...", or "405: GET" or "404".
  std::string Find(const char* method, const std::string& path) {
    const Router::Match match = router_.state().Find(method, path);
    if (match.route == nullptr) return match.allow.empty() ? "404" : "405: " + match.allow;
    std::string found = match.route->pattern;
    for (const std::string& value : match.values) found += " " + value;
    return found;
  }
  Router router_;
};

TEST_F(RouterTest, PrefersLiteralsAndTriesAgain) {
  Add("GET", "/models/{name}");
  Add("GET", "/models/list");
  Add("GET", "/models/{name}/versions/{version}");
  Add("GET", "/models/list/all");
  EXPECT_EQ(Find("GET", "/models/list"), "/models/list");
  EXPECT_EQ(Find("GET", "/models/x"), "/models/{name} x");
  EXPECT_EQ(Find("GET", "/models/list/versions/3"), "/models/{name}/versions/{version} list 3");
  EXPECT_EQ(Find("GET", "/models/"), "404");
  EXPECT_EQ(Find("GET", "/models/x/"), "404");
  EXPECT_EQ(Find("GET", "/"), "404");
}

TEST_F(RouterTest, KnowsEndingsAndRests) {
  Add("POST", "/v1/models/{name}:predict");
  Add("GET", "/v1/models/{name}");
  Add("GET", "/files/{path...}");
  Add("GET", "/");
  EXPECT_EQ(Find("POST", "/v1/models/m:predict"), "/v1/models/{name}:predict m");
  EXPECT_EQ(Find("POST", "/v1/models/m:other"), "405: GET, HEAD, OPTIONS");
  EXPECT_EQ(Find("POST", "/v1/models/:predict"), "405: GET, HEAD, OPTIONS");
  EXPECT_EQ(Find("GET", "/files/a/b%20c"), "/files/{path...} a/b c");
  EXPECT_EQ(Find("GET", "/files"), "404");
  EXPECT_EQ(Find("GET", "/"), "/");
}

TEST_F(RouterTest, KeepsAnEncodedSlashInItsSegment) {
  Add("GET", "/models/{name}/x");
  EXPECT_EQ(Find("GET", "/models/a%2Fb/x"), "/models/{name}/x a/b");
}

TEST_F(RouterTest, SaysWhichMethodsAPathHas) {
  Add("GET", "/a/{b}");
  Add("DELETE", "/a/{c}");
  EXPECT_EQ(Find("HEAD", "/a/x"), "/a/{b} x");
  EXPECT_EQ(Find("PUT", "/a/x"), "405: DELETE, GET, HEAD, OPTIONS");
  EXPECT_EQ(router_.List(), (std::vector<std::string>{"GET /a/{b}", "DELETE /a/{c}"}));
}

TEST_F(RouterTest, DoesNotFollowEndlessPaths) {
  Add("GET", "/{path...}");
  std::string path;
  for (int i = 0; i < 100; ++i) path += "/a";
  EXPECT_EQ(Find("GET", path), "404");
}

TEST(Address, ReadsHostAndPort) {
  EXPECT_EQ(ParseHostPort("127.0.0.1:80")->port, 80);
  EXPECT_EQ(ParseHostPort("[::1]:0")->host, "::1");
  for (const char* text : {"", "x", ":80", "x:", "x:70000", "x:-1", "::1:80", "x:8a"}) {
    EXPECT_FALSE(ParseHostPort(text).ok()) << text;
  }
}

TEST(Address, KnowsWhatIsInsideANetwork) {
  const auto list = AllowList::Parse({"10.0.0.0/9", "192.168.1.7", "fd00::/8"});
  ASSERT_TRUE(list.ok());
  for (const char* inside : {"10.127.255.255", "192.168.1.7", "fd12::1", "::ffff:10.1.2.3"}) {
    EXPECT_TRUE(list->Allows(*IpAddress::Parse(inside))) << inside;
  }
  for (const char* outside : {"10.128.0.0", "192.168.1.8", "fe80::1", "::1", "127.0.0.1"}) {
    EXPECT_FALSE(list->Allows(*IpAddress::Parse(outside))) << outside;
  }
  EXPECT_TRUE(AllowList::Parse({"*"})->Allows(*IpAddress::Parse("8.8.8.8")));
  for (const char* bad : {"10.0.0.0/33", "10.0.0/8", "x", "::/129", "10.0.0.0/"}) {
    EXPECT_FALSE(AllowList::Parse({bad}).ok()) << bad;
  }
}

}  // namespace
}  // namespace slipway::net
