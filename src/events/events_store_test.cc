// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "events/migrations.h"
#include "storage/database.h"
#include "storage/databases_testing.h"

namespace slipway::events {
namespace {

using base::Code;
using base::Json;
using base::Status;

class EventsStore : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_EQ(database_->Migrate(Migrations()).ToString(), "OK"); }
  Status Add(const std::string& type, const std::string& subject = "model/flights",
             Json data = Json()) {
    return database_->Write([&](storage::Transaction& transaction) {
      Event event;
      event.type = type;
      event.subject = subject;
      event.actor = {"ada", "http 127.0.0.1:5", ""};
      event.data = data;
      return log_.Append(transaction, std::move(event));
    });
  }
  void Run(std::string_view sql) {
    const Status status = database_->Write([&](storage::Transaction& transaction) -> Status {
      TRY(transaction.Execute(sql));
      return Status::Ok();
    });
    ASSERT_EQ(status.ToString(), "OK");
  }
  std::string Broken() { return log_.VerifyChain().status().message(); }
  std::vector<int64_t> Sequences(const EventFilter& filter) {
    std::vector<int64_t> sequences;
    const auto events = log_.List(filter);
    for (const Event& event : *events) sequences.push_back(event.sequence);
    return sequences;
  }

  storage::TestDatabase database_{GetParam()};
  base::DrivenClock clock_{1'000'000};
  EventLog log_{*database_, clock_};
};

TEST_P(EventsStore, ListsWhatWasAppended) {
  const Json data = Json::MakeObject({{"from", "staging"}, {"share", 0.05}, {"n", 3}});
  ASSERT_TRUE(Add("version.stage_changed", "model/flights/version/3", data).ok());
  const auto events = log_.List({}).value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].sequence, 1);
  EXPECT_EQ(events[0].time, 1'000'000);
  EXPECT_EQ(events[0].type, "version.stage_changed");
  EXPECT_EQ(events[0].subject, "model/flights/version/3");
  EXPECT_EQ(events[0].actor.name, "ada");
  EXPECT_EQ(events[0].actor.source, "http 127.0.0.1:5");
  EXPECT_EQ(events[0].data, data);
  EXPECT_EQ(events[0].hash.size(), 64u);
  EXPECT_EQ(ToJson(events[0]).Find("time")->AsString(), "1970-01-01T00:00:01.000000Z");
}

TEST_P(EventsStore, AnEventExistsExactlyIfItsChangeDoes) {
  const Status status = database_->Write([&](storage::Transaction& transaction) -> Status {
    Event event;
    event.type = "version.created";
    TRY(log_.Append(transaction, event));
    return base::FailedPrecondition("no", "the change failed after all");
  });
  EXPECT_EQ(status.reason(), "no");
  EXPECT_EQ(log_.LastSequence(), 0);
  ASSERT_TRUE(Add("version.created").ok());
  EXPECT_EQ(log_.LastSequence(), 1);  // no gap
}

TEST_P(EventsStore, SequenceHasNoGapsUnderManyWriters) {
  constexpr int kThreads = 8;
  constexpr int kEach = 20;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const Status status = database_->Write([&](storage::Transaction& transaction) -> Status {
          Event event;
          event.type = "x";
          TRY(log_.Append(transaction, event));
          return (i + t) % 4 == 0 ? base::FailedPrecondition("no", "rolled back") : Status::Ok();
        });
        EXPECT_TRUE(status.ok() || status.reason() == "no") << status.ToString();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(log_.LastSequence(), kThreads * kEach * 3 / 4);
  EXPECT_TRUE(log_.VerifyChain().ok());
}

