// SPDX-License-Identifier: Apache-2.0
// The webhook against a real HTTP server that answers well, badly, late and not at all.
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/hash.h"
#include "monitoring/webhook_sink.h"
#include "net/http_server.h"

namespace slipway::monitoring {
namespace {

constexpr base::Micros kNow = 1'363'046'400 * base::kSecond;

class WebhookSinkStore : public testing::Test {
 protected:
  void SetUp() override {
    router_.AddBlocking("POST", "/hook", [this](net::HttpRequest& request) {
      const std::lock_guard lock(mutex_);
      for (const net::Header& header : request.headers) headers_[header.name] = header.value;
      body_ = request.body;
      net::HttpResponse response = net::HttpResponse::Text(status_, "from the receiver");
      if (!retry_after_.empty()) response.SetHeader("Retry-After", retry_after_);
      return response;
    });
    router_.Add("POST", "/silent", [this](net::HttpRequest, net::Respond respond) {
      const std::lock_guard lock(mutex_);
      silent_ = std::move(respond);
    });
    net::HttpServerSettings settings;
    settings.listen = "127.0.0.1:0";
    server_ = std::make_unique<net::HttpServer>(settings, router_, pool_, metrics_);
    ASSERT_EQ(server_->Start().ToString(), "OK");
    url_ = "http://127.0.0.1:" + std::to_string(server_->port());
  }
  void TearDown() override {
    {
      const std::lock_guard lock(mutex_);
      if (silent_) (*silent_)(net::HttpResponse::Text(200, ""));
    }
    server_->Stop();
  }
  Delivery Post(const std::string& path, const std::string& secret = "",
                base::Micros timeout = 10 * base::kSecond) {
    net::HttpClientSettings settings;
    settings.timeout = {timeout};
    const net::HttpClient client(settings);
    const auto sink = MakeWebhookSink({url_ + path, secret}, client);
    return sink->Deliver({"msg_1", "alert.firing", "inc_1", R"({"type":"alert.firing"})", kNow},
                         kNow);
  }
  std::string HeaderOf(const std::string& name) {
    for (const auto& [key, value] : headers_) {
      if (key.size() == name.size() &&
          std::equal(key.begin(), key.end(), name.begin(), [](char a, char b) {
            return std::tolower(static_cast<unsigned char>(a)) ==
                   std::tolower(static_cast<unsigned char>(b));
          })) {
        return value;
      }
    }
    return "";
  }

  std::mutex mutex_;
  int status_ = 200;
  std::string retry_after_;
  std::map<std::string, std::string> headers_;
  std::string body_;
  std::optional<net::Respond> silent_;
  base::Metrics metrics_;
  base::ThreadPool pool_{"blocking", 2, 10};
  net::Router router_;
  std::unique_ptr<net::HttpServer> server_;
  std::string url_;
};

TEST_F(WebhookSinkStore, PostsTheAlertSignedByTheStandard) {
  EXPECT_EQ(Post("/hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").outcome,
            Delivery::Outcome::kDelivered);
  EXPECT_EQ(body_, R"({"type":"alert.firing"})");
  EXPECT_EQ(HeaderOf("Content-Type"), "application/json");
  EXPECT_EQ(HeaderOf("webhook-id"), "msg_1");
  EXPECT_EQ(HeaderOf("webhook-timestamp"), "1363046400");
  // The key is what base64 gives: 24 bytes that begin 31 f2 90 f6.
  const std::string key =
      "\x31\xf2\x90\xf6\xbf\x06\x29\x8a\xab\x4f\x08\xd4\x3c\x3f\x08\x2c\xf6\x48\xa3\x62\xda\x2d\xa4"
      "\xb0";
  EXPECT_EQ(HeaderOf("webhook-signature"),
            "v1," + base::Base64Encode(base::HmacSha256(key, "msg_1.1363046400." + body_)));
}

TEST_F(WebhookSinkStore, TakesPlainTextAsTheKeyAndSignsNothingWithoutOne) {
  Post("/hook", "plain");
  EXPECT_EQ(HeaderOf("webhook-signature"),
            "v1," + base::Base64Encode(base::HmacSha256("plain", "msg_1.1363046400." + body_)));
  headers_.clear();
  Post("/hook");
  EXPECT_EQ(HeaderOf("webhook-signature"), "");
}

TEST_F(WebhookSinkStore, ComesBackLaterWhenTheReceiverIsBusyOrBroken) {
  for (const int status : {408, 425, 429, 500, 503}) {
    status_ = status;
    const Delivery delivery = Post("/hook");
    EXPECT_EQ(delivery.outcome, Delivery::Outcome::kRetry) << status;
    EXPECT_EQ(delivery.detail, "answered " + std::to_string(status) + " from the receiver");
    EXPECT_FALSE(delivery.retry_after.has_value());
  }
  retry_after_ = "120";
  EXPECT_EQ(Post("/hook").retry_after, 120 * base::kSecond);
}

TEST_F(WebhookSinkStore, DoesNotComeBackAfterARefusal) {
  for (const int status : {400, 401, 404, 410, 302}) {
    status_ = status;
    EXPECT_EQ(Post("/hook").outcome, Delivery::Outcome::kRejected) << status;
  }
}

TEST_F(WebhookSinkStore, ComesBackWhenNobodyAnswersInTime) {
  EXPECT_EQ(Post("/silent", "", 200 * base::kMillisecond).outcome, Delivery::Outcome::kRetry);
}

TEST_F(WebhookSinkStore, ComesBackWhenNobodyListens) {
  server_->Stop();
  EXPECT_EQ(Post("/hook").outcome, Delivery::Outcome::kRetry);
}

TEST_F(WebhookSinkStore, NeverPostsToAnAddressThatIsNotAllowed) {
  net::HttpClientSettings settings;
  settings.allow = {"10.0.0.0/8"};
  const net::HttpClient client(settings);
  const auto sink = MakeWebhookSink({url_ + "/hook", ""}, client);
  const Delivery delivery = sink->Deliver({"m", "t", "i", "{}", kNow}, kNow);
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::kRejected);
  EXPECT_TRUE(body_.empty());
}

}  // namespace
}  // namespace slipway::monitoring
