// SPDX-License-Identifier: Apache-2.0
#include "base/config.h"

#include <gtest/gtest.h>

namespace slipway::base {
namespace {

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    schema_.Add("http.listen", &listen_, "Where to listen.");
    schema_.Add("http.io_threads", &threads_, "Threads.", 1, 64);
    schema_.Add("drift.threshold", &threshold_, "PSI.", 0.0, 1.0);
    schema_.Add("drift.enabled", &enabled_, "On.");
    schema_.Add("drift.window", &window_, "Window.", Duration{kSecond}, Duration{kDay});
    schema_.Add("client.allow", &allow_, "Networks.");
    schema_.AddJson("policies", &policies_, "Policies.");
    schema_.AddChoice("log.format", &format_, "Format.", {"human", "json"});
  }

  std::string Fail(const std::string& yaml) {
    const Status status =
        schema_.Apply({.yaml = yaml, .yaml_name = "slipway.yaml", .environment = {}, .flags = {}});
    return status.ok() ? "accepted" : status.message();
  }

  Schema schema_;
  std::string listen_ = "127.0.0.1:8080";
  int64_t threads_ = 1;
  double threshold_ = 0.2;
  bool enabled_ = true;
  Duration window_{kHour};
  std::vector<std::string> allow_ = {"127.0.0.0/8"};
  Json policies_;
  std::string format_ = "human";
};

TEST_F(ConfigTest, LaterOriginsWin) {
  const Status status = schema_.Apply({
      .yaml = "http:\n  listen: a:1\n  io_threads: 2\ndrift:\n  window: 1h30m\n",
      .yaml_name = "slipway.yaml",
      .environment = {{"SLIPWAY_HTTP_LISTEN", "b:2"},
                      {"SLIPWAY_DRIFT_ENABLED", "false"},
                      {"HOME", "/x"}},
      .flags = {{"http.listen", "c:3"}},
  });
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(listen_, "c:3");
  EXPECT_EQ(threads_, 2);
  EXPECT_FALSE(enabled_);
  EXPECT_EQ(window_.micros, 90 * kMinute);
  const auto rows = schema_.Rows();
  EXPECT_EQ(rows[0].origin, Origin::kFlag);
  EXPECT_EQ(rows[0].where, "--http-listen");
  EXPECT_EQ(rows[0].default_value, "127.0.0.1:8080");
  EXPECT_EQ(rows[1].origin, Origin::kFile);
  EXPECT_EQ(rows[1].where, "slipway.yaml:3:15");
  EXPECT_EQ(rows[2].origin, Origin::kDefault);
  EXPECT_EQ(rows[3].where, "SLIPWAY_DRIFT_ENABLED");
}

TEST_F(ConfigTest, NamesLineColumnAndTheNearestKey) {
  EXPECT_EQ(Fail("http:\n  listn: a:1\n"),
            "slipway.yaml:2:3: unknown setting \"http.listn\"; did you mean \"http.listen\"?");
  EXPECT_EQ(Fail("completely_else: 1\n"), "slipway.yaml:1:1: unknown setting \"completely_else\"");
  EXPECT_EQ(Fail("http:\n  io_threads: 65\n"),
            "slipway.yaml:2:15: http.io_threads: expected an integer from 1 to 64, got \"65\"");
  EXPECT_EQ(Fail("http:\n  io_threads: [1]\n"),
            "slipway.yaml:2:15: http.io_threads: expected one value (integer)");
  EXPECT_EQ(Fail("http: 3\n"), "slipway.yaml:1:7: http: expected a mapping of settings");
  EXPECT_EQ(Fail("log:\n  format: xml\n"),
            "slipway.yaml:2:11: log.format: expected one of human,json, got \"xml\"");
  EXPECT_EQ(Fail("http:\n  listen: a\n  listen: b\n"),
            "slipway.yaml:3:3: http.listen: this setting stands twice");
  EXPECT_EQ(Fail("a: [\n").substr(0, 15), "slipway.yaml:2:");
}

TEST_F(ConfigTest, RefusesValuesOfTheWrongKind) {
  for (const auto& [key, text] :
       std::vector<std::pair<std::string, std::string>>{{"http.io_threads", "1.5"},
                                                        {"drift.threshold", "nan"},
                                                        {"drift.threshold", "2"},
                                                        {"drift.enabled", "yes"},
                                                        {"drift.window", "5"},
                                                        {"drift.window", "2d"},
                                                        {"policies", "{"}}) {
    ConfigInput input;
    input.flags[key] = text;
    EXPECT_EQ(schema_.Apply(input).reason(), "bad_setting") << key << "=" << text;
  }
}

TEST_F(ConfigTest, ChangesNothingOnAnError) {
  ConfigInput input;
  input.yaml = "http:\n  listen: changed:1\nclient:\n  allow: [x]\n";
  input.flags = {{"drift.threshold", "high"}};
  EXPECT_FALSE(schema_.Apply(input).ok());
  EXPECT_EQ(listen_, "127.0.0.1:8080");
  EXPECT_EQ(allow_, std::vector<std::string>{"127.0.0.0/8"});
  EXPECT_EQ(schema_.Rows()[0].origin, Origin::kDefault);
}

TEST_F(ConfigTest, RefusesUnknownEnvironmentAndFlags) {
  ConfigInput environment;
  environment.environment = {{"SLIPWAY_HTTP_LISTEM", "x"}};
  EXPECT_EQ(schema_.Apply(environment).message(),
            "unknown setting in the environment: SLIPWAY_HTTP_LISTEM; did you mean "
            "\"SLIPWAY_HTTP_LISTEN\"?");
  ConfigInput flag;
  flag.flags = {{"http.nothing_like_it", "x"}};
  EXPECT_EQ(schema_.Apply(flag).reason(), "unknown_setting");
}

TEST_F(ConfigTest, ReadsListsAndTrees) {
  ASSERT_EQ(Fail("client:\n  allow: [10.0.0.0/8, '*']\npolicies:\n  - name: retrain\n    when: "
                 "{psi: 0.2, n: 3}\n"
                 "    quoted: '3'\n    none:\n    on: true\n    word: inf\n"),
            "accepted");
  EXPECT_EQ(allow_, (std::vector<std::string>{"10.0.0.0/8", "*"}));
  EXPECT_EQ(
      policies_.Dump(),
      R"([{"name":"retrain","when":{"psi":0.2,"n":3},"quoted":"3","none":null,"on":true,"word":"inf"}])");
  ConfigInput flags;
  flags.flags = {{"client.allow", "a,b"}, {"policies", R"({"x":1})"}};
  ASSERT_TRUE(schema_.Apply(flags).ok());
  EXPECT_EQ(allow_, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(policies_.Dump(), R"({"x":1})");
}

TEST_F(ConfigTest, RefusesAliasBombs) {
  std::string yaml = "policies:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 8; ++i) {
    yaml += "  a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) yaml += (j > 0 ? ", *a" : "*a") + std::to_string(i - 1);
    yaml += "]\n";
  }
  EXPECT_NE(Fail(yaml).find("too large or too deep"), std::string::npos);
}

TEST_F(ConfigTest, PrintsItsJsonSchema) {
  const auto schema = Json::Parse(schema_.ToJsonSchema());
  ASSERT_TRUE(schema.ok());
  const Json* http = schema->Find("properties")->Find("http");
  ASSERT_NE(http, nullptr);
  EXPECT_EQ(http->Find("properties")->Find("io_threads")->Dump(),
            R"({"type":"integer","minimum":1,"maximum":64,"description":"Threads."})");
}

}  // namespace
}  // namespace slipway::base
