// SPDX-License-Identifier: Apache-2.0
// The outbox over both databases, step by step, with a receiver that answers what it is told to.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/status.h"
#
#include "net/http.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "registry/registry.h"
#include "registry/registry_testing.h"
#include "registry/webhooks.h"
#include "storage/databases_testing.h"

namespace slipway::registry {
namespace {

constexpr const char* kTagSet = "model_version_tag.set";

class WebhooksStore : public testing::TestWithParam<std::string>, protected RegistryHouse {
 protected:
  WebhooksStore() : RegistryHouse(GetParam()) {
    router_.Add("POST", "/hook",
                [this](const net::HttpRequest& request, const net::Respond& respond) {
                  {
                    const std::lock_guard lock(mutex_);
                    const base::Json data = *base::Json::Parse(request.body).value().Find("data");
                    got_.push_back(data.Find("key")->AsString());
                    ids_.emplace_back(request.GetHeader("X-MLflow-Delivery-Id"));
                  }
                  respond(net::HttpResponse::Text(answer_, "noted"));
                });
    Must(server_.Start());
    NewVersion();
    Restart();
  }

  void Restart() {
    webhooks_ = std::make_unique<Webhooks>(*database_, events_, clock_, client_, metrics_);
  }
  Webhook Wanted() {
    Webhook webhook;
    webhook.name = "hook";
    webhook.url = "http://127.0.0.1:" + std::to_string(server_.port()) + "/hook";
    webhook.events = {kTagSet};
    return webhook;
  }
  void Later(base::Micros pause) { Must(clock_.Advance(clock_.Now() + pause)); }
  std::string Hook() { return webhooks_->Create(Wanted(), kAda).value().id; }
  void Tag(const std::string& key) {
    Later(base::kMillisecond);
    Must(registry_->SetVersionTag("fraud", 1, key, "v", kAda));
  }
  void SetActive(const std::string& id, bool active) {
    Later(base::kMillisecond);
    WebhookChange change;
    change.active = active;
    Must(webhooks_->Update(id, change, kAda).status());
  }
  // What came since the last time.
  std::vector<std::string> Got() {
    const std::lock_guard lock(mutex_);
    return std::exchange(got_, {});
  }

  std::atomic<int> answer_ = 200;
  std::mutex mutex_;
  std::vector<std::string> got_;
  std::vector<std::string> ids_;
  net::Router router_;
  base::ThreadPool pool_{"test", 1, 10};
  base::Metrics metrics_;
  net::HttpServer server_{{.listen = "127.0.0.1:0"}, router_, pool_, metrics_};
  net::HttpClient client_{{}};
  std::unique_ptr<Webhooks> webhooks_;
};

using Keys = std::vector<std::string>;

TEST_P(WebhooksStore, TellsInOrderFromItsCreationOn) {
  Tag("before");
  Later(base::kMillisecond);
  Hook();
  Tag("a");
  Tag("b");
  EXPECT_EQ(webhooks_->Step().value(), 2);
  EXPECT_EQ(Got(), (Keys{"a", "b"}));
  EXPECT_EQ(webhooks_->Step().value(), 0);
  EXPECT_EQ(Got(), Keys{});
}

TEST_P(WebhooksStore, TriesAgainWithGrowingPausesAlsoAfterARestart) {
  Hook();
  Tag("a");
  Tag("b");
  answer_ = 503;
  ASSERT_TRUE(webhooks_->Step().ok());
  ASSERT_TRUE(webhooks_->Step().ok());
  EXPECT_EQ(Got(), Keys{"a"}) << "its turn has not come, and b waits behind it";
  Later(base::kSecond);
  answer_ = 429;
  ASSERT_TRUE(webhooks_->Step().ok());
  EXPECT_EQ(Got(), Keys{"a"});
  Restart();
  Later(base::kSecond);
  answer_ = 200;
  ASSERT_TRUE(webhooks_->Step().ok());
  EXPECT_EQ(Got(), Keys{}) << "the second pause is twice as long";
  Later(base::kSecond);
  EXPECT_EQ(webhooks_->Step().value(), 2);
  EXPECT_EQ(Got(), (Keys{"a", "b"}));
  EXPECT_EQ(ids_[0], ids_[2]);
  EXPECT_NE(ids_[2], ids_[3]);
}

TEST_P(WebhooksStore, ARefusalAndThreeDaysEndIt) {
  Hook();
  Tag("refused");
  answer_ = 404;
  ASSERT_TRUE(webhooks_->Step().ok());
  EXPECT_EQ(Got(), Keys{"refused"});
  Tag("old");
  answer_ = 503;
  ASSERT_TRUE(webhooks_->Step().ok());
  Later(3 * base::kDay);
  ASSERT_TRUE(webhooks_->Step().ok());
  EXPECT_EQ(Got(), (Keys{"old", "old"}));
  Later(base::kDay);
  ASSERT_TRUE(webhooks_->Step().ok());
  EXPECT_EQ(Got(), Keys{});
}

TEST_P(WebhooksStore, DisabledItIsToldNothingThatWaitedOrHappenedMeanwhile) {
  const std::string id = Hook();
  Tag("waited");
  answer_ = 503;
  ASSERT_TRUE(webhooks_->Step().ok());
  EXPECT_EQ(Got(), Keys{"waited"});
  answer_ = 200;
  SetActive(id, false);
  Later(base::kHour);
  Tag("meanwhile");  // read from the log only once it is active
  SetActive(id, true);
  Tag("after");
  ASSERT_TRUE(webhooks_->Step().ok());
  EXPECT_EQ(Got(), Keys{"after"});
  ASSERT_TRUE(webhooks_->Delete(id, kAda).ok());
  Tag("deleted");
  ASSERT_TRUE(webhooks_->Step().ok());
  EXPECT_EQ(Got(), Keys{});
}

TEST_P(WebhooksStore, RefusesWhatItCannotTell) {
  const auto field = [&](auto change) {
    Webhook webhook = Wanted();
    change(webhook);
    return webhooks_->Create(webhook, kAda).status().field();
  };
  EXPECT_EQ(field([](Webhook& webhook) { webhook.name = "-a"; }), "name");
  EXPECT_EQ(field([](Webhook& webhook) { webhook.url = "ftp://127.0.0.1/"; }), "url");
  EXPECT_EQ(field([](Webhook& webhook) { webhook.events.clear(); }), "events");
  EXPECT_EQ(field([](Webhook& webhook) { webhook.events = {"prompt.created"}; }), "events");
  EXPECT_TRUE(webhooks_->List().value().empty());
  EXPECT_EQ(webhooks_->Get("none").status().reason(), "webhook_not_found");
  EXPECT_EQ(webhooks_->Delete("none", kAda).reason(), "webhook_not_found");
}

INSTANTIATE_TEST_SUITE_P(Databases, WebhooksStore, testing::ValuesIn(storage::DatabaseKinds()));

}  // namespace
}  // namespace slipway::registry