TEST_P(EventsStore, FiltersByTypeSubjectTimeAndPlace) {
  ASSERT_TRUE(Add("version.created", "model/a").ok());
  ASSERT_TRUE(Add("version.stage_changed", "model/b").ok());
  ASSERT_TRUE(clock_.Advance(2'000'000).ok());
  ASSERT_TRUE(Add("Version.created", "model/b").ok());
  ASSERT_TRUE(Add("versionXcreated", "model/%").ok());
  EXPECT_EQ(Sequences({}), (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(Sequences({.type_prefix = "version."}), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(Sequences({.subject_prefix = "model/b"}), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(Sequences({.subject_prefix = "model/%"}), (std::vector<int64_t>{4}));
  EXPECT_EQ(Sequences({.type_prefix = "version.", .subject_prefix = "model/b"}),
            (std::vector<int64_t>{2}));
  EXPECT_EQ(Sequences({.after_sequence = 1, .limit = 2}), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(Sequences({.since = 2'000'000}), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(Sequences({.limit = 2, .newest_first = true}), (std::vector<int64_t>{4, 3}));
  EXPECT_EQ(log_.List({.limit = 1001}).status().field(), "limit");
}

TEST_P(EventsStore, RefusesWhatIsNotAnEvent) {
  EXPECT_EQ(Add("").field(), "type");
  EXPECT_EQ(Add("x", "y", Json::MakeArray({1})).field(), "data");
  EXPECT_EQ(Add("x", std::string(kMaxEventBytes, 's')).code(), Code::kInvalidArgument);
  EXPECT_EQ(log_.LastSequence(), 0);
}

TEST_P(EventsStore, WakesSubscribersAfterTheCommit) {
  std::vector<int64_t> woken;
  const int64_t id = log_.Subscribe([&](int64_t last) {
    EXPECT_EQ(database_->Query("SELECT MAX(sequence) FROM events").value()[0].Int(0), last);
    woken.push_back(last);
  });
  ASSERT_TRUE(Add("a").ok());
  ASSERT_TRUE(Add("b").ok());
  log_.Unsubscribe(id);
  ASSERT_TRUE(Add("c").ok());
  EXPECT_EQ(woken, (std::vector<int64_t>{1, 2}));
}

TEST_P(EventsStore, AChangeOfHistoryShows) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Add("x", "subject/" + std::to_string(i)).ok());
  ASSERT_TRUE(log_.VerifyChain().ok());
  Run("UPDATE events SET actor = 'mallory' WHERE sequence = 3");
  const Status broken = log_.VerifyChain().status();
  EXPECT_EQ(broken.code(), Code::kDataLoss);
  EXPECT_EQ(broken.reason(), "chain_broken");
  EXPECT_NE(broken.message().find("event 3 "), std::string::npos) << broken.message();
  Run("UPDATE events SET actor = 'ada' WHERE sequence = 3");
  ASSERT_TRUE(log_.VerifyChain().ok());
  Run("DELETE FROM events WHERE sequence = 2");
  EXPECT_NE(Broken().find("event 2 is missing"), std::string::npos) << Broken();
}

TEST_P(EventsStore, EventsThatChangedPlacesAreNamed) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Add("x", "subject/" + std::to_string(i)).ok());
  Run("UPDATE events SET sequence = 99 WHERE sequence = 2");
  Run("UPDATE events SET sequence = 2 WHERE sequence = 4");
  Run("UPDATE events SET sequence = 4 WHERE sequence = 99");
  EXPECT_NE(Broken().find("event 2 was moved: it stands as event 4"), std::string::npos)
      << Broken();
}

TEST_P(EventsStore, ALogThatWasCutOffShowsByWhatItsReadersHaveSeen) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Add("x").ok());
  EventReader reader(log_, *database_, "follower");
  ASSERT_EQ(reader.ProcessBatch([](const Event&) { return Status::Ok(); }).value(), 5);
  Run("DELETE FROM events WHERE sequence > 3");
  EXPECT_NE(Broken().find("event 4 is missing: the log was cut off, reader 'follower' had come to "
                          "event 5"),
            std::string::npos)
      << Broken();
}

TEST_P(EventsStore, ANotedHeadShowsALogThatWasWrittenAnew) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Add("x").ok());
  const ChainHead noted = log_.VerifyChain().value();
  EXPECT_EQ(noted.sequence, 3);
  ASSERT_TRUE(Add("x").ok());
  EXPECT_TRUE(log_.VerifyChain(noted).ok());
  Run("DELETE FROM events");
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(Add("y").ok());
  ASSERT_TRUE(log_.VerifyChain().ok());
  EXPECT_NE(log_.VerifyChain(noted).status().message().find("event 3 is missing"),
            std::string::npos);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(Add("y").ok());
  EXPECT_NE(log_.VerifyChain(noted).status().message().find("event 3 has another hash"),
            std::string::npos);
}

TEST_P(EventsStore, TheActorsReasonIsKeptWithTheEvent) {
  ASSERT_TRUE(database_
                  ->Write([&](storage::Transaction& transaction) {
                    Event event;
                    event.type = "x";
                    event.actor = {"ada", "http 127.0.0.1:5", "ticket 12"};
                    return log_.Append(transaction, std::move(event));
                  })
                  .ok());
  EXPECT_EQ(log_.List({}).value()[0].data.Find("reason")->AsString(), "ticket 12");
  EXPECT_TRUE(log_.VerifyChain().ok());
}

TEST_P(EventsStore, ANewLogGoesOnWithTheChain) {
  ASSERT_TRUE(Add("a").ok());
  database_.Reopen();
  EventLog later(*database_, clock_);
  ASSERT_TRUE(database_
                  ->Write([&](storage::Transaction& transaction) {
                    Event event;
                    event.type = "b";
                    return later.Append(transaction, event);
                  })
                  .ok());
  EXPECT_EQ(later.LastSequence(), 2);
  EXPECT_TRUE(later.VerifyChain().ok());
}

TEST_P(EventsStore, AReaderTakesEachEventInOrderAndGoesOnAfterARestart) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Add(i % 2 == 0 ? "even" : "odd").ok());
  std::vector<int64_t> seen;
  const auto handle = [&](const Event& event) {
    seen.push_back(event.sequence);
    return Status::Ok();
  };
  EXPECT_EQ(EventReader(log_, *database_, "lifecycle").ProcessBatch(handle, 3).value(), 3);
  EventReader after_restart(log_, *database_, "lifecycle");
  EXPECT_EQ(after_restart.ProcessBatch(handle, 3).value(), 2);
  EXPECT_EQ(after_restart.ProcessBatch(handle, 3).value(), 0);
  EXPECT_EQ(seen, (std::vector<int64_t>{1, 2, 3, 4, 5}));
}

TEST_P(EventsStore, AReadersFailureBringsTheSameEventAgain) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Add("x").ok());
  EventReader reader(log_, *database_, "webhooks");
  std::vector<int64_t> seen;
  bool away = true;
  const auto handle = [&](const Event& event) -> Status {
    seen.push_back(event.sequence);
    if (event.sequence == 2 && away) return base::Unavailable("away", "try later");
    return Status::Ok();
  };
  EXPECT_EQ(reader.ProcessBatch(handle).status().reason(), "away");
  EXPECT_EQ(log_.Position("webhooks").value(), 1);
  away = false;
  EXPECT_EQ(reader.ProcessBatch(handle).value(), 2);
  EXPECT_EQ(seen, (std::vector<int64_t>{1, 2, 2, 3}));
}

TEST_P(EventsStore, AFilteringReaderPassesOverTheRestForGood) {
  ASSERT_TRUE(Add("wanted").ok());
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Add("other").ok());
  EventReader reader(log_, *database_, "alerts", {.type_prefix = "wanted"});
  EXPECT_EQ(reader.ProcessBatch([](const Event&) { return Status::Ok(); }).value(), 1);
  EXPECT_EQ(log_.Position("alerts").value(), 5);
}

INSTANTIATE_TEST_SUITE_P(Databases, EventsStore, testing::ValuesIn(storage::DatabaseKinds()),
                         [](const auto& kind) { return kind.param; });

}  // namespace
}  // namespace slipway::events
